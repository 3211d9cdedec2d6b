#![doc = include_str!("../README.md")]

mod text;

pub use self::text::{Chunk, Extracted, Heading, Page, Span};
