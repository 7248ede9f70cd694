//! Aggregatable reports: contributions to a histogram that only an aggregation service can read.
//!
//! Spec: "aggregatable attribution report", and of report delivery: its debug mode, shared info, plaintext
//! payload, encrypted payload, body and URL.

use ascribe_headers::{Coordinator, FilteringIdMaxBytes, Site, SuitableOrigin};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    Api, Contribution, DebugKeys, Endpoint, PublicKey, ReportId, SealError, SealedPayload, Time,
    aggregatable_body::Body,
    json::{self, Text},
    payload,
    shared_info::Members,
};

/// Spec: "aggregatable attribution report". A null report has no contributions.
///
/// ```
/// use ascribe_headers::{Coordinators, FilteringIdMaxBytes, KeyPiece, Site, SuitableOrigin};
/// use ascribe_reports::{AggregatableReport, Contribution, DebugKeys, ReportId, SealedPayload, Time};
///
/// let report = AggregatableReport {
///     report_id: ReportId::from_u128(0x5f0c4ee4_ed35_4a3c_8c61_0cd3fcb34b3f),
///     reporting_origin: SuitableOrigin::parse("https://report.example")?,
///     destination: Site::parse("https://shop.example")?,
///     report_time: Time::from_secs(1_700_000_000),
///     source_registration_time: None,
///     contributions: [Contribution { key: KeyPiece(0x55), value: 32_768, filtering_id: 0 }].into(),
///     coordinator: Coordinators::chromium().default_coordinator().clone(),
///     trigger_context_id: None,
///     filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
///     debug_keys: DebugKeys::default(),
/// };
/// assert_eq!(
///     report.shared_info(),
///     concat!(
///         r#"{"api":"attribution-reporting","attribution_destination":"https://shop.example","#,
///         r#""report_id":"5f0c4ee4-ed35-4a3c-8c61-0cd3fcb34b3f","reporting_origin":"https://report.example","#,
///         r#""scheduled_report_time":"1700000000","version":"1.0"}"#,
///     ),
/// );
/// assert_eq!(report.plaintext_payload().len(), 847);
///
/// let payload = SealedPayload { key_id: "k".into(), ciphertext: vec![0, 1, 2] };
/// assert!(report.body(&payload).contains(r#"[{"key_id":"k","payload":"AAEC"}]"#));
/// # Ok::<(), ascribe_headers::UnsuitableOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AggregatableReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: the site of the trigger.
    pub destination: Site,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// Present when the report is to carry `source_registration_time`, which tells its day.
    pub source_registration_time: Option<Time>,
    /// At most 20, before padding; none in a null report.
    pub contributions: Box<[Contribution]>,
    /// Whose key seals the payload.
    pub coordinator: Coordinator,
    /// `trigger_context_id`.
    pub trigger_context_id: Option<ascribe_headers::Text>,
    /// How many bytes a filtering ID takes.
    pub filtering_id_max_bytes: FilteringIdMaxBytes,
    /// `source_debug_key` and `trigger_debug_key`; sent, with the payload in clear, only when both are present.
    pub debug_keys: DebugKeys,
}

impl AggregatableReport {
    /// How many contributions a payload is padded to. Spec: "max aggregation keys per source registration".
    pub const MAX_CONTRIBUTIONS: usize = 20;

    /// Where it is sent, or, with `debug`, where its debug copy is sent.
    #[must_use]
    pub fn endpoint(debug: bool) -> Endpoint {
        if debug { Endpoint::AggregatableDebugCopy } else { Endpoint::Aggregatable }
    }

    /// Spec: "generate an attribution report URL": of the report, or, with `debug`, of its debug copy.
    #[must_use]
    pub fn url(&self, debug: bool) -> String {
        Self::endpoint(debug).url(&self.reporting_origin)
    }

