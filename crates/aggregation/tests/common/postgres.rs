//! A PostgreSQL server of the distribution's package.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::tell;

/// A server in a temporary directory; it ends when dropped.
pub(crate) struct Server {
    bin: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts it, if the distribution's package is there.
    pub(crate) fn start() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let bin = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("pg_ctl").exists());
        let Some(bin) = bin else {
            tell("not tested: there is no PostgreSQL server in /usr/lib/postgresql");
            return None;
        };
        let server = Self { bin, folder: tempfile::tempdir().unwrap() };
        if is_root() {
            succeed(Command::new("chown").arg("postgres").arg(server.folder.path()));
        }
        let data = server.folder.path().join("data");
        succeed(
            server
                .program("initdb")
                .args(["--auth=trust", "--username=ascribe", "--no-sync", "-D"])
                .arg(data),
        );
        server.control("start");
        Some(server)
    }

    pub(crate) fn control(&self, action: &str) {
        let folder = self.folder.path();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{}'", folder.display());
        let mut command = self.program("pg_ctl");
        command.args([action, "--wait", "--mode=immediate", "-D"]).arg(folder.join("data"));
        if action == "start" {
            command = self.program("pg_ctl");
            command.args([action, "--wait", "-D"]).arg(folder.join("data"));
            command.arg("-l").arg(folder.join("log")).arg("-o").arg(options);
        }
        succeed(&mut command);
    }

    pub(crate) fn url(&self) -> String {
        let socket = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgresql://ascribe@{socket}/postgres")
    }

    pub(crate) fn query(&self, sql: &str) {
        let socket = self.folder.path();
        succeed(self.program("psql").arg("--host").arg(socket).args([
            "--username=ascribe",
            "postgres",
            "-c",
            sql,
        ]));
    }

    /// PostgreSQL does not run as root.
    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control("stop");
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0"
}

fn succeed(command: &mut Command) {
    // Nothing is piped: a server that goes on would hold the pipe open.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
