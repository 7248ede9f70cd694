//! What browsers send to a collector.

use std::io::Write;

use ascribe_headers::{Coordinators, Destinations, FilteringIdMaxBytes, Site, SourceType, SuitableOrigin};
use ascribe_reports::{
    AggregatableReport, DebugKeys, Endpoint, EventLevelReport, ReportId, SealedPayload, Time,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::generator::Requests;

/// Event-level and aggregatable reports in turns, each with an ID of its own.
pub(crate) struct Reports {
    templates: Vec<Template>,
    ids: ChaCha8Rng,
    next: usize,
}

/// A request, and where its report ID is.
struct Template {
    bytes: Vec<u8>,
    id_at: usize,
}

/// What HPKE adds to a payload: the encapsulated key and the tag.
const SEALED_BYTES: usize = 32 + 16;

impl Reports {
    /// Different sets have different IDs.
    pub(crate) fn new(set: u32, source_event_ids: &[u64]) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() as i64;
        let mut rng = ChaCha8Rng::seed_from_u64(set.into());
        let templates = source_event_ids
            .iter()
            .enumerate()
            .flat_map(|(n, &source_event_id)| {
                // Scheduled in the last hour, as what comes at one time is.
                let time = Time::from_secs(now - n as i64 * 60 % 3600);
                [event(source_event_id, time), aggregatable(&mut rng, time)]
            })
            .collect();
        Self { templates, ids: rng, next: 0 }
    }
}

impl Requests for Reports {
    fn next(&mut self, request: &mut Vec<u8>) {
        let template = &self.templates[self.next % self.templates.len()];
        self.next += 1;
        request.clear();
        request.extend_from_slice(&template.bytes);
        let mut bytes = [0; 16];
        self.ids.fill_bytes(&mut bytes);
        let id = ReportId::from_bytes(bytes);
        id.hyphenated().encode_lower(&mut request[template.id_at..template.id_at + 36]);
    }
}

/// The place of the ID in a template.
const PLACE: ReportId = ReportId::from_u128(0xaaaa_aaaa_aaaa_4aaa_8aaa_aaaa_aaaa_aaaa);

fn event(source_event_id: u64, time: Time) -> Template {
    let report = EventLevelReport {
        report_id: PLACE,
        reporting_origin: origin(),
        destinations: Destinations::new([destination()]).expect("one"),
        source_event_id,
        source_type: SourceType::Navigation,
        trigger_data: (source_event_id % 8) as u32,
        randomized_trigger_rate: 0.002_426_3,
        report_time: time,
        debug_keys: DebugKeys::default(),
    };
    template(Endpoint::EventLevel, &report.body())
}

fn aggregatable(rng: &mut ChaCha8Rng, time: Time) -> Template {
    let report = AggregatableReport {
        report_id: PLACE,
        reporting_origin: origin(),
        destination: destination(),
        report_time: time,
        source_registration_time: None,
        contributions: [].into(),
        coordinator: Coordinators::chromium().default_coordinator().clone(),
        trigger_context_id: None,
        filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
        debug_keys: DebugKeys::default(),
    };
    // Nobody but the aggregation service can tell sealed from random.
    let mut ciphertext = vec![0; report.plaintext_payload().len() + SEALED_BYTES];
    rng.fill_bytes(&mut ciphertext);
    let key_id = "1a2b3c4d-0000-4000-8000-000000000000".into();
    template(Endpoint::Aggregatable, &report.body(&SealedPayload { key_id, ciphertext }))
}

/// A request as Chromium makes it.
fn template(endpoint: Endpoint, body: &str) -> Template {
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: ads.example\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: no-cors\r\n\
         Sec-Fetch-Dest: empty\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like \
         Gecko) Chrome/140.0.0.0 Safari/537.36\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n",
        endpoint.path(),
        body.len()
    );
    let place = PLACE.to_string();
    let id_at = head.len() + body.find(&place).expect("the ID is in the body");
    Template { bytes: [head.as_bytes(), body.as_bytes()].concat(), id_at }
}

fn origin() -> SuitableOrigin {
    SuitableOrigin::parse("https://ads.example").expect("an origin")
}

fn destination() -> Site {
    Site::parse("https://shop.example").expect("a site")
}

/// Views of ads, each with a click ID of its own.
pub(crate) struct Registrations(ChaCha8Rng);

impl Default for Registrations {
    fn default() -> Self {
        Self(ChaCha8Rng::seed_from_u64(0))
    }
}

impl Requests for Registrations {
    fn next(&mut self, request: &mut Vec<u8>) {
        request.clear();
        let click = self.0.next_u32();
        let _ = write!(
            request,
            "GET /source/spring.gif?placement=12&click={click:010} HTTP/1.1\r\nHost: ads.example\r\n\
             Connection: keep-alive\r\nAttribution-Reporting-Eligible: event-source, trigger\r\n\
             Attribution-Reporting-Support: web\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\
             Sec-Fetch-Dest: image\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like \
             Gecko) Chrome/140.0.0.0 Safari/537.36\r\nReferer: https://news.example/\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
        );
    }
}
