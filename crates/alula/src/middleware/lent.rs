//! What a middleware holds for a request that may outlive it.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Weak},
};

use http::Extensions;

type Anything = dyn Any + Send + Sync;

/// What middleware further out holds while a request is served, such as a place among those that
/// are served at a time; among the request's extensions.
///
/// The future of a middleware ends with its client. What goes on without one, a WebSocket or an
/// endpoint that runs to completion, [takes](Held::of) all that is lent. A request alone holds
/// nothing, however long it is kept.
#[derive(Clone)]
pub(super) struct Lent {
    thing: Weak<Anything>,
    /// What was lent further out.
    outer: Option<Arc<Self>>,
}

impl Lent {
    pub(super) fn lend(thing: &Arc<impl Any + Send + Sync>, extensions: &mut Extensions) {
        let thing: Weak<Anything> = Arc::downgrade(thing) as _;
        let outer = extensions.remove::<Self>().map(Arc::new);
        extensions.insert(Self { thing, outer });
    }
}

/// All that was lent to a request, held until this is dropped.
#[derive(Default)]
pub(crate) struct Held(Vec<Arc<Anything>>);

impl Held {
    /// Holds what is lent to the request of these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let innermost = extensions.get::<Lent>();
        let all = std::iter::successors(innermost, |lent| lent.outer.as_deref());
        Self(all.filter_map(|lent| lent.thing.upgrade()).collect())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.len()).finish()
    }
}
