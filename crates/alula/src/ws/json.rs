//! Messages with a type.

use std::{
    any::TypeId,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{CloseFrame, Error, WebSocket, socket::WebSocketPlan};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext},
    openapi::{Operation, schema_of},
    schema::{Shape, json},
    validate::Validate,
};

/// A [`WebSocket`] that receives `In` and sends `Out`, as JSON.
///
/// As an argument of an endpoint it prepares the check of `In` when the application starts.
///
/// ```
/// use alula::{prelude::*, ws::JsonSocket};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Question {
///     #[schemars(length(min = 1))]
///     text: String,
/// }
///
/// #[derive(Serialize)]
/// struct Answer {
///     words: usize,
/// }
///
/// #[ws("/count")]
/// async fn count(mut socket: JsonSocket<Question, Answer>) -> Result<()> {
///     while let Some(question) = socket.recv().await {
///         let words = question?.text.split_whitespace().count();
///         socket.send(&Answer { words }).await?;
///     }
///     Ok(())
/// }
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let client = App::new("Count", "1.0.0").routes(routes![count]).client().await;
/// # let mut socket = client.websocket("/count").connect().await.unwrap();
/// # socket.send_json(&serde_json::json!({"text": "two words"})).await;
/// # assert_eq!(socket.recv_json::<serde_json::Value>().await, serde_json::json!({"words": 2}));
/// # socket.close().await;
/// # });
/// ```
pub struct JsonSocket<In, Out> {
    socket: WebSocket,
    types: PhantomData<fn(Out) -> In>,
}

impl<In, Out> JsonSocket<In, Out>
where
    In: DeserializeOwned + JsonSchema + Validate + 'static,
    Out: Serialize,
{
    pub(super) fn new(socket: WebSocket) -> Self {
        Self { socket, types: PhantomData }
    }

    /// The next message; see [`WebSocket::recv_json`].
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is not a valid `In`; the connection goes on. [`Error::Broken`]
    /// once, if the client broke a limit or the protocol; then `None`.
    pub async fn recv(&mut self) -> Option<Result<In, Error>> {
        self.socket.recv_json().await
    }

    /// Sends a message; see [`WebSocket::send`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or [`Error::Serialize`].
    pub async fn send(&mut self, value: &Out) -> Result<(), Error> {
        self.socket.send_json(value).await
    }

    /// Tells the client what was wrong with its message, as the body of an HTTP error would.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send_error(&mut self, error: &Error) -> Result<(), Error> {
        self.socket.send_json(error).await
    }

    /// Closes the connection; see [`WebSocket::close`].
    pub async fn close(self, code: u16, reason: &str) {
        self.socket.close(code, reason).await;
    }

    /// Why the connection was closed, if it is.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        self.socket.close_frame()
    }

    /// The socket without its types.
    pub fn into_inner(self) -> WebSocket {
        self.socket
    }
}

impl<In, Out> fmt::Debug for JsonSocket<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonSocket").field(&self.socket).finish()
    }
}

impl<In, Out> Input for JsonSocket<In, Out>
where
    In: DeserializeOwned + JsonSchema + Validate + Send + 'static,
    Out: Serialize + 'static,
{
    type Plan = WebSocketPlan;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        let mut plan = WebSocket::plan(operation);
        plan.shapes.of::<In>();
        plan
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::new(WebSocket::extract(plan, cx).await?))
    }
}

/// The compiled schemas of the messages of one route, made when they are first needed.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    known: Arc<Mutex<Vec<Known>>>,
    /// The one that was used last, as a socket seldom reads more than one type.
    last: Option<Known>,
    /// Whether `"4"` is taken for 4.
    lax: bool,
}

#[derive(Debug, Clone)]
struct Known {
    id: TypeId,
    shape: Arc<Shape>,
}

impl Shapes {
    pub(super) fn new(lax: bool) -> Self {
        Self { known: Arc::default(), last: None, lax }
    }

    /// Reads a message.
    pub(super) fn parse<T>(&mut self, bytes: &[u8]) -> Result<T, Error>
    where
        T: DeserializeOwned + JsonSchema + Validate + 'static,
    {
        let lax = self.lax;
        json::parse(self.of::<T>(), bytes, lax).map_err(|refused| match refused {
            json::Refused::NotUtf8 => super::split::not_text(),
            json::Refused::Syntax(detail) => Error::Invalid(vec![*detail]),
            json::Refused::Invalid(details) => Error::Invalid(details),
        })
    }

    fn of<T: JsonSchema + 'static>(&mut self) -> &Shape {
        let id = TypeId::of::<T>();
        let last = self.last.take().filter(|last| last.id == id);
        let known = last.unwrap_or_else(|| self.look_up::<T>(id));
        &self.last.insert(known).shape
    }

    #[cold]
    fn look_up<T: JsonSchema>(&self, id: TypeId) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.iter().find(|known| known.id == id) {
            return found.clone();
        }
        let shape = Shape::compile(&schema_of::<T>());
        for warning in shape.warnings() {
            tracing::warn!("messages of type `{}`: {warning}", std::any::type_name::<T>());
        }
        let made = Known { id, shape: Arc::new(shape) };
        known.push(made.clone());
        made
    }
}
