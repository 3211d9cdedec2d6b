//! A typed web framework for AI APIs.

mod schema;
mod validate;

pub use schema::{Detail, Loc};
pub use validate::{Report, Validate};
