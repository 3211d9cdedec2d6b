//! What a client may send, keep waiting, and leave unanswered.

use std::{fmt, time::Duration};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of a WebSocket.
///
/// What is not set here is taken from around: a route asks its router, the router its app, and
/// last come the defaults.
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
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    message_bytes: Option<usize>,
    frame_bytes: Option<usize>,
    read_buffer_bytes: Option<usize>,
    write_buffer_bytes: Option<usize>,
    ping_interval: Option<Duration>,
    pong_timeout: Option<Duration>,
    write_stall: Option<Duration>,
    close_timeout: Option<Duration>,
}

impl Limits {
    /// Size of a message from the client, in bytes; a larger one closes with 1009. Default: 1 MiB.
    #[must_use]
    pub fn message_bytes(mut self, limit: usize) -> Self {
        self.message_bytes = Some(limit);
        self
    }

    /// Size of one frame of a message, in bytes; a larger one closes with 1009. Default: 1 MiB.
    #[must_use]
    pub fn frame_bytes(mut self, limit: usize) -> Self {
        self.frame_bytes = Some(limit);
        self
    }

    /// Messages that the endpoint has not taken yet, in bytes. Default: 64 KiB.
    ///
    /// Nothing more is read from the network then, so a client that sends too fast is slowed. One
    /// message of any permitted size always fits; a message counts 64 bytes beside its content.
    #[must_use]
    pub fn read_buffer_bytes(mut self, limit: usize) -> Self {
        self.read_buffer_bytes = Some(limit);
        self
    }

    /// Messages that the client has not taken yet, in bytes. Default: 64 KiB.
    ///
    /// Sending waits then, so a slow client slows its own endpoint. A message of any size is
    /// taken while there is less.
    #[must_use]
    pub fn write_buffer_bytes(mut self, limit: usize) -> Self {
        self.write_buffer_bytes = Some(limit);
        self
    }

    /// Silence of the client after which it is sent a ping. Default: 20 s.
    ///
    /// Less than the 60 s after which common proxies close a silent connection.
    #[must_use]
    pub fn ping_interval(mut self, limit: Duration) -> Self {
        self.ping_interval = Some(limit);
        self
    }

    /// Silence after a ping with which the client counts as gone. Default: 20 s.
    ///
    /// Not counted while the client is not read, as its answer may wait behind what is not: while
    /// the endpoint takes no messages, and while the client takes no answers to its own pings.
    #[must_use]
    pub fn pong_timeout(mut self, limit: Duration) -> Self {
        self.pong_timeout = Some(limit);
        self
    }

    /// The longest time in which a client that is owed data takes none of it. Default: 30 s.
    #[must_use]
    pub fn write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }

    /// The longest wait for the client's side of a close. Default: 5 s.
    #[must_use]
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = Some(limit);
        self
    }

    /// What is set here, and for the rest what is set around.
    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            message_bytes: self.message_bytes.or(outer.message_bytes),
            frame_bytes: self.frame_bytes.or(outer.frame_bytes),
            read_buffer_bytes: self.read_buffer_bytes.or(outer.read_buffer_bytes),
            write_buffer_bytes: self.write_buffer_bytes.or(outer.write_buffer_bytes),
            ping_interval: self.ping_interval.or(outer.ping_interval),
            pong_timeout: self.pong_timeout.or(outer.pong_timeout),
            write_stall: self.write_stall.or(outer.write_stall),
            close_timeout: self.close_timeout.or(outer.close_timeout),
        }
    }

    pub(super) fn bounds(self) -> Bounds {
        Bounds {
            message_bytes_max: self.message_bytes.unwrap_or(MIB),
            frame_bytes_max: self.frame_bytes.unwrap_or(MIB),
            read_buffer_bytes_max: self.read_buffer_bytes.unwrap_or(64 * KIB),
            write_buffer_bytes_max: self.write_buffer_bytes.unwrap_or(64 * KIB),
            ping_interval: self.ping_interval.unwrap_or(Duration::from_secs(20)),
            pong_timeout: self.pong_timeout.unwrap_or(Duration::from_secs(20)),
            write_stall: self.write_stall.unwrap_or(Duration::from_secs(30)),
            close_timeout: self.close_timeout.unwrap_or(Duration::from_secs(5)),
        }
    }
}

/// Shows what holds where nothing around says otherwise.
impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = self.bounds();
        f.debug_struct("Limits")
            .field("message_bytes", &bounds.message_bytes_max)
            .field("frame_bytes", &bounds.frame_bytes_max)
            .field("read_buffer_bytes", &bounds.read_buffer_bytes_max)
            .field("write_buffer_bytes", &bounds.write_buffer_bytes_max)
            .field("ping_interval", &bounds.ping_interval)
            .field("pong_timeout", &bounds.pong_timeout)
            .field("write_stall", &bounds.write_stall)
            .field("close_timeout", &bounds.close_timeout)
            .finish()
    }
}

/// The limits of one WebSocket, all of them known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) message_bytes_max: usize,
    pub(super) frame_bytes_max: usize,
    pub(super) read_buffer_bytes_max: usize,
    pub(super) write_buffer_bytes_max: usize,
    pub(super) ping_interval: Duration,
    pub(super) pong_timeout: Duration,
    pub(super) write_stall: Duration,
    pub(super) close_timeout: Duration,
}
