//! JSON: written as reports carry it, without spaces, members in alphabetical order, numbers as ECMAScript
//! prints them; and read from objects only.
//!
//! Spec: Infra's "serialize an Infra value to JSON bytes", which is ECMAScript's `JSON.stringify`. The
//! spec leaves the order of members open; alphabetical is what Chromium sends. Structs that are written
//! here therefore declare their fields in alphabetical order.

use std::{
    fmt::{self, Display},
    io::{self, Write},
    marker::PhantomData,
};

use ascribe_headers::Site;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::ser::Formatter;

/// Appends `value` to `out`.
pub(crate) fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(out, EcmaScriptNumbers);
    value.serialize(&mut serializer).expect("a Vec takes every byte, and every map here has string keys");
}

/// `value` as a string.
pub(crate) fn to_string(value: &impl Serialize) -> String {
    let mut out = Vec::with_capacity(512);
    write(&mut out, value);
    String::from_utf8(out).expect("JSON of Rust strings is UTF-8")
}

/// Spec: "serialize an integer", or any other text that is made as it is written: a JSON string.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Spec: "serialize attribution destinations": one site is a string, several are a list.
pub(crate) struct OneOrMany<'a>(pub(crate) &'a [Site]);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [site] => serializer.serialize_str(site.as_str()),
            sites => serializer.collect_seq(sites.iter().map(Site::as_str)),
        }
    }
}

/// What is read from a JSON object only: `serde` would also read the fields of a struct from a list.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Reads a JSON object, and nothing after it.
pub(crate) fn parse_object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).map(|Object(value)| value)
}

/// No spaces, and ECMAScript's `Number::toString` for floating-point numbers: the shortest digits that
/// read back as the same number, in positional notation from 1e-6 to below 1e21.
struct EcmaScriptNumbers;

impl Formatter for EcmaScriptNumbers {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Rust's shortest digits, as `d.ddde-x`: at most 17 digits, a point, `e-` and 3 digits.
        let mut buffer = [0; 24];
        let mut unwritten = buffer.as_mut_slice();
        write!(unwritten, "{:e}", value.abs())?;
        let unwritten = unwritten.len();
        let printed = str::from_utf8(&buffer[..buffer.len() - unwritten]).map_err(io::Error::other)?;
        let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
        let exponent: i32 = exponent.parse().map_err(io::Error::other)?;
        let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));

        if value < 0.0 {
            writer.write_all(b"-")?;
        }
        let zeros = |writer: &mut W, count: i32| (0..count).try_for_each(|_| writer.write_all(b"0"));
        let decimals = rest.len() as i32;
        match exponent {
            0..21 if decimals <= exponent => {
                write!(writer, "{first}{rest}")?;
                zeros(writer, exponent - decimals)
            }
            0..21 => {
                let (whole, fraction) = rest.split_at(exponent as usize);
                write!(writer, "{first}{whole}.{fraction}")
            }
            -6..0 => {
                writer.write_all(b"0.")?;
                zeros(writer, -exponent - 1)?;
                write!(writer, "{first}{rest}")
            }
            _ => {
                let point = if rest.is_empty() { "" } else { "." };
                write!(writer, "{first}{point}{rest}e{exponent:+}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_ecmascript_does() {
        for (value, printed) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (123.0, "123"),
            (11.46173, "11.46173"),
            (0.002_426_3, "0.0024263"),
            (0.000_002_5, "0.0000025"),
            (0.000_001, "0.000001"),
            (0.000_000_9, "9e-7"),
            (0.000_000_12, "1.2e-7"),
            (123_456_789.125, "123456789.125"),
            (1e20, "100000000000000000000"),
            (1.5e20, "150000000000000000000"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (1e21, "1e+21"),
            (1.25e21, "1.25e+21"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-f64::MAX, "-1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(to_string(&value), printed);
        }
    }

    #[test]
    fn what_is_no_number_in_json_is_null() {
        assert_eq!(to_string(&[f64::NAN, f64::INFINITY]), "[null,null]");
    }

    #[test]
    fn an_object_is_read_from_an_object_only() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct One {
            one: u8,
        }

        assert_eq!(parse_object::<One>(br#"{"one":1}"#).unwrap(), One { one: 1 });
        let error = parse_object::<One>(b"[1]").unwrap_err().to_string();
        assert_eq!(error, "invalid type: sequence, expected an object at line 1 column 0");
        assert!(parse_object::<One>(br#"{"one":1}{}"#).is_err());
    }

    #[test]
    fn one_site_is_a_string_and_several_are_a_list() {
        let sites = ["https://a.example", "https://b.example"].map(|url| Site::parse(url).expect(url));
        assert_eq!(to_string(&OneOrMany(&sites[..1])), r#""https://a.example""#);
        assert_eq!(to_string(&OneOrMany(&sites)), r#"["https://a.example","https://b.example"]"#);
    }
}
