//! What belongs to one navigation: its scope sets, and the triggers that wait for its sources.

use std::collections::{HashMap, VecDeque};

use ascribe_headers::{AttributionScopes, SuitableOrigin, Text};
use ascribe_reports::{Duration, Time};

/// A navigation of the host's; the host chooses the numbers and uses each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NavigationId(pub u64);

/// "Limit to 1 unique attribution scope set per reporting origin per navigation", and "maybe defer and then
/// complete trigger attribution".
///
/// `T` is what is deferred. A trigger on the page that a navigation landed on waits until the sources that
/// the navigation's own background requests register are processed, so that a click is stored before its
/// conversion; for 20 seconds at most.
#[derive(Clone, Debug)]
pub(crate) struct Navigations<T> {
    navigations: HashMap<NavigationId, Navigation<T>>,
    /// In the order of their first mention, so that old ones make room.
    order: VecDeque<NavigationId>,
    deferred: u64,
}

#[derive(Clone, Debug)]
struct Navigation<T> {
    /// The scope set that the first source fixed; no scopes are a set too.
    scopes: HashMap<SuitableOrigin, Option<Box<[Text]>>>,
    background_requests: usize,
    waiting: Vec<Waiting<T>>,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    deadline: Time,
    /// Which came first, of those with the same deadline.
    sequence: u64,
    trigger: T,
}

/// A trigger waits no longer than this.
const MAX_DEFERRAL: Duration = Duration::from_secs(20);
/// More triggers than this do not wait.
const MAX_DEFERRED: usize = 30;
/// More navigations than this are not remembered.
const MAX_NAVIGATIONS: usize = 1024;
/// More reporting origins than this may not register navigation sources in one navigation.
const MAX_ORIGINS: usize = 1024;

impl<T> Default for Navigations<T> {
    fn default() -> Self {
        Self { navigations: HashMap::new(), order: VecDeque::new(), deferred: 0 }
    }
}

impl<T> Navigations<T> {
    /// Whether a navigation source may be registered: the first of its reporting origin may, and all with
    /// the same set of scopes.
    pub(crate) fn allows_scopes(
        &mut self,
        id: NavigationId,
        reporting_origin: &SuitableOrigin,
        scopes: Option<&AttributionScopes>,
    ) -> bool {
        let values = scopes.map(AttributionScopes::values);
        let Some(Navigation { scopes: fixed, .. }) = self.navigation(id) else { return false };
        match fixed.get(reporting_origin) {
            Some(first) => first.as_deref() == values,
            None if fixed.len() >= MAX_ORIGINS => false,
            None => {
                fixed.insert(reporting_origin.clone(), values.map(Into::into));
                true
            }
        }
    }

    /// A background request of the navigation was sent; its response may register a source.
    pub(crate) fn request_started(&mut self, id: NavigationId) {
        if let Some(navigation) = self.navigation(id) {
            navigation.background_requests += 1;
        }
    }

    /// A background request came to its end; gives back what waited for the last of them.
    pub(crate) fn request_finished(&mut self, id: NavigationId) -> Vec<T> {
        let Some(navigation) = self.navigations.get_mut(&id) else { return Vec::new() };
        navigation.background_requests = navigation.background_requests.saturating_sub(1);
        if navigation.background_requests > 0 {
            return Vec::new();
        }
        navigation.waiting.drain(..).map(|waiting| waiting.trigger).collect()
    }

    /// Keeps a trigger while there is something to wait for; gives it back when it is to be processed at once.
    pub(crate) fn defer(&mut self, id: NavigationId, trigger: T, now: Time) -> Option<T> {
        match self.navigations.get_mut(&id) {
            Some(navigation)
                if navigation.background_requests > 0 && navigation.waiting.len() < MAX_DEFERRED =>
            {
                self.deferred += 1;
                let (deadline, sequence) = (now + MAX_DEFERRAL, self.deferred);
                navigation.waiting.push(Waiting { deadline, sequence, trigger });
                None
            }
            _ => Some(trigger),
        }
    }

