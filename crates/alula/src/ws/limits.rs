//! What a client may send, keep waiting, and leave unanswered.

use std::time::Duration;

/// The limits of a WebSocket, set on a route, a router or an app; the innermost wins.
///
/// What one connection holds at most is the sum of `read_buffer_bytes`, `write_buffer_bytes`, one
/// message and one frame that come in, two messages that go out, and about 50 KiB. Buffers grow by
/// doubling, so the memory for it may be twice that. How many connections there may be is
/// [`serve::Limits::connections`](crate::serve::Limits#structfield.connections).
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, ws::Limits};
///
/// let limits = Limits::default().message_bytes(64 * 1024).ping_interval(Duration::from_secs(30));
/// let app = App::new("Chat", "1.0.0").websocket_limits(limits);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of a message from the client, in bytes; a larger one closes with 1009. Default: 1 MiB.
    pub message_bytes: usize,
    /// Size of one frame of a message, in bytes; a larger one closes with 1009. Default: 1 MiB.
    pub frame_bytes: usize,
    /// Messages that the endpoint has not taken yet, in bytes. Default: 64 KiB.
    ///
    /// Nothing more is read from the network then, so a client that sends too fast is slowed. One
    /// message of any permitted size always fits; a message counts 64 bytes beside its content.
    pub read_buffer_bytes: usize,
    /// Messages that the client has not taken yet, in bytes. Default: 64 KiB.
    ///
    /// Sending waits then, so a slow client slows its own endpoint. A message of any size is
    /// taken while there is less.
    pub write_buffer_bytes: usize,
    /// Silence of the client after which it is sent a ping. Default: 20 s.
    ///
    /// Less than the 60 s after which common proxies close a silent connection.
    pub ping_interval: Duration,
    /// Silence after a ping with which the client counts as gone. Default: 20 s.
    ///
    /// Not counted while the client is not read, as its answer may wait behind what is not: while
    /// the endpoint takes no messages, and while the client takes no answers to its own pings.
    pub pong_timeout: Duration,
    /// The longest time in which a client that is owed data takes none of it. Default: 30 s.
    pub write_stall: Duration,
    /// The longest wait for the client's side of a close. Default: 5 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1024 * 1024,
            frame_bytes: 1024 * 1024,
            read_buffer_bytes: 64 * 1024,
            write_buffer_bytes: 64 * 1024,
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(20),
            write_stall: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets [`message_bytes`](Self#structfield.message_bytes).
    #[must_use]
    pub fn message_bytes(mut self, limit: usize) -> Self {
        self.message_bytes = limit;
        self
    }

    /// Sets [`frame_bytes`](Self#structfield.frame_bytes).
    #[must_use]
    pub fn frame_bytes(mut self, limit: usize) -> Self {
        self.frame_bytes = limit;
        self
    }

    /// Sets [`read_buffer_bytes`](Self#structfield.read_buffer_bytes).
    #[must_use]
    pub fn read_buffer_bytes(mut self, limit: usize) -> Self {
        self.read_buffer_bytes = limit;
        self
    }

    /// Sets [`write_buffer_bytes`](Self#structfield.write_buffer_bytes).
    #[must_use]
    pub fn write_buffer_bytes(mut self, limit: usize) -> Self {
        self.write_buffer_bytes = limit;
        self
    }

    /// Sets [`ping_interval`](Self#structfield.ping_interval).
    #[must_use]
    pub fn ping_interval(mut self, limit: Duration) -> Self {
        self.ping_interval = limit;
        self
    }

    /// Sets [`pong_timeout`](Self#structfield.pong_timeout).
    #[must_use]
    pub fn pong_timeout(mut self, limit: Duration) -> Self {
        self.pong_timeout = limit;
        self
    }

    /// Sets [`write_stall`](Self#structfield.write_stall).
    #[must_use]
    pub fn write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = limit;
        self
    }

    /// Sets [`close_timeout`](Self#structfield.close_timeout).
    #[must_use]
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }
}
