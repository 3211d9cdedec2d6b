//! What authors add to the document: texts, examples, webhooks, callbacks. FastAPI 0.165 has the
//! same words in the same places.

use alula::{Contact, Example, License, prelude::*};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Event {
    id: i64,
}

#[derive(Serialize, JsonSchema)]
struct Ack {
    ok: bool,
}

async fn notify(Json(_): Json<Event>) -> Json<Ack> {
    panic!("a route that only describes is never called")
}

async fn create(Json(event): Json<Event>) -> Json<Event> {
    Json(event)
}

fn empty() -> App {
    App::new("About", "1")
}

fn document(app: App) -> Value {
    app.openapi().unwrap_or_else(|error| panic!("{error}"))
}

fn mistakes(app: App) -> String {
    app.openapi().expect_err("the app cannot start").to_string()
}

#[test]
fn the_api_is_described_where_fastapi_does() {
    let app = empty()
        .summary("s")
        .description("d")
        .terms_of_service("https://example.com/terms")
        .contact(Contact::new("N").url("https://example.com/").email("a@example.com"))
        .license(License::spdx("MIT"))
        .server("https://example.com", "prod")
        .server("/v1", "")
        .external_docs("https://example.com/d", "more");
    let document = document(app);
    assert_eq!(
        document["info"],
        json!({
            "title": "About", "summary": "s", "description": "d",
            "termsOfService": "https://example.com/terms",
            "contact": {"name": "N", "url": "https://example.com/", "email": "a@example.com"},
            "license": {"name": "MIT", "identifier": "MIT"}, "version": "1",
        })
    );
    let servers = json!([{"url": "https://example.com", "description": "prod"}, {"url": "/v1"}]);
    assert_eq!(document["servers"], servers);
    let docs = json!({"description": "more", "url": "https://example.com/d"});
    assert_eq!(document["externalDocs"], docs);
}

/// What FastAPI says of [`notify`], as a callback and as a webhook.
fn notified() -> Value {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let json_of = |name: &str| json!({"application/json": {"schema": schema(name)}});
    json!({
        "summary": "Notify",
        "operationId": "notify",
        "requestBody": {"required": true, "content": json_of("Event")},
        "responses": {
            "200": {"description": "Successful Response", "content": json_of("Ack")},
            "422": {"description": "Validation Error", "content": json_of("HTTPValidationError")},
        },
    })
}

#[tokio::test]
async fn webhooks_and_callbacks_are_described_and_not_served() {
    let expression = "{$callback_url}/invoices/{$request.body.id}";
    let route = post("/invoices", create).callback("invoice", expression, post("", notify));
    let found = document(empty().route(route));
    assert_eq!(
        found["paths"]["/invoices"]["post"]["callbacks"],
        json!({"invoice": {expression: {"post": notified()}}})
    );

    let app = || empty().webhook("new-invoice", post("", notify));
    let found = document(app());
    assert_eq!(found["webhooks"], json!({"new-invoice": {"post": notified()}}));
    assert_eq!(found["paths"], json!({}));
    assert!(found["components"]["schemas"]["Ack"].is_object());
    assert_eq!(app().client().await.post("/new-invoice").await.status(), 404);
}

#[test]
fn operations_with_one_name_are_told_apart_wherever_they_are() {
    let route = post("/invoices", create).callback("c", "{$url}", post("", notify));
    let app = empty().route(route).webhook("w", put("", notify)).webhook("v", put("", create));
    let document = document(app);
    let create = &document["paths"]["/invoices"]["post"];
    assert_eq!(create["operationId"], "create_invoices_post");
    assert_eq!(create["callbacks"]["c"]["{$url}"]["post"]["operationId"], "notify_post");
    assert_eq!(document["webhooks"]["w"]["put"]["operationId"], "notify_put");
    assert_eq!(document["webhooks"]["v"]["put"]["operationId"], "create_put");
}

#[test]
fn what_is_described_twice_or_wrongly_stops_the_start() {
    let app = empty().webhook("a", post("", notify)).webhook("a", post("", create));
    assert!(mistakes(app).contains("webhook `a`: it is described twice"));
    let said = mistakes(empty().webhook("a", post("/path", notify)));
    assert!(said.contains("webhook `a`: it has the path `/path`, where `\"\"` is meant"), "{said}");
    let app = empty().webhook("a", post("", notify)).webhook("b", post("", notify));
    assert!(
        mistakes(app).contains("webhook `b`: its operation id `notify_post` is that of webhook")
    );
}

#[test]
fn examples_stand_with_every_kind_of_the_body() {
    let normal = Example::new(json!({"id": 1})).summary("A").description("D");
    let route = post("/", create)
        .example("normal", normal)
        .example("bare", json!({"id": 2}))
        .response_example(200, "made", json!({"id": 3}));
    let document = document(empty().route(route));
    let operation = &document["paths"]["/"]["post"];
    assert_eq!(
        operation["requestBody"]["content"]["application/json"]["examples"],
        json!({
            "normal": {"summary": "A", "description": "D", "value": {"id": 1}},
            "bare": {"value": {"id": 2}},
        })
    );
    let made = json!({"made": {"value": {"id": 3}}});
    assert_eq!(operation["responses"]["200"]["content"]["application/json"]["examples"], made);
}

#[test]
fn an_example_of_what_is_not_there_stops_the_start() {
    async fn nothing() {}
    let route = get("/", nothing).example("a", json!(1)).response_example(201, "b", json!(2));
    let said = mistakes(empty().route(route));
    assert!(said.contains("GET /: it has the example `a` of a body that it does not read"));
    assert!(said.contains("GET /: it has the example `b` of an answer 201"));
    let said = mistakes(empty().route(get("/", nothing).openapi_extra(json!(1))));
    assert!(said.contains("what `.openapi_extra(…)` adds is no object"));
}

#[test]
fn an_operation_takes_what_openapi_knows_and_types_cannot_say() {
    async fn read() -> Json<u8> {
        Json(1)
    }
    let route = get("/", read)
        .external_docs("https://example.com", "")
        .extension("x-rate", 5)
        .openapi_extra(json!({"tags": ["more"], "responses": {"200": {"description": "One."}}}))
        .tag("first");
    let document = document(empty().route(route));
    let operation = &document["paths"]["/"]["get"];
    assert_eq!(operation["externalDocs"], json!({"url": "https://example.com"}));
    assert_eq!(operation["x-rate"], 5);
    assert_eq!(operation["tags"], json!(["first", "more"]));
    assert_eq!(operation["responses"]["200"]["description"], "One.");
    assert!(operation["responses"]["200"]["content"].is_object());
}

#[tokio::test]
async fn the_served_document_is_the_customized_one() {
    let app = || empty().customize_openapi(|document| document["x-logo"] = json!("logo.png"));
    assert_eq!(document(app())["x-logo"], "logo.png");
    let served: Value = app().client().await.get("/openapi.json").await.json();
    assert_eq!(served["x-logo"], "logo.png");
}
