//! The store: the same tests against SQLite and PostgreSQL, real ones.

mod support;

use std::sync::{Arc, atomic::AtomicU32};

use ascribe_collector::*;
use ascribe_headers::SourceType;
use ascribe_reports::{Endpoint, Time};
use libtest_mimic::{Arguments, Trial};
use support::{Server, aggregatable, event, verbose};

/// Makes a location of its own for each test.
type Place = Arc<dyn Fn() -> StoreLocation + Send + Sync>;
type Test = fn(&StoreLocation);

const TESTS: [(&str, Test); 18] = [
    ("a_backup_is_a_whole_store", a_backup_is_a_whole_store),
    ("a_report_is_stored_once", a_report_is_stored_once),
    ("a_report_is_known_by_endpoint_and_id", a_report_is_known_by_endpoint_and_id),
    ("verbose_reports_are_stored_each_time", verbose_reports_are_stored_each_time),
    ("what_was_stored_is_there_for_another_connection", what_was_stored_is_there_for_another_connection),
    (
        "event_level_reports_are_counted_and_forged_ones_apart",
        event_level_reports_are_counted_and_forged_ones_apart,
    ),
    ("sources_served_add_up", sources_served_add_up),
    ("batches_are_by_key_and_period_once_ended_and_waited_for", batches_are_by_key_and_period),
    ("late_reports_are_in_a_batch_of_their_own", late_reports_are_in_a_batch_of_their_own),
    (
        "every_report_is_in_one_batch_also_with_two_at_work",
        every_report_is_in_one_batch_also_with_two_at_work,
    ),
    ("old_reports_are_deleted_but_not_from_unwritten_batches", old_reports_are_deleted),
    ("extreme_values_are_kept", extreme_values_are_kept),
    ("verbose_reports_are_found_by_what_they_say", verbose_reports_are_found_by_what_they_say),
    ("event_level_reports_are_found_by_what_they_say", event_level_reports_are_found_by_what_they_say),
    ("reports_are_counted_by_step_and_endpoint", reports_are_counted_by_step_and_endpoint),
    ("waiting_reports_and_batches_are_told", waiting_reports_and_batches_are_told),
    ("a_reading_connection_writes_nothing", a_reading_connection_writes_nothing),
    ("a_query_ends_when_it_takes_too_long", a_query_ends_when_it_takes_too_long),
];

fn main() {
    let arguments = Arguments::from_args();
    let folder = tempfile::tempdir().unwrap();
    let server = (!arguments.list).then(|| Arc::new(Server::start()));
    let number = Arc::new(AtomicU32::new(0));
    let next = move || number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);

    let sqlite: Place = {
        let (folder, next) = (folder.path().to_owned(), next.clone());
        Arc::new(move || StoreLocation::File(folder.join(format!("{}.db", next()))))
    };
    let postgres: Place = {
        let server = server.clone();
        Arc::new(move || {
            let server = server.as_ref().expect("started unless only listing");
            StoreLocation::parse(&server.database(&format!("test{}", next())))
        })
    };
    let mut trials = Vec::new();
    for (database, place) in [("sqlite", sqlite), ("postgres", postgres)] {
        for (name, test) in TESTS {
            let place = place.clone();
            trials.push(Trial::test(format!("{database}::{name}"), move || {
                test(&place());
                Ok(())
            }));
        }
        let place = place.clone();
        trials.push(Trial::test(format!("{database}::a_newer_schema_is_refused"), move || {
            a_newer_schema_is_refused(&place());
            Ok(())
        }));
    }
    let reopened = server.clone();
    trials.push(Trial::test("postgres::a_lost_connection_is_made_anew", move || {
        let server = reopened.expect("started unless only listing");
        a_lost_connection_is_made_anew(&server);
        Ok(())
    }));
    // The server is stopped in the middle of that one.
    let conclusion = libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials);
    drop(server);
    drop(folder);
    conclusion.exit();
}

fn open(location: &StoreLocation) -> Store {
    Store::open(location).expect("the store opens")
}

