//! Google's Gemini.

mod answers;
mod over_http;
mod requests;
mod streams;
mod translation;
