//! Jobs in SQLite and in Postgres.
//!
//! What is done is written once, as [`Operation`]s on a [`Conn`]; the two engines differ in how they
//! make a transaction. Rows go in as one JSON array, so that a statement does with any number of
//! them what it does with one.

mod cancel;
mod claim;
mod connection;
mod end;
mod engine;
mod enqueue;
mod finish;
mod look;
mod maintain;
#[cfg(test)]
mod plans;
mod postgres;
mod retry;
mod rows;
mod schedule;
mod schema;
mod sqlite;

use self::{
    connection::{Bind, Conn, Row, Sql},
    engine::{Engine, Operation},
};
pub use self::{postgres::Postgres, sqlite::Sqlite};
