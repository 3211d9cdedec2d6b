//! What `#[tool]`, `#[resource]` and `#[prompt]` make of functions.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    about::{Prompt, Resource, Tool},
    output::{PromptOutput, ResourceOutput, ToolOutput},
};
use crate::{error::Result, input::Input};

/// A tool.
///
/// `#[tool]` on a function is the usual way to get one; this is what it expands to.
///
/// ```
/// use alula::{Result, mcp::{Tool, ToolDefinition}};
///
/// struct Roll;
///
/// impl ToolDefinition for Roll {
///     type Output = u8;
///     type Input = ();
///
///     fn about() -> Tool {
///         Tool::new("roll").description("Roll a die.")
///     }
///
///     async fn call((): ()) -> Result<u8> {
///         Ok(4)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    note = "put `#[tool]` on the function"
)]
pub trait ToolDefinition: Send + Sync + 'static {
    /// What it gives.
    type Output: ToolOutput;
    /// What it is called with, [`Arguments`](super::Arguments) of its own among them.
    type Input: Input;

    /// What clients are told of it.
    fn about() -> Tool;

    /// Calls it. The model reads what clients would read of an error.
    fn call(input: Self::Input) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// A resource.
///
/// `#[resource]` on a function is the usual way to get one; this is what it expands to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    note = "put `#[resource(\"docs://{{id}}\")]` on the function"
)]
pub trait ResourceDefinition: Send + Sync + 'static {
    /// What is read.
    type Output: ResourceOutput;
    /// What it is read with, [`Variables`](super::Variables) of its URI among them.
    type Input: Input;

    /// What clients are told of it.
    fn about() -> Resource;

    /// Reads it. An error of status 404 says that there is none.
    fn call(input: Self::Input) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// A prompt.
///
/// `#[prompt]` on a function is the usual way to get one; this is what it expands to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    note = "put `#[prompt]` on the function"
)]
pub trait PromptDefinition: Send + Sync + 'static {
    /// What is said.
    type Output: PromptOutput;
    /// What it is made of, [`Variables`](super::Variables) of its own among them.
    type Input: Input;

    /// What clients are told of it.
    fn about() -> Prompt;

    /// Makes it.
    fn call(input: Self::Input) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// What a function with `#[tool]`, `#[resource]` or `#[prompt]` returns: its own future, and which
/// of them it is.
///
/// A unit test awaits it for what the function returns.
#[must_use = "futures do nothing unless polled"]
pub struct McpFuture<D, R> {
    future: Pin<Box<dyn Future<Output = R> + Send>>,
    definition: PhantomData<fn() -> D>,
}

impl<D, R> McpFuture<D, R> {
    /// A call of the function.
    pub fn new(future: impl Future<Output = R> + Send + 'static) -> Self {
        Self { future: Box::pin(future), definition: PhantomData }
    }
}

impl<D, R> Future for McpFuture<D, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.future.as_mut().poll(cx)
    }
}

impl<D, R> fmt::Debug for McpFuture<D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("McpFuture")
    }
}

/// A function with `#[tool]`, `#[resource]` or `#[prompt]`, as it is given to the application.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a tool, nor a resource, nor a prompt",
    note = "put `#[tool]`, `#[resource(\"docs://{{id}}\")]` or `#[prompt]` on the function"
)]
pub trait McpFn<Arguments> {
    /// What is known of it.
    type Definition;
}

macro_rules! mcp_fn {
    ($($Type:ident)*) => {
        impl<Function, D, R, $($Type),*> McpFn<($($Type,)*)> for Function
        where
            Function: Fn($($Type),*) -> McpFuture<D, R>,
        {
            type Definition = D;
        }
    };
}

mcp_fn!();
mcp_fn!(A);
mcp_fn!(A B);
mcp_fn!(A B C);
mcp_fn!(A B C E);
mcp_fn!(A B C E F);
mcp_fn!(A B C E F G);
mcp_fn!(A B C E F G H);
mcp_fn!(A B C E F G H I);
mcp_fn!(A B C E F G H I K);
mcp_fn!(A B C E F G H I K L);
mcp_fn!(A B C E F G H I K L M);
mcp_fn!(A B C E F G H I K L M N);
