//! The body of a request: whole, bounded, in time, and no longer compressed.

use std::io::Read;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Limits;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoBody {
    /// It is not said to be JSON. A page can send other types to anybody without asking.
    NotJson,
    /// Compressed in another way than gzip.
    Encoding,
    /// Longer than is allowed, as it comes or once it is no longer compressed.
    TooLong,
    /// It took too long to arrive.
    TooSlow,
    /// The connection ended before it.
    Cut,
    /// Not gzip, though said to be.
    Corrupt,
}

/// Reads the body of a report.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, NoBody> {
    if !is_json(headers) {
        return Err(NoBody::NotJson);
    }
    let gzip = match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii()) {
        None => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(NoBody::Encoding),
    };
    let collected = Limited::new(body, limits.body_bytes).collect();
    let body = match tokio::time::timeout(limits.body_timeout, collected).await {
        Err(_) => return Err(NoBody::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(NoBody::TooLong),
        Ok(Err(_)) => return Err(NoBody::Cut),
        Ok(Ok(body)) => body.to_bytes(),
    };
    if gzip { decompress(&body, limits.body_bytes).map(Bytes::from) } else { Ok(body) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = media_type.and_then(|value| value.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>, NoBody> {
    let mut clear = Vec::new();
    let bounded = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut clear);
    match bounded {
        Ok(length) if length > limit => Err(NoBody::TooLong),
        Ok(_) => Ok(clear),
        Err(_) => Err(NoBody::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_bodies_are_bounded_by_what_they_become() {
        assert_eq!(decompress(&gzip(b"12345"), 5), Ok(b"12345".to_vec()));
        assert_eq!(decompress(&gzip(b"123456"), 5), Err(NoBody::TooLong));
        let bomb = gzip(&vec![0; 100_000_000]);
        assert!(bomb.len() < 200_000);
        assert_eq!(decompress(&bomb, 1 << 20), Err(NoBody::TooLong));
        assert_eq!(decompress(b"12345", 5), Err(NoBody::Corrupt));
        assert_eq!(decompress(&gzip(b"12345")[..10], 5), Err(NoBody::Corrupt));
    }

    #[test]
    fn only_json_is_json() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonx", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{text}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