fn a_report_is_stored_once(location: &StoreLocation) {
    let mut store = open(location);
    let reports =
        [event(1, Some(1), 0), aggregatable(1, 1_700_000_000, "https://shop.example"), event(1, Some(1), 0)];
    assert_eq!(store.insert(&reports).unwrap(), [true, true, false], "also within one transaction");
    assert_eq!(store.insert(&reports).unwrap(), [false, false, false]);
    assert_eq!(store.count(Endpoint::EventLevel).unwrap(), 1);
    assert_eq!(store.count(Endpoint::Aggregatable).unwrap(), 1);
    assert_eq!(store.insert(&[]).unwrap(), Vec::<bool>::new());
}

fn a_report_is_known_by_endpoint_and_id(location: &StoreLocation) {
    let mut store = open(location);
    let copy = NewReport { endpoint: Endpoint::EventLevelDebugCopy, ..event(1, Some(1), 0) };
    let later = NewReport { received_at: Time::from_secs(1_800_000_000), ..event(1, Some(1), 0) };
    let new = store.insert(&[event(1, Some(1), 0), copy, event(2, Some(1), 0), later]).unwrap();
    assert_eq!(new, [true, true, true, false]);
}

fn verbose_reports_are_stored_each_time(location: &StoreLocation) {
    let mut store = open(location);
    let report =
        verbose(r#"[{"type":"source-success","body":{"n":"\u0000é"}},{"type":"source-noised","body":{}}]"#);
    assert_eq!(store.insert(&[report.clone(), report]).unwrap(), [true, true]);
    assert_eq!(store.count(Endpoint::VerboseDebug).unwrap(), 4);
    let of_type = VerboseFilter { data_type: Some("source-success".into()), ..VerboseFilter::default() };
    let found = store.verbose(&of_type, PageOf { before: None, limit: 10 }).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].seq > found[1].seq, "the latest first");
    assert_eq!(found[0].body, r#"{"n":"\u0000é"}"#);
    let page = PageOf { before: Some(found[0].seq), limit: 1 };
    assert_eq!(store.verbose(&VerboseFilter::default(), page).unwrap().len(), 1);
}

fn what_was_stored_is_there_for_another_connection(location: &StoreLocation) {
    let mut store = open(location);
    let mut other = open(location);
    store.insert(&[event(1, Some(1), 0)]).unwrap();
    assert_eq!(other.count(Endpoint::EventLevel).unwrap(), 1);
    other.ping().unwrap();
    drop(store);
    assert_eq!(open(location).count(Endpoint::EventLevel).unwrap(), 1);
}

fn event_level_reports_are_counted_and_forged_ones_apart(location: &StoreLocation) {
    let mut store = open(location);
    let copy = NewReport { endpoint: Endpoint::EventLevelDebugCopy, ..event(9, Some(1), 0) };
    store
        .insert(&[event(1, Some(1), 0), event(2, Some(1), 0), event(3, Some(1), 7), event(4, None, 7), copy])
        .unwrap();
    let mut counts: Vec<_> = store
        .event_counts()
        .unwrap()
        .into_iter()
        .map(|count| (count.campaign, count.trigger_data, count.count))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [(None, 7, 1), (Some(1), 0, 2), (Some(1), 7, 1)]);
}

fn sources_served_add_up(location: &StoreLocation) {
    let mut store = open(location);
    let served = |day, count| ServedSource {
        campaign: u64::MAX,
        source_type: SourceType::Event,
        max_event_level_reports: 20,
        trigger_data: 32,
        windows: 5,
        epsilon: 14.0,
        day,
        count,
    };
    store.add_served(&[served(1, 2), served(2, 3)]).unwrap();
    store.add_served(&[served(1, 5)]).unwrap();
    assert_eq!(store.served().unwrap(), [served(1, 7), served(2, 3)]);
}

const HOUR: i64 = 3600;
/// A whole day.
const START: i64 = 1_700_006_400;
const PLAN: BatchPlan = BatchPlan { period_hours: 1, wait_seconds: 600 };

