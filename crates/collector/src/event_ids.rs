//! Source event IDs: 64 bits that say what was shown, and that it was this collector who said so.
//!
//! From the highest bit: the campaign, the other fields in the order of the campaigns file, and a tag in the
//! bits that are left: the first of HMAC-SHA-256 over the fields. The same fields always give the same ID,
//! so that a registration that is asked for again registers the same.
//!
//! Event-level reports come from anybody, without a signature. An ID that was made up passes with a
//! probability of 2^−tag bits, each time it is tried. An ID that was issued can be sent again by whoever saw
//! it: the tag tells that the ID is ours, not that the report is. A hashed field that holds the click's own
//! ID keeps such reports apart from those of other clicks.

use crate::secrets::{Purpose, Secret, Secrets};

/// How the 64 bits are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIdLayout {
    campaign_bits: u32,
    fields: Box<[EventIdField]>,
}

/// A field of source event IDs that a tag fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIdField {
    /// The name of the parameter that holds its value.
    pub name: Box<str>,
    /// How many bits it takes.
    pub bits: u32,
    /// Whether the value can be any text, of which a keyed hash is kept; a number otherwise.
    pub hashed: bool,
}

/// What a source event ID says, once its tag has been found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The campaign's number.
    pub campaign: u64,
    /// The values of the fields, in the layout's order.
    pub fields: Box<[u64]>,
}

/// Why there is no such layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayout {
    /// A field of no bits, or of more than there are.
    #[error("a field takes 1 to {max} bits", max = EventIdLayout::MAX_FIELD_BITS)]
    FieldBits,
    /// Too few bits are left for the tag.
    #[error("{0} bits are left for the tag; it needs at least {min}", min = EventIdLayout::MIN_TAG_BITS)]
    TagBits(i64),
}

impl EventIdLayout {
    /// With fewer bits, guessing would succeed.
    pub const MIN_TAG_BITS: u32 = 16;
    /// What a field, or the campaign, takes at most.
    pub const MAX_FIELD_BITS: u32 = 48;

    /// The campaign's bits, then those of the fields; the tag takes what is left of 64.
    ///
    /// # Errors
    /// When a field has no bits, or the tag too few.
    pub fn new(
        campaign_bits: u32,
        fields: impl IntoIterator<Item = EventIdField>,
    ) -> Result<Self, InvalidLayout> {
        let fields: Box<[_]> = fields.into_iter().collect();
        let mut left = 64;
        for bits in std::iter::once(campaign_bits).chain(fields.iter().map(|field| field.bits)) {
            if !(1..=Self::MAX_FIELD_BITS).contains(&bits) {
                return Err(InvalidLayout::FieldBits);
            }
            left -= i64::from(bits);
        }
        match left >= i64::from(Self::MIN_TAG_BITS) {
            true => Ok(Self { campaign_bits, fields }),
            false => Err(InvalidLayout::TagBits(left)),
        }
    }

    /// How many bits campaigns are numbered with.
    #[must_use]
    pub fn campaign_bits(&self) -> u32 {
        self.campaign_bits
    }

    /// The fields besides the campaign.
    #[must_use]
    pub fn fields(&self) -> &[EventIdField] {
        &self.fields
    }

    /// How many bits the tag has: 16 to 63. A made-up ID passes with a probability of 2^−this.
    #[must_use]
    pub fn tag_bits(&self) -> u32 {
        64 - self.campaign_bits - self.fields.iter().map(|field| field.bits).sum::<u32>()
    }

    /// The ID of a source. `value` gives the parameter with a name. A number that is missing, malformed or
    /// too large is 0.
    pub(crate) fn issue<'v>(
        &self,
        campaign: u64,
        value: impl Fn(&str) -> Option<&'v str>,
        secrets: &Secrets,
    ) -> u64 {
        let secret = secrets.current();
        let mut upper = low_bits(campaign, self.campaign_bits);
        for field in &self.fields {
            let text = value(&field.name).unwrap_or_default();
            let number = match field.hashed {
                true if text.is_empty() => 0,
                true => {
                    secret.hash(Purpose::EventIdField, &[field.name.as_bytes(), text.as_bytes()])
                        >> (64 - field.bits)
                }
                false => text.parse().ok().filter(|&number| fits(number, field.bits)).unwrap_or(0),
            };
            upper = upper << field.bits | number;
        }
        upper << self.tag_bits() | self.tag(upper, secret)
    }

    /// What an ID says, or `None` when its tag is of none of the secrets: nobody here issued it.
    #[must_use]
    pub fn open(&self, id: u64, secrets: &Secrets) -> Option<EventId> {
        let tag_bits = self.tag_bits();
        let (upper, tag) = (id >> tag_bits, low_bits(id, tag_bits));
        if !secrets.all().any(|secret| self.tag(upper, secret) == tag) {
            return None;
        }
        let mut rest = upper;
        let mut fields: Box<[u64]> = self.fields.iter().map(|_| 0).collect();
        for (value, field) in fields.iter_mut().zip(&self.fields).rev() {
            *value = low_bits(rest, field.bits);
            rest >>= field.bits;
        }
        Some(EventId { campaign: rest, fields })
    }

    fn tag(&self, upper: u64, secret: &Secret) -> u64 {
        secret.hash(Purpose::EventIdTag, &[&upper.to_be_bytes()]) >> (64 - self.tag_bits())
    }
}

