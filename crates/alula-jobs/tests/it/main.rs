//! Tests of jobs over real databases, and of webhooks over real connections, on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic, and says that it is skipped"
)]

mod addresses;
mod delivery;
mod receiver;
mod store;
mod worker;
