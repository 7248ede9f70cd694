//! Budgets of aggregatable debug reports: per context site, and per context site and reporting site.

use std::collections::{HashMap, VecDeque};

use ascribe_headers::Site;
use ascribe_reports::Time;

/// The aggregatable debug rate-limit records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DebugBudgets {
    contexts: HashMap<Site, Context>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Context {
    spent: Spent,
    by_reporting_site: HashMap<Site, Spent>,
}

/// What was spent, oldest first, with its running sum: a question only looks at what has left the window.
#[derive(Clone, Debug, Default, PartialEq)]
struct Spent {
    entries: VecDeque<(Time, u32)>,
    sum: u64,
}

impl DebugBudgets {
    /// What was spent later than `after`: on the whole context site, and by the reporting site.
    pub(crate) fn spent(&self, context_site: &Site, reporting_site: &Site, after: Time) -> (u64, u64) {
        let Some(context) = self.contexts.get(context_site) else { return (0, 0) };
        let by_site = context.by_reporting_site.get(reporting_site);
        (context.spent.since(after), by_site.map_or(0, |spent| spent.since(after)))
    }

    /// Adds a record, and drops those of the same sites that are not later than `stale`.
    pub(crate) fn spend(
        &mut self,
        context_site: &Site,
        reporting_site: &Site,
        time: Time,
        budget: u32,
        stale: Time,
    ) {
        let context = self.contexts.entry(context_site.clone()).or_default();
        context.spent.push(time, budget, stale);
        context.by_reporting_site.entry(reporting_site.clone()).or_default().push(time, budget, stale);
    }

    /// Drops the records that are not later than `stale`.
    pub(crate) fn remove_stale(&mut self, stale: Time) {
        self.contexts.retain(|_, context| {
            context.spent.prune(stale);
            context.by_reporting_site.retain(|_, spent| {
                spent.prune(stale);
                !spent.entries.is_empty()
            });
            !context.spent.entries.is_empty()
        });
    }

    /// All records: context site, reporting site, time, budget.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Site, &Site, Time, u32)> {
        self.contexts.iter().flat_map(|(context_site, context)| {
            context.by_reporting_site.iter().flat_map(move |(reporting_site, spent)| {
                spent.entries.iter().map(move |&(time, budget)| (context_site, reporting_site, time, budget))
            })
        })
    }
}

impl Spent {
    fn since(&self, after: Time) -> u64 {
        let stale: u64 = self.entries.iter().take_while(|e| e.0 <= after).map(|e| u64::from(e.1)).sum();
        self.sum - stale
    }

    fn push(&mut self, time: Time, budget: u32, stale: Time) {
        self.prune(stale);
        // A clock that went back must not let an older record hide behind a newer one.
        let at = self.entries.partition_point(|entry| entry.0 <= time);
        self.entries.insert(at, (time, budget));
        self.sum += u64::from(budget);
    }

    fn prune(&mut self, stale: Time) {
        while let Some(&(time, budget)) = self.entries.front() {
            if time > stale {
                break;
            }
            self.entries.pop_front();
            self.sum -= u64::from(budget);
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
