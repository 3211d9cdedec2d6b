//! Handlers of errors, by type and by status.

use std::fmt;

use alula::{ErrorContext, HttpError, Panic, Problem, ValidationError, prelude::*};
use serde_json::{Value, json};

use crate::fixture;

#[derive(Debug)]
struct Declined(u8);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "declined with code {}", self.0)
    }
}

impl std::error::Error for Declined {}

#[derive(Deserialize, JsonSchema, Validate)]
struct Order {
    count: u8,
}

#[post("/pay/{code}")]
async fn pay(Path(code): Path<u8>, Json(order): Json<Order>) -> Result<Json<u8>> {
    match code {
        0 => Ok(Json(order.count)),
        1 => panic!("one"),
        2 => Err(HttpError::conflict("paid already")),
        3 => Ok(Json("x".parse()?)),
        code => Err(Declined(code).into()),
    }
}

async fn ask(app: App, code: u8, body: &Value) -> (u16, Value) {
    let response = app.client().await.post(&format!("/pay/{code}")).json(body).await;
    (response.status().as_u16(), response.json::<Value>()["detail"].clone())
}

fn app() -> App {
    App::new("Shop", "1.0.0").routes(routes![pay])
}

fn declined(error: &Declined, cx: &ErrorContext<'_>) -> HttpError {
    assert_eq!(cx.method(), "POST");
    HttpError::new(402, format!("code {}", error.0))
}

#[tokio::test]
async fn an_error_is_answered_by_its_type() {
    let order = json!({"count": 1});
    assert_eq!(ask(app().on_error(declined), 7, &order).await, (402, json!("code 7")));
    // Another error is not its business.
    let other = ask(app().on_error(declined), 3, &order).await;
    assert_eq!(other, (500, json!("Internal Server Error")));
    assert_eq!(ask(app().on_error(declined), 2, &order).await, (409, json!("paid already")));
}

