//! What is counted: sources served, event-level reports by campaign, reports by endpoint.

use ascribe_headers::SourceType;
use ascribe_reports::Endpoint;

use super::{
    Store, StoreError,
    cell::Cell,
    integer, real,
    reports::{endpoint_number, source_type_number},
};

/// How many sources of one kind were served on a day.
///
/// Estimates need to know how many sources there are, for each adds its share of noise; and what their
/// outputs were, which the campaigns file may have changed since.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedSource {
    /// The campaign's number.
    pub campaign: u64,
    /// The type of the sources.
    pub source_type: SourceType,
    /// Their `max_event_level_reports`.
    pub max_event_level_reports: u8,
    /// How many trigger data they have.
    pub trigger_data: u8,
    /// How many windows they have.
    pub windows: u8,
    /// Their `event_level_epsilon`.
    pub epsilon: f64,
    /// The day, in days since the UNIX epoch.
    pub day: i64,
    /// How many.
    pub count: u64,
}

/// How many event-level reports say the same.
#[derive(Clone, Debug, PartialEq)]
pub struct EventCount {
    /// The campaign's number, or `None` for reports whose source event ID was made up.
    pub campaign: Option<u64>,
    /// The type of their sources.
    pub source_type: SourceType,
    /// Their `randomized_trigger_rate`.
    pub rate: f64,
    /// Their `trigger_data`.
    pub trigger_data: u64,
    /// How many.
    pub count: u64,
}

impl Store {
    /// Adds to the numbers of sources served.
    ///
    /// # Errors
    /// When nothing was added.
    pub fn add_served(&mut self, served: &[ServedSource]) -> Result<(), StoreError> {
        self.transaction(false, |database| {
            for source in served {
                database.execute(
                    "INSERT INTO served_sources (campaign, source_type, reports, trigger_data, windows, epsilon, day,
                        count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (campaign, source_type, reports, trigger_data, windows, epsilon, day)
                     DO UPDATE SET count = served_sources.count + excluded.count",
                    &[
                        source.campaign.into(),
                        source_type_number(source.source_type).into(),
                        i64::from(source.max_event_level_reports).into(),
                        i64::from(source.trigger_data).into(),
                        i64::from(source.windows).into(),
                        source.epsilon.into(),
                        source.day.into(),
                        source.count.into(),
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// All numbers of sources served.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn served(&mut self) -> Result<Vec<ServedSource>, StoreError> {
        let rows = self.0.query(
            "SELECT campaign, source_type, reports, trigger_data, windows, epsilon, day, count
             FROM served_sources ORDER BY 1, 2, 3, 4, 5, 6, 7",
            &[],
        )?;
        let served = |row: &Vec<Cell>| {
            Ok(ServedSource {
                campaign: integer(row, 0)? as u64,
                source_type: source_type(integer(row, 1)?)?,
                max_event_level_reports: small(integer(row, 2)?)?,
                trigger_data: small(integer(row, 3)?)?,
                windows: small(integer(row, 4)?)?,
                epsilon: real(row, 5)?,
                day: integer(row, 6)?,
                count: integer(row, 7)? as u64,
            })
        };
        rows.iter().map(served).collect()
    }

    /// How many event-level reports say what; debug copies are not counted.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn event_counts(&mut self) -> Result<Vec<EventCount>, StoreError> {
        let rows = self.0.query(
            "SELECT campaign, source_type, rate, trigger_data, COUNT(*) FROM event_reports WHERE endpoint = $1
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            &[endpoint_number(Endpoint::EventLevel).into()],
        )?;
        let count = |row: &Vec<Cell>| {
            Ok(EventCount {
                campaign: row.first().and_then(Cell::integer).map(|number| number as u64),
                source_type: source_type(integer(row, 1)?)?,
                rate: real(row, 2)?,
                trigger_data: integer(row, 3)? as u64,
                count: integer(row, 4)? as u64,
            })
        };
        rows.iter().map(count).collect()
    }

    /// How many reports there are of an endpoint; of verbose debug reports, how many things they told.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn count(&mut self, endpoint: Endpoint) -> Result<u64, StoreError> {
        let of_endpoint = [Cell::from(endpoint_number(endpoint))];
        let rows = match endpoint {
            Endpoint::EventLevel | Endpoint::EventLevelDebugCopy => {
                self.0.query("SELECT COUNT(*) FROM event_reports WHERE endpoint = $1", &of_endpoint)
            }
            Endpoint::VerboseDebug => self.0.query("SELECT COUNT(*) FROM verbose_reports", &[]),
            _ => self.0.query("SELECT COUNT(*) FROM aggregatable_reports WHERE endpoint = $1", &of_endpoint),
        }?;
        rows.first().map_or(Ok(0), |row| integer(row, 0)).map(|count| count as u64)
    }
}

pub(super) fn source_type(number: i64) -> Result<SourceType, StoreError> {
    [SourceType::Event, SourceType::Navigation]
        .into_iter()
        .find(|&known| source_type_number(known) == number)
        .ok_or(StoreError::Corrupt("a source type that is none"))
}

fn small(number: i64) -> Result<u8, StoreError> {
    number.try_into().map_err(|_| StoreError::Corrupt("a number that is too large"))
}
