//! Batches: what is in their files, who can read them, and that a report is in exactly one, whatever fails.

mod support;

use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    path::Path as FilePath,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use ascribe_collector::*;
use ascribe_reports::Time;
use futures_core::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use support::aggregatable;

const START: i64 = 1_700_006_400;
const PLAN: BatchPlan = BatchPlan { period_hours: 1, wait_seconds: 600 };

fn options(reports_per_file: u32) -> BatchOptions {
    BatchOptions { plan: PLAN, reports_per_file, parquet: true }
}

fn batcher(place: Arc<dyn ObjectStore>, reports_per_file: u32) -> Batcher {
    let clock = Clock::new(|| Time::from_secs(START + 48 * 3600));
    Batcher::new(BatchPlace::new(place), options(reports_per_file), clock)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A store with 10 reports of one hour, 3 of another destination, and 1 of the next hour.
fn filled(folder: &FilePath) -> Store {
    let mut store = Store::open(&StoreLocation::File(folder.join("reports.db"))).unwrap();
    let mut reports: Vec<_> =
        (0..10).map(|n| aggregatable(n, START + n as i64, "https://shop.example")).collect();
    reports.extend((10..13).map(|n| aggregatable(n, START, "https://other.example")));
    reports.push(aggregatable(13, START + 3600, "https://shop.example"));
    store.insert(&reports).unwrap();
    store
}

fn files(place: &InMemory) -> BTreeMap<String, Vec<u8>> {
    let runtime = runtime();
    let list = runtime.block_on(place.list_with_delimiter(None)).unwrap();
    let mut folders = list.common_prefixes;
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        let list = runtime.block_on(place.list_with_delimiter(Some(&folder))).unwrap();
        folders.extend(list.common_prefixes);
        for object in list.objects {
            let bytes =
                runtime.block_on(async { place.get(&object.location).await.unwrap().bytes().await.unwrap() });
            files.insert(object.location.to_string(), bytes.to_vec());
        }
    }
    files
}

/// The reports of an Avro file: payload, key ID, shared info.
fn avro(file: &[u8]) -> Vec<(Vec<u8>, String, String)> {
    use apache_avro::types::Value;
    let record = |value| match value {
        Ok(Value::Record(fields)) => {
            match <[_; 3]>::try_from(fields.into_iter().map(|f| f.1).collect::<Vec<_>>()) {
                Ok([Value::Bytes(payload), Value::String(key), Value::String(info)]) => (payload, key, info),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    };
    apache_avro::Reader::new(file).unwrap().map(record).collect()
}

#[test]
fn batches_are_files_with_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path());
    let place = Arc::new(InMemory::new());
    let runtime = runtime();
    let written = batcher(place.clone(), 4).run(&mut store, runtime.handle()).unwrap();
    assert_eq!(written.iter().map(|batch| batch.reports).collect::<Vec<_>>(), [3, 10, 1]);
    let found = files(&place);
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    let of_shop = "attribution-reporting/shop.example/2023-11-15T00Z/batch-2";
    let expected: Vec<_> = ["00000", "00001", "00002"]
        .iter()
        .flat_map(|n| [format!("{of_shop}/reports-{n}.avro"), format!("{of_shop}/reports-{n}.parquet")])
        .collect();
    for name in &expected {
        assert!(names.contains(&name.as_str()), "{name}: {names:?}");
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&found[&format!("{of_shop}/manifest.json")]).unwrap();
    assert_eq!(manifest["reports"], 10);
    assert_eq!(
        manifest["files"],
        serde_json::json!(["reports-00000.avro", "reports-00001.avro", "reports-00002.avro"])
    );
    assert_eq!(manifest["attribution_destination"], "https://shop.example");
    assert_eq!(
        (&manifest["period_start"], &manifest["period_seconds"], &manifest["late"]),
        (&START.into(), &3600.into(), &0.into())
    );
    // The reports as they came, to the byte, in their order.
    let reports: Vec<_> =
        (0..3).flat_map(|n| avro(&found[&format!("{of_shop}/reports-0000{n}.avro")])).collect();
    for (n, (payload, key_id, shared_info)) in reports.iter().enumerate() {
        let body: serde_json::Value = serde_json::from_str(&support::aggregatable_body(
            n as u128,
            START + n as i64,
            "https://shop.example",
        ))
        .unwrap();
        assert_eq!(body["shared_info"], *shared_info);
        assert_eq!((payload, key_id.as_str()), (&(n as u128).to_be_bytes().repeat(4), "key-1"));
    }
    assert_eq!(reports.len(), 10);
    // Nothing is left to do.
    assert_eq!(batcher(place, 4).run(&mut store, runtime.handle()).unwrap(), []);
}

