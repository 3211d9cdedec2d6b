use serde_json::{Value, json};

use my_app::models::Item;

use crate::client;

#[tokio::test]
async fn an_item_is_added_shown_and_removed() {
    let client = client().await;
    let response = client.post("/items").json(&json!({"name": "Quill", "price_cents": 250})).await;
    assert_eq!(response.status(), 201);
    let item: Item = response.json();
    assert_eq!(item, Item { id: 1, name: "Quill".to_owned(), price_cents: 250 });

    assert_eq!(client.get("/items/1").await.json::<Item>(), item);
    assert_eq!(client.get("/items?limit=1").await.json::<Vec<Item>>(), [item]);
    assert_eq!(client.delete("/items/1").await.status(), 204);
    let response = client.get("/items/1").await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.json::<Value>(), json!({"detail": "There is no item 1"}));
}

#[tokio::test]
async fn a_name_is_given_once() {
    let client = client().await;
    let quill = json!({"name": "Quill", "price_cents": 250});
    assert_eq!(client.post("/items").json(&quill).await.status(), 201);
    assert_eq!(client.post("/items").json(&quill).await.status(), 409);
}

#[tokio::test]
async fn every_mistake_is_listed() {
    let client = client().await;
    let response = client.post("/items").json(&json!({"name": "", "price_cents": "much"})).await;
    assert_eq!(response.status(), 422);
    let body: Value = response.json();
    let places: Vec<&Value> =
        body["detail"].as_array().unwrap().iter().map(|it| &it["loc"][1]).collect();
    assert_eq!(places, ["name", "price_cents"]);
    assert_eq!(client.get("/items?limit=1000").await.status(), 422);
}
