//! How a dependency is made, and how many of it there may be.

use std::{
    any::{TypeId, type_name},
    collections::HashMap,
    sync::Arc,
};

use tokio::sync::Semaphore;

use super::Dependency;
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// The limits of all dependencies of one application that have one.
#[derive(Debug, Default)]
pub(crate) struct Slots(HashMap<TypeId, Arc<Semaphore>>);

impl Slots {
    fn of<D: Dependency>(&mut self, limit: usize) -> Arc<Semaphore> {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let new = || Arc::new(Semaphore::new(limit));
        self.0.entry(TypeId::of::<D>()).or_insert_with(new).clone()
    }
}

/// A dependency that is ready to be called.
pub(crate) struct Call<D: Dependency> {
    input: <D::Input as Input>::Plan,
    /// Nothing for a dependency without a limit.
    slots: Option<Arc<Semaphore>>,
}

impl<D: Dependency> Call<D> {
    pub(crate) fn plan(operation: &mut Operation<'_>) -> Self {
        let input = D::Input::plan(operation);
        if D::MAX_CONCURRENCY == Some(0) {
            let name = type_name::<D>();
            operation
                .mistake(format!("`{name}` has a `max_concurrency` of 0, so none can be made"));
        }
        let slots = D::MAX_CONCURRENCY.map(|limit| operation.slots().of::<D>(limit));
        Self { input, slots }
    }

    /// Makes the value, once its inputs are there and a slot is free.
    pub(crate) async fn make(&self, cx: &mut RequestContext) -> Result<D::Value, Rejection> {
        let input = D::Input::extract(&self.input, cx).await?;
        if let Some(slots) = &self.slots {
            // Boxed, so that the future of every other dependency is no larger for it.
            Box::pin(take_slot(slots.clone(), cx)).await?;
        }
        Ok(D::resolve(input).await?)
    }
}

/// Waits for a slot and holds it until the request ends.
///
/// Its exit is registered before those of the dependency itself, so it runs after them.
async fn take_slot(slots: Arc<Semaphore>, cx: &mut RequestContext) -> Result<()> {
    let slot = slots.acquire_owned().await.map_err(HttpError::internal)?;
    cx.scope().on_exit(|_| async { drop(slot) });
    Ok(())
}
