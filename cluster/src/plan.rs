//! The plan of a job: files → sealed reports → entries → sums.
//!
//! It is made of DataFusion's own nodes, between which Ballista cuts it into stages, and of two of ours:
//!
//! ```text
//! AggregateExec        sum of `value` by `key`                       stage 3
//!   RepartitionExec    by hash of `key`
//!     ReportsExec      open: sealed reports → entries                stage 2
//!       RepartitionExec  by hash of `shard`: copies of a report meet
//!         ReportsExec  read: names of files → sealed reports         stage 1
//!           DataSourceExec  the names
//! ```

mod codec;
mod node;
mod open;
mod read;

use std::sync::{Arc, LazyLock};

use ascribe_aggregation::{Blob, Checks, Location, Reporter, Reports};
use ascribe_headers::Site;
use ascribe_reports::Time;
use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, StringArray, UInt64Array},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::memory::MemorySourceConfig,
    common::{DataFusionError, Result},
    functions_aggregate::sum::sum_udaf,
    physical_expr::{aggregate::AggregateExprBuilder, expressions::col},
    physical_plan::{
        ExecutionPlan, Partitioning,
        aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy},
        repartition::RepartitionExec,
    },
};
use datafusion_proto::{physical_plan::AsExecutionPlan, protobuf::PhysicalPlanNode};
use serde::{Deserialize, Serialize};

pub(crate) use codec::Codec;
use node::ReportsExec;

/// What a node of ours does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Names of files to sealed reports.
    Read,
    /// Sealed reports to entries.
    Open(Opening),
}

/// How reports are opened. There is no key in it: executors have their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    reporter: ReporterOf,
    debug_run: bool,
    /// Seconds since the epoch.
    now: i64,
    filtering_ids: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ReporterOf {
    Origin(String),
    Site(String),
}

impl Step {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::Read => SEALED.clone(),
            Self::Open(_) => ENTRIES.clone(),
        }
    }
}

impl Opening {
    fn new(reports: &Reports<'_>) -> Result<Self> {
        let Checks { reporter, debug_run, now } = &reports.checks;
        let reporter = match reporter {
            Reporter::Origin(origin) => ReporterOf::Origin(origin.clone()),
            Reporter::Site(site) => ReporterOf::Site(site.as_str().to_owned()),
            Reporter::Any => return Err(invalid("reports of anybody")),
        };
        let now = now.ok_or_else(|| invalid("reports of any age"))?.as_secs();
        Ok(Self {
            reporter,
            debug_run: *debug_run,
            now,
            filtering_ids: reports.filtering_ids.iter().copied().collect(),
        })
    }

    fn checks(&self) -> Result<Checks> {
        let reporter = match &self.reporter {
            ReporterOf::Origin(origin) => Reporter::Origin(origin.clone()),
            ReporterOf::Site(site) => Reporter::Site(Site::parse(site).map_err(|_| invalid("no site"))?),
        };
        Ok(Checks { reporter, debug_run: self.debug_run, now: Some(Time::from_secs(self.now)) })
    }
}

const LOCATION: &str = "location";
const LEN: &str = "len";
const SHARD: &str = "shard";
const KEY: &str = "key";
const VALUE: &str = "value";

static FILES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new(LOCATION, DataType::Utf8, false),
        Field::new(LEN, DataType::UInt64, false),
    ]))
});

/// Sealed reports. A row without a payload is one that could not be read; one with a failure stands for the
/// rest of a file.
static SEALED: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new(SHARD, DataType::UInt64, false),
        Field::new("payload", DataType::Binary, true),
        Field::new("key_id", DataType::Utf8, true),
        Field::new("shared_info", DataType::Utf8, true),
        Field::new("failure", DataType::Binary, true),
    ]))
});

/// Sums of a billion reports of 20,000 contributions of 32 bits have 77 bits: no sum of 38 digits wraps.
const SUM: DataType = DataType::Decimal128(38, 0);

static ENTRIES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![Field::new(KEY, DataType::Binary, false), Field::new(VALUE, SUM, false)]))
});

/// The plan over the reports, in as many parts.
pub(crate) fn plan(reports: &Reports<'_>, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let files = groups(reports.blobs, partitions)
        .into_iter()
        .map(|group| Ok(vec![files(&group)?]))
        .collect::<Result<Vec<_>>>()?;
    let files = MemorySourceConfig::try_new_exec(&files, FILES.clone(), None)?;
    let sealed = ReportsExec::new(Step::Read, files, None);
    let sealed = dealt_out(Arc::new(sealed), SHARD, partitions)?;
    let entries = ReportsExec::new(Step::Open(Opening::new(reports)?), sealed, None);
    let entries = dealt_out(Arc::new(entries), KEY, partitions)?;
    let schema = entries.schema();
    let sum = AggregateExprBuilder::new(sum_udaf(), vec![col(VALUE, &schema)?])
        .schema(schema.clone())
        .alias(VALUE)
        .build()?;
    let by = PhysicalGroupBy::new_single(vec![(col(KEY, &schema)?, KEY.to_owned())]);
    let mode = AggregateMode::SinglePartitioned;
    Ok(Arc::new(AggregateExec::try_new(mode, by, vec![Arc::new(sum)], vec![None], entries, schema)?))
}

/// The plan as it is submitted.
pub(crate) fn encode(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PhysicalPlanNode::try_from_physical_plan(plan, &Codec::without_keys())?.try_encode(&mut bytes)?;
    Ok(bytes)
}

