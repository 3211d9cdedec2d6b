//! A supervisor where there is none.

use std::{io, net::SocketAddr};

/// A process that looks after its workers. It needs a Unix system, so here nobody has one.
#[derive(Debug)]
pub enum Supervisor {}

impl Supervisor {
    /// The address that the workers listen on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match *self {}
    }

    /// Starts the workers and looks after them.
    ///
    /// # Errors
    ///
    /// None here.
    #[expect(clippy::unused_async, reason = "as where there is one")]
    pub async fn run(self) -> io::Result<()> {
        match self {}
    }
}
