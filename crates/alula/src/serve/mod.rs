//! The serve loop: HTTP/1.1 on an open port.
//!
//! A server on the internet meets clients that send half a request, never read their response,
//! never leave, and deployments that stop it while it streams. [`Server`] holds every client to
//! its [`Limits`], and a [`Shutdown`] has a deadline:
//!
//! - A head that is not complete in time, a connection that idles too long and a client that does
//!   not read are closed. The response body is dropped with its connection, and what produces it
//!   stops.
//! - A client that hangs up cancels its handler at once.
//! - One connection too many is answered with a 503, a head too large with a 431, a request
//!   without exactly one `Host` with a 400.
//! - A shutdown lets requests finish, tells endless streams to say goodbye, and then ends.
//!
//! What it does not do: TLS and HTTP/2; and hyper accepts a request with both `Content-Length`
//! and `Transfer-Encoding` (the latter wins) and bare line feeds, which a proxy in front may read
//! in another way.

mod accept;
mod activity;
mod connection;
mod exchange;
mod guarded_io;
mod limits;
mod listen;
mod places;
mod refuse;
mod server;
mod shutdown;
mod signal;
mod watchdog;
mod workers;

#[cfg(test)]
mod tests;

pub use exchange::{HttpService, PeerAddr};
pub use limits::Limits;
pub use server::{Server, Summary};
pub use shutdown::{Shutdown, ShutdownPhase};
pub use workers::{Launch, Supervisor, Workers};
