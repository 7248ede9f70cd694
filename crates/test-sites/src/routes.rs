//! Which answer a request gets.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Received, Reply};

type Handler = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

/// The scripts of all sites, which tests change while the sites are served.
#[derive(Default)]
pub(crate) struct Routes(RwLock<HashMap<String, Host>>);

#[derive(Default)]
struct Host {
    exact: HashMap<String, Handler>,
    prefixes: Vec<(String, Handler)>,
    http1_only: bool,
    no_tls: bool,
}

impl Routes {
    /// A path that ends with an asterisk stands for all that begin so; the last one set for a path counts.
    pub(crate) fn set(&self, host: &str, path: &str, handler: Handler) {
        assert!(path.starts_with('/') && !path.contains(['?', '#']), "not a path: {path}");
        self.change(host, |host| match path.strip_suffix('*') {
            None => {
                host.exact.insert(path.to_owned(), handler);
            }
            Some(prefix) => {
                host.prefixes.retain(|(other, _)| other != prefix);
                host.prefixes.push((prefix.to_owned(), handler));
            }
        });
    }

    pub(crate) fn set_http1_only(&self, host: &str) {
        self.change(host, |host| host.http1_only = true);
    }

    pub(crate) fn set_no_tls(&self, host: &str) {
        self.change(host, |host| host.no_tls = true);
    }

    fn change(&self, host: &str, change: impl FnOnce(&mut Host)) {
        let mut hosts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(hosts.entry(host.to_owned()).or_default());
    }

    /// How to shake hands for a host: `None` not at all, else whether HTTP/2 is offered.
    pub(crate) fn offers_http2(&self, host: &str) -> Option<bool> {
        let hosts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(Some(true), |host| (!host.no_tls).then_some(!host.http1_only))
    }

    /// 404 where nothing is scripted.
    pub(crate) fn answer(&self, request: &Received) -> Reply {
        // The lock is not held while the handler runs: it may change routes.
        self.find(request).map_or_else(|| Reply::status(404), |handler| handler(request))
    }

    fn find(&self, request: &Received) -> Option<Handler> {
        let hosts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.get(&request.host)?;
        let path = request.path();
        let longest_prefix = || {
            let prefixes = host.prefixes.iter().filter(|(prefix, _)| path.starts_with(&**prefix));
            prefixes.max_by_key(|(prefix, _)| prefix.len()).map(|(_, handler)| handler)
        };
        host.exact.get(path).or_else(longest_prefix).cloned()
    }
}
