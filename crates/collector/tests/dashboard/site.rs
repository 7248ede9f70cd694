//! A collector with a dashboard, and a person who looks at it.

use std::{sync::Arc, time::Duration};

use ascribe_collector::*;
use ascribe_reports::{Endpoint, Time};
use http::{StatusCode, header};
use reqwest::Response;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::support::{campaigns, client};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// 2023-11-14 22:15:00 UTC.
pub(crate) const NOW: i64 = 1_700_000_100;

pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) store: StoreLocation,
    _folder: TempDir,
    _collector: Arc<Collector>,
    _end: oneshot::Sender<()>,
    _task: JoinHandle<()>,
}

/// What a session needs.
pub(crate) struct Person<'s> {
    site: &'s Site,
    pub(crate) cookie: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// `change` may set other options; it is given the folder of files.
    pub(crate) async fn with(change: impl FnOnce(&mut DashboardOptions, &std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreLocation::File(folder.path().join("reports.db"));
        let token = folder.path().join("token");
        secret_file(&token, TOKEN);
        let hash = PasswordHash::new(PASSWORD, [7; 16]).unwrap();
        let access = Access::new(Some(hash)).with_token_file(&token).unwrap();
        let mut options = DashboardOptions::new(access, store.clone());
        change(&mut options, folder.path());
        let clock = Clock::new(|| Time::from_secs(NOW));
        let collector =
            Arc::new(Collector::start(campaigns(), store.clone(), Limits::default(), clock).unwrap());
        let dashboard = Dashboard::new(&collector, options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = collector.public_routes().merge(collector.operations_routes()).merge(dashboard.routes());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn({
            let collector = collector.clone();
            async move { collector.serve(listener, routes, None, async { drop(ended.await) }).await }
        });
        Self { url, store, _folder: folder, _collector: collector, _end: end, _task: task }
    }

    pub(crate) fn insert(&self, reports: &[NewReport]) {
        Store::open(&self.store).unwrap().insert(reports).unwrap();
    }

    /// Sends a report as browsers do.
    pub(crate) async fn post(&self, endpoint: Endpoint, body: &str) -> StatusCode {
        let request = client().post(format!("{}{}", self.url, endpoint.path()));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_owned());
        request.send().await.unwrap().status()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        client().get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Sends the form of the login, as this site's own page does.
    pub(crate) async fn try_password(&self, password: &str) -> Response {
        let form = form(&[("password", password), ("next", "/dashboard/debug")]);
        self.submit("/dashboard/login", form).send().await.unwrap()
    }

    pub(crate) fn submit(&self, path: &str, form: String) -> reqwest::RequestBuilder {
        let request = client().post(format!("{}{path}", self.url)).header(header::ORIGIN, &self.url);
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
    }

    pub(crate) async fn log_in(&self) -> Person<'_> {
        let answer = self.try_password(PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        Person { site: self, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    /// Asks with the token.
    pub(crate) async fn export(&self, path: &str) -> Response {
        let request = client().get(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        request.send().await.unwrap()
    }
}

impl Person<'_> {
    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = client().get(format!("{}{path}", self.site.url)).header(header::COOKIE, &self.cookie);
        request.send().await.unwrap()
    }

    /// A page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    /// The token in the forms of this session.
    pub(crate) async fn csrf(&self) -> String {
        let page = self.page("/dashboard/").await;
        let (_, rest) = page.split_once(r#"name="csrf" value=""#).unwrap();
        rest[..64].to_owned()
    }

    pub(crate) fn submit(&self, path: &str, form: String) -> reqwest::RequestBuilder {
        self.site.submit(path, form).header(header::COOKIE, &self.cookie)
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A file that only its owner reads.
pub(crate) fn secret_file(path: &std::path::Path, text: &str) {
    std::fs::write(path, format!("{text}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

pub(crate) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
