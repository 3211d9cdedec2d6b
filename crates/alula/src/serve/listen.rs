//! Binding to an address.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};

use super::Limits;

/// Connections that the kernel holds until they are accepted.
pub(super) const BACKLOG: u32 = 1024;

/// Binds to the first of the addresses that can be bound.
pub(super) async fn listen(addr: impl ToSocketAddrs, limits: &Limits) -> io::Result<TcpListener> {
    first_of(addr, |addr| socket(addr, limits)?.bind_and_listen(addr)).await
}

/// Binds several sockets to the first of the addresses that can be bound.
///
/// They are not for tokio: who only keeps them should not hear of their connections.
#[cfg(unix)]
pub(super) async fn listen_together(
    addr: impl ToSocketAddrs,
    limits: &Limits,
    count: usize,
) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    first_of(addr, |mut addr| {
        // Sockets that share a port share it with those of another server, too, if the user is
        // the same. One that does not share finds it out.
        drop(socket(addr, limits)?.bind_and_listen(addr)?);
        let mut listeners = Vec::with_capacity(count);
        for _ in 0..count {
            let socket = socket(addr, limits)?;
            socket.set_reuseport(true)?;
            let listener = socket.bind_and_listen(addr)?.into_std()?;
            // The first one has found a port, if none was given.
            addr = listener.local_addr()?;
            listeners.push(listener);
        }
        Ok((addr, listeners))
    })
    .await
}

async fn first_of<T>(
    addr: impl ToSocketAddrs,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failure = None;
    for addr in lookup_host(addr).await? {
        match bind(addr) {
            Ok(bound) => return Ok(bound),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address")
    }))
}

fn socket(addr: SocketAddr, limits: &Limits) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows this option lets two servers share a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(limits.send_buffer_bytes)?;
    Ok(socket)
}

trait BindAndListen {
    fn bind_and_listen(self, addr: SocketAddr) -> io::Result<TcpListener>;
}

impl BindAndListen for TcpSocket {
    fn bind_and_listen(self, addr: SocketAddr) -> io::Result<TcpListener> {
        self.bind(addr)?;
        self.listen(BACKLOG)
    }
}
