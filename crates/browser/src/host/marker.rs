//! What the shim says of a request, in the fragment of its URL.
//!
//! A fragment never reaches a server. The grammar stands in the shim; only the shim knows the secret, so that no
//! page can claim what it did not do.

use ascribe_headers::Eligibility;

use crate::Surface;

/// The secret that the shim and the host share for as long as the browser runs.
#[derive(Clone)]
pub(crate) struct Secret {
    marker: String,
    binding: String,
}

/// What the shim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) eligibility: Eligibility,
    pub(super) surface: Surface,
    /// Whether it may outlive its page.
    pub(super) outlives: bool,
    /// Which followed link, or `window.open`, a background request belongs to.
    pub(super) navigation: Option<u64>,
}

impl Secret {
    pub(crate) fn new() -> Self {
        let random = || format!("{:032x}", rand::random::<u128>());
        Self { marker: random(), binding: format!("b{}", random()) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.marker
    }

    /// The name of the function by which the shim tells something.
    pub(super) fn binding(&self) -> &str {
        &self.binding
    }

    /// The marker at the end of a fragment, if there is one.
    pub(super) fn marker(&self, fragment: &str) -> Option<Marker> {
        let (_, marker) = fragment.rsplit_once("__ascribe=")?;
        let mut parts = marker.strip_prefix(&*self.marker)?.strip_prefix('.')?.split('.');
        let eligibility = match parts.next()? {
            "none" => Eligibility::Empty,
            "event-source" => Eligibility::EventSource,
            "trigger" => Eligibility::Trigger,
            "event-source-or-trigger" => Eligibility::EventSourceOrTrigger,
            "navigation-source" => Eligibility::NavigationSource,
            _ => return None,
        };
        let (surface, outlives) = match parts.next()? {
            "fetch" => (Surface::Fetch, false),
            "fetch-keepalive" => (Surface::Fetch, true),
            "xhr" => (Surface::Xhr, false),
            surface => (background(surface)?, true),
        };
        let navigation = parts.next().map(str::parse).transpose().ok()?;
        let of_navigation = matches!(surface, Surface::LinkBackground | Surface::WindowOpenBackground);
        let consistent = of_navigation == navigation.is_some()
            && of_navigation == (eligibility == Eligibility::NavigationSource);
        (parts.next().is_none() && consistent).then_some(Marker {
            eligibility,
            surface,
            outlives,
            navigation,
        })
    }
}

/// The surface of a background request, by the shim's name of what it belongs to.
pub(super) fn background(name: &str) -> Option<Surface> {
    match name {
        "img" => Some(Surface::ImgBackground),
        "script" => Some(Surface::ScriptBackground),
        "link" => Some(Surface::LinkBackground),
        "window" => Some(Surface::WindowOpenBackground),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_at_the_end_of_fragments() {
        let secret = Secret::new();
        let s = secret.as_str();
        assert_eq!(s.len(), 32);
        let fetch = Marker {
            eligibility: Eligibility::Trigger,
            surface: Surface::Fetch,
            outlives: false,
            navigation: None,
        };
        for fragment in [
            format!("#__ascribe={s}.trigger.fetch"),
            format!("__ascribe={s}.trigger.fetch"),
            format!("#section#__ascribe={s}.trigger.fetch"),
            format!("#__ascribe={s}.none.xhr#__ascribe={s}.trigger.fetch"),
        ] {
            assert_eq!(secret.marker(&fragment), Some(fetch), "{fragment}");
        }
        let keepalive = secret.marker(&format!("#__ascribe={s}.trigger.fetch-keepalive"));
        assert_eq!(keepalive, Some(Marker { outlives: true, ..fetch }));
        let link = secret.marker(&format!("#__ascribe={s}.navigation-source.link.42")).expect("a marker");
        assert!(link.outlives);
        assert_eq!((link.surface, link.navigation), (Surface::LinkBackground, Some(42)));
    }

    #[test]
    fn what_is_no_marker_of_this_browser_counts_for_nothing() {
        let secret = Secret::new();
        let (s, other) = (secret.as_str(), Secret::new());
        for fragment in [
            String::new(),
            "#section".into(),
            format!("#__ascribe={}.trigger.fetch", other.as_str()),
            "#__ascribe=.trigger.fetch".into(),
            format!("#__ascribe={s}"),
            format!("#__ascribe={s}.trigger"),
            format!("#__ascribe={s}.all.fetch"),
            format!("#__ascribe={s}.trigger.beacon"),
            format!("#__ascribe={s}.trigger.fetch.1"),
            format!("#__ascribe={s}.navigation-source.fetch"),
            format!("#__ascribe={s}.navigation-source.link"),
            format!("#__ascribe={s}.navigation-source.link.x"),
            format!("#__ascribe={s}.navigation-source.link.1.2"),
            format!("#__ascribe={s}.trigger.link.1"),
        ] {
            assert_eq!(secret.marker(&fragment), None, "{fragment}");
        }
    }
}
