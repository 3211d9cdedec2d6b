//! Errors about files and vector stores, in OpenAI's words.

use alula::{
    ApiError, ErrorContext, ErrorFormat, HttpError, Loc, Operation, Router, ValidationError,
};
use alula_llm::model::Protocol;
use serde_json::Value;

use super::openai::OpenAiError;
use crate::{error::wrong, services::relay::in_words_of};

/// A router whose errors are those of OpenAI: also what is wrong with a request is 400.
pub(super) fn openai_router() -> Router {
    Router::new()
        .tag("OpenAI")
        .error_format(Envelope)
        .responses::<Refusals>()
        .on_error(|error: &ValidationError, _| Err::<(), _>(invalid(error)))
}

fn invalid(error: &ValidationError) -> HttpError {
    let steps = error.details().first().map_or(&[][..], |it| &it.loc);
    // Without the place that it came from.
    let steps: Vec<_> = steps.iter().skip(1).map(Loc::to_string).collect();
    wrong(&steps.join("."), error.to_string())
}

/// What every endpoint of such a router may answer.
struct Refusals;

impl ApiError for Refusals {
    fn into_http(self) -> HttpError {
        HttpError::bad_request("…")
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.error(&HttpError::bad_request("…"), "The request has a mistake.");
        operation.error(&HttpError::not_found("…"), "There is no such thing.");
    }
}

/// Errors as OpenAI has them.
struct Envelope;

impl ErrorFormat for Envelope {
    type Body = Value;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> Value {
        let mut body = in_words_of(Protocol::OpenAiChat, error, None);
        if let Some(fields) = body.get_mut("error").and_then(Value::as_object_mut) {
            // What is missing is no model here.
            if error.status().as_u16() == 404 {
                fields.insert("code".to_owned(), Value::Null);
            }
            if let Some(code) = error.error_code() {
                fields.insert("code".to_owned(), code.into());
            }
            for (name, value) in error.detail().as_object().into_iter().flatten() {
                fields.insert(name.clone(), value.clone());
            }
        }
        body
    }

    fn schema(operation: &mut Operation<'_>, _: bool) -> Value {
        operation.output_schema::<OpenAiError>()
    }
}