#[test]
fn late_reports_are_written_apart_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path());
    let (place, runtime) = (Arc::new(InMemory::new()), runtime());
    batcher(place.clone(), 4).run(&mut store, runtime.handle()).unwrap();
    store.insert(&[aggregatable(99, START, "https://shop.example")]).unwrap();
    let late = batcher(place.clone(), 4).run(&mut store, runtime.handle()).unwrap();
    assert_eq!((late.len(), late[0].late), (1, 1));
    let files = files(&place);
    let manifest = &files["attribution-reporting/shop.example/2023-11-15T00Z/batch-4-late-1/manifest.json"];
    assert_eq!(serde_json::from_slice::<serde_json::Value>(manifest).unwrap()["late"], 1);
}

#[test]
fn a_folder_on_disk_is_a_place_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path());
    let root = folder.path().join("batches");
    let place = BatchPlace::parse(root.to_str().unwrap(), []).unwrap();
    let clock = Clock::new(|| Time::from_secs(START + 48 * 3600));
    Batcher::new(place, options(100), clock).run(&mut store, runtime().handle()).unwrap();
    let file = root.join("attribution-reporting/other.example/2023-11-15T00Z/batch-1/reports-00000.avro");
    assert_eq!(avro(&std::fs::read(file).unwrap()).len(), 3);
    assert!(BatchPlace::parse("nowhere://bucket/path", []).is_err());
}

/// An object store that fails, or whose host dies, when so many files are written.
#[derive(Debug)]
struct Failing {
    inner: Arc<InMemory>,
    left: AtomicI64,
    /// Whether the file is written all the same: its answer is lost.
    after: bool,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing")
    }
}

impl Failing {
    async fn put_or_fail(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if fails && !self.after {
            return Err(object_store::Error::NotImplemented {
                operation: "put".into(),
                implementer: "test".into(),
            });
        }
        let put = self.inner.put_opts(path, payload, options).await;
        match fails {
            true => Err(object_store::Error::NotImplemented {
                operation: "put".into(),
                implementer: "test".into(),
            }),
            false => put,
        }
    }
}

#[async_trait::async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.put_or_fail(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What is there in the end, when writing failed at each place in turn, and reports came in between.
#[test]
fn a_report_is_in_exactly_one_batch_wherever_writing_stops() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, place) = (filled(folder.path()), Arc::new(InMemory::new()));
        batcher(place.clone(), 4).run(&mut store, runtime().handle()).unwrap();
        files(&place)
    };
    let puts = whole.len() as i64;
    assert_eq!(puts, 3 * 3 + 2 * 2, "three manifests, five files in two formats");
    for after in [false, true] {
        for stops_at in 0..puts {
            let folder = tempfile::tempdir().unwrap();
            let inner = Arc::new(InMemory::new());
            {
                let mut store = filled(folder.path());
                let failing = Failing { inner: inner.clone(), left: stops_at.into(), after };
                let stopped = batcher(Arc::new(failing), 4).run(&mut store, runtime().handle());
                assert!(matches!(stopped, Err(BatchError::Place(_))), "{stops_at}");
                // It dies here: only what is on the disk and in the place goes on.
            }
            let mut store = Store::open(&StoreLocation::File(folder.path().join("reports.db"))).unwrap();
            store.insert(&[aggregatable(99, START, "https://shop.example")]).unwrap();
            batcher(inner.clone(), 4).run(&mut store, runtime().handle()).unwrap();
            let mut found = files(&inner);
            let late = found.split_off("attribution-reporting/shop.example/2023-11-15T00Z/batch-4-late-1");
            let (late, next): (BTreeMap<_, _>, BTreeMap<_, _>) =
                late.into_iter().partition(|(name, _)| name.contains("late"));
            found.extend(next);
            assert_eq!(late.len(), 3, "the report that came later is in a batch of its own");
            assert_eq!(found.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
            for (name, file) in &found {
                // `assigned_at` is of this run's clock, which stands: all is the same to the byte.
                assert!(file == &whole[name], "{name} after stopping at {stops_at}");
            }
        }
    }
}

