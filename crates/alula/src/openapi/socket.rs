//! Who takes the WebSocket of a route.

use super::Operation;

/// What an endpoint does with its WebSocket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Socket {
    /// It has none.
    #[default]
    None,
    Offered,
    Taken,
}

impl Operation<'_> {
    /// Says that the route opens a WebSocket.
    pub(crate) fn offer_socket(&mut self) {
        self.socket = Socket::Offered;
    }

    /// Says that an input takes the WebSocket.
    pub(crate) fn take_socket(&mut self) {
        match self.socket {
            Socket::Offered => self.socket = Socket::Taken,
            Socket::None => self.mistake("a `WebSocket` is for routes made with `ws`"),
            Socket::Taken => self.mistake("the `WebSocket` is taken twice"),
        }
    }

    /// Notes a mistake if no input takes the WebSocket.
    pub(crate) fn expect_socket_taken(&mut self) {
        if self.socket == Socket::Offered {
            self.mistake("the function of a `ws` route takes a `WebSocket`");
        }
    }

    /// Notes a mistake of an input that reads a body: a handshake has none.
    pub(super) fn expect_no_socket(&mut self) {
        if self.socket != Socket::None {
            self.mistake("the request for a WebSocket has no body; receive messages instead");
        }
    }
}
