//! Routes, and routers that group them.

mod about;
mod deadline;
mod detached;
mod endpoint;
mod errors;
mod layers;
mod middleware;
mod route;
mod router;

pub(crate) use about::{Callback, Meta};
#[cfg(feature = "ws")]
pub(crate) use deadline::caught;
pub(crate) use endpoint::Settings;
#[cfg(any(feature = "mcp", feature = "ws"))]
pub(crate) use endpoint::{PlanEndpoint, fail};
pub(crate) use layers::Layers;
pub use middleware::Middleware;
#[cfg(any(feature = "mcp", feature = "ws"))]
pub(crate) use route::route;
pub use route::{Endpoint, Route, delete, get, head, options, patch, post, put};
pub use router::Router;
