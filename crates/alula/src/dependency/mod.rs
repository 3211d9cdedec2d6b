//! Dependency injection: values that endpoints ask for, resolved once per request.

mod body;
mod call;
mod scope;

use std::{any::TypeId, fmt, future::Future, ops::Deref, pin::Pin, sync::Arc};

pub(crate) use body::finish_with;
use call::Call;
pub(crate) use call::Slots;
pub(crate) use scope::RequestScope;
pub use scope::{BackgroundTasks, Outcome, Scope};

use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
};

/// A value that is made for a request: a user, a database connection, a page of settings.
///
/// `#[dependency]` on a function is the usual way to get one; this is what it expands to.
///
/// ```
/// use alula::{Dependency, Depends, Json, RequestId, Result, State};
///
/// struct Caller(String);
///
/// impl Dependency for Caller {
///     type Value = Self;
///     type Input = (RequestId,);
///
///     async fn resolve((id,): Self::Input) -> Result<Self> {
///         Ok(Self(id.to_string()))
///     }
/// }
///
/// async fn whoami(caller: Depends<Caller>) -> Json<String> {
///     Json(caller.0.clone())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a dependency",
    note = "put `#[dependency]` on the function `{Self}`, or implement `alula::Dependency`"
)]
pub trait Dependency: Send + Sync + 'static {
    /// What endpoints get.
    type Value: Send + Sync + 'static;
    /// What it is made from: inputs of the request and other dependencies.
    type Input: Input;
    /// What the caller of every endpoint that uses it must be allowed to do; see
    /// [`SecurityScopes`](crate::SecurityScopes).
    const SCOPES: &'static [&'static str] = &[];

    /// The most values that there are at a time in one application and process; no limit by
    /// default.
    ///
    /// A request that finds no free slot waits for one, after the inputs of the dependency are
    /// there. A [`timeout`](crate::Route::timeout) bounds the wait, and a client that leaves ends
    /// it. The slot is held until the request's other exits have run: for a stream, until it has
    /// ended. Where a request needs slots of two dependencies, all endpoints must ask for them in
    /// the same order, or two requests may wait for each other.
    ///
    /// A value that takes the place of the dependency in a test takes no slot.
    ///
    /// ```
    /// use alula::{Depends, Json, dependency};
    ///
    /// struct Gpu;
    ///
    /// /// The fifth request waits until one of four is done.
    /// #[dependency(max_concurrency = 4)]
    /// async fn gpu() -> Gpu {
    ///     Gpu
    /// }
    ///
    /// async fn embed(_gpu: Depends<gpu>) -> Json<Vec<f32>> {
    ///     Json(vec![])
    /// }
    /// ```
    const MAX_CONCURRENCY: Option<usize> = None;

    /// Makes the value. An error is the answer to the request.
    fn resolve(input: Self::Input) -> impl Future<Output = Result<Self::Value>> + Send;
}

/// An endpoint's argument: the value of the dependency `D`.
///
/// Each dependency is resolved once per request, before the endpoint's own inputs are judged.
pub struct Depends<D: Dependency>(Arc<D::Value>);

impl<D: Dependency> Depends<D> {
    /// Wraps a value, to call an endpoint in a unit test.
    pub fn new(value: D::Value) -> Self {
        Self(Arc::new(value))
    }

    /// The value, shared.
    pub fn into_inner(self) -> Arc<D::Value> {
        self.0
    }
}

impl<D: Dependency> Clone for Depends<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Dependency> Deref for Depends<D> {
    type Target = D::Value;

    fn deref(&self) -> &D::Value {
        &self.0
    }
}

impl<D: Dependency<Value: fmt::Debug>> fmt::Debug for Depends<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Depends").field(&self.0).finish()
    }
}

/// How a dependency is resolved in one application.
#[doc(hidden)]
pub struct DependencyPlan<D: Dependency> {
    call: Call<D>,
    replacement: Option<Arc<dyn Resolver<D::Value>>>,
}

impl<D: Dependency> fmt::Debug for DependencyPlan<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replaced = self.replacement.is_some();
        f.debug_struct("DependencyPlan").field("replaced", &replaced).finish_non_exhaustive()
    }
}

impl<D: Dependency> Input for Depends<D> {
    type Plan = DependencyPlan<D>;
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.demand(D::SCOPES);
        // The document describes the dependency itself, also where a test replaced it.
        let call = operation.within::<D, _>(Call::plan);
        DependencyPlan { call, replacement: operation.replacement::<D>() }
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let id = TypeId::of::<D>();
        if let Some(known) = cx.resolved(id) {
            let value = known.ok_or(Rejection::Invalid)?;
            return match value.downcast::<D::Value>() {
                Ok(value) => Ok(Self(value)),
                Err(_) => Err(HttpError::internal("a dependency has a value of two types").into()),
            };
        }
        let resolved = match &plan.replacement {
            Some(replacement) => replacement.resolve(cx).await,
            None => {
                let made = plan.call.make(cx);
                #[cfg(feature = "otel")]
                let made = tracing::Instrument::instrument(made, crate::otel::dependency::<D>());
                made.await
            }
        };
        match resolved {
            Ok(value) => {
                let value = Arc::new(value);
                cx.remember(id, Some(value.clone()));
                Ok(Self(value))
            }
            Err(rejection) => {
                cx.remember(id, None);
                Err(rejection)
            }
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What takes the place of a dependency in a test.
pub(crate) trait Resolver<V>: Send + Sync {
    fn resolve<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<V, Rejection>>;
}

/// A replacement by a function.
pub(crate) struct ByValue<F>(pub(crate) F);

impl<V: Send, F: Fn() -> V + Send + Sync> Resolver<V> for ByValue<F> {
    fn resolve<'a>(&'a self, _: &'a mut RequestContext) -> BoxFuture<'a, Result<V, Rejection>> {
        Box::pin(async { Ok((self.0)()) })
    }
}

/// A replacement by another dependency, with its own inputs.
pub(crate) struct ByDependency<D: Dependency>(Call<D>);

impl<D: Dependency> ByDependency<D> {
    pub(crate) fn plan(operation: &mut Operation<'_>) -> Self {
        Self(Call::plan(operation))
    }
}

impl<D: Dependency> Resolver<D::Value> for ByDependency<D> {
    fn resolve<'a>(
        &'a self,
        cx: &'a mut RequestContext,
    ) -> BoxFuture<'a, Result<D::Value, Rejection>> {
        Box::pin(self.0.make(cx))
    }
}

/// A dependency that a route runs for its effect only.
pub(crate) trait Guard: Send + Sync {
    fn check<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<(), Rejection>>;
}

/// A guard before its application is known.
pub(crate) type PlanGuard = fn(&mut Operation<'_>) -> Box<dyn Guard>;

pub(crate) fn plan_guard<D: Dependency>(operation: &mut Operation<'_>) -> Box<dyn Guard> {
    Box::new(Depends::<D>::plan(operation))
}

impl<D: Dependency> Guard for DependencyPlan<D> {
    fn check<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<(), Rejection>> {
        Box::pin(async { Depends::<D>::extract(self, cx).await.map(drop) })
    }
}
