//! What holds for every input, hostile or not: the fuzz targets run these on what they invent, and the test
//! of the corpora on what they have kept.

pub(crate) mod key_set;
pub(crate) mod payload;
pub(crate) mod shared_info;
