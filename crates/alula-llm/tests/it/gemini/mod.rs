//! Google's Gemini.

mod answers;
mod over_http;
mod property;
mod requests;
mod streams;
mod translation;