/// Whether a number has at most so many bits, which are 1 to 63.
pub(crate) fn fits(number: u64, bits: u32) -> bool {
    number >> bits == 0
}

fn low_bits(number: u64, bits: u32) -> u64 {
    number & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, bits: u32, hashed: bool) -> EventIdField {
        EventIdField { name: name.into(), bits, hashed }
    }

    fn layout() -> EventIdLayout {
        EventIdLayout::new(12, [field("placement", 16, false), field("click", 12, true)]).unwrap()
    }

    fn secrets(byte: u8) -> Secrets {
        Secrets::new(Secret::from_bytes([byte; 32]), [])
    }

    fn issue(placement: &'static str, click: &'static str, secrets: &Secrets) -> u64 {
        let value = |name: &str| Some(if name == "placement" { placement } else { click });
        layout().issue(4095, value, secrets)
    }

    #[test]
    fn an_id_says_what_it_was_issued_for_and_is_the_same_again() {
        let id = issue("65535", "click-1", &secrets(1));
        let opened = layout().open(id, &secrets(1)).unwrap();
        assert_eq!((opened.campaign, opened.fields[0]), (4095, 65535));
        assert_eq!(id, issue("65535", "click-1", &secrets(1)));
        assert_ne!(id, issue("65535", "click-2", &secrets(1)));
        assert_ne!(id, issue("65534", "click-1", &secrets(1)));
        assert_eq!(layout().tag_bits(), 24);
    }

    #[test]
    fn numbers_that_do_not_fit_are_0() {
        for text in ["65536", "-1", "x", "", "1.5", "99999999999999999999"] {
            let opened = layout().open(issue(text, "", &secrets(1)), &secrets(1)).unwrap();
            assert_eq!(*opened.fields, [0, 0], "{text}");
        }
    }

    #[test]
    fn ids_of_a_previous_secret_are_still_ours_and_of_another_are_not() {
        let id = issue("1", "", &secrets(1));
        let rotated = Secrets::new(Secret::from_bytes([2; 32]), [Secret::from_bytes([1; 32])]);
        assert!(layout().open(id, &rotated).is_some());
        assert_eq!(layout().open(id, &secrets(2)), None);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let id = issue("1", "click", &secrets(1));
        for bit in 0..64 {
            assert_eq!(layout().open(id ^ 1 << bit, &secrets(1)), None, "bit {bit}");
        }
    }

    #[test]
    fn made_up_ids_pass_as_rarely_as_the_tag_says() {
        let layout = EventIdLayout::new(48, []).unwrap();
        assert_eq!(layout.tag_bits(), 16);
        let tries = 1 << 16;
        let made_up = (0..tries).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let passed = made_up.filter(|&id| layout.open(id, &secrets(3)).is_some()).count();
        // 1 expected; more than 12 has a probability below 10^-10.
        assert!(passed <= 12, "{passed}");
    }

    #[test]
    fn a_layout_leaves_16_bits_for_the_tag() {
        let two = |first, second| EventIdLayout::new(first, [field("f", second, false)]);
        assert_eq!(two(24, 24).unwrap().tag_bits(), 16);
        assert_eq!(two(24, 25), Err(InvalidLayout::TagBits(15)));
        assert_eq!(two(1, 48), Err(InvalidLayout::TagBits(15)));
        assert_eq!(two(0, 8), Err(InvalidLayout::FieldBits));
        assert_eq!(two(8, 0), Err(InvalidLayout::FieldBits));
        assert_eq!(two(8, 49), Err(InvalidLayout::FieldBits));
        assert_eq!(EventIdLayout::new(1, []).unwrap().tag_bits(), 63);
    }
}
