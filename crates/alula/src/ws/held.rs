//! What a session keeps until it is over.

use std::{any::Any, fmt, sync::Arc};

use axum::extract::Request;

use super::session::Upgrade;

/// What was lent to a request for as long as it is served, such as a place among those that are
/// served at a time; among the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct Held(Vec<Arc<dyn Any + Send + Sync>>);

impl Held {
    /// Has the session keep something, too, if the request may open one. Others pay nothing.
    pub(crate) fn lend(mut request: Request, thing: Arc<dyn Any + Send + Sync>) -> Request {
        let extensions = request.extensions_mut();
        if Upgrade::is_offered(extensions) {
            extensions.get_or_insert_default::<Self>().0.push(thing);
        }
        request
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.len()).finish()
    }
}