fn batches_are_by_key_and_period(location: &StoreLocation) {
    let mut store = open(location);
    let (shop, other) = ("https://shop.example", "https://other.example");
    let copy = NewReport { endpoint: Endpoint::AggregatableDebugCopy, ..aggregatable(7, START, shop) };
    let reports = [
        aggregatable(1, START, shop),
        aggregatable(2, START + HOUR - 1, shop),
        aggregatable(3, START + HOUR, shop),
        aggregatable(4, START, other),
        aggregatable(5, -1, shop),
        aggregatable(6, START + 100_000 * HOUR, shop),
        copy,
    ];
    store.insert(&reports).unwrap();
    let at = |seconds| Time::from_secs(START + seconds);
    let assigned = |batches: Vec<Batch>| -> Vec<_> {
        batches.into_iter().map(|b| (b.key.destination, b.key.period_start, b.late, b.reports)).collect()
    };
    // Not yet waited for; before the epoch, hours begin at whole hours too.
    assert_eq!(
        assigned(store.assign_batches(PLAN, at(HOUR + 599)).unwrap()),
        [(shop.to_owned(), -HOUR, 0, 1)]
    );
    assert_eq!(
        assigned(store.assign_batches(PLAN, at(HOUR + 600)).unwrap()),
        [(other.to_owned(), START, 0, 1), (shop.to_owned(), START, 0, 2)]
    );
    assert_eq!(
        assigned(store.assign_batches(PLAN, at(3 * HOUR)).unwrap()),
        [(shop.to_owned(), START + HOUR, 0, 1)]
    );
    assert_eq!(assigned(store.assign_batches(PLAN, at(3 * HOUR)).unwrap()), []);

    let unwritten = store.unwritten_batches().unwrap();
    assert_eq!(unwritten.len(), 4);
    let batch = &unwritten[2];
    let reports = store.batch_reports(batch.id, 0, 10).unwrap();
    let ids: Vec<_> = reports.iter().map(|report| report.report_id[15]).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(store.batch_reports(batch.id, reports[0].seq, 10).unwrap(), reports[1..]);
    assert!(
        reports[0].shared_info.starts_with(r#"{"api":"attribution-reporting","attribution_destination":"#)
    );
    assert_eq!(reports[0].payload, 1u128.to_be_bytes().repeat(4));
    store.batch_written(batch.id, at(0)).unwrap();
    assert_eq!(store.unwritten_batches().unwrap().len(), 3);
}

fn late_reports_are_in_a_batch_of_their_own(location: &StoreLocation) {
    let mut store = open(location);
    let shop = "https://shop.example";
    let now = Time::from_secs(START + 48 * HOUR);
    for (n, late) in [(1, 0), (2, 1), (3, 2)] {
        store.insert(&[aggregatable(n, START, shop)]).unwrap();
        let batches = store.assign_batches(PLAN, now).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.late).collect::<Vec<_>>(), [late]);
    }
    // A day that holds an hour which was batched before.
    store.insert(&[aggregatable(4, START + 5 * HOUR, shop)]).unwrap();
    let days = BatchPlan { period_hours: 24, ..PLAN };
    assert_eq!(store.assign_batches(days, now).unwrap()[0].late, 3);
}

fn every_report_is_in_one_batch_also_with_two_at_work(location: &StoreLocation) {
    let reports: Vec<_> = (0..500).map(|n| aggregatable(n, START, "https://shop.example")).collect();
    let mut store = open(location);
    let now = Time::from_secs(START + 48 * HOUR);
    std::thread::scope(|scope| {
        for half in reports.chunks(250) {
            scope.spawn(move || {
                let mut store = open(location);
                for few in half.chunks(10) {
                    store.insert(few).unwrap();
                    store.assign_batches(PLAN, now).unwrap();
                }
            });
        }
    });
    store.assign_batches(PLAN, now).unwrap();
    let mut ids = Vec::new();
    for batch in store.unwritten_batches().unwrap() {
        let of_batch = store.batch_reports(batch.id, 0, 1000).unwrap();
        assert_eq!(of_batch.len() as u64, batch.reports);
        ids.extend(of_batch.into_iter().map(|report| report.report_id));
    }
    ids.sort();
    let all: Vec<_> = (0..500u128).map(|n| n.to_be_bytes().to_vec()).collect();
    assert_eq!(ids, all);
}

