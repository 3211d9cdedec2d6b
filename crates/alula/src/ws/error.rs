//! What can go wrong on an open WebSocket.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::schema::Detail;

/// Why a message could not be received or sent.
///
/// An endpoint may return it with `?`: [`Closed`](Self::Closed) and [`Broken`](Self::Broken) only
/// end it, [`Invalid`](Self::Invalid) closes the connection with 1008. It serializes as an HTTP
/// error does, so `socket.send_json(&error)` tells the client what was wrong with its message:
///
/// ```
/// use alula::{prelude::*, ws::Error};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Question {
///     #[schemars(length(min = 1))]
///     text: String,
/// }
///
/// #[ws("/ask")]
/// async fn ask(mut socket: WebSocket) -> Result<()> {
///     while let Some(question) = socket.recv_json::<Question>().await {
///         match question {
///             Ok(question) => socket.send_text(question.text).await?,
///             Err(error @ Error::Invalid(_)) => socket.send_json(&error).await?,
///             Err(error) => return Err(error.into()),
///         }
///     }
///     Ok(())
/// }
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let client = App::new("Ask", "1.0.0").routes(routes![ask]).client().await;
/// # let mut socket = client.websocket("/ask").connect().await.unwrap();
/// # socket.send_text(r#"{"text": ""}"#).await;
/// # let text = socket.recv_text().await;
/// # assert!(text.starts_with(r#"{"detail":[{"type":"string_too_short","loc":["body","text"]"#));
/// # socket.close().await;
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection is closed, or being closed.
    Closed,
    /// The client broke a limit or the protocol; the connection is being closed.
    Broken {
        /// The close code: 1002, 1007 or 1009.
        code: u16,
        /// What was wrong, as the client reads it.
        reason: String,
    },
    /// A message is not what was asked for; the connection goes on.
    Invalid(Vec<Detail>),
    /// A value could not be serialized; nothing was sent.
    Serialize(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the WebSocket is closed"),
            Self::Broken { code, reason } => {
                write!(f, "the WebSocket is being closed: {code} {reason}")
            }
            Self::Invalid(details) => {
                f.write_str("a message is not valid: ")?;
                f.write_str(&summary(details))
            }
            Self::Serialize(error) => write!(f, "a message cannot be serialized: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Serialize(error) => Some(error),
            Self::Closed | Self::Broken { .. } | Self::Invalid(_) => None,
        }
    }
}

/// `{"detail": …}`, as the body of an HTTP error.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Error", 1)?;
        match self {
            Self::Invalid(details) => body.serialize_field("detail", details)?,
            Self::Serialize(_) => body.serialize_field("detail", "Internal Server Error")?,
            Self::Closed | Self::Broken { .. } => {
                body.serialize_field("detail", &self.to_string())?;
            }
        }
        body.end()
    }
}

/// The first mistake on one line, such as `text: Field required`.
pub(super) fn summary(details: &[Detail]) -> String {
    let Some(first) = details.first() else { return "Invalid message".to_owned() };
    let steps = first.loc.iter().skip(1).map(ToString::to_string);
    let place = steps.collect::<Vec<_>>().join(".");
    match place.is_empty() {
        true => first.msg.clone(),
        false => format!("{place}: {}", first.msg),
    }
}
