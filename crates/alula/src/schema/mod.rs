//! JSON Schema at work: checking values and explaining what is wrong with them.

mod detail;

pub use detail::{Detail, Loc};