fn old_reports_are_deleted(location: &StoreLocation) {
    let mut store = open(location);
    let shop = "https://shop.example";
    store
        .insert(&[event(1, None, 0), aggregatable(1, START, shop), aggregatable(2, START + HOUR, shop)])
        .unwrap();
    store.insert(&[verbose(r#"[{"type":"source-success","body":{}}]"#)]).unwrap();
    let batches = store.assign_batches(PLAN, Time::from_secs(START + 5 * HOUR)).unwrap();
    store.batch_written(batches[0].id, Time::from_secs(START)).unwrap();
    assert_eq!(store.delete_before(Time::from_secs(1_700_000_000)).unwrap(), 0);
    assert_eq!(store.delete_before(Time::from_secs(START + 50 * HOUR)).unwrap(), 3);
    assert_eq!(store.batch_reports(batches[1].id, 0, 10).unwrap().len(), 1, "not written yet");
    assert_eq!(store.insert(&[event(1, None, 0)]).unwrap(), [true], "what is deleted is forgotten");
}

fn extreme_values_are_kept(location: &StoreLocation) {
    let mut store = open(location);
    let mut report = event(u128::MAX, Some(u64::MAX), u64::MAX);
    if let ReportBody::Event { report, .. } = &mut report.body {
        report.report_time = Time::from_secs(-8_640_000_000_000);
        report.randomized_trigger_rate = 1.0;
    }
    store.insert(&[report]).unwrap();
    let counts = store.event_counts().unwrap();
    assert_eq!((counts[0].campaign, counts[0].trigger_data, counts[0].rate), (Some(u64::MAX), u64::MAX, 1.0));
}

fn a_newer_schema_is_refused(location: &StoreLocation) {
    drop(open(location));
    match location {
        StoreLocation::File(path) => {
            rusqlite::Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
        }
        StoreLocation::Postgres(url) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute("UPDATE ascribe_schema SET version = 1000").await.unwrap();
            });
        }
    }
    assert!(matches!(Store::open(location), Err(StoreError::Newer { found: 1000, .. })));
}

fn a_lost_connection_is_made_anew(server: &Server) {
    let mut store = open(&StoreLocation::parse(&server.database("lost")));
    store.insert(&[event(1, None, 0)]).unwrap();
    server.ctl(&["stop", "--mode=immediate"]);
    assert!(store.insert(&[event(2, None, 0)]).is_err());
    assert!(store.insert(&[event(2, None, 0)]).is_err());
    server.ctl(&["start", "--wait"]);
    assert_eq!(store.insert(&[event(1, None, 0), event(2, None, 0)]).unwrap(), [false, true]);
}

