//! Tests of webhooks over real connections on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod addresses;
mod delivery;
mod receiver;
