//! `docs/control-endpoint.md` shows what really happens: its commands are run again, by a shell. With
//! `ASCRIBE_BLESS=1`, the run is written anew.

use std::{env, fs, path::PathBuf, process::Command};

use crate::story::Story;

const BEGIN: &str = "<!-- transcript:begin -->\n";
const END: &str = "<!-- transcript:end -->";
/// What the reader is shown. Everything in the story is the same every time.
const COMMANDS: [&str; 9] = [
    r#"alias ask='curl --silent --header "Authorization: Bearer $TOKEN" --json'"#,
    r#"curl -s -H "Authorization: Bearer $TOKEN" "${ENDPOINT}state" | grep -o '"status_text":"[^"]*"'"#,
    r#"ask '{"enabled": 1}' "${ENDPOINT}local-testing-mode""#,
    r#"ask '{"enabled": true}' "${ENDPOINT}local-testing-mode""#,
    r#"ask '{"by": "1h"}' "${ENDPOINT}advance""#,
    r#"ask '{}' "${ENDPOINT}send-pending-reports""#,
    r#"curl -s -H "Authorization: Bearer $TOKEN" "${ENDPOINT}reports" | grep -o '"contributions":[^]]*]'"#,
    r#"ask '{"origin": "https://ads.test"}' "${ENDPOINT}clear""#,
    r#"curl -s "${ENDPOINT}state""#,
];

/// What a shell prints for each command, with the commands.
fn run(endpoint: &str, token: &str) -> String {
    let mut shown = "```console\n".to_owned();
    let mut script = "shopt -s expand_aliases\n".to_owned();
    for command in COMMANDS {
        let before = format!("{script}echo '@@@'\n{command}\n");
        let output = Command::new("bash")
            .args(["-c", &before])
            .env("ENDPOINT", endpoint)
            .env("TOKEN", token)
            .output()
            .expect("bash runs");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        let (_, printed) = stdout.split_once("@@@\n").expect("it began");
        shown.push_str(&format!("$ {command}\n"));
        if command.starts_with("alias") {
            script.push_str(command);
            script.push('\n');
        }
        if !printed.is_empty() {
            shown.push_str(&format!("{}\n", printed.trim_end()));
        }
    }
    shown + "```\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_shows_what_its_commands_print() {
    let story = Story::start(true).await;
    story.conversion();
    story.user_agent.idle().await;
    let (endpoint, token) = (story.internals.endpoint(), story.internals.token().to_owned());
    let actual = tokio::task::spawn_blocking(move || run(&endpoint, &token)).await.expect("it runs");

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/control-endpoint.md");
    let document = fs::read_to_string(&path).expect("it is there");
    let (before, rest) = document.split_once(BEGIN).expect("where it begins");
    let (shown, after) = rest.split_once(END).expect("where it ends");
    if env::var_os("ASCRIBE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, format!("{before}{BEGIN}{actual}{END}{after}")).expect("written");
        return;
    }
    let bless = "ASCRIBE_BLESS=1 cargo test -p ascribe-browser --test internals transcript";
    assert_eq!(shown, actual, "{} differs: {bless}", path.display());
}