#[test]
fn a_batch_that_was_assigned_and_not_begun_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let now = Time::from_secs(START + 48 * 3600);
    filled(folder.path()).assign_batches(PLAN, now).unwrap();
    let mut store = Store::open(&StoreLocation::File(folder.path().join("reports.db"))).unwrap();
    let place = Arc::new(InMemory::new());
    assert_eq!(batcher(place.clone(), 100).run(&mut store, runtime().handle()).unwrap().len(), 3);
    // Written, and not marked: written again over itself.
    assert_eq!(files(&place).len(), 9);
}

#[test]
fn parquet_has_a_column_for_what_analysis_needs() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let (mut store, place) = (filled(folder.path()), Arc::new(InMemory::new()));
    batcher(place.clone(), 100).run(&mut store, runtime().handle()).unwrap();
    let file = files(&place)
        .remove("attribution-reporting/shop.example/2023-11-15T00Z/batch-2/reports-00000.parquet")
        .unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 10);
    let columns: Vec<_> =
        rows[3].get_column_iter().map(|(name, field)| (name.as_str(), field.to_string())).collect();
    assert_eq!(columns.len(), 6, "{columns:?}");
    assert_eq!(columns[0], ("report_id", r#""00000000-0000-0000-0000-000000000003""#.to_owned()));
    assert_eq!(columns[2], ("scheduled_report_time", "2023-11-15 00:00:03.000 +00:00".to_owned()));
    assert!(columns[4].1.contains("1700006403"), "{}", columns[4].1);
}

#[test]
fn the_schema_is_that_of_the_aggregation_service() {
    let Ok(shared) = std::env::var("ASCRIBE_SHARED") else {
        writeln!(std::io::stderr(), "skipped: ASCRIBE_SHARED names no folder of shared data").unwrap();
        return;
    };
    let golden = std::fs::read_to_string(FilePath::new(&shared).join("goldens/avro/reports.avsc")).unwrap();
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(REPORTS_SCHEMA), read(&golden));
}

#[test]
fn fastavro_reads_a_batch() {
    let Ok(python) = std::env::var("ASCRIBE_INTEROP_PYTHON") else {
        writeln!(
            std::io::stderr(),
            "skipped: ASCRIBE_INTEROP_PYTHON names no Python with fastavro; see scripts/interop-venv.sh"
        )
        .unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut store, place) = (filled(folder.path()), Arc::new(InMemory::new()));
    batcher(place.clone(), 100).run(&mut store, runtime().handle()).unwrap();
    let file = files(&place)
        .remove("attribution-reporting/shop.example/2023-11-15T00Z/batch-2/reports-00000.avro")
        .unwrap();
    let path = folder.path().join("reports.avro");
    std::fs::write(&path, &file).unwrap();
    let script = concat!(
        "import base64, fastavro, json, sys\n",
        "with open(sys.argv[1], 'rb') as file:\n",
        "    reader = fastavro.reader(file)\n",
        "    rows = [[base64.b64encode(r['payload']).decode(), r['key_id'], r['shared_info']] for r in reader]\n",
        "    print(json.dumps([reader.writer_schema['name'], rows]))\n",
    );
    let output =
        Command::new(&python).arg("-c").arg(script).arg(&path).output().expect("ASCRIBE_INTEROP_PYTHON");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read[0], "AggregatableReport");
    use base64::Engine;
    let expected: Vec<_> = avro(&file)
        .into_iter()
        .map(|(payload, key_id, info)| {
            serde_json::json!([base64::prelude::BASE64_STANDARD.encode(payload), key_id, info])
        })
        .collect();
    assert_eq!(read[1].as_array().unwrap().len(), 10);
    assert_eq!(read[1], serde_json::Value::Array(expected));
}
