//! Aggregatable debug reports: how often what happened, that only an aggregation service can read.
//!
//! Spec: "aggregatable debug report", and of report delivery: its shared info, plaintext payload, encrypted
//! payload, body and URL.

use ascribe_headers::{Coordinator, FilteringIdMaxBytes, Site, SuitableOrigin};
use rand::CryptoRng;

use crate::{
    Api, Contribution, Endpoint, PublicKey, ReportId, SealError, SealedPayload, Time,
    aggregatable_body::Body, json, payload, shared_info::Members,
};

/// Spec: "aggregatable debug report". A null report has no contributions.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatableDebugReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: the trigger's site, or the first destination of the source.
    pub destination: Site,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// At most 2, before padding.
    pub contributions: Box<[Contribution]>,
    /// Whose key seals the payload.
    pub coordinator: Coordinator,
}

impl AggregatableDebugReport {
    /// How many contributions a payload is padded to. Spec: "max contributions per aggregatable debug report".
    pub const MAX_CONTRIBUTIONS: usize = 2;

    /// Spec: "generate an aggregatable debug report URL".
    #[must_use]
    pub fn url(&self) -> String {
        Endpoint::AggregatableDebug.url(&self.reporting_origin)
    }

    /// Spec: the "shared info". The same report always has the same.
    #[must_use]
    pub fn shared_info(&self) -> String {
        Members::new(
            Api::AttributionReportingDebug,
            &self.destination,
            self.report_id,
            &self.reporting_origin,
            self.report_time,
        )
        .print()
    }

    /// Spec: the "plaintext payload", in CBOR, padded with null contributions to
    /// [`MAX_CONTRIBUTIONS`](Self::MAX_CONTRIBUTIONS).
    ///
    /// The spec gives these reports no filtering ID max bytes; they take the default, one byte, as in
    /// Chromium.
    #[must_use]
    pub fn plaintext_payload(&self) -> Vec<u8> {
        payload::encode(&self.contributions, Self::MAX_CONTRIBUTIONS, FilteringIdMaxBytes::DEFAULT)
    }

    /// Spec: "obtain the encrypted payload": seals the payload to one of the coordinator's keys.
    ///
    /// Every call draws anew: no two sealed payloads are alike.
    ///
    /// # Errors
    /// When the key is weak.
    pub fn seal(&self, key: &PublicKey, rng: &mut impl CryptoRng) -> Result<SealedPayload, SealError> {
        key.seal(&self.shared_info(), &self.plaintext_payload(), rng)
    }

    /// The body, around this report's sealed payload.
    #[must_use]
    pub fn body(&self, payload: &SealedPayload) -> String {
        json::to_string(&Body::new(&self.coordinator, payload, None, &self.shared_info()))
    }

    /// Appends the [`body`](Self::body) to `out`: for many reports, with one buffer.
    pub fn write_body(&self, payload: &SealedPayload, out: &mut Vec<u8>) {
        json::write(out, &Body::new(&self.coordinator, payload, None, &self.shared_info()));
    }
}

#[cfg(test)]
mod tests {
    use ascribe_headers::{Coordinators, KeyPiece};

    use super::*;

    fn report() -> AggregatableDebugReport {
        let coordinator = SuitableOrigin::parse("https://coordinator.test").unwrap();
        AggregatableDebugReport {
            report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            reporting_origin: SuitableOrigin::parse("https://report.test:444").unwrap(),
            destination: Site::parse("https://d.test").unwrap(),
            report_time: Time::from_millis(1_234_567_890_999),
            contributions: Box::new([Contribution { key: KeyPiece(1), value: 2, filtering_id: 0 }]),
            coordinator: Coordinators::new([coordinator]).unwrap().default_coordinator().clone(),
        }
    }

    #[test]
    fn shared_info_is_exact_to_the_byte() {
        assert_eq!(
            report().shared_info(),
            concat!(
                r#"{"api":"attribution-reporting-debug","attribution_destination":"https://d.test","#,
                r#""report_id":"01234567-89ab-4def-8123-456789abcdef","#,
                r#""reporting_origin":"https://report.test:444","scheduled_report_time":"1234567890","#,
                r#""version":"1.0"}"#,
            )
        );
    }

    #[test]
    fn the_body_is_exact_to_the_byte() {
        let sealed = SealedPayload { key_id: "k".into(), ciphertext: vec![0xfb, 0xff, 0xfe, 0] };
        let expected = concat!(
            r#"{"aggregation_coordinator_origin":"https://coordinator.test","#,
            r#""aggregation_service_payloads":[{"key_id":"k","payload":"+//+AA=="}],"#,
            r#""shared_info":"{\"api\":\"attribution-reporting-debug\","#,
            r#"\"attribution_destination\":\"https://d.test\","#,
            r#"\"report_id\":\"01234567-89ab-4def-8123-456789abcdef\","#,
            r#"\"reporting_origin\":\"https://report.test:444\","#,
            r#"\"scheduled_report_time\":\"1234567890\",\"version\":\"1.0\"}"}"#,
        );
        assert_eq!(report().body(&sealed), expected);
        let mut written = vec![b' '];
        report().write_body(&sealed, &mut written);
        assert_eq!(written[1..], *expected.as_bytes());
    }

    #[test]
    fn null_and_real_reports_have_payloads_of_one_length() {
        let largest = Contribution { key: KeyPiece(u128::MAX), value: 65_536, filtering_id: 0 };
        for n in [0, 1, 2] {
            let real = AggregatableDebugReport { contributions: vec![largest; n].into(), ..report() };
            assert_eq!(real.plaintext_payload().len(), 109);
        }
    }

    #[test]
    fn it_goes_under_debug() {
        let url = "https://report.test:444/.well-known/attribution-reporting/debug/report-aggregate-debug";
        assert_eq!(report().url(), url);
    }
}
