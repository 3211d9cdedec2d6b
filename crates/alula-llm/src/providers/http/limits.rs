use std::time::Duration;

/// What the connections to providers are held to.
///
/// ```
/// use alula_llm::{Http, HttpLimits};
///
/// let limits = HttpLimits::default().response_bytes_max(1 << 20);
/// let http = Http::new(limits);
/// assert_eq!(http.limits().event_bytes_max, 8 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// The longest time to open a connection. 5 s.
    pub connect_timeout: Duration,
    /// The largest answer that is not a stream, in bytes. 32 MiB.
    pub response_bytes_max: usize,
    /// The largest event of a stream, in bytes. 8 MiB: a picture fits in.
    pub event_bytes_max: usize,
    /// The largest streamed answer, in bytes on the wire. 256 MiB: a few megabytes of text, each
    /// token in an event of its own, or a handful of pictures.
    pub stream_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_bytes_max: 32 << 20,
            event_bytes_max: 8 << 20,
            stream_bytes_max: 256 << 20,
        }
    }
}

impl HttpLimits {
    /// Sets the longest time to open a connection.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets the largest answer that is not a stream, in bytes.
    #[must_use]
    pub fn response_bytes_max(mut self, response_bytes_max: usize) -> Self {
        self.response_bytes_max = response_bytes_max;
        self
    }

    /// Sets the largest event of a stream, in bytes.
    #[must_use]
    pub fn event_bytes_max(mut self, event_bytes_max: usize) -> Self {
        self.event_bytes_max = event_bytes_max;
        self
    }

    /// Sets the largest streamed answer, in bytes on the wire.
    #[must_use]
    pub fn stream_bytes_max(mut self, stream_bytes_max: usize) -> Self {
        self.stream_bytes_max = stream_bytes_max;
        self
    }
}
