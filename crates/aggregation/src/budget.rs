//! The privacy budget: what was aggregated may not be aggregated again.
mod shared_id;
pub use shared_id::{BudgetGroup, BudgetUnit};
