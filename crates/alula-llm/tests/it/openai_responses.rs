//! `OpenAI`'s responses: items are the parts of one message, and nothing of them is lost.

mod answers;
mod disorder;
mod recorded;
mod requests;
mod streams;
mod translation;
