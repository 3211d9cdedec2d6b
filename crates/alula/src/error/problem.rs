//! RFC 9457.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{ErrorContext, ErrorFormat, HttpError};
use crate::schema::{Detail, Loc};

/// Errors as problem details, RFC 9457: `application/problem+json`.
///
/// ```
/// use alula::{App, Problem};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Shop", "1.0.0").error_format(Problem::new()).client().await;
/// let response = client.get("/nowhere").header("x-request-id", "1").await;
/// assert_eq!(response.header("content-type"), "application/problem+json");
/// let body = r#"{"type":"about:blank","title":"Not Found","status":404,"instance":"/nowhere","request_id":"1"}"#;
/// assert_eq!(response.text(), body);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Problem {
    types: Option<Cow<'static, str>>,
}

impl Problem {
    /// Problems of the type `about:blank`, which says no more than the status.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives errors that have a [`code`](HttpError::code) a type: this URL with the code behind
    /// it, where people should find what it means.
    ///
    /// ```
    /// let format = alula::Problem::new().types("https://example.com/errors/");
    /// ```
    #[must_use]
    pub fn types(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        self.types = Some(base.into());
        self
    }
}

/// A problem, as RFC 9457 describes it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody {
    /// A URL that names the kind of problem; `about:blank` if the status says it all.
    #[serde(rename = "type")]
    kind: String,
    /// What the status means.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What went wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The path of the request.
    instance: String,
    /// What went wrong, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// More about it than a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    /// All that is wrong with the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<ProblemError>,
    /// The id of the request, to ask about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default)]
    request_id: String,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ProblemError {
    /// What is wrong.
    detail: String,
    /// Where it is wrong in the body: a JSON pointer, as a fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Which parameter is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// `body`, `path`, `query`, `header` or `cookie`.
    #[serde(rename = "in")]
    place: String,
    /// What is wrong, for programs: `missing`, `string_type`, `less_than_equal`, …
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
}

impl ErrorFormat for Problem {
    type Body = ProblemBody;

    const MEDIA_TYPE: &'static str = "application/problem+json";

    fn body(&self, error: &HttpError, cx: &ErrorContext<'_>) -> ProblemBody {
        let title = error.status().canonical_reason().unwrap_or("Error").to_owned();
        let code = error.error_code().map(str::to_owned);
        let kind =
            self.types.as_ref().zip(code.as_ref()).map(|(base, code)| format!("{base}{code}"));
        let errors = error.invalid().map_or(&[][..], |error| error.details());
        let (detail, details) = match error.invalid() {
            Some(_) => (Some("The request is not valid".to_owned()), None),
            None => match error.detail() {
                // It would repeat the title.
                Value::String(text) if *text == title => (None, None),
                Value::String(text) => (Some(text.clone()), None),
                Value::Null => (None, None),
                other => (None, Some(other.clone())),
            },
        };
        ProblemBody {
            kind: kind.unwrap_or_else(|| "about:blank".to_owned()),
            title,
            status: error.status().as_u16(),
            detail,
            instance: cx.uri().path().to_owned(),
            code,
            details,
            errors: errors.iter().map(ProblemError::new).collect(),
            request_id: cx.request_id().to_owned(),
        }
    }
}

impl ProblemError {
    fn new(error: &Detail) -> Self {
        let mut steps = error.loc.iter();
        let place = steps.next().map(Loc::to_string).unwrap_or_default();
        let is_body = place == "body";
        // Text that is no JSON has no places, only an offset.
        let steps = steps.filter(|_| error.kind != "json_invalid");
        // A branch of a union is no step in the value.
        let steps = steps.filter(|step| !matches!(step, Loc::Branch(_)));
        let pointer = is_body.then(|| steps.clone().fold("#".to_owned(), pointer));
        let parameter = (!is_body).then(|| steps.clone().next().map(Loc::to_string));
        Self {
            detail: error.msg.clone(),
            pointer,
            parameter: parameter.flatten(),
            place,
            kind: error.kind.clone(),
        }
    }
}

/// Adds a step to a JSON pointer in a fragment (RFC 6901, section 6).
fn pointer(mut pointer: String, step: &Loc) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    pointer.push('/');
    pointer.extend(percent_encoding::utf8_percent_encode(&step, FRAGMENT));
    pointer
}

/// What a fragment cannot hold (RFC 3986, section 3.5).
const FRAGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_the_value() {
        let error = |loc: &[Loc]| {
            let (kind, msg) = ("missing".into(), "Field required".to_owned());
            ProblemError::new(&Detail {
                kind,
                loc: loc.to_vec(),
                msg,
                input: Value::Null,
                ctx: None,
            })
        };
        let body = error(&["body".into(), "a/b".into(), 0.into(), "c d~".into()]);
        assert_eq!(body.pointer.as_deref(), Some("#/a~1b/0/c%20d~0"));
        let branch = error(&["body".into(), Loc::Branch("img".into()), "url".into()]);
        assert_eq!(branch.pointer.as_deref(), Some("#/url"));
        assert_eq!(error(&["body".into()]).pointer.as_deref(), Some("#"));
        let query = error(&["query".into(), "limit".into(), 1.into()]);
        assert_eq!((query.pointer, query.parameter.as_deref()), (None, Some("limit")));
    }
}
