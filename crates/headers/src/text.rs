//! Strings of registrations: names, keys, values.

/// A string that is kept in place up to 24 bytes, as most strings of a registration are: they cost no allocation.
pub type Text = compact_str::CompactString;
