//! Who makes a request: which document or worker, in which page, and whether it may use the API.

use std::sync::Arc;

use ascribe_agent::NavigationId;
use ascribe_headers::SuitableOrigin;

use crate::{Diagnosis, cdp::SessionId};

use super::{
    Host,
    announced::Announced,
    protocol::{FrameId, LoaderId},
    targets::Kind,
};

/// Who makes a request.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// The browser context; `None` is the default one.
    pub(super) context: Option<Arc<str>>,
    /// The frame, or the worker's name where a frame's is expected.
    pub(super) frame: FrameId,
    /// The session with it, to ask and to tell.
    pub(super) session: Option<SessionId>,
    pub(super) loader: Option<LoaderId>,
    pub(super) url: String,
    /// The origin of the top-level page, or why the API is not there.
    pub(super) standing: Result<SuitableOrigin, Barrier>,
    pub(super) fenced: bool,
    /// Whether it is a shared worker, of whose responses the Network domain tells no headers.
    pub(super) is_shared_worker: bool,
    /// The navigation, of an eligible link, that landed on the page.
    pub(super) landing: Option<NavigationId>,
}

/// Why a document or worker may not use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    Policy,
    Insecure,
    Untrustworthy(String),
    /// It belongs to no page that is known.
    Unknown,
}

impl Barrier {
    pub(super) fn diagnosis(&self) -> Option<Diagnosis> {
        match self {
            Self::Policy => Some(Diagnosis::PermissionPolicyDisabled),
            Self::Insecure => Some(Diagnosis::InsecureContext),
            Self::Untrustworthy(origin) => {
                Some(Diagnosis::UntrustworthyContextOrigin { origin: origin.clone() })
            }
            Self::Unknown => None,
        }
    }
}

impl Host {
    /// Who makes a request, by the frame that Chromium names and by what its process said; where it said nothing, by
    /// the origin that refers to the URL.
    pub(super) fn owner(
        &self,
        frame: &FrameId,
        announced: Option<&Announced>,
        referrer: Option<&SuitableOrigin>,
    ) -> Owner {
        let (context, worker) = {
            let targets = self.targets();
            let by_session = announced.and_then(|announced| targets.get(&announced.session));
            let by_name = || targets.worker(frame);
            let worker = by_session.filter(|target| target.kind.is_worker()).or_else(by_name);
            let worker = worker.map(|target| (target.kind, target.owner.clone(), target.url.clone()));
            (by_session.or_else(by_name).and_then(|target| target.context.clone()), worker)
        };
        let frame = match &worker {
            Some((Kind::DedicatedWorker, Some(owner), _)) => owner,
            _ => frame,
        };
        let loader = announced.map(|announced| &announced.loader).filter(|loader| !loader.is_empty());
        let mut owner = match self.of_frame(frame, loader, referrer) {
            Some(owner) => owner,
            None => of_worker(frame, worker.as_ref().map(|(_, _, url)| url.as_str())),
        };
        if let Some((kind, _, url)) = worker {
            owner.session = announced.map(|announced| Arc::clone(&announced.session));
            owner.is_shared_worker = kind == Kind::SharedWorker;
            if kind == Kind::DedicatedWorker {
                owner.url = url;
            }
        }
        let context = owner.context.take().or(context);
        owner.context = context.filter(|context| !self.is_default_context(context));
        owner
    }

    fn of_frame(
        &self,
        id: &FrameId,
        loader: Option<&LoaderId>,
        referrer: Option<&SuitableOrigin>,
    ) -> Option<Owner> {
        let (session, document, top, fenced) = {
            let frames = self.frames();
            let frame = frames.get(id)?;
            let (_, top) = frames.top(id)?;
            let document = frame.document_of(loader, referrer).clone();
            let top = if frame.parent.is_none() { document.clone() } else { top.document.clone() };
            (Arc::clone(&frame.session), document, top, frame.fenced)
        };
        let standing = match SuitableOrigin::parse(&top.origin) {
            _ if !document.secure => Err(Barrier::Insecure),
            Err(_) => Err(Barrier::Untrustworthy(top.origin)),
            Ok(_) if !document.policy.as_ref().is_none_or(|policy| policy.allows()) => Err(Barrier::Policy),
            Ok(origin) => Ok(origin),
        };
        Some(Owner {
            context: self.targets().get(&session).and_then(|target| target.context.clone()),
            frame: Arc::clone(id),
            session: Some(session),
            loader: document.loader,
            url: document.url,
            standing,
            fenced,
            is_shared_worker: false,
            landing: top.landing,
        })
    }
}

/// A shared or service worker stands for its own origin.
fn of_worker(frame: &FrameId, url: Option<&str>) -> Owner {
    let standing = match url.map(SuitableOrigin::parse) {
        Some(Ok(origin)) => Ok(origin),
        _ => Err(Barrier::Unknown),
    };
    Owner {
        context: None,
        frame: Arc::clone(frame),
        session: None,
        loader: None,
        url: url.unwrap_or_default().to_owned(),
        standing,
        fenced: false,
        is_shared_worker: false,
        landing: None,
    }
}
