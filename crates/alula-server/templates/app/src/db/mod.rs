//! Where items are kept: in memory, so that the application needs no database to start with.
//!
//! Endpoints know the trait only. To keep items in Postgres, which `docker-compose.yml` has ready,
//! implement it once more over a pool of connections (of the crate `sqlx`, for example), and make
//! that one in `lib.rs`.

mod memory;

use futures_util::future::BoxFuture;

pub use self::memory::MemoryItems;
use crate::{
    error::Error,
    models::{Item, NewItem, Page},
};

/// A store of items.
pub trait Items: Send + Sync {
    /// Adds an item; its name must be new.
    fn add(&self, item: NewItem) -> BoxFuture<'_, Result<Item, Error>>;

    /// The item with this id.
    fn get(&self, id: u64) -> BoxFuture<'_, Result<Item, Error>>;

    /// Items in the order of their ids.
    fn list(&self, page: Page) -> BoxFuture<'_, Result<Vec<Item>, Error>>;

    /// Removes the item with this id.
    fn remove(&self, id: u64) -> BoxFuture<'_, Result<(), Error>>;
}
