//! The privacy mathematics of the Attribution Reporting API.

mod epsilon;

pub use epsilon::Epsilon;
