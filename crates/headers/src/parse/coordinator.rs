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
        let (url, origin) = suitable(json, SuitableOrigin::from_url, at, problems)?;
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
    let (url, (site, is_public_suffix)) = suitable(json, Site::of, at, problems)?;
    if is_public_suffix {
        let host = url.host_str().unwrap_or_default().into();
        problems.warn(at, ProblemKind::PublicSuffix { host });
    }
    warn_of_ignored_parts(&url, site.as_str(), at, problems);
    Some(site)
}

/// A URL in a string, and the part of it that counts.
fn suitable<T>(
    json: Json<'_>,
    part: impl FnOnce(&Url) -> Result<T, UnsuitableOrigin>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<(Url, T)> {
    let url = Url::parse(&string(json, at, problems)?).map_err(|_| UnsuitableOrigin::InvalidUrl);
    match url.and_then(|url| part(&url).map(|part| (url, part))) {
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
