//! What the server grants to a client, in one place.

use std::time::Duration;

/// The limits of a [`Server`](super::Server): time, size and number.
///
/// The defaults suit a server on an open port, with or without a proxy in front.
/// Every one can be set, and none can be switched off: a limit that is in the way is a number to
/// change.
///
/// ```
/// use std::time::Duration;
/// use alula::serve::Limits;
///
/// let limits = Limits::default().idle(Duration::from_secs(15)).connections(500);
/// assert_eq!(limits.connections, 500);
/// assert_eq!(limits.header_read, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// From the first byte of a request's head to its last. Default: 10 s.
    ///
    /// A client that sends half a head and waits would hold a connection for ever.
    pub header_read: Duration,
    /// Size of the request line and all headers together, in bytes; more is a 431. Default: 32 KiB.
    pub header_bytes: usize,
    /// What is buffered of one connection of HTTP/1.1 in each direction, in bytes, 8 KiB and
    /// [`header_bytes`](Self#structfield.header_bytes) at least. Default: 64 KiB.
    ///
    /// A connection has so much only where it comes: it begins with 8 KiB, which double each time
    /// that they are full. Once they have, a body that fits in comes in one piece, which nobody has
    /// to put together.
    pub buffer_bytes: usize,
    /// Number of headers in a request; more is a 431. Default: 100.
    pub headers: usize,
    /// The longest silence inside a request body. Default: 10 s.
    ///
    /// The serve loop only carries this value: whoever reads the body enforces it, because a
    /// handler that is busy and reads late must not count against the client.
    pub body_stall: Duration,
    /// How long an open connection may wait for its next request, or its first. Default: 75 s.
    ///
    /// Longer than the 60 s that common proxies keep an upstream connection, so that the proxy
    /// closes first and never sends a request into a connection that is being closed.
    pub idle: Duration,
    /// The longest time in which a client that is owed data takes none of it. Default: 30 s.
    ///
    /// After it the response body is dropped, and with it whatever produces the body.
    pub write_stall: Duration,
    /// The kernel's send buffer of one connection, in bytes. Default: 16 KiB.
    ///
    /// The kernel may round it. With its own default a reader that never reads costs 2 to 4 MiB
    /// of kernel memory; with 16 KiB, some tens of KiB.
    pub send_buffer_bytes: u32,
    /// Number of requests at a time on one connection of HTTP/2. Default: 128.
    ///
    /// A client is told so, and waits. One that takes back more than four times as many within a
    /// second, before they are answered, loses its connection.
    pub h2_streams: u32,
    /// Number of connections at a time; one more is answered with a 503. Default: 20,000.
    pub connections: usize,
    /// Number of connections at a time from one address; one more is answered with a 503. Default:
    /// no limit but `connections`.
    ///
    /// Behind a proxy all connections come from the proxy, which then has to count. On an open
    /// port some hundreds keep one client from taking every place. The 2^64 addresses of an IPv6
    /// network count as one, as one client has all of them.
    pub connections_per_ip: usize,
    /// The slowest that a request body may come, in bytes per second; a slower one is answered with
    /// a 408. Default: 240.
    ///
    /// Measured over all the time that was spent waiting for the client, after a
    /// [grace](Self#structfield.body_grace). It holds for a body that is read as a whole; one that
    /// an endpoint reads piece by piece ([`BodyStream`](crate::BodyStream)) may be as slow as `body_stall` lets it.
    pub body_bytes_per_second_min: u32,
    /// How long a body may be slower than that. Default: 10 s.
    pub body_grace: Duration,
    /// From the start of a shutdown to the end of accepting connections. Default: none.
    ///
    /// Kubernetes takes a pod out of its services while it stops it, not before: requests go on to
    /// arrive for some seconds. 5 s suit it, with a readiness probe that asks
    /// [`Shutdown::is_stopping`](super::Shutdown::is_stopping).
    pub drain_delay: Duration,
    /// From then to the end of the server. Default: 20 s.
    ///
    /// Together with `drain_delay` less than the 30 s that Kubernetes waits before it kills.
    pub drain: Duration,
    /// The last part of `drain`, in which endless streams say goodbye. Default: 1 s.
    pub stream_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            header_bytes: 32 * 1024,
            buffer_bytes: 64 * 1024,
            headers: 100,
            body_stall: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
            send_buffer_bytes: 16 * 1024,
            h2_streams: 128,
            connections: 20_000,
            connections_per_ip: usize::MAX,
            body_bytes_per_second_min: 240,
            body_grace: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(20),
            stream_grace: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Sets [`header_read`](Self#structfield.header_read).
    #[must_use]
    pub fn header_read(mut self, limit: Duration) -> Self {
        self.header_read = limit;
        self
    }

    /// Sets [`header_bytes`](Self#structfield.header_bytes).
    #[must_use]
    pub fn header_bytes(mut self, limit: usize) -> Self {
        self.header_bytes = limit;
        self
    }

    /// Sets [`buffer_bytes`](Self#structfield.buffer_bytes).
    #[must_use]
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }

    /// Sets [`headers`](Self#structfield.headers).
    #[must_use]
    pub fn headers(mut self, limit: usize) -> Self {
        self.headers = limit;
        self
    }

    /// Sets [`body_stall`](Self#structfield.body_stall).
    #[must_use]
    pub fn body_stall(mut self, limit: Duration) -> Self {
        self.body_stall = limit;
        self
    }

    /// Sets [`idle`](Self#structfield.idle).
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Sets [`write_stall`](Self#structfield.write_stall).
    #[must_use]
    pub fn write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = limit;
        self
    }

    /// Sets [`send_buffer_bytes`](Self#structfield.send_buffer_bytes).
    #[must_use]
    pub fn send_buffer_bytes(mut self, bytes: u32) -> Self {
        self.send_buffer_bytes = bytes;
        self
    }

    /// Sets [`h2_streams`](Self#structfield.h2_streams).
    #[must_use]
    pub fn h2_streams(mut self, limit: u32) -> Self {
        self.h2_streams = limit;
        self
    }

    /// Sets [`connections`](Self#structfield.connections).
    #[must_use]
    pub fn connections(mut self, limit: usize) -> Self {
        self.connections = limit;
        self
    }

    /// Sets [`connections_per_ip`](Self#structfield.connections_per_ip).
    #[must_use]
    pub fn connections_per_ip(mut self, limit: usize) -> Self {
        self.connections_per_ip = limit;
        self
    }

    /// Sets [`body_bytes_per_second_min`](Self#structfield.body_bytes_per_second_min).
    #[must_use]
    pub fn body_bytes_per_second_min(mut self, limit: u32) -> Self {
        self.body_bytes_per_second_min = limit;
        self
    }

    /// Sets [`body_grace`](Self#structfield.body_grace).
    #[must_use]
    pub fn body_grace(mut self, grace: Duration) -> Self {
        self.body_grace = grace;
        self
    }

    /// Sets [`drain_delay`](Self#structfield.drain_delay).
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain_delay = delay;
        self
    }

    /// Sets [`drain`](Self#structfield.drain).
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Sets [`stream_grace`](Self#structfield.stream_grace).
    #[must_use]
    pub fn stream_grace(mut self, grace: Duration) -> Self {
        self.stream_grace = grace;
        self
    }

    /// The longest time from the start of a shutdown to its end.
    pub(crate) fn shutdown_max(&self) -> Duration {
        self.drain_delay.saturating_add(self.drain)
    }
}