    /// When the next trigger has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.navigations.values().filter_map(|n| n.waiting.first()).map(|waiting| waiting.deadline).min()
    }

    /// The triggers that have waited long enough, in the order in which they came.
    pub(crate) fn take_overdue(&mut self, now: Time) -> Vec<T> {
        let mut overdue = Vec::new();
        for navigation in self.navigations.values_mut() {
            let until = navigation.waiting.partition_point(|waiting| waiting.deadline <= now);
            overdue.extend(navigation.waiting.drain(..until));
        }
        overdue.sort_by_key(|waiting| waiting.sequence);
        overdue.into_iter().map(|waiting| waiting.trigger).collect()
    }

    /// The page is gone; gives back what still waited.
    pub(crate) fn ended(&mut self, id: NavigationId) -> Vec<T> {
        self.order.retain(|other| *other != id);
        let navigation = self.navigations.remove(&id);
        navigation.into_iter().flat_map(|n| n.waiting).map(|waiting| waiting.trigger).collect()
    }

    /// Forgets the triggers that wait whose reporting origin is cleared.
    pub(crate) fn forget_waiting(
        &mut self,
        origin_of: impl Fn(&T) -> &SuitableOrigin,
        mut cleared: impl FnMut(&SuitableOrigin) -> bool,
    ) {
        for navigation in self.navigations.values_mut() {
            navigation.waiting.retain(|waiting| !cleared(origin_of(&waiting.trigger)));
        }
    }

    /// `None` when too many navigations are busy: then nothing more waits, and no more scopes are allowed.
    fn navigation(&mut self, id: NavigationId) -> Option<&mut Navigation<T>> {
        if !self.navigations.contains_key(&id) {
            // A host that never says that navigations end must not fill the memory.
            if self.order.len() >= MAX_NAVIGATIONS {
                let idle = |id: &NavigationId| {
                    let navigation = &self.navigations[id];
                    navigation.background_requests == 0 && navigation.waiting.is_empty()
                };
                let oldest_idle = self.order.iter().position(idle)?;
                let id = self.order.remove(oldest_idle)?;
                self.navigations.remove(&id);
            }
            self.order.push_back(id);
        }
        Some(self.navigations.entry(id).or_insert_with(|| Navigation {
            scopes: HashMap::new(),
            background_requests: 0,
            waiting: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NavigationId = NavigationId(1);
    const B: NavigationId = NavigationId(2);

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_trigger_waits_for_the_last_background_request() {
        let mut navigations = Navigations::default();
        navigations.request_started(A);
        navigations.request_started(A);
        assert_eq!(navigations.defer(A, "t", at(0)), None);
        assert_eq!(navigations.defer(B, "other", at(0)), Some("other"));
        assert!(navigations.request_finished(A).is_empty());
        assert_eq!(navigations.request_finished(A), ["t"]);
        assert_eq!(navigations.defer(A, "late", at(1)), Some("late"));
    }

    #[test]
    fn a_trigger_waits_20_seconds_at_most() {
        let mut navigations = Navigations::default();
        navigations.request_started(A);
        assert_eq!(navigations.defer(A, "t", at(5)), None);
        assert_eq!(navigations.next_deadline(), Some(at(20_005)));
        assert!(navigations.take_overdue(at(20_004)).is_empty());
        assert_eq!(navigations.take_overdue(at(20_005)), ["t"]);
        assert_eq!(navigations.next_deadline(), None);
    }

    #[test]
    fn triggers_of_one_moment_go_in_the_order_in_which_they_came() {
        let mut navigations = Navigations::default();
        for n in 0..100 {
            navigations.request_started(NavigationId(n));
            assert_eq!(navigations.defer(NavigationId(n), n, at(0)), None);
        }
        assert_eq!(navigations.take_overdue(at(20_000)), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn at_most_30_triggers_wait() {
        let mut navigations = Navigations::default();
        navigations.request_started(A);
        let deferred = (0..31).filter(|n| navigations.defer(A, *n, at(0)).is_none()).count();
        assert_eq!(deferred, 30);
        assert_eq!(navigations.ended(A).len(), 30);
    }

    #[test]
    fn endless_navigations_do_not_fill_the_memory_and_lose_no_trigger() {
        let mut navigations = Navigations::default();
        let mut at_once = 0;
        for id in (0..3000).map(NavigationId) {
            navigations.request_started(id);
            at_once += usize::from(navigations.defer(id, (), at(0)).is_some());
        }
        assert_eq!(navigations.navigations.len(), MAX_NAVIGATIONS);
        assert_eq!(navigations.order.len(), MAX_NAVIGATIONS);
        assert_eq!(at_once + navigations.take_overdue(at(20_000)).len(), 3000);

        let mut idle = Navigations::<()>::default();
        let origin = SuitableOrigin::parse("https://reporter.example").expect("suitable");
        assert!((0..3000).map(NavigationId).all(|id| idle.allows_scopes(id, &origin, None)));
        assert_eq!(idle.navigations.len(), MAX_NAVIGATIONS);
    }
}
