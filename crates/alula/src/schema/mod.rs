//! JSON Schema at work: checking values and explaining what is wrong with them.
//!
//! A type is accepted by serde and by its [`Validate`](crate::Validate); that is the happy path,
//! and it reads no schema. Only a value that was refused meets the code here, which walks the
//! schema and lists **every** error in FastAPI's words.
//!
//! - [`Shape`] is a compiled schema: [`explain`](Shape::explain) is strict,
//!   [`coerce`](Shape::coerce) reads `"4"` as 4.
//! - [`json`] reads request bodies.
//! - [`TextShape`] reads what arrives as text: queries, paths, headers, cookies, forms.

mod compile;
mod detail;
mod finding;
mod format;
pub mod json;
#[cfg(feature = "mcp")]
pub(crate) mod lenient;
mod node;
mod number;
mod python_json;
mod scalar;
mod secrets;
mod settings;
mod shape;
mod single;
mod text;
mod union;
mod unique;
mod walk;
mod words;

pub(crate) use compile::natural_range;
pub use detail::{Detail, Loc};
pub use format::Format;
pub(crate) use secrets::{MASK, is_secret};
pub(crate) use settings::{SettingMistake, Teller};
pub use shape::Shape;
pub(crate) use text::{FILE, FILE_KEYWORD, Files};
pub use text::{Names, Parameter, TextShape};

#[cfg(test)]
mod tests;
