//! The tables, and the statements that make them.

/// A table that rows are inserted into, each once.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Names, and types as PostgreSQL has them.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// The columns that tell rows apart, as indices; none where every row is new.
    pub(crate) key: &'static [usize],
}

/// Event-level reports, and debug copies of them.
///
/// A report never changes its scheduled time. As a part of the key, it keeps neighbours in time together:
/// report IDs alone are random, and would spread each transaction over the whole index.
pub(crate) const EVENT_REPORTS: Table = Table {
    name: "event_reports",
    columns: &[
        ("endpoint", "int8"),
        ("scheduled_at", "int8"),
        ("report_id", "bytea"),
        ("received_at", "int8"),
        ("destinations", "text"),
        ("source_event_id", "int8"),
        ("source_type", "int8"),
        ("trigger_data", "int8"),
        ("rate", "float8"),
        ("source_debug_key", "int8"),
        ("trigger_debug_key", "int8"),
        ("campaign", "int8"),
    ],
    key: &[0, 1, 2],
};

/// Aggregatable reports of both kinds, and debug copies of them.
pub(crate) const AGGREGATABLE_REPORTS: Table = Table {
    name: "aggregatable_reports",
    columns: &[
        ("endpoint", "int8"),
        ("scheduled_at", "int8"),
        ("report_id", "bytea"),
        ("received_at", "int8"),
        ("destination", "text"),
        ("coordinator", "text"),
        ("api", "text"),
        ("version", "text"),
        ("key_id", "text"),
        ("payload", "bytea"),
        ("shared_info", "text"),
        ("cleartext", "bytea"),
        ("context_id", "bytea"),
        ("source_debug_key", "int8"),
        ("trigger_debug_key", "int8"),
    ],
    key: &[0, 1, 2],
};

/// What verbose debug reports tell, one thing a row.
pub(crate) const VERBOSE_REPORTS: Table = Table {
    name: "verbose_reports",
    columns: &[
        ("received_at", "int8"),
        ("type", "text"),
        ("body", "text"),
        ("campaign", "int8"),
        ("destinations", "text"),
        ("source_event_id", "int8"),
    ],
    key: &[],
};

/// The schema, as the statements that lead from each version to the next.
pub(crate) fn migrations(dialect: Dialect) -> Vec<String> {
    vec![first(dialect), second(dialect)]
}

/// What the two databases call differently.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

fn first(dialect: Dialect) -> String {
    let (id, integer, real, bytes) = match dialect {
        Dialect::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER", "REAL", "BLOB"),
        Dialect::Postgres => {
            ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT", "DOUBLE PRECISION", "BYTEA")
        }
    };
    format!(
        "
CREATE TABLE event_reports (
    seq {id},
    endpoint {integer} NOT NULL,
    scheduled_at {integer} NOT NULL,
    report_id {bytes} NOT NULL,
    received_at {integer} NOT NULL,
    destinations TEXT NOT NULL,
    source_event_id {integer} NOT NULL,
    source_type {integer} NOT NULL,
    trigger_data {integer} NOT NULL,
    rate {real} NOT NULL,
    source_debug_key {integer},
    trigger_debug_key {integer},
    campaign {integer}
);
CREATE UNIQUE INDEX event_reports_once ON event_reports (endpoint, scheduled_at, report_id);

CREATE TABLE batches (
    id {id},
    destination TEXT NOT NULL,
    coordinator TEXT NOT NULL,
    api TEXT NOT NULL,
    version TEXT NOT NULL,
    period_start {integer} NOT NULL,
    period_seconds {integer} NOT NULL,
    late {integer} NOT NULL,
    reports {integer} NOT NULL,
    assigned_at {integer} NOT NULL,
    written_at {integer}
);

CREATE TABLE aggregatable_reports (
    seq {id},
    endpoint {integer} NOT NULL,
    scheduled_at {integer} NOT NULL,
    report_id {bytes} NOT NULL,
    received_at {integer} NOT NULL,
    destination TEXT NOT NULL,
    coordinator TEXT NOT NULL,
    api TEXT NOT NULL,
    version TEXT NOT NULL,
    key_id TEXT NOT NULL,
    payload {bytes} NOT NULL,
    shared_info TEXT NOT NULL,
    cleartext {bytes},
    context_id {bytes},
    source_debug_key {integer},
    trigger_debug_key {integer},
    batch {integer} REFERENCES batches (id)
);
CREATE UNIQUE INDEX aggregatable_reports_once ON aggregatable_reports (endpoint, scheduled_at, report_id);
CREATE INDEX aggregatable_reports_waiting ON aggregatable_reports (scheduled_at) WHERE batch IS NULL;
CREATE INDEX aggregatable_reports_batched ON aggregatable_reports (batch, seq) WHERE batch IS NOT NULL;

CREATE TABLE verbose_reports (
    seq {id},
    received_at {integer} NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE served_sources (
    campaign {integer} NOT NULL,
    source_type {integer} NOT NULL,
    reports {integer} NOT NULL,
    trigger_data {integer} NOT NULL,
    windows {integer} NOT NULL,
    epsilon {real} NOT NULL,
    day {integer} NOT NULL,
    count {integer} NOT NULL,
    PRIMARY KEY (campaign, source_type, reports, trigger_data, windows, epsilon, day)
);
"
    )
}

/// What people look for. Estimates count all event-level reports: in the index, without the table. Verbose reports that were stored before it are found by type and time alone.
fn second(dialect: Dialect) -> String {
    let integer = match dialect {
        Dialect::Sqlite => "INTEGER",
        Dialect::Postgres => "BIGINT",
    };
    format!(
        "
ALTER TABLE verbose_reports ADD COLUMN campaign {integer};
ALTER TABLE verbose_reports ADD COLUMN destinations TEXT NOT NULL DEFAULT '';
ALTER TABLE verbose_reports ADD COLUMN source_event_id {integer};
CREATE INDEX verbose_reports_by_type ON verbose_reports (type, seq);
CREATE INDEX verbose_reports_received ON verbose_reports (received_at, type);
CREATE INDEX event_reports_counted ON event_reports (endpoint, campaign, source_type, rate, trigger_data);
CREATE INDEX event_reports_received ON event_reports (received_at, endpoint);
CREATE INDEX aggregatable_reports_received ON aggregatable_reports (received_at, endpoint);
"
    )
}
