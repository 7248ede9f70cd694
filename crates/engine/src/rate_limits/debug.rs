//! Budgets of aggregatable debug reports: per context site, and per context site and reporting site.

use std::collections::{HashMap, VecDeque};

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::Time;

/// The aggregatable debug rate-limit records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DebugBudgets {
    contexts: HashMap<Site, Context>,
    len: usize,
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
    reporting_origin: SuitableOrigin,
}

impl DebugBudgets {
    /// What was spent later than `after`: on the whole context site, and by the reporting site.
    pub(crate) fn spent(&self, context_site: &Site, reporting_site: &Site, after: Time) -> (u64, u64) {
        let Some(context) = self.contexts.get(context_site) else { return (0, 0) };
        let (mut all, mut same) =
            (context.sum, context.sum_of_reporting_site.get(reporting_site).copied().unwrap_or(0));
        for stale in context.entries.iter().take_while(|entry| entry.time <= after) {
            all -= u64::from(stale.budget);
            if stale.reporting_origin.site() == reporting_site {
                same -= u64::from(stale.budget);
            }
        }
        (all, same)
    }

    /// How many records are stored.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a record.
    pub(crate) fn spend(
        &mut self,
        context_site: &Site,
        reporting_origin: &SuitableOrigin,
        time: Time,
        budget: u32,
    ) {
        let context = self.contexts.entry(context_site.clone()).or_default();
        // A clock that went back must not let an older record hide behind a newer one.
        let at = context.entries.partition_point(|entry| entry.time <= time);
        context.entries.insert(at, Entry { time, budget, reporting_origin: reporting_origin.clone() });
        context.sum += u64::from(budget);
        let of_site = context.sum_of_reporting_site.entry(reporting_origin.site().clone()).or_default();
        *of_site += u64::from(budget);
        self.len += 1;
    }

    /// Keeps the records for which `keep` is true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&SuitableOrigin, Time) -> bool) {
        self.contexts.retain(|_, context| {
            let Context { entries, sum, sum_of_reporting_site } = context;
            entries.retain(|entry| {
                let keep = keep(&entry.reporting_origin, entry.time);
                if !keep {
                    *sum -= u64::from(entry.budget);
                    if let Some(sum) = sum_of_reporting_site.get_mut(entry.reporting_origin.site()) {
                        *sum -= u64::from(entry.budget);
                    }
                    self.len -= 1;
                }
                keep
            });
            sum_of_reporting_site.retain(|_, sum| *sum > 0);
            !entries.is_empty()
        });
    }

    /// All records, each context site's oldest first: context site, reporting origin, time, budget.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Site, &SuitableOrigin, Time, u32)> {
        self.contexts.iter().flat_map(|(context_site, context)| {
            context.entries.iter().map(move |e| (context_site, &e.reporting_origin, e.time, e.budget))
        })
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
        let by =
            |name: &str| SuitableOrigin::parse(&format!("https://www.{name}.example")).expect("suitable");
        let mut budgets = DebugBudgets::default();
        budgets.spend(&a, &by("b"), at(10), 1);
        budgets.spend(&a, &by("c"), at(20), 2);
        budgets.spend(&a, &by("b"), at(15), 4);
        assert_eq!(budgets.spent(&a, &b, at(9)), (7, 5));
        assert_eq!(budgets.spent(&a, &b, at(10)), (6, 4));
        assert_eq!(budgets.spent(&a, &b, at(15)), (2, 0));
        assert_eq!(budgets.spent(&b, &a, at(0)), (0, 0));
        budgets.retain(|_, time| time > at(15));
        assert_eq!((budgets.iter().count(), budgets.len()), (1, 1));
        assert_eq!(budgets.spent(&a, &c, at(0)), (2, 2));
        assert_eq!(budgets.spent(&a, &b, at(0)), (2, 0));
    }
}
