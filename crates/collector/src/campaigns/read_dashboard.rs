//! Reading `[dashboard]`, and the aggregation service in `[aggregation]`.

use std::path::PathBuf;

use url::Url;

use super::document::{Field, Problems, Section};
use crate::dashboard::{PasswordHash, ServiceAddress};

/// `[dashboard]`: who sees it, and where.
#[derive(Clone, Debug, Default)]
pub struct DashboardSection {
    /// The hash of the password that people log in with.
    pub password_hash: Option<PasswordHash>,
    /// The file of the token that programs bring.
    pub token_file: Option<PathBuf>,
    /// The origin at which a proxy serves it.
    pub origin: Option<Url>,
}

pub(super) fn section(mut section: Section<'_>, problems: &mut Problems) -> DashboardSection {
    let password_hash = section.take("password_hash").and_then(|field| {
        let text = field.string(problems)?.to_owned();
        PasswordHash::parse(&text)
            .map_err(|_| {
                // The value is not repeated: it could be a password.
                field.problem("is no Argon2id hash", "make one with: ascribe collector password", problems);
            })
            .ok()
    });
    let token_file = section.take("token_file").and_then(|field| path(&field, problems));
    let origin = section.take("origin").and_then(|field| {
        let help = r#"write an origin such as "https://dashboard.example""#;
        base(&field, help, problems).filter(|url| {
            let is_origin = url.path() == "/";
            if !is_origin {
                field.problem("is more than an origin", help, problems);
            }
            is_origin
        })
    });
    section.finish(problems);
    DashboardSection { password_hash, token_file, origin }
}

pub(super) fn service(section: &mut Section<'_>, problems: &mut Problems) -> Option<ServiceAddress> {
    let help = r#"write the URL of "ascribe aggregation serve", such as "http://127.0.0.1:8100""#;
    let url = section.take("service").map(|field| base(&field, help, problems));
    let token_file = section.take("token_file").map(|field| path(&field, problems));
    match (url, token_file) {
        (Some(url), Some(token_file)) => Some(ServiceAddress { url: url?, token_file: token_file? }),
        (None, None) => None,
        _ => {
            section.problem(
                "has one of service and token_file",
                "a service is asked with its token: write both",
                problems,
            );
            None
        }
    }
}

/// A URL that paths can be added to.
fn base(field: &Field<'_>, help: &str, problems: &mut Problems) -> Option<Url> {
    let url = Url::parse(field.string(problems)?).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        field.problem("is no plain URL of http or https", help, problems);
    }
    url
}

fn path(field: &Field<'_>, problems: &mut Problems) -> Option<PathBuf> {
    field.string(problems).map(PathBuf::from)
}
