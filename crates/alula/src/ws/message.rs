//! What travels over a WebSocket.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{self, Utf8Bytes, protocol::frame::coding::CloseCode};

/// A whole message.
///
/// Pings and pongs are answered and sent by the framework; a close ends
/// [`WebSocket::recv`](super::WebSocket::recv).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

/// From this size on, a message may share the memory that it was read into: it is at least half.
const SHARED_BYTES_MIN: usize = 4 * 1024;

/// A message as the protocol's library holds it: text that shares its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Raw {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The same message, in memory of its own if it is small.
    ///
    /// It shares what it was read into, with everything else that came at the time. Many small
    /// messages could hold a multiple of their size, of pongs that nobody asked for.
    pub(super) fn compact(self) -> Self {
        match self {
            Self::Text(text) if text.len() < SHARED_BYTES_MIN => Self::Text(text.as_str().into()),
            Self::Binary(bytes) if bytes.len() < SHARED_BYTES_MIN => {
                Self::Binary(Bytes::copy_from_slice(&bytes))
            }
            large => large,
        }
    }
}

impl From<Message> for Raw {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Raw> for Message {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::Text(text) => Self::Text(text.as_str().to_owned()),
            Raw::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Raw> for tungstenite::Message {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::Text(text) => Self::Text(text),
            Raw::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// Why a WebSocket was closed, as RFC 6455 has it (section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code: 1000 for a normal end; 1005 if the client gave none; 1006 if it was gone without
    /// a close.
    pub code: u16,
    /// The reason, often empty.
    pub reason: String,
}

/// The most bytes of a reason: what a control frame holds beside the code.
const REASON_BYTES_MAX: usize = 123;

impl CloseFrame {
    /// The end that both sides wanted.
    pub(crate) const NORMAL: u16 = 1000;
    /// The server is going away.
    pub(super) const AWAY: u16 = 1001;
    pub(super) const PROTOCOL: u16 = 1002;
    /// A close frame without a code.
    pub(super) const NO_STATUS: u16 = 1005;
    /// The connection was lost.
    pub(super) const ABNORMAL: u16 = 1006;
    pub(super) const INVALID: u16 = 1007;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const TOO_LARGE: u16 = 1009;
    pub(super) const INTERNAL: u16 = 1011;

    /// A close frame that can be sent: a reason that is too long is cut.
    ///
    /// A code that no endpoint may send is a mistake in the program; it is logged, and 1011 sent.
    pub(crate) fn new(code: u16, reason: &str) -> Self {
        let code = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => code,
            _ => {
                tracing::error!(code, "no endpoint may send this close code; 1011 is sent");
                Self::INTERNAL
            }
        };
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { code, reason: reason.get(..end).unwrap_or_default().to_owned() }
    }

    pub(crate) fn lost() -> Self {
        Self { code: Self::ABNORMAL, reason: String::new() }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.code == Self::ABNORMAL
    }
}

impl From<CloseFrame> for tungstenite::protocol::CloseFrame {
    fn from(frame: CloseFrame) -> Self {
        Self { code: CloseCode::from(frame.code), reason: frame.reason.into() }
    }
}

impl From<Option<tungstenite::protocol::CloseFrame>> for CloseFrame {
    fn from(frame: Option<tungstenite::protocol::CloseFrame>) -> Self {
        match frame {
            Some(frame) => {
                Self { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
            }
            None => Self { code: Self::NO_STATUS, reason: String::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let frame = CloseFrame::new(1008, &"é".repeat(100));
        assert_eq!(frame.reason, "é".repeat(61));
        assert_eq!(CloseFrame::new(1000, "short").reason, "short");
    }

    #[test]
    fn a_code_that_may_not_be_sent_becomes_1011() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(CloseFrame::new(code, "").code, 1011, "{code}");
        }
        for code in [1000, 1001, 1014, 3000, 4999] {
            assert_eq!(CloseFrame::new(code, "").code, code);
        }
    }
}
