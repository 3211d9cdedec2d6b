//! What requests and answers hold. The constraints are checked, and stand in the documentation.

mod chat;
mod item;

pub use self::{
    chat::{ChatRequest, ChatResponse, Token},
    item::{Item, NewItem, Page},
};
