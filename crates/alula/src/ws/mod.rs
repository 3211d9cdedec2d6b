//! WebSockets (RFC 6455), behind the feature `ws`.
//!
//! An endpoint made with [`ws()`] or `#[ws("/path")]` takes a [`WebSocket`] next to any other
//! inputs and dependencies. They are resolved before the connection is upgraded, so a client
//! without credentials reads a 401 and one with a wrong query a 422, as from every other endpoint.
//! Then the function runs, and when it returns the connection is closed.
//!
//! ```
//! use alula::prelude::*;
//!
//! #[ws("/echo")]
//! async fn echo(mut socket: WebSocket) -> Result<()> {
//!     while let Some(text) = socket.recv_text().await {
//!         socket.send_text(text?).await?;
//!     }
//!     Ok(())
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let client = App::new("Echo", "1.0.0").routes(routes![echo]).client().await;
//! let mut socket = client.websocket("/echo").connect().await.unwrap();
//! socket.send_text("hello").await;
//! assert_eq!(socket.recv_text().await, "hello");
//! socket.close().await;
//! # });
//! ```
//!
//! # How a connection ends
//!
//! | what happens | the client reads | exits see |
//! |---|---|---|
//! | the function returns `()` or `Ok(())` | 1000 | `Outcome::Ok` |
//! | it returns an error with a status below 500 | 1008 and the detail | `Outcome::Error` |
//! | it returns an error with a status from 500 | 1011 and the detail | `Outcome::Error` |
//! | it panics | 1011 | `Outcome::Panicked` |
//! | the client closes | its own code | `Outcome::Ok` |
//! | the client is gone without a word | | `Outcome::Disconnected` |
//! | a message is too large | 1009 | what the function makes of it |
//! | the client breaks the protocol | 1002, or 1007 for text that is not UTF-8 | what the function makes of it |
//! | the server shuts down | 1001 | what the function makes of it |
//!
//! The reason in a close frame has at most 123 bytes; a longer one is cut.
//!
//! # What a slow or absent client costs
//!
//! [`Limits`] bounds what is buffered in each direction. Who does not read blocks [`WebSocket::send`]
//! of its own connection, and who is not read is not read from the network either; nor is who sends
//! pings and takes no answers. A client that answers no ping, or takes nothing of what it is owed,
//! is gone after a while; then [`WebSocket::recv`] returns `None`, sending fails, and
//! [`WebSocket::closed`] is ready. The function is not cancelled, so that it can clean up.
//!
//! # Pages of other sites
//!
//! A browser lets every page open WebSockets to every server, with the user's cookies. So a
//! handshake with an `Origin` that is not the server's own is answered 403, unless
//! [`allowed_origins`](crate::Route::allowed_origins) names it. Programs send no `Origin`, and are
//! let in.

mod clock;
mod driver;
mod endpoint;
mod error;
mod handshake;
mod io;
mod json;
mod limits;
mod message;
mod options;
mod origin;
mod pipe;
mod session;
mod socket;
mod split;

use http::Method;

pub use endpoint::WebSocketOutput;
pub use error::Error;
pub use json::JsonSocket;
pub use limits::Limits;
pub use message::{CloseFrame, Message};
pub(crate) use options::SocketOptions;
pub(crate) use session::TestUpgrade;
pub use socket::WebSocket;
pub use split::{Receiver, Sender};

use crate::{
    handler::Handler,
    input::Input,
    routing::{Route, route},
};

/// A route for WebSockets at a path.
///
/// The path is written as for [`get`](crate::get()). The function takes a [`WebSocket`] or a
/// [`JsonSocket`] next to any other inputs, and returns `()` or a `Result<()>`. The route is not
/// in the document, as OpenAPI knows no WebSockets.
///
/// ```
/// use alula::{App, WebSocket, ws};
///
/// async fn hello(mut socket: WebSocket) -> alula::Result<()> {
///     socket.send_text("hello").await?;
///     Ok(())
/// }
///
/// let app = App::new("Hello", "1.0.0").route(ws("/hello", hello).protocols(["hello.v1"]));
/// assert!(app.openapi().is_ok());
/// ```
pub fn ws<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: WebSocketOutput>,
{
    let name = std::any::type_name::<H>();
    route(Method::GET, path, name, Box::new(endpoint::Unplanned::new(handler))).hidden()
}