    /// Spec: whether the "debug mode" is enabled: the payload is then also sent in clear.
    #[must_use]
    pub fn is_debug_mode(&self) -> bool {
        self.debug_keys.both().is_some()
    }

    /// Spec: the "shared info". The same report always has the same.
    #[must_use]
    pub fn shared_info(&self) -> String {
        Members {
            debug_mode: self.is_debug_mode().then_some("enabled"),
            source_registration_time: self.source_registration_time.map(|time| Text(time.as_whole_days())),
            ..Members::new(
                Api::AttributionReporting,
                &self.destination,
                self.report_id,
                &self.reporting_origin,
                self.report_time,
            )
        }
        .print()
    }

    /// Spec: the "plaintext payload", in CBOR, padded with null contributions to
    /// [`MAX_CONTRIBUTIONS`](Self::MAX_CONTRIBUTIONS). Its length depends on nothing but
    /// [`filtering_id_max_bytes`](Self::filtering_id_max_bytes).
    #[must_use]
    pub fn plaintext_payload(&self) -> Vec<u8> {
        payload::encode(&self.contributions, Self::MAX_CONTRIBUTIONS, self.filtering_id_max_bytes)
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

    /// The body of the report and of its debug copy, around this report's sealed payload.
    #[must_use]
    pub fn body(&self, payload: &SealedPayload) -> String {
        let mut out = Vec::with_capacity(2048);
        self.write_body(payload, &mut out);
        String::from_utf8(out).expect("JSON of Rust strings is UTF-8")
    }

    /// Appends the [`body`](Self::body) to `out`: for many reports, with one buffer.
    pub fn write_body(&self, payload: &SealedPayload, out: &mut Vec<u8>) {
        let shared_info = self.shared_info();
        let plaintext = self.is_debug_mode().then(|| self.plaintext_payload());
        let mut body = Body::new(&self.coordinator, payload, plaintext.as_deref(), &shared_info);
        if let Some((source, trigger)) = self.debug_keys.both() {
            body.source_debug_key = Some(Text(source));
            body.trigger_debug_key = Some(Text(trigger));
        }
        body.trigger_context_id = self.trigger_context_id.as_deref();
        json::write(out, &body);
    }
}

#[cfg(test)]
mod tests {
    use ascribe_headers::{Coordinators, KeyPiece};
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    fn coordinator() -> Coordinator {
        let origin = SuitableOrigin::parse("https://coordinator.test").unwrap();
        Coordinators::new([origin]).unwrap().default_coordinator().clone()
    }

    fn report() -> AggregatableReport {
        AggregatableReport {
            report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            reporting_origin: SuitableOrigin::parse("https://report.test:444").unwrap(),
            destination: Site::parse("https://d.test").unwrap(),
            report_time: Time::from_millis(1_234_567_890_999),
            source_registration_time: None,
            contributions: Box::new([Contribution { key: KeyPiece(1), value: 2, filtering_id: 3 }]),
            coordinator: coordinator(),
            trigger_context_id: None,
            filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
            debug_keys: DebugKeys::default(),
        }
    }

