//! The end of the story: batches, their summary, and the truth beside it.

use anyhow::{Context, ensure};
use ascribe_aggregation::{
    Job, JobParameters, Keyring, Location, OutputFormat, OutputPlace, Progress, Protection, Reporter,
    SqliteLedger, Storage, run as run_job,
};
use ascribe_collector::{
    BatchOptions, BatchPlace, BatchPlan, Batcher, Clock, DimensionKind, KeyScheme, Measure, Store,
    StoreLocation,
};

use super::{purchases::PURCHASES, world::World};

/// A line of the summary.
pub(super) struct Row {
    pub(super) measure: String,
    pub(super) category: String,
    /// What was bought.
    pub(super) truth: f64,
    /// What the summary says.
    pub(super) noised: f64,
    /// The noise is below this in 95 of 100 cases.
    pub(super) margin: f64,
}

/// Batches what the collector has, aggregates it, and reads the summary by the campaign's key scheme. Blocks.
pub(super) fn aggregate(world: &World) -> anyhow::Result<Vec<Row>> {
    let path = |name: &str| world.directory.path().join(name);
    let location = |name: &str| Location::parse(&path(name).display().to_string());
    let now = world.now();
    let plan = BatchPlan { period_hours: 1, wait_seconds: 0 };
    let place = BatchPlace::parse(&path("batches").display().to_string(), [])?;
    let batcher =
        Batcher::new(place, BatchOptions { plan, ..BatchOptions::default() }, Clock::new(move || now));
    let mut store = Store::open(&StoreLocation::File(path("reports.db")))?;
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        scope.spawn(|| batcher.run(&mut store, &runtime)).join().expect("batching does not panic")
    })?;

    let scheme = &world.campaigns.scheme;
    let buckets = buckets(scheme);
    let domain: String = buckets.iter().map(|(key, ..)| format!("{key:#x}\n")).collect();
    std::fs::write(path("domain.txt"), domain)?;
    let mut ledger = SqliteLedger::open(&path("budget.sqlite"))?;
    let job = Job {
        id: "demo".to_owned(),
        parameters: JobParameters::new(Reporter::Origin("https://ads.example".to_owned())),
        input: vec![location("batches")?],
        domain: Some(location("domain.txt")?),
        output: OutputPlace {
            location: location("summary.csv")?,
            format: OutputFormat::Csv,
            always_numbered: false,
        },
        protection: Protection::Full {
            keys: Keyring::read(&path("keys"))?,
            ledger: &mut ledger,
            staging: path("staging"),
        },
        now,
        threads: 2,
    };
    let outcome = std::thread::scope(|scope| {
        scope
            .spawn(|| run_job(job, &Storage::default(), &Progress::default()))
            .join()
            .expect("jobs do not panic")
    });
    let result = &outcome.result;
    let errors = &result.error_summary.error_counts;
    ensure!(result.return_code.is_success(), "{}: {} {errors:?}", result.return_code, result.return_message);
    let summary = std::fs::read_to_string(path("summary.csv")).context("reading the summary")?;
    let metric = |key: u128| {
        let line = summary.lines().find_map(|line| line.strip_prefix(&format!("{key:#x},")));
        line.and_then(|metric| metric.parse::<i64>().ok()).context("a bucket is missing in the summary")
    };
    // Of a Laplace distribution, 5 % are beyond ln 20 times its scale.
    let margin = f64::from(ascribe_collector::CONTRIBUTION_BUDGET) / scheme.epsilon * 20_f64.ln();
    let row = |(key, measure, category): &(u128, &Measure, &str)| {
        let bought = PURCHASES.iter().filter(|purchase| purchase.category == *category);
        let truth =
            bought.map(|purchase| if &*measure.name == "revenue" { purchase.value } else { 1.0 }).sum();
        Ok(Row {
            measure: measure.name.to_string(),
            category: (*category).to_owned(),
            truth,
            noised: measure.value_of(metric(*key)? as f64),
            margin: measure.value_of(margin),
        })
    };
    buckets.iter().map(row).collect()
}

/// Every key that the campaign's purchases can have.
fn buckets(scheme: &KeyScheme) -> Vec<(u128, &Measure, &str)> {
    let listed = |kind: &'_ DimensionKind| matches!(kind, DimensionKind::Listed(_));
    let categories = scheme.dimensions.iter().find(|dimension| listed(&dimension.kind));
    let Some(DimensionKind::Listed(categories)) = categories.map(|dimension| &dimension.kind) else {
        return Vec::new();
    };
    let mut buckets = Vec::new();
    for measure in &scheme.measures {
        for (index, category) in categories.iter().enumerate() {
            let number = |kind: &DimensionKind| match kind {
                DimensionKind::Measure => u128::from(measure.number),
                DimensionKind::Listed(_) => index as u128 + 1,
                // The only campaign, and the only conversion.
                _ => 1,
            };
            let key = scheme.dimensions.iter().fold(0, |key, d| key | number(&d.kind) << d.shift);
            buckets.push((key, measure, &**category));
        }
    }
    buckets
}
