//! Resources, by one URI or by many.

use alula::{
    mcp::{Completing, Contents, McpSettings},
    prelude::*,
};
use serde_json::{Value, json};

/// The manual.
#[resource("docs://manual", mime_type = "text/markdown", title = "Manual")]
async fn manual() -> &'static str {
    "# Manual"
}

/// A picture.
#[resource("docs://logo", mime_type = "image/png")]
async fn logo() -> Vec<u8> {
    vec![1, 2, 3]
}

async fn ids(typed: Completing) -> Vec<String> {
    (1..=200).map(|id| id.to_string()).filter(|id| id.starts_with(&typed.value)).collect()
}

/// A page of a document.
#[resource("docs://{id}/pages{?page}", complete(id = ids))]
async fn pages(id: u64, page: Option<u32>) -> Result<Json<Vec<u64>>> {
    if id > 100 {
        return Err(HttpError::not_found("no such document"));
    }
    Ok(Json(vec![id, u64::from(page.unwrap_or(1))]))
}

/// A file.
#[resource("files://{path*}")]
async fn file(path: String) -> Vec<Contents> {
    vec![Contents::text(format!("files://{path}"), path)]
}

fn app() -> App {
    App::new("Docs", "1.0.0").resource(manual).resource(logo).resource(pages).resource(file)
}

#[tokio::test]
async fn a_resource_is_read_at_its_uri() {
    let client = app().client().await;
    let manual = client.mcp().read("docs://manual").await;
    let expected =
        json!([{ "uri": "docs://manual", "mimeType": "text/markdown", "text": "# Manual" }]);
    assert_eq!(manual.result()["contents"], expected);
    assert_eq!(manual.result()["cacheScope"], "private");
    let logo = client.mcp().read("docs://logo").await;
    let expected = json!([{ "uri": "docs://logo", "mimeType": "image/png", "blob": "AQID" }]);
    assert_eq!(logo.result()["contents"], expected);
}

#[tokio::test]
async fn values_in_a_uri_are_arguments() {
    let client = app().client().await;
    let pages = client.mcp().read("docs://7/pages?page=3").await;
    assert_eq!(pages.text(), "[7,3]");
    assert_eq!(pages.result()["contents"][0]["mimeType"], "application/json");
    assert_eq!(client.mcp().read("docs://7/pages").await.text(), "[7,1]");
    assert_eq!(client.mcp().read("files://a/b%20c.md").await.text(), "a/b c.md");
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let client = app().client().await;
    let error = |uri: &'static str| {
        let mcp = client.mcp();
        async move { mcp.try_request("resources/read", json!({ "uri": uri })).await.unwrap_err() }
    };
    for uri in ["docs://no", "docs://101/pages", "files://../etc/passwd", "files://a/%2e%2e/b"] {
        let expected =
            json!({ "code": -32602, "message": "Resource not found", "data": { "uri": uri } });
        assert_eq!(error(uri).await, expected);
    }
    let error = error("docs://x/pages").await;
    let text = "id: Input should be a valid integer, unable to parse string as an integer";
    assert_eq!(error, json!({ "code": -32602, "message": text }));
}

#[tokio::test]
async fn clients_read_what_there_is() {
    let app = app().mcp_settings(McpSettings::new().page_size(1));
    let client = app.client().await;
    let resources = client.mcp().resources().await;
    let expected = json!({
        "name": "manual", "title": "Manual", "description": "The manual.",
        "uri": "docs://manual", "mimeType": "text/markdown",
    });
    assert_eq!((resources.len(), &resources[0]), (2, &expected));
    let first = client.mcp().request("resources/templates/list", json!({})).await;
    let template = &first.result()["resourceTemplates"][0];
    assert_eq!(template["uriTemplate"], "docs://{id}/pages{?page}");
    assert_eq!(template["mimeType"], "application/json");
    assert!(first.result()["nextCursor"].is_string());
}

#[tokio::test]
async fn what_is_typed_is_completed() {
    let client = app().client().await;
    let complete = |name: &str, value: &str| {
        let reference = json!({ "type": "ref/resource", "uri": "docs://{id}/pages{?page}" });
        let params = json!({ "ref": reference, "argument": { "name": name, "value": value } });
        let mcp = client.mcp();
        async move { mcp.request("completion/complete", params).await.result()["completion"].clone() }
    };
    let completion = complete("id", "19").await;
    assert_eq!(completion["total"], 11);
    assert_eq!(completion["values"][0], "19");
    let all = complete("id", "").await;
    assert_eq!(
        (all["values"].as_array().map(Vec::len), &all["hasMore"]),
        (Some(100), &json!(true))
    );
    let nothing: Value = complete("page", "1").await;
    assert_eq!(nothing, json!({ "values": [], "total": 0, "hasMore": false }));
}
