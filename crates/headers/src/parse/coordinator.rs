//! Origins and sites in JSON strings, and the aggregation coordinator.
//!
//! Spec: "Parsing aggregation coordinator", "parse an attribution destination".

use url::Url;

use crate::{
    Coordinator, Coordinators, ProblemKind, Site, SuitableOrigin, UnsuitableOrigin,
    json::Json,
    parse::{fields::Fields, strings::string},
    problems::{At, Problems},
};

/// Takes `aggregation_coordinator_origin`.
pub(super) fn coordinator(
    fields: &mut Fields<'_, '_>,
    allowed: &Coordinators,
    problems: &mut Problems,
) -> Option<Coordinator> {
    let default = || allowed.default_coordinator().clone();
    fields.optional("aggregation_coordinator_origin", problems, default, |json, at, problems| {
        let (url, origin) = suitable(&string(json, at, problems)?, at, problems)?;
        warn_of_ignored_parts(&url, origin.as_str(), at, problems);
        match allowed.find(&origin) {
            Some(coordinator) => Some(coordinator.clone()),
            None => {
                let origins: Vec<_> = allowed.as_slice().iter().map(|c| c.origin().as_str()).collect();
                problems.error(at, ProblemKind::UnknownCoordinator { allowed: origins.join(", ").into() })
            }
        }
    })
}

/// "Parse an attribution destination".
pub(super) fn site(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<Site> {
    let (url, origin) = suitable(&string(json, at, problems)?, at, problems)?;
    if let Some(host) = url.domain().filter(|host| psl::domain_str(host).is_none()) {
        problems.warn(at, ProblemKind::PublicSuffix { host: host.into() });
    }
    warn_of_ignored_parts(&url, origin.site().as_str(), at, problems);
    Some(origin.site().clone())
}

fn suitable(text: &str, at: At<'_>, problems: &mut Problems) -> Option<(Url, SuitableOrigin)> {
    let parsed = Url::parse(text)
        .map_err(|_| UnsuitableOrigin::InvalidUrl)
        .and_then(|url| SuitableOrigin::from_url(&url).map(|origin| (url, origin)));
    match parsed {
        Ok(parsed) => Some(parsed),
        Err(why) => problems.error(at, why.into()),
    }
}

/// `kept` is an origin or site: a whole URL but for the slash.
fn warn_of_ignored_parts(url: &Url, kept: &str, at: At<'_>, problems: &mut Problems) {
    if url.as_str().strip_suffix('/') != Some(kept) {
        problems.warn(at, ProblemKind::UrlPartsIgnored { kept: kept.into() });
    }
}
