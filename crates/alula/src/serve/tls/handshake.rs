//! The beginning of a connection with TLS.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::serve::{
    Limits,
    activity::WaitingFor,
    connection::{Arrival, End},
    guarded_io::Socket,
};

/// What a client reads that speaks HTTP where HTTPS is spoken.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: application/json\r\n\
    content-length: 35\r\n\
    connection: close\r\n\
    \r\n\
    {\"detail\":\"This port speaks HTTPS\"}";

/// The type of the record that TLS begins with (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// How long that client may take to read it.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Makes the handshakes of a server.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Handshakes {
    tls: Tls,
    /// From the first byte of a handshake to its last.
    time_max: Duration,
    /// What TLS may hold of a response that its client does not read.
    buffer_bytes_max: usize,
}

impl Handshakes {
    pub(in crate::serve) fn new(tls: Tls, limits: &Limits) -> Self {
        let buffer_bytes_max = usize::try_from(limits.send_buffer_bytes).unwrap_or(usize::MAX);
        Self { tls, time_max: limits.header_read, buffer_bytes_max }
    }

    /// Agrees on keys with a client, which has as much time as for a head.
    pub(in crate::serve) async fn make<T>(
        &self,
        arrival: Arrival<Socket<TcpStream>, T>,
    ) -> Result<Arrival<TlsStream<Socket<TcpStream>>, T>, End> {
        let Arrival { io, activity, peer, shutdown, spawner, open, .. } = arrival;
        let end = tokio::select! {
            made = timeout(self.time_max, self.agree(io)) => match made {
                Ok(Ok(io)) => {
                    return Ok(Arrival { io, activity, peer, https: true, shutdown, spawner, open });
                }
                Ok(Err(error)) => End::Broken(error),
                Err(_) => End::TooSlow(WaitingFor::Head),
            },
            () = shutdown.ended() => End::Cut,
        };
        tracing::debug!(peer = %peer.0, %end, "no handshake");
        Err(end)
    }

    async fn agree(&self, io: Socket<TcpStream>) -> io::Result<TlsStream<Socket<TcpStream>>> {
        // rustls would answer with an alert, which no client of HTTP can read.
        if io.first_byte().await?.is_some_and(|first| first != HANDSHAKE) {
            let _ = timeout(GOODBYE_TIME, say_goodbye(io)).await;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks no TLS"));
        }
        let limit = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(self.buffer_bytes_max));
        };
        self.tls.acceptor.accept_with(io, limit).await
    }
}

/// Reads until the client hangs up: to close over unread bytes would reset the connection.
async fn say_goodbye(mut io: Socket<TcpStream>) -> io::Result<()> {
    io.write_all(PLAIN_HTTP).await?;
    io.shutdown().await?;
    let mut discarded = [0; 1024];
    while io.read(&mut discarded).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_body() {
        let text = str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    }
}
