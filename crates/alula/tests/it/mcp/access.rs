//! Who sees what, and who is asked to log in.

use alula::{
    SecurityScopes,
    mcp::{Access, McpNext, McpRequest, ProtectedResource, VerifiedToken},
    prelude::*,
};
use serde_json::{Value, json};

use super::{legacy, modern};

/// What a caller sees, by a token.
#[dependency]
async fn access(token: Bearer) -> Result<Access> {
    match token.as_str() {
        "root" => Ok(Access::all().owner("root")),
        "reader" => Ok(Access::scopes(["read"]).owner("reader").hide_tag("internal")),
        _ => Err(HttpError::unauthorized("Bearer")),
    }
}

/// For everyone.
#[tool(scope = "read")]
async fn read() -> u8 {
    1
}

/// For writers.
#[tool(scopes = ["read", "write"])]
async fn write() -> u8 {
    2
}

/// For ourselves.
#[tool(tag = "internal")]
async fn inspect() -> u8 {
    3
}

/// Says who calls.
#[tool]
async fn whoami(token: Bearer) -> String {
    token.into_inner()
}

fn app() -> App {
    App::new("Access", "1.0.0")
        .mcp("/mcp")
        .mcp_access::<access>()
        .tool(read)
        .tool(write)
        .tool(inspect)
        .tool(whoami)
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().filter_map(|tool| tool["name"].as_str()).collect()
}

#[tokio::test]
async fn callers_see_what_they_may_use() {
    let client = app().client().await;
    let root = client.mcp().bearer("root").tools().await;
    assert_eq!(names(&root), ["read", "write", "inspect", "whoami"]);
    let reader = client.mcp().bearer("reader");
    assert_eq!(names(&reader.tools().await), ["read", "whoami"]);
    assert_eq!(reader.call("read", json!({})).await.text(), "1");
    for name in ["write", "inspect"] {
        let error = reader.try_request("tools/call", json!({ "name": name })).await.unwrap_err();
        assert_eq!(error["message"], format!("Unknown tool: {name}"));
    }
    assert_eq!(reader.call("whoami", json!({})).await.text(), "reader");
    let list = reader.request("tools/list", json!({})).await;
    assert_eq!(list.result()["cacheScope"], "private");
}

#[tokio::test]
async fn who_is_not_let_in_reads_where_to_log_in() {
    let resource = ProtectedResource::new("https://api.example.com/mcp")
        .authorization_server("https://login.example.com")
        .scopes(["read", "write"]);
    let client = app().mcp_auth(resource).client().await;
    for request in [modern(&client, "tools/list", &json!({})), client.get("/mcp")] {
        let response = request.await;
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.header("www-authenticate"),
            "Bearer resource_metadata=\"https://api.example.com/.well-known/\
             oauth-protected-resource/mcp\", scope=\"read write\""
        );
    }
    for path in
        ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"]
    {
        let metadata: Value = client.get(path).await.json();
        let expected = json!({
            "resource": "https://api.example.com/mcp",
            "authorization_servers": ["https://login.example.com"],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["read", "write"],
        });
        assert_eq!(metadata, expected);
    }
    let response = modern(&client, "tools/list", &json!({})).bearer("root").await;
    assert_eq!(response.status(), 200);
}

/// Needs a token of its own.
#[tool]
async fn guarded(_token: Bearer) -> u8 {
    1
}