fn a_backup_is_a_whole_store(location: &StoreLocation) {
    let mut store = open(location);
    store.insert(&[event(1, None, 0)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    match location {
        StoreLocation::File(_) => {
            location.backup(&copy).unwrap();
            store.insert(&[event(2, None, 0)]).unwrap();
            assert_eq!(open(&StoreLocation::File(copy.clone())).count(Endpoint::EventLevel).unwrap(), 1);
            assert!(location.backup(&copy).is_err(), "nothing is overwritten");
        }
        StoreLocation::Postgres(_) => assert!(matches!(location.backup(&copy), Err(StoreError::NoBackup))),
    }
}

const ALL: PageOf = PageOf { before: None, limit: 100 };

fn verbose_of(body: &str, campaigns: &[Option<u64>], received: i64) -> NewReport {
    let mut report = verbose(body);
    report.received_at = Time::from_secs(received);
    if let ReportBody::Verbose { campaigns: of, .. } = &mut report.body {
        *of = campaigns.into();
    }
    report
}

fn verbose_reports_are_found_by_what_they_say(location: &StoreLocation) {
    let mut store = Store::open(location).unwrap();
    let one = r#"[{"type":"a","body":{"attribution_destination":"https://shop.example","source_event_id":"18446744073709551615"}},
        {"type":"b","body":{"attribution_destination":["https://a_b.example","https://shop.test"]}}]"#;
    let other = r#"[{"type":"a","body":{"attribution_destination":"https://axb.example"}}]"#;
    store
        .insert(&[verbose_of(one, &[Some(1), None], 1000), verbose_of(other, &[Some(u64::MAX)], 2000)])
        .unwrap();
    let mut found = |filter: ReportFilter, data_type: Option<&str>| {
        let filter = VerboseFilter { report: filter, data_type: data_type.map(str::to_owned) };
        let reports = store.verbose(&filter, ALL).unwrap();
        reports.iter().map(|report| (report.data_type.clone(), report.campaign)).collect::<Vec<_>>()
    };
    let row = |data_type: &str, campaign| (data_type.to_owned(), campaign);
    let none = ReportFilter::default;
    let (first, second, third) = (row("a", Some(1)), row("b", None), row("a", Some(u64::MAX)));
    assert_eq!(found(none(), None), [third.clone(), second.clone(), first.clone()], "the latest first");
    assert_eq!(found(none(), Some("b")), std::slice::from_ref(&second));
    assert_eq!(found(none(), Some("' OR 1=1 --")), []);
    let campaign = |number| ReportFilter { campaign: Some(number), ..none() };
    assert_eq!(found(campaign(1), None), std::slice::from_ref(&first));
    assert_eq!(found(campaign(u64::MAX), Some("a")), std::slice::from_ref(&third));
    let destination = |site: &str| ReportFilter { destination: Some(site.into()), ..none() };
    assert_eq!(found(destination("https://shop.test"), None), std::slice::from_ref(&second), "one of two");
    assert_eq!(found(destination("https://a_b.example"), None), std::slice::from_ref(&second), "no pattern");
    for none_has in ["https://shop", "%", "https://shop.example https://shop.test"] {
        assert_eq!(found(destination(none_has), None), [], "{none_has}");
    }
    let event = ReportFilter { source_event_id: Some(u64::MAX), ..none() };
    assert_eq!(found(event, None), std::slice::from_ref(&first));
    let time = |from, until| ReportFilter {
        from: Some(Time::from_secs(from)),
        until: Some(Time::from_secs(until)),
        ..none()
    };
    assert_eq!(found(time(1000, 2000), None), [second.clone(), first], "from is in it, until is not");
    assert_eq!(found(time(1001, 2001), None), [third]);
    let types = store.verbose_types(Time::from_secs(1000), Time::from_secs(2001)).unwrap();
    let types: Vec<_> = types.iter().map(|of| (of.data_type.as_str(), of.count)).collect();
    assert_eq!(types, [("a", 2), ("b", 1)]);
}

fn event_level_reports_are_found_by_what_they_say(location: &StoreLocation) {
    let mut store = Store::open(location).unwrap();
    let mut copy = event(2, Some(7), 5);
    copy.endpoint = Endpoint::EventLevelDebugCopy;
    store.insert(&[event(1, None, 3), copy, event(3, Some(7), 1)]).unwrap();
    let of_campaign = ReportFilter { campaign: Some(7), ..ReportFilter::default() };
    let found = store.event_reports(&of_campaign, ALL).unwrap();
    assert_eq!(
        found.iter().map(|report| (report.trigger_data, report.is_debug_copy)).collect::<Vec<_>>(),
        [(1, false), (5, true)]
    );
    let report = &found[0];
    assert_eq!(
        (report.source_event_id, report.source_type, report.rate),
        (u64::MAX, SourceType::Navigation, 0.002_426_3)
    );
    assert_eq!((report.source_debug_key, report.trigger_debug_key), (Some(u64::MAX), None));
    assert_eq!(report.destinations, "https://shop.example");
    let page = PageOf { before: Some(report.seq), limit: 1 };
    let next = store.event_reports(&ReportFilter::default(), page).unwrap();
    assert_eq!((next.len(), next[0].trigger_data), (1, 5));
}

fn reports_are_counted_by_step_and_endpoint(location: &StoreLocation) {
    let mut store = Store::open(location).unwrap();
    let hour = 3_600_000;
    let mut reports =
        vec![event(1, None, 0), event(2, None, 0), aggregatable(3, 7200, "https://shop.example")];
    for (report, at) in reports.iter_mut().zip([3600, 7199, 7200]) {
        report.received_at = Time::from_secs(at);
    }
    reports.push(verbose_of(r#"[{"type":"a","body":{}},{"type":"b","body":{}}]"#, &[], 7201));
    store.insert(&reports).unwrap();
    let counts = store.received(Time::from_secs(3600), Time::from_secs(10_800), hour).unwrap();
    let counts: Vec<_> =
        counts.iter().map(|count| (count.endpoint, count.from.as_secs(), count.count)).collect();
    assert_eq!(
        counts,
        [
            (Endpoint::EventLevel, 3600, 2),
            (Endpoint::Aggregatable, 7200, 1),
            (Endpoint::VerboseDebug, 7200, 2)
        ]
    );
    let later = store.received(Time::from_secs(7200), Time::from_secs(7201), hour).unwrap();
    assert_eq!(later.len(), 1, "{later:?}");
}

fn waiting_reports_and_batches_are_told(location: &StoreLocation) {
    let mut store = Store::open(location).unwrap();
    let mut copy = aggregatable(4, 3600, "https://shop.example");
    copy.endpoint = Endpoint::AggregatableDebugCopy;
    store
        .insert(&[
            aggregatable(1, 3600, "https://shop.example"),
            aggregatable(2, 7200, "https://shop.example"),
            aggregatable(3, 3600, "https://shop.test"),
            copy,
        ])
        .unwrap();
    let waiting = store.waiting().unwrap();
    assert_eq!(
        (waiting.len(), waiting[0].destination.as_str(), waiting[0].count),
        (2, "https://shop.example", 2)
    );
    assert_eq!((waiting[0].first_scheduled.as_secs(), waiting[0].last_scheduled.as_secs()), (3600, 7200));
    assert_eq!(store.waiting_and_batched().unwrap(), (3, 0), "debug copies wait for nothing");
    let plan = BatchPlan { period_hours: 1, wait_seconds: 0 };
    store.assign_batches(plan, Time::from_secs(7200)).unwrap();
    assert_eq!(store.waiting_and_batched().unwrap(), (1, 2));
    let batches = store.batches(ALL).unwrap();
    assert_eq!(batches.len(), 2);
    assert!(batches[0].batch.id > batches[1].batch.id, "the latest first");
    store.batch_written(batches[1].batch.id, Time::from_secs(7300)).unwrap();
    let batches = store.batches(PageOf { before: Some(batches[0].batch.id), limit: 10 }).unwrap();
    assert_eq!(
        batches.iter().map(|batch| batch.written_at).collect::<Vec<_>>(),
        [Some(Time::from_secs(7300))]
    );
}

fn a_reading_connection_writes_nothing(location: &StoreLocation) {
    let patience = std::time::Duration::from_secs(10);
    let mut store = Store::open_to_read(location, patience).unwrap();
    assert!(store.insert(&[event(1, None, 0)]).is_err());
    assert_eq!(store.count(Endpoint::EventLevel).unwrap(), 0, "and reads on");
}

fn a_query_ends_when_it_takes_too_long(location: &StoreLocation) {
    let mut store = Store::open(location).unwrap();
    let reports: Vec<_> = (0..60_000).map(|n| event(n, Some(n as u64), n as u64)).collect();
    store.insert(&reports).unwrap();
    let mut hasty = Store::open_to_read(location, std::time::Duration::from_millis(1)).unwrap();
    let counted = hasty.event_counts();
    assert!(matches!(counted, Err(StoreError::TooSlow)), "{:?}", counted.map(|counts| counts.len()));
    let mut patient = Store::open_to_read(location, std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(patient.event_counts().unwrap().len(), 60_000);
}
