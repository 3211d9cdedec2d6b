//! The singletons and the overrides of an application.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use crate::{
    dependency::{ByDependency, ByValue, Dependency, Resolver},
    openapi::Operation,
};

/// One value for each type: under the id of `T` an `Arc<T>`, boxed because `T` may be unsized.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, state: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref::<Arc<T>>().cloned()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

/// Makes what takes the place of a dependency with the value `V`.
type MakeResolver<V> = Arc<dyn Fn(&mut Operation<'_>) -> Arc<dyn Resolver<V>> + Send + Sync>;

/// What takes the place of dependencies.
#[derive(Clone, Default)]
pub(crate) struct Overrides(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Overrides {
    pub(crate) fn by_value<D: Dependency>(
        &mut self,
        value: impl Fn() -> D::Value + Send + Sync + 'static,
    ) {
        let resolver: Arc<dyn Resolver<D::Value>> = Arc::new(ByValue(value));
        self.insert::<D>(Arc::new(move |_| resolver.clone()));
    }

    pub(crate) fn by_dependency<D: Dependency, Other: Dependency<Value = D::Value>>(&mut self) {
        self.insert::<D>(Arc::new(|operation| Arc::new(ByDependency::<Other>::plan(operation))));
    }

    fn insert<D: Dependency>(&mut self, make: MakeResolver<D::Value>) {
        self.0.insert(TypeId::of::<D>(), Arc::new(make));
    }

    pub(crate) fn get<D: Dependency>(&self) -> Option<MakeResolver<D::Value>> {
        self.0.get(&TypeId::of::<D>())?.downcast_ref::<MakeResolver<D::Value>>().cloned()
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overrides({})", self.0.len())
    }
}