#[tokio::test]
async fn a_tool_that_needs_a_token_has_the_client_log_in() {
    let client = App::new("x", "1").mcp("/mcp").tool(guarded).client().await;
    let call = json!({ "name": "guarded", "arguments": {} });
    let response = modern(&client, "tools/call", &call).await;
    assert_eq!((response.status().as_u16(), response.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(modern(&client, "tools/call", &call).bearer("x").await.status(), 200);
}

/// Needs a token, too.
#[get("/me", tool)]
async fn me(token: Bearer) -> Json<String> {
    Json(token.into_inner())
}

#[tokio::test]
async fn an_endpoint_that_needs_a_token_has_the_client_log_in() {
    let client = App::new("x", "1").mcp("/mcp").routes(routes![me]).client().await;
    let call = json!({ "name": "me", "arguments": {} });
    let response = modern(&client, "tools/call", &call).await;
    assert_eq!((response.status().as_u16(), response.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(modern(&client, "tools/call", &call).bearer("x").await.status(), 200);
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Tenant {
    tenant: u32,
}

/// A header that each request needs.
#[dependency]
async fn tenant(Header(tenant): Header<Tenant>) -> Result<u32> {
    Ok(tenant.tenant)
}

#[tokio::test]
async fn what_stands_before_all_endpoints_stands_before_mcp() {
    let client = App::new("x", "1").depends::<tenant>().mcp("/mcp").tool(read).client().await;
    let list = || modern(&client, "tools/list", &json!({}));
    assert_eq!(list().await.status(), 422);
    let listed = list().header("tenant", "1").await;
    assert_eq!(listed.status(), 200);
    // Another one may be refused, so nobody keeps it for others.
    assert_eq!(listed.json::<Value>()["result"]["cacheScope"], "private");
}

/// Who reads it.
#[resource("me://profile")]
async fn profile(token: Bearer) -> String {
    token.into_inner()
}

#[tokio::test]
async fn what_a_caller_reads_is_for_nobody_else() {
    let client = App::new("x", "1").mcp("/mcp").resource(profile).client().await;
    let read = modern(&client, "resources/read", &json!({ "uri": "me://profile" }));
    let read: Value = read.bearer("ada").await.json();
    assert_eq!(read["result"]["cacheScope"], "private");
    let list: Value = modern(&client, "resources/list", &json!({})).await.json();
    assert_eq!(list["result"]["cacheScope"], "public");
}

#[tokio::test]
async fn a_session_is_of_who_shows_the_same_token() {
    let client = App::new("x", "1").mcp("/mcp").tool(read).client().await;
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let begun = legacy(&client, None, "initialize", &params).bearer("ada").await;
    let session = begun.header("mcp-session-id");
    let ping = || legacy(&client, Some(session), "ping", &json!({}));
    assert_eq!(ping().bearer("ada").await.status(), 200);
    assert_eq!(ping().bearer("eve").await.status(), 404);
    assert_eq!(ping().await.status(), 404);
}

/// For ourselves.
#[resource("internal://secret", tag = "internal")]
async fn internal() -> &'static str {
    "secret"
}

#[tokio::test]
async fn nobody_is_told_of_what_it_may_not_read() {
    let client = app().resource(internal).client().await;
    let uri = "internal://secret";
    let wanted = json!({ "notifications": { "resourceSubscriptions": [uri] } });
    for (token, sees) in [("reader", false), ("root", true)] {
        let mut stream =
            modern(&client, "subscriptions/listen", &wanted).bearer(token).stream().await;
        let first = String::from_utf8(stream.next().await.unwrap().to_vec()).unwrap();
        assert_eq!(first.contains(uri), sees, "{first}");
    }
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let begun = legacy(&client, None, "initialize", &params).bearer("reader").await;
    let session = begun.header("mcp-session-id");
    let watch = legacy(&client, Some(session), "resources/subscribe", &json!({ "uri": uri }));
    let watch: Value = watch.bearer("reader").await.json();
    assert_eq!(watch["error"]["code"], -32002);
}

#[tokio::test]
async fn functions_stand_around_requests() {
    let refusing = |request: McpRequest, next: McpNext| async move {
        match request.name() {
            Some("write") => request.refuse(HttpError::forbidden("Not today")),
            _ => next.run(request).await,
        }
    };
    let client = app().mcp_around(refusing).client().await;
    let mcp = client.mcp().bearer("root");
    assert_eq!(mcp.call("read", json!({})).await.text(), "1");
    let error = mcp.try_request("tools/call", json!({ "name": "write" })).await.unwrap_err();
    assert_eq!(error, json!({ "code": -32001, "message": "Not today" }));
}

/// What a token of a test says: its scopes, and what it is for.
#[dependency]
async fn verified(token: Bearer) -> Result<VerifiedToken> {
    let Some((scopes, audience)) = token.as_str().split_once('@') else {
        return Err(HttpError::unauthorized("Bearer"));
    };
    Ok(VerifiedToken::new("ada").scopes(scopes.split('+')).audience(audience))
}

/// Says who calls, by the same token.
#[tool(scope = "read")]
async fn subject(token: Depends<verified>) -> String {
    token.subject().to_owned()
}

#[tokio::test]
async fn a_token_is_good_where_it_was_given_out_for() {
    let resource = ProtectedResource::new("https://api.example.com/mcp")
        .authorization_server("https://login.example.com");
    let app = || App::new("x", "1").mcp("/mcp").tool(read).tool(write).tool(subject);
    let client = app().mcp_auth(resource).mcp_tokens::<verified>().client().await;
    let reader = client.mcp().bearer("read@https://api.example.com/mcp");
    assert_eq!(names(&reader.tools().await), ["read", "subject"]);
    assert_eq!(reader.call("subject", json!({})).await.text(), "ada");
    let writer = client.mcp().bearer("read+write@https://api.example.com/mcp/");
    assert_eq!(names(&writer.tools().await), ["read", "write", "subject"]);
    for (token, challenge) in [
        ("read@https://other.example/mcp", "error=\"invalid_token\""),
        ("not good", "resource_metadata="),
    ] {
        let answer = modern(&client, "tools/list", &json!({})).bearer(token).await;
        assert_eq!(answer.status(), 401);
        let told = answer.header("www-authenticate");
        assert!(told.contains(challenge) && told.contains("resource_metadata="), "{told}");
    }
    let error = app().mcp_tokens::<verified>().openapi().unwrap_err().to_string();
    assert!(error.contains("`mcp_tokens` needs `mcp_auth`"), "{error}");
}

#[tokio::test]
async fn a_test_goes_through_what_stands_before_the_endpoint() {
    let client = App::new("x", "1").depends::<tenant>().mcp("/mcp").tool(read).client().await;
    let call = || json!({ "name": "read", "arguments": {} });
    let error = client.mcp().try_request("tools/call", call()).await.unwrap_err();
    assert_eq!(error["status"], 422, "{error}");
    assert_eq!(client.mcp().header("tenant", "1").call("read", json!({})).await.text(), "1");
}

/// Grants what the token names, and demands what whoever depends on it says.
#[dependency(scopes = ["notes"])]
async fn writer(token: Bearer, scopes: SecurityScopes) -> Result<String> {
    let granted: Vec<&str> = token.as_str().split('+').collect();
    match scopes.as_slice().iter().all(|scope| granted.contains(&scope.as_str())) {
        true => Ok(scopes.to_string()),
        false => Err(HttpError::forbidden("no")),
    }
}

/// Says what it demands.
#[tool]
async fn demands(scopes: Depends<writer>) -> String {
    scopes.to_string()
}

#[tokio::test]
async fn a_dependency_knows_which_scopes_a_tool_demands() {
    let client = App::new("x", "1").mcp("/mcp").tool(demands).client().await;
    let call = async |token: &str| client.mcp().bearer(token).call("demands", json!({})).await;
    assert_eq!(call("notes+more").await.text(), "notes");
    let refused = call("other").await;
    assert_eq!((refused.is_error(), refused.text()), (true, "no"));
}
