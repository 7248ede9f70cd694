//! Shared IDs: what reports have in common that must be aggregated together.
//!
//! They are computed as the aggregation service does, so that a ledger can be taken over.

use ascribe_reports::{Api, Time};
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::{SharedInfo, shared_info::iso_8601};

/// What the shared IDs of a report are made of, except for the filtering ID: reports of one group differ in
/// nothing that the privacy budget knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BudgetGroup {
    api: String,
    version: String,
    reporting_origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution_destination: Option<String>,
    /// As ISO 8601 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_registration_time: Option<String>,
    /// `scheduled_report_time`, cut to the hour: seconds since the epoch.
    hour: i64,
}

/// A shared ID and an hour: one unit of privacy budget, which can be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetUnit {
    /// SHA-256 of what is shared.
    pub shared_id: [u8; 32],
    /// The hour that the reports were scheduled for: seconds since the epoch.
    pub hour: i64,
}

impl BudgetGroup {
    /// The group of a report with this shared info, whose API and version were checked; `None` if a member
    /// that its API needs is missing or empty.
    pub(crate) fn new(api: Api, version: (u32, u32), info: &SharedInfo<'_>) -> Option<Self> {
        debug_assert!(version > (0, 0));
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let is_attribution = matches!(api, Api::AttributionReporting | Api::AttributionReportingDebug);
        let attribution_destination = match info.attribution_destination.as_deref() {
            destination if is_attribution => Some(destination.and_then(present)?),
            _ => None,
        };
        Some(Self {
            api: api.as_str().to_owned(),
            // The text as it came, leading zeros and all, as it is hashed.
            version: info.version.as_ref().to_owned(),
            reporting_origin: present(&info.reporting_origin)?,
            attribution_destination,
            source_registration_time: info.source_registration_time.filter(|_| is_attribution).map(iso_8601),
            hour: info.scheduled_report_time.as_secs().div_euclid(3600) * 3600,
        })
    }

    /// The hour that the report was scheduled for.
    #[must_use]
    pub fn hour(&self) -> Time {
        Time::from_secs(self.hour)
    }

    /// The unit that a query for a filtering ID uses up.
    ///
    /// Before version 1.0 there were no filtering IDs: 0 is not part of the shared ID there.
    #[must_use]
    pub fn unit(&self, filtering_id: u64) -> BudgetUnit {
        let mut text = [self.api.as_str(), &self.version, &self.reporting_origin].join("-");
        let optional = [&self.attribution_destination, &self.source_registration_time];
        for part in optional.into_iter().flatten() {
            text.push('-');
            text.push_str(part);
        }
        let is_before_1_0 =
            self.version.split('.').next().is_some_and(|major| major.bytes().all(|c| c == b'0'));
        if filtering_id != 0 || !is_before_1_0 {
            text.push('-');
            text.push_str(&filtering_id.to_string());
        }
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        BudgetUnit { shared_id: hash.as_ref().try_into().expect("SHA-256 has 32 bytes"), hour: self.hour }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    pub(super) fn from_json(json: &str) -> Result<Self, LedgerError> {
        serde_json::from_str(json).map_err(|_| LedgerError::Damaged("what a shared ID is made of"))
    }

    /// The members of the shared info that the budget knows, as the service's debugging file has them.
    #[must_use]
    pub fn to_shared_info(&self) -> serde_json::Value {
        let mut members = serde_json::json!({
            "api": self.api,
            "reporting_origin": self.reporting_origin,
            "scheduled_report_time": self.hour,
            "version": self.version,
        });
        if let Some(destination) = &self.attribution_destination {
            members["attribution_destination"] = destination.as_str().into();
        }
        if let Some(time) = &self.source_registration_time {
            members["source_registration_time"] = time.as_str().into();
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(api: Api, version: &str, extra: &str) -> BudgetGroup {
        let text = format!(
            r#"{{"version":"{version}","scheduled_report_time":1640998799,"reporting_origin":"https://r.test"{extra}}}"#
        );
        BudgetGroup::new(api, (1, 0), &SharedInfo::parse(&text).unwrap()).expect("complete")
    }

    fn sha256(text: &str) -> [u8; 32] {
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().try_into().unwrap()
    }

    const DESTINATION: &str = r#","attribution_destination":"https://d.test""#;
    const SOURCE_TIME: &str =
        r#","attribution_destination":"https://d.test","source_registration_time":"1640995200""#;

    #[test]
    fn shared_ids_hash_what_the_service_hashes() {
        use Api::{AttributionReporting as Ara, AttributionReportingDebug as Adr, SharedStorage};
        for (group, filtering_id, text) in [
            (group(Ara, "1.0", DESTINATION), 0, "attribution-reporting-1.0-https://r.test-https://d.test-0"),
            (group(Ara, "0.1", DESTINATION), 0, "attribution-reporting-0.1-https://r.test-https://d.test"),
            (group(Ara, "0.1", DESTINATION), 3, "attribution-reporting-0.1-https://r.test-https://d.test-3"),
            (
                group(Adr, "1.0", SOURCE_TIME),
                u64::MAX,
                "attribution-reporting-debug-1.0-https://r.test-https://d.test-2022-01-01T00:00:00Z-18446744073709551615",
            ),
            (group(SharedStorage, "1.0", SOURCE_TIME), 7, "shared-storage-1.0-https://r.test-7"),
            (group(SharedStorage, "0.1", ""), 0, "shared-storage-0.1-https://r.test"),
        ] {
            assert_eq!(group.unit(filtering_id).shared_id, sha256(text), "{text}");
        }
    }

    #[test]
    fn times_of_one_hour_are_one_unit() {
        let unit = |time: i64| {
            let text = format!(
                r#"{{"version":"1.0","scheduled_report_time":{time},"reporting_origin":"https://r.test"}}"#
            );
            BudgetGroup::new(Api::SharedStorage, (1, 0), &SharedInfo::parse(&text).unwrap()).unwrap().unit(0)
        };
        assert_eq!(unit(3600), unit(7199));
        assert_ne!(unit(3599), unit(3600));
        assert_ne!(unit(7199), unit(7200));
        assert_eq!((unit(3600).hour, unit(-1).hour), (3600, -3600));
        assert_eq!(unit(3599).shared_id, unit(3600).shared_id);
    }

    #[test]
    fn the_day_of_a_source_tells_groups_apart() {
        assert_ne!(
            group(Api::AttributionReporting, "1.0", DESTINATION).unit(0),
            group(Api::AttributionReporting, "1.0", SOURCE_TIME).unit(0)
        );
    }
}
