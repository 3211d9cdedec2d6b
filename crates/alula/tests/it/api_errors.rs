//! `#[derive(ApiError)]`, and further answers in the document.

use std::{io, time::Duration};

use alula::{HttpError, Operation, Problem, Status, prelude::*};
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error, ApiError)]
enum PayError {
    /// The card was declined.
    ///
    /// Another card may work.
    #[error("{issuer} declined the card")]
    #[api(status = 402, code = "card_declined")]
    Declined { issuer: String },
    #[error("the card ends too early")]
    #[api(status = 402, detail = "The card of {0:?} ended in {1:02}/20{{00}}")]
    Ended(String, u8),
    #[error("too many payments")]
    #[api(status = 429, detail = "Wait {wait:?}", retry_after = wait)]
    TooMany { wait: Duration },
    #[error("the payment cannot be stored")]
    #[api(status = 500)]
    Storage(#[from] io::Error),
    #[error("nothing is known about it")]
    #[api(status = 503, retry_after = 60)]
    Unknown,
    #[error(transparent)]
    #[api(transparent)]
    Account(#[from] NoAccount),
}

/// There is no such account.
#[derive(Debug, thiserror::Error, ApiError)]
#[error("account {id} is not there, and {reason} is why")]
#[api(status = 404, detail = "There is no account {id}", code = "no_account")]
struct NoAccount {
    id: u32,
    reason: &'static str,
}

/// Without thiserror, and with a type parameter.
#[derive(ApiError)]
enum Plain<T: std::fmt::Display> {
    #[api(status = 400, detail = "no {type}")]
    Wrong { r#type: T },
    #[api(status = 502)]
    Upstream { source: io::Error },
}

fn fail(number: u8) -> Result<(), PayError> {
    match number {
        0 => Err(PayError::Declined { issuer: "secret bank".to_owned() }),
        1 => Err(PayError::Ended("Ada".to_owned(), 7)),
        2 => Err(PayError::TooMany { wait: Duration::from_millis(1500) }),
        3 => Err(io::Error::other("disk on fire").into()),
        4 => Err(PayError::Unknown),
        5 => Err(NoAccount { id: 7, reason: "a secret" }.into()),
        _ => Ok(()),
    }
}

/// Pay.
#[post("/pay/{number}")]
async fn pay(Path(number): Path<u8>) -> Result<(), PayError> {
    fail(number)
}

#[tokio::test]
async fn every_variant_is_answered_as_it_says() {
    let client = App::new("Shop", "1.0.0").routes(routes![pay]).client().await;
    let cases = [
        (402, r#"{"detail":"The card was declined","code":"card_declined"}"#),
        (402, r#"{"detail":"The card of \"Ada\" ended in 07/20{00}"}"#),
        (429, r#"{"detail":"Wait 1.5s"}"#),
        (500, r#"{"detail":"Internal Server Error"}"#),
        (503, r#"{"detail":"Service Unavailable"}"#),
        (404, r#"{"detail":"There is no account 7","code":"no_account"}"#),
    ];
    for (number, (status, body)) in cases.into_iter().enumerate() {
        let response = client.post(&format!("/pay/{number}")).await;
        assert_eq!((response.status().as_u16(), response.text()), (status, body));
        let retry_after = ["", "", "2", "", "60", ""][number];
        assert_eq!(response.header("retry-after"), retry_after);
    }
    assert_eq!(client.post("/pay/6").await.status(), 204);
}

#[test]
fn the_log_reads_what_the_client_does_not() {
    let log = |number| {
        let error = ApiError::into_http(fail(number).unwrap_err());
        error.cause().is_some().then(|| error.log_message().into_owned())
    };
    assert_eq!(log(0), None);
    assert_eq!(log(3).unwrap(), "the payment cannot be stored: disk on fire");
    assert_eq!(log(4).unwrap(), "nothing is known about it");
    let plain = |error: Plain<u8>| ApiError::into_http(error);
    let upstream = plain(Plain::Upstream { source: io::Error::other("cable cut") });
    assert_eq!(upstream.log_message(), "cable cut");
    assert_eq!((upstream.status().as_u16(), upstream.detail()), (502, &json!("Bad Gateway")));
    let wrong = plain(Plain::Wrong { r#type: 7 });
    assert_eq!((wrong, ""), (HttpError::bad_request("no 7"), ""));
}

#[tokio::test]
async fn the_document_lists_every_status_with_an_example_in_the_form() {
    let router = Router::new().prefix("/v2").error_format(Problem::new().types("/errors/"));
    let app = App::new("Shop", "1.0.0").routes(routes![pay]);
    let document = app.include(router.routes(routes![pay])).openapi().unwrap();
    let responses = document["paths"]["/pay/{number}"]["post"]["responses"].clone();
    let statuses: Vec<_> = responses.as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["204", "402", "404", "422", "429", "500", "503", "default"]);
    let text =
        "The card was declined.\n\nAnother card may work.\n\nThe card of {0} ended in {1}/20{00}";
    assert_eq!(responses["402"]["description"], text);
    let media = &responses["402"]["content"]["application/json"];
    assert_eq!(media["schema"]["$ref"], "#/components/schemas/HTTPError");
    let example = &media["examples"]["card_declined"];
    let body = json!({"detail": "The card was declined", "code": "card_declined"});
    assert_eq!(example["value"], body);
    assert_eq!(media["examples"].as_object().unwrap().len(), 2);
    assert!(responses["429"]["headers"].get("retry-after").is_some());
    assert_eq!(responses["404"]["description"], "There is no such account.");
    let problem = document["paths"]["/v2/pay/{number}"]["post"]["responses"]["404"].clone();
    let problem = &problem["content"]["application/problem+json"]["examples"]["no_account"];
    assert_eq!(problem["value"]["type"], "/errors/no_account");
    assert_eq!(problem["value"]["instance"], "/v2/pay/{number}");
}

#[tokio::test]
async fn further_answers_are_documented_where_they_are_said() {
    #[derive(Serialize, JsonSchema)]
    struct Accepted {
        job: u32,
    }
    async fn plain() -> Json<u8> {
        Json(1)
    }
    let route = get("/", plain)
        .response::<Json<Accepted>>(202, "It will be done")
        .response::<()>(304, "Nothing new");
    let router = Router::new().prefix("/a").responses::<NoAccount>().route(route);
    let app = App::new("Shop", "1.0.0").include(router).route(get("/b", plain));
    let document = app.response::<Text>(418, "Tea").openapi().unwrap();
    let responses = &document["paths"]["/a/"]["get"]["responses"];
    assert_eq!(responses["202"]["description"], "It will be done");
    let schema = &responses["202"]["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/Accepted");
    assert_eq!(responses["304"], json!({"description": "Nothing new"}));
    assert!(responses.get("404").is_some());
    assert!(responses["418"]["content"].get("text/plain").is_some());
    let other = document["paths"]["/b"]["get"]["responses"].as_object().unwrap();
    assert_eq!(other.keys().collect::<Vec<_>>(), ["200", "418", "default"]);

    async fn made() -> Status<201, Json<u8>> {
        Status(Json(1))
    }
    let app = App::new("Shop", "1.0.0").route(get("/", made).response::<Json<u8>>(600, "No"));
    assert!(app.openapi().unwrap_err().to_string().contains("600 is not an HTTP status"));
}

#[tokio::test]
async fn a_status_of_ones_own_among_validation_errors_has_both_forms() {
    struct Odd;

    impl ApiError for Odd {
        fn into_http(self) -> HttpError {
            HttpError::new(422, "odd")
        }

        fn describe(operation: &mut Operation<'_>) {
            operation.error(&HttpError::new(422, "odd"), "The number is odd");
        }
    }

    async fn even(Path(number): Path<u8>) -> Result<Json<u8>, Odd> {
        if number % 2 == 0 { Ok(Json(number)) } else { Err(Odd) }
    }
    let route = get("/{number}", even);
    let document = App::new("Even", "1.0.0").route(route).openapi().unwrap();
    let response = &document["paths"]["/{number}"]["get"]["responses"]["422"];
    let schemas = response["content"]["application/json"]["schema"]["anyOf"].as_array().unwrap();
    let names: Vec<&Value> = schemas.iter().map(|schema| &schema["$ref"]).collect();
    assert_eq!(
        names,
        ["#/components/schemas/HTTPValidationError", "#/components/schemas/HTTPError"]
    );
    assert_eq!(response["description"], "Validation Error\n\nThe number is odd");
}
