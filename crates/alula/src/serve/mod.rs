//! The serve loop: HTTP/1.1 and HTTP/2 on an open port.
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
//! - A shutdown lets requests finish, tells endless streams to say goodbye, and then ends. Who is
//!   about to ask when it begins is answered.
//! - [`Workers`] are several processes on one port, of which one may crash, and all of which can
//!   be replaced, without a request that is lost.
//!
//! HTTP/2 is spoken to clients that begin with it (`h2c` with prior knowledge); there is no
//! upgrade from HTTP/1.1. All limits hold for it. Its streams do not wait for each other: one that
//! its client does not read, or takes back, is dropped alone. A client that opens streams only to
//! reset them loses its connection, and one that is silent is asked whether it is there. A
//! connection holds at most 1 MiB of request bodies that nobody has read, and 16 KiB of each
//! response.
//!
//! What it does not do: hyper accepts a request of HTTP/1.1 with both `Content-Length` and
//! `Transfer-Encoding` (the latter wins) and bare line feeds, which a proxy in front may read in
//! another way; and it does not notice that a client left while more requests of it wait in its
//! buffer. Neither can be seen from outside of its parser: a guard over the bytes would have to
//! find the end of each body as hyper does, and be wrong in other cases.

mod accept;
mod activity;
mod bell;
mod connection;
mod drain;
mod exchange;
mod guarded_io;
mod http2;
mod limits;
mod listen;
mod open_connections;
mod places;
mod refuse;
mod server;
mod shutdown;
mod signal;
mod spawner;
#[cfg(feature = "tls")]
mod tls;
mod watchdog;
mod workers;

#[cfg(test)]
mod tests;

pub(crate) use drain::without_connections;
pub use exchange::{HttpService, PeerAddr};
pub use limits::Limits;
pub use open_connections::OpenConnections;
pub use server::{Server, Summary};
pub use shutdown::{Shutdown, ShutdownPhase};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
pub use workers::{Launch, Supervisor, Workers};