fn dealt_out(
    plan: Arc<dyn ExecutionPlan>,
    column: &str,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let by = col(column, &plan.schema())?;
    Ok(Arc::new(RepartitionExec::try_new(plan, Partitioning::Hash(vec![by], partitions))?))
}

/// Files in at most so many groups of about the same size: the longest first, each to the shortest group.
fn groups(blobs: &[Blob], at_most: usize) -> Vec<Vec<&Blob>> {
    let mut groups = vec![(0, Vec::new()); at_most.min(blobs.len()).max(1)];
    let mut blobs: Vec<_> = blobs.iter().collect();
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.len));
    for blob in blobs {
        let (len, group) = groups.iter_mut().min_by_key(|(len, _)| *len).expect("there is a group");
        *len += blob.len;
        group.push(blob);
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn files(blobs: &[&Blob]) -> Result<RecordBatch> {
    let locations = blobs.iter().map(|blob| location(&blob.location)).collect::<Result<Vec<_>>>()?;
    let locations: ArrayRef = Arc::new(StringArray::from(locations));
    let lens: ArrayRef = Arc::new(UInt64Array::from_iter_values(blobs.iter().map(|blob| blob.len)));
    Ok(RecordBatch::try_new(FILES.clone(), vec![locations, lens])?)
}

fn location(location: &Location) -> Result<String> {
    match location.absolute()? {
        Location::Path(path) => {
            let text = path.to_str().ok_or_else(|| invalid("a path that is no text"))?;
            Ok(text.to_owned())
        }
        // It may hold a credential, and plans hold none: machines have their own.
        Location::Url(url) if url.query().is_some() || !url.username().is_empty() => {
            Err(invalid("a URL with a query or a user"))
        }
        Location::Url(url) => Ok(url.into()),
    }
}

fn invalid(what: &str) -> DataFusionError {
    DataFusionError::Plan(format!("not on a cluster: {what}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ascribe_aggregation::KeyFile;
    use datafusion::{physical_plan::displayable, prelude::SessionContext};

    use super::*;

    fn blob(name: &str, len: u64) -> Blob {
        Blob { location: Location::parse(name).unwrap(), len }
    }

    fn with_plan<T>(blobs: &[Blob], then: impl FnOnce(Result<Arc<dyn ExecutionPlan>>) -> T) -> T {
        let reporter = Reporter::Origin("https://r.test".to_owned());
        let checks = Checks { reporter, debug_run: false, now: Some(Time::from_secs(1)) };
        then(plan(&Reports { blobs, checks, filtering_ids: &BTreeSet::from([0, 7]) }, 4))
    }

    #[test]
    fn a_plan_survives_its_encoding_and_gets_its_keys_where_it_is_decoded() {
        let blobs = [blob("/a", 3), blob("s3://bucket/b", 2)];
        let (plan, bytes) = with_plan(&blobs, |plan| {
            let plan = plan.unwrap();
            (plan.clone(), encode(plan).unwrap())
        });
        let context = SessionContext::new().task_ctx();
        let decode = |codec: &Codec| {
            PhysicalPlanNode::try_decode(&bytes).unwrap().try_into_physical_plan(&context, codec).unwrap()
        };
        let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
        let decoded = decode(&Codec::with_keys("/secret/keys".into()));
        assert_eq!(shown(&decoded), shown(&plan));
        assert_eq!(encode(decoded).unwrap(), bytes, "where the keys are does not come back");
    }

    #[test]
    fn there_is_no_key_in_a_plan() {
        let directory = tempfile::tempdir().unwrap();
        KeyFile::new("key-1", [7; 32].into(), "").unwrap().write(&directory.path().join("k.json")).unwrap();
        let bytes = with_plan(&[blob("/a", 3)], |plan| {
            let codec = Codec::with_keys(directory.path().to_owned());
            let bytes = encode(plan.unwrap()).unwrap();
            let node = PhysicalPlanNode::try_decode(&bytes).unwrap();
            let with_keys = node.try_into_physical_plan(&SessionContext::new().task_ctx(), &codec).unwrap();
            let mut again = Vec::new();
            PhysicalPlanNode::try_from_physical_plan(with_keys, &codec)
                .unwrap()
                .try_encode(&mut again)
                .unwrap();
            [bytes, again].concat()
        });
        let contains = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(contains(b"https://r.test") && !contains(&[7; 32]));
        assert!(!contains(b"BwcHBwcHBwcH"), "nor in base64");
        assert!(!contains(directory.path().to_str().unwrap().as_bytes()));
    }

    #[test]
    fn urls_with_credentials_are_not_planned() {
        for name in ["https://store.example/a?sig=secret", "s3://user@bucket/a"] {
            let error = with_plan(&[blob(name, 1)], |plan| plan.unwrap_err().to_string());
            assert!(!error.contains("secret") && !error.contains("user@"), "{error}");
        }
    }

    #[test]
    fn files_are_spread_by_their_size() {
        let blobs: Vec<_> = [5, 1, 4, 9, 1].iter().map(|len| blob(&format!("/{len}"), *len)).collect();
        let lens: Vec<u64> =
            groups(&blobs, 2).iter().map(|group| group.iter().map(|blob| blob.len).sum()).collect();
        assert_eq!(lens, [10, 10]);
        assert_eq!(groups(&blobs, 100).len(), 5);
    }
}
