//! Items: add, list, show, remove.

use alula::{Route, prelude::*};

use crate::{
    dependencies::items,
    error::Error,
    models::{Item, NewItem, Page},
};

/// The routes of this module.
pub fn routes() -> Vec<Route> {
    routes![add, list, show, remove]
}

/// Add an item.
#[post("", status = 201)]
async fn add(items: Depends<items>, Json(item): Json<NewItem>) -> Result<Json<Item>, Error> {
    items.add(item).await.map(Json)
}

/// List the items.
#[get("")]
async fn list(items: Depends<items>, Query(page): Query<Page>) -> Result<Json<Vec<Item>>, Error> {
    items.list(page).await.map(Json)
}

/// Show an item.
#[get("/{id}")]
async fn show(items: Depends<items>, Path(id): Path<u64>) -> Result<Json<Item>, Error> {
    items.get(id).await.map(Json)
}

/// Remove an item.
#[delete("/{id}")]
async fn remove(items: Depends<items>, Path(id): Path<u64>) -> Result<(), Error> {
    items.remove(id).await
}
