//! Items in memory, gone when the program ends.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{self, BoxFuture, FutureExt as _};

use super::Items;
use crate::{
    error::Error,
    models::{Item, NewItem, Page},
};

/// Items in memory.
#[derive(Debug, Default)]
pub struct MemoryItems(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<u64, Item>,
    last_id: u64,
}

impl MemoryItems {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Items for MemoryItems {
    fn add(&self, item: NewItem) -> BoxFuture<'_, Result<Item, Error>> {
        future::ready(self.table().add(item)).boxed()
    }

    fn get(&self, id: u64) -> BoxFuture<'_, Result<Item, Error>> {
        let item = self.table().rows.get(&id).cloned();
        future::ready(item.ok_or(Error::NoItem { id })).boxed()
    }

    fn list(&self, page: Page) -> BoxFuture<'_, Result<Vec<Item>, Error>> {
        let table = self.table();
        let rows = table.rows.values().skip(page.offset).take(page.limit);
        future::ready(Ok(rows.cloned().collect())).boxed()
    }

    fn remove(&self, id: u64) -> BoxFuture<'_, Result<(), Error>> {
        let item = self.table().rows.remove(&id);
        future::ready(item.map(drop).ok_or(Error::NoItem { id })).boxed()
    }
}

impl Table {
    fn add(&mut self, item: NewItem) -> Result<Item, Error> {
        let NewItem { name, price_cents } = item;
        if self.rows.values().any(|row| row.name == name) {
            return Err(Error::NameTaken { name });
        }
        self.last_id += 1;
        let item = Item { id: self.last_id, name, price_cents };
        self.rows.insert(item.id, item.clone());
        Ok(item)
    }
}