    fn sealed() -> SealedPayload {
        SealedPayload { key_id: r#"a "key""#.into(), ciphertext: vec![0xfb, 0xff, 0xfe, 0] }
    }

    #[test]
    fn shared_info_is_exact_to_the_byte() {
        assert_eq!(
            report().shared_info(),
            concat!(
                r#"{"api":"attribution-reporting","attribution_destination":"https://d.test","#,
                r#""report_id":"01234567-89ab-4def-8123-456789abcdef","#,
                r#""reporting_origin":"https://report.test:444","scheduled_report_time":"1234567890","#,
                r#""version":"1.0"}"#,
            )
        );
        let full = AggregatableReport {
            source_registration_time: Some(Time::from_millis(1_234_567_890_999)),
            debug_keys: DebugKeys { source: Some(5), trigger: Some(6) },
            ..report()
        };
        assert_eq!(
            full.shared_info(),
            concat!(
                r#"{"api":"attribution-reporting","attribution_destination":"https://d.test","#,
                r#""debug_mode":"enabled","report_id":"01234567-89ab-4def-8123-456789abcdef","#,
                r#""reporting_origin":"https://report.test:444","scheduled_report_time":"1234567890","#,
                r#""source_registration_time":"1234483200","version":"1.0"}"#,
            )
        );
    }

    #[test]
    fn the_source_registration_time_is_a_whole_day() {
        for (secs, day) in [(0, "0"), (86_399, "0"), (86_400, "86400"), (86_401, "86400"), (-1, "-86400")] {
            let time = Some(Time::from_secs(secs));
            let shared_info = AggregatableReport { source_registration_time: time, ..report() }.shared_info();
            let expected = format!(r#""source_registration_time":"{day}","version""#);
            assert!(shared_info.contains(&expected), "{secs}: {shared_info}");
        }
    }

    #[test]
    fn the_body_is_exact_to_the_byte() {
        let expected = concat!(
            r#"{"aggregation_coordinator_origin":"https://coordinator.test","#,
            r#""aggregation_service_payloads":[{"key_id":"a \"key\"","payload":"+//+AA=="}],"#,
            r#""shared_info":"{\"api\":\"attribution-reporting\","#,
            r#"\"attribution_destination\":\"https://d.test\","#,
            r#"\"report_id\":\"01234567-89ab-4def-8123-456789abcdef\","#,
            r#"\"reporting_origin\":\"https://report.test:444\","#,
            r#"\"scheduled_report_time\":\"1234567890\",\"version\":\"1.0\"}"}"#,
        );
        assert_eq!(report().body(&sealed()), expected);
        let mut written = vec![b' '];
        report().write_body(&sealed(), &mut written);
        assert_eq!(written[1..], *expected.as_bytes());
    }

    #[test]
    fn both_debug_keys_show_themselves_and_the_payload_in_clear() {
        let report = AggregatableReport {
            debug_keys: DebugKeys { source: Some(u64::MAX), trigger: Some(0) },
            trigger_context_id: Some("".into()),
            ..report()
        };
        let body = report.body(&sealed());
        let cleartext = BASE64_STANDARD.encode(report.plaintext_payload());
        let start = [
            r#"{"aggregation_coordinator_origin":"https://coordinator.test","aggregation_service_payloads":"#,
            r#"[{"debug_cleartext_payload":""#,
            &cleartext,
            r#"","key_id":""#,
        ]
        .concat();
        assert!(body.starts_with(&start), "{body}");
        let end =
            r#""source_debug_key":"18446744073709551615","trigger_context_id":"","trigger_debug_key":"0"}"#;
        assert!(body.ends_with(end), "{body}");
    }

    #[test]
    fn one_debug_key_alone_shows_nothing() {
        for debug_keys in
            [DebugKeys { source: Some(1), trigger: None }, DebugKeys { source: None, trigger: Some(1) }]
        {
            let report = AggregatableReport { debug_keys, ..report() };
            assert!(!report.is_debug_mode());
            assert!(!report.body(&sealed()).contains("debug"), "{debug_keys:?}");
        }
    }

    #[test]
    fn null_and_real_reports_have_payloads_of_one_length() {
        let largest = Contribution { key: KeyPiece(u128::MAX), value: 65_536, filtering_id: 255 };
        for n in [0, 1, 19, 20] {
            let real = AggregatableReport { contributions: vec![largest; n].into(), ..report() };
            assert_eq!(real.plaintext_payload().len(), 847);
        }
    }

    #[test]
    fn the_debug_copy_goes_under_debug() {
        let url = "https://report.test:444/.well-known/attribution-reporting";
        assert_eq!(report().url(false), format!("{url}/report-aggregate-attribution"));
        assert_eq!(report().url(true), format!("{url}/debug/report-aggregate-attribution"));
    }
}
