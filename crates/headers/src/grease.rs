//! Greasing: varying what must be ignored, so that servers come to ignore it.
//!
//! Spec: "obtain a dictionary structured header value". Off unless the user agent asks for it.

use sfv::{DictSerializer, Integer, KeyRef, RefBareItem, TokenRef};

/// Where the optional choices of greasing come from.
///
/// Each choice has a name, so that a test can script it. Answering 0 always greases nothing.
pub trait Greasing {
    /// A number below `options` (which is at least 1); a greater answer counts as 0.
    fn choose(&mut self, choice: GreaseChoice<'_>, options: usize) -> usize;
}

/// A choice of greasing, and what the answers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GreaseChoice<'a> {
    /// Whether to add the key `not-<key>`: 0 is no, 1 is yes.
    NotKey {
        /// One of the header's allowed keys.
        key: &'a str,
    },
    /// Which key to exchange this one with: the one that many places before it. Asked for the last
    /// place first, down to the second: uniform answers shuffle uniformly.
    Place {
        /// The place, counted from 0.
        place: usize,
    },
    /// Which value a key has: 0 is true, n is the n-th allowed key, as a token.
    Value {
        /// The key.
        key: &'a str,
    },
    /// Whether a key has a parameter: 0 is no, others are yes with different types of values.
    Parameter {
        /// The key.
        key: &'a str,
        /// The parameter: one of the header's allowed keys.
        parameter: &'a str,
    },
}

/// The values of parameters; any would do.
const PARAMETERS: [fn() -> RefBareItem<'static>; 4] = [
    || true.into(),
    || Integer::constant(3).into(),
    || RefBareItem::Token(TokenRef::constant("grease")),
    || RefBareItem::Boolean(false),
];

/// "Obtain a dictionary structured header value", printed; empty when there are no keys.
pub(crate) fn dictionary_header(
    keys: &[&str],
    allowed: &[&str],
    mut greasing: Option<&mut dyn Greasing>,
) -> String {
    let mut choose = |choice: GreaseChoice<'_>, options| match &mut greasing {
        None => 0,
        Some(greasing) => Some(greasing.choose(choice, options)).filter(|n| *n < options).unwrap_or(0),
    };
    let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    for &key in allowed {
        if choose(GreaseChoice::NotKey { key }, 2) == 1 {
            keys.push(format!("not-{key}"));
        }
    }
    for place in (1..keys.len()).rev() {
        keys.swap(place, place - choose(GreaseChoice::Place { place }, place + 1));
    }
    let mut dictionary = DictSerializer::new();
    for key in &keys {
        let value = match choose(GreaseChoice::Value { key }, allowed.len() + 1) {
            0 => RefBareItem::Boolean(true),
            n => RefBareItem::Token(TokenRef::from_str(allowed[n - 1]).expect("allowed keys are tokens")),
        };
        let mut parameters = dictionary.bare_item(key_ref(key), value);
        for &parameter in allowed {
            let n = choose(GreaseChoice::Parameter { key, parameter }, PARAMETERS.len() + 1);
            if let Some(value) = n.checked_sub(1) {
                parameters = parameters.parameter(key_ref(parameter), PARAMETERS[value]());
            }
        }
    }
    dictionary.finish().unwrap_or_default()
}

/// Allowed keys, and those with `not-` in front, are structured field keys.
fn key_ref(key: &str) -> &KeyRef {
    KeyRef::from_str(key).expect("lower-case letters and hyphens make a key")
}
