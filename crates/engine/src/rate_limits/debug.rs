//! Budgets of aggregatable debug reports: per context site, and per context site and reporting site.

use std::collections::{HashMap, VecDeque};

use ascribe_headers::Site;
use ascribe_reports::Time;

/// The aggregatable debug rate-limit records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DebugBudgets {
    contexts: HashMap<Site, Context>,
}

/// What was spent on a context site, oldest first, with running sums: a question only looks at what has left
/// the window.
#[derive(Clone, Debug, Default, PartialEq)]
struct Context {
    entries: VecDeque<Entry>,
    sum: u64,
    sum_of_reporting_site: HashMap<Site, u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    time: Time,
    budget: u32,
    reporting_site: Site,
}

impl DebugBudgets {
    /// What was spent later than `after`: on the whole context site, and by the reporting site.
    pub(crate) fn spent(&self, context_site: &Site, reporting_site: &Site, after: Time) -> (u64, u64) {
        let Some(context) = self.contexts.get(context_site) else { return (0, 0) };
        let (mut all, mut same) =
            (context.sum, context.sum_of_reporting_site.get(reporting_site).copied().unwrap_or(0));
        for stale in context.entries.iter().take_while(|entry| entry.time <= after) {
            all -= u64::from(stale.budget);
            if stale.reporting_site == *reporting_site {
                same -= u64::from(stale.budget);
            }
        }
        (all, same)
    }

    /// Adds a record, and drops those of the same context site that are not later than `stale`.
    pub(crate) fn spend(
        &mut self,
        context_site: &Site,
        reporting_site: &Site,
        time: Time,
        budget: u32,
        stale: Time,
    ) {
        let context = self.contexts.entry(context_site.clone()).or_default();
        context.prune(stale);
        // A clock that went back must not let an older record hide behind a newer one.
        let at = context.entries.partition_point(|entry| entry.time <= time);
        context.entries.insert(at, Entry { time, budget, reporting_site: reporting_site.clone() });
        context.sum += u64::from(budget);
        *context.sum_of_reporting_site.entry(reporting_site.clone()).or_default() += u64::from(budget);
    }

    /// Drops the records that are not later than `stale`.
    pub(crate) fn remove_stale(&mut self, stale: Time) {
        self.contexts.retain(|_, context| {
            context.prune(stale);
            !context.entries.is_empty()
        });
    }

    /// All records, each context site's oldest first: context site, reporting site, time, budget.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Site, &Site, Time, u32)> {
        self.contexts.iter().flat_map(|(context_site, context)| {
            context.entries.iter().map(move |e| (context_site, &e.reporting_site, e.time, e.budget))
        })
    }
}

impl Context {
    fn prune(&mut self, stale: Time) {
        while self.entries.front().is_some_and(|entry| entry.time <= stale) {
            let Some(Entry { budget, reporting_site, .. }) = self.entries.pop_front() else { return };
            self.sum -= u64::from(budget);
            if let Some(sum) = self.sum_of_reporting_site.get_mut(&reporting_site) {
                *sum -= u64::from(budget);
                if *sum == 0 {
                    self.sum_of_reporting_site.remove(&reporting_site);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> Site {
        Site::parse(&format!("https://{name}.example")).expect("a suitable site")
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn what_left_the_window_no_longer_counts() {
        let (a, b, c) = (site("a"), site("b"), site("c"));
        let mut budgets = DebugBudgets::default();
        budgets.spend(&a, &b, at(10), 1, at(0));
        budgets.spend(&a, &c, at(20), 2, at(0));
        budgets.spend(&a, &b, at(15), 4, at(0));
        assert_eq!(budgets.spent(&a, &b, at(9)), (7, 5));
        assert_eq!(budgets.spent(&a, &b, at(10)), (6, 4));
        assert_eq!(budgets.spent(&a, &b, at(15)), (2, 0));
        assert_eq!(budgets.spent(&b, &a, at(0)), (0, 0));
        budgets.remove_stale(at(15));
        assert_eq!(budgets.iter().count(), 1);
        assert_eq!(budgets.spent(&a, &c, at(0)), (2, 2));
    }
}