#[tokio::test]
async fn a_request_that_is_not_valid_is_an_error_with_details_and_a_body() {
    let app = app().on_error(|error: &ValidationError, cx| {
        let body = String::from_utf8(cx.body().unwrap().to_vec()).unwrap();
        let places: Vec<_> = error.details().iter().map(|detail| json!(detail.loc)).collect();
        HttpError::new(400, json!({"places": places, "body": body, "text": error.to_string()}))
    });
    let (status, detail) = ask(app, 0, &json!({"count": "x"})).await;
    assert_eq!((status, &detail["places"]), (400, &json!([["body", "count"]])));
    assert_eq!(detail["body"], r#"{"count":"x"}"#);
    assert_eq!(detail["text"], "body.count: Input should be a valid integer");
}

#[tokio::test]
async fn panics_and_statuses_have_handlers() {
    let order = json!({"count": 1});
    let app = || {
        app()
            .on_error(|panic: &Panic, _| HttpError::unavailable(format!("it {panic}")))
            .on_status(409, |error: &HttpError, _| error.clone().retry_after(1).code("again"))
            .on_status(404, |_: &HttpError, cx| {
                HttpError::not_found(format!("no {}", cx.uri().path()))
            })
    };
    assert_eq!(ask(app(), 1, &order).await, (503, json!("it panicked: one")));
    let client = app().client().await;
    let response = client.post("/pay/2").json(&order).await;
    assert_eq!(response.header("retry-after"), "1");
    assert_eq!(response.text(), r#"{"detail":"paid already","code":"again"}"#);
    assert_eq!(client.get("/nowhere").await.text(), r#"{"detail":"no /nowhere"}"#);
}

#[tokio::test]
async fn the_nearest_and_the_most_precise_handler_answers_alone() {
    fn by(name: &'static str) -> impl Fn(&HttpError, &ErrorContext<'_>) -> HttpError {
        move |error, _| HttpError::new(error.status().as_u16(), name)
    }
    let order = json!({"count": 1});
    // By type before by status before all; of two for the same, the last.
    let app = |order: u8| {
        let app = app().on_error(by("all"));
        match order {
            0 => app,
            1 => app.on_status(500, by("500")),
            _ => app
                .on_error(|_: &Declined, _| HttpError::new(500, "first"))
                .on_error(|_: &Declined, _| HttpError::new(500, "last"))
                .on_status(500, by("500")),
        }
    };
    for (number, expected) in [(0, "all"), (1, "500"), (2, "last")] {
        assert_eq!(ask(app(number), 7, &order).await, (500, json!(expected)));
    }
    // A router's come before the app's, whatever they are for.
    let inner = Router::new().include(Router::new().routes(routes![pay]).on_error(by("inner")));
    let outer = App::new("Shop", "1.0.0").include(inner.on_error(by("middle")));
    assert_eq!(ask(outer.on_error(declined), 7, &order).await, (500, json!("inner")));
    // What the inner ones do not know, the outer ones answer.
    let inner = Router::new().routes(routes![pay]).on_status(409, by("inner"));
    let outer = App::new("Shop", "1.0.0").include(inner).on_error(declined);
    assert_eq!(ask(outer, 7, &order).await, (402, json!("code 7")));
}

#[tokio::test]
async fn a_handler_may_answer_with_anything() {
    let app = app().on_error(|_: &Declined, _| Redirect::see_other("/log-in")).on_status(
        404,
        |_: &HttpError, cx| {
            let is_browser = cx.headers().get("accept").is_some_and(|value| value == "text/html");
            match is_browser {
                true => Either::Left(Html("<h1>Lost?</h1>")),
                false => Either::Right(HttpError::not_found("lost")),
            }
        },
    );
    let client = app.error_format(Problem::new()).client().await;
    let response = client.post("/pay/7").json(&json!({"count": 1})).await;
    assert_eq!((response.status().as_u16(), response.header("location")), (303, "/log-in"));
    let page = client.get("/nowhere").header("accept", "text/html").await;
    assert_eq!((page.status().as_u16(), page.text()), (404, "<h1>Lost?</h1>"));
    assert!(!page.header("x-request-id").is_empty());
    let problem: Value = client.get("/nowhere").await.json();
    assert_eq!(problem["detail"], "lost");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500() {
    let app =
        app().on_error(|error: &Declined, _| -> HttpError { panic!("no idea about {error}") });
    let answer = ask(app, 7, &json!({"count": 1})).await;
    assert_eq!(answer, (500, json!("Internal Server Error")));
}

#[tokio::test]
async fn an_error_of_a_dependency_and_of_a_stream_has_its_handler() {
    #[dependency]
    async fn paid() -> Result<u8> {
        Err(Declined(9).into())
    }
    async fn needs(_paid: Depends<paid>) -> Json<u8> {
        Json(1)
    }
    async fn streams() -> Sse<impl Stream<Item = Event<u8>>> {
        Sse::fallible(futures_util::stream::iter([Err(HttpError::from(Declined(8)))]))
    }
    let app = App::new("Shop", "1.0.0").route(get("/needs", needs)).route(get("/streams", streams));
    let app = app.on_error(|error: &Declined, _| HttpError::new(402, format!("code {}", error.0)));
    let client = app.client().await;
    assert_eq!(client.get("/needs").await.text(), r#"{"detail":"code 9"}"#);
    let event = "event: error\ndata: {\"detail\":\"code 8\"}\n\n";
    assert_eq!(client.get("/streams").await.text(), event);
}

#[tokio::test]
async fn handlers_answer_when_those_of_fastapi_do() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Number {
        q: i64,
    }
    async fn unicorn() -> Result<()> {
        Err(Declined(1).into())
    }
    async fn other() -> Result<()> {
        Err(std::io::Error::other("x").into())
    }
    async fn missing() -> Result<()> {
        Err(HttpError::not_found("no"))
    }
    async fn conflict() -> Result<()> {
        Err(HttpError::conflict("no"))
    }
    async fn number(Query(number): Query<Number>) -> Json<i64> {
        Json(number.q)
    }
    fn by(name: &str) -> Json<Value> {
        Json(json!({ "by": name }))
    }
    let app = App::new("Handlers", "1.0.0")
        .on_error(|_: &Declined, _| Status::<418, _>(by("first")))
        .on_error(|_: &Declined, _| Status::<418, _>(by("unicorn")))
        .on_status(404, |_, _| by("404"))
        .on_status(500, |_, _| by("500"))
        .on_error(|_: &ValidationError, _| Status::<400, _>(by("invalid")))
        .on_error(|_: &HttpError, _| by("any"))
        .route(get("/unicorn", unicorn))
        .route(get("/other", other))
        .route(get("/missing", missing))
        .route(get("/conflict", conflict))
        .route(get("/number", number));
    let client = app.client().await;
    let mut compared = Vec::new();
    for (method, target, status, body) in
        fixture::read::<Vec<(String, String, u16, String)>>("handlers.json")
    {
        let response = client.request(method.parse().unwrap(), &target).await;
        let found = format!("{} {}", response.status().as_u16(), response.text());
        compared.push((format!("{method} {target}"), format!("{status} {body}"), found));
    }
    fixture::assert_same(compared);
}
