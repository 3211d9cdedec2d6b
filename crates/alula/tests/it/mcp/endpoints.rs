//! Endpoints of HTTP as tools.

use alula::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Item {
    /// What it is called.
    name: String,
    #[schemars(range(min = 0.0))]
    price: f64,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Page {
    #[serde(default)]
    tags: Vec<String>,
    limit: Option<u32>,
}

/// Who calls, by a token.
#[dependency]
async fn user(token: Bearer) -> Result<String> {
    match token.as_str() {
        "ada" => Ok("ada".to_owned()),
        _ => Err(HttpError::forbidden("You may not")),
    }
}

/// List items.
///
/// Those of a shop.
#[get("/shops/{shop}/items", tool)]
async fn list(Path(shop): Path<String>, Query(page): Query<Page>) -> Json<Vec<String>> {
    Json(vec![shop, page.tags.join("+"), page.limit.unwrap_or(0).to_string()])
}

/// Create an item.
#[post("/items", status = 201, tool)]
async fn create(user: Depends<user>, Json(item): Json<Item>) -> Json<Item> {
    Json(Item { name: format!("{} of {}", item.name, *user), ..item })
}

/// Delete an item.
#[delete("/items/{id}", tool)]
async fn delete_item(Path(id): Path<u32>) -> Result<()> {
    match id {
        1 => Ok(()),
        _ => Err(HttpError::not_found("No such item")),
    }
}

/// A secret.
#[get("/secret")]
async fn secret() -> Json<u8> {
    Json(1)
}

fn app() -> App {
    let routes = routes![list, create, delete_item, secret];
    let report = get("/report", secret).tool_as(|tool| tool.name("report")).hidden();
    App::new("Shop", "1.0.0")
        .mcp("/mcp")
        .include(Router::new().prefix("/v1").routes(routes))
        .route(report)
}

#[tokio::test]
async fn an_endpoint_is_called_with_arguments() {
    let client = app().client().await;
    let mcp = client.mcp().bearer("ada");
    let arguments = json!({ "shop": "a/b c", "tags": ["x", "y"], "limit": 3 });
    let list = mcp.call("list", arguments).await;
    assert_eq!(list.structured::<Value>(), json!({ "result": ["a/b c", "x+y", "3"] }));
    // A model writes the number as a text.
    let item = mcp.call("create", json!({ "name": "wing", "price": "1.5" })).await;
    assert_eq!(item.structured::<Value>(), json!({ "name": "wing of ada", "price": 1.5 }));
    assert!(!mcp.call("delete_item", json!({ "id": 1 })).await.is_error());
    assert_eq!(mcp.call("report", json!({})).await.text(), "1");
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_an_error() {
    let client = app().client().await;
    let mcp = client.mcp();
    let missing = mcp.call("delete_item", json!({ "id": 2 })).await;
    assert_eq!((missing.is_error(), missing.text()), (true, "404 Not Found: No such item"));
    let item = json!({ "name": "wing", "price": 1 });
    let create = json!({ "name": "create", "arguments": item.clone() });
    let refused = mcp.try_request("tools/call", create).await.unwrap_err();
    let expected = json!({ "code": -32001, "message": "Not authenticated", "status": 401 });
    assert_eq!(refused, expected);
    let refused = client.mcp().bearer("eve").call("create", item).await;
    assert_eq!(refused.text(), "403 Forbidden: You may not");
    let invalid = client.mcp().bearer("ada").call("create", json!({ "price": -1 })).await;
    assert!(invalid.text().starts_with("422 Unprocessable Entity"), "{}", invalid.text());
    let none = mcp.call("list", json!({})).await;
    assert_eq!((none.is_error(), none.text()), (true, "shop: Field required"));
}

#[tokio::test]
async fn clients_read_what_the_document_says() {
    let client = app().client().await;
    let tools = client.mcp().tools().await;
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list", "create", "delete_item", "report"]);
    assert_eq!(tools[0]["description"], "List items.\n\nThose of a shop.");
    assert_eq!(tools[0]["annotations"], json!({ "readOnlyHint": true, "idempotentHint": true }));
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["shop"]));
    let create = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "What it is called." },
            "price": { "type": "number", "minimum": 0.0 },
        },
        "required": ["name", "price"],
    });
    assert_eq!(tools[1]["inputSchema"], create);
    assert_eq!(tools[1]["outputSchema"]["properties"]["name"]["type"], "string");
    let hints = json!({ "destructiveHint": true, "idempotentHint": true });
    assert_eq!(tools[2]["annotations"], hints);
}

/// Refund.
#[tool]
async fn refund() -> u8 {
    7
}

#[tokio::test]
async fn what_a_mounted_application_offers_has_its_path_before_it() {
    let billing = App::new("Billing", "1.0.0").tool(refund).routes(routes![delete_item]);
    let alone = App::new("Alone", "1.0.0").mcp("/mcp").tool(refund);
    let below = App::new("Below", "1.0.0").tool(refund);
    let billing = billing.mount("/below", below);
    let app = app().mount("/billing", billing).mount("/alone", alone);
    let client = app.client().await;
    for name in ["billing_refund", "billing_below_refund"] {
        assert_eq!(client.mcp().call(name, json!({})).await.text(), "7");
    }
    assert!(!client.mcp().call("billing_delete_item", json!({ "id": 1 })).await.is_error());
    let names: Vec<_> =
        client.mcp().tools().await.iter().map(|tool| tool["name"].clone()).collect();
    assert!(!names.contains(&json!("alone_refund")), "{names:?}");
}
