//! Documents in SQLite and in Postgres.
//!
//! A statement is written once, in SQL that both understand, and run on whichever there is. The two
//! differ in how words are found ([`words`]), and may in how vectors are ([`segments`],
//! [`pgvector`]). Rows go in as one JSON array, so that a statement does with any number of them
//! what it does with one.

mod cache;
mod chunks;
mod connection;
mod database;
mod entries;
mod pgvector;
mod publish;
mod rows;
mod scanner;
mod schema;
mod segments;
mod select;
mod settings;
mod sizes;
mod snapshot;
mod store;
mod sweep;
mod task;
mod transact;
mod watch;
mod words;

use self::{
    connection::{Bind, Conn, Row},
    database::Database,
};
pub use self::{settings::StoreSettings, store::SqlStore};
