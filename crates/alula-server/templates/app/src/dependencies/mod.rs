//! What endpoints ask for. Tests put others in their place.

mod auth;

use std::sync::Arc;

use alula::{State, dependency};

pub use self::auth::{User, current_user};
use crate::{db::Items, services::Model};

/// The store of items.
#[dependency]
pub fn items(items: State<dyn Items>) -> Arc<dyn Items> {
    items.into_inner()
}

/// The model that answers.
#[dependency]
pub fn model(model: State<dyn Model>) -> Arc<dyn Model> {
    model.into_inner()
}
