//! Questions to the client, and to its user.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture, pending},
    marker::PhantomData,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    context::{Era, McpContext},
    registry::schema,
};
use crate::{
    error::{HttpError, Result},
    openapi::{Contract, Generated},
    validate::Validate,
};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a call has asked, and what it was answered before.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: Map<String, Value>,
    /// What has no answer yet, by key.
    requests: Map<String, Value>,
    /// What the client would have to be capable of.
    missing: Option<Value>,
    /// How many questions had no key of their own.
    unnamed: usize,
}

/// Why a call goes no further.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// These have to be answered first; those are the answers so far.
    Asked { requests: Map<String, Value>, answers: Map<String, Value> },
    /// The client is not capable of this.
    Missing(Value),
}

impl Asking {
    pub(super) fn new(answers: Map<String, Value>) -> Self {
        Self(Mutex::new(State { answers, ..State::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the call waits, if it does so for the client.
    pub(super) fn stop(&self) -> Option<Stop> {
        let mut state = self.lock();
        if let Some(missing) = state.missing.take() {
            return Some(Stop::Missing(missing));
        }
        if state.requests.is_empty() {
            return None;
        }
        let requests = std::mem::take(&mut state.requests);
        Some(Stop::Asked { requests, answers: std::mem::take(&mut state.answers) })
    }
}

/// A question to the client, which is asked when it is awaited; see [`McpContext::ask`].
#[must_use = "nothing is asked until it is awaited"]
pub struct Ask<'a> {
    context: &'a McpContext,
    key: Option<String>,
    method: &'static str,
    params: Value,
}

impl<'a> Ask<'a> {
    pub(super) fn new(context: &'a McpContext, method: &'static str, params: Value) -> Self {
        Self { context, key: None, method, params }
    }

    /// What the question is known by, where it is asked in another order than the last time.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn answer(self, is_fit: impl Fn(&Value) -> bool) -> Result<Value> {
        let Self { context, key, method, params } = self;
        let inner = context.inner();
        let required = required(method, &params, inner);
        match (inner.era, &inner.session) {
            (Era::Modern, _) => {
                if let Some(required) = required {
                    inner.asking.lock().missing = Some(required);
                    never(pending().await);
                }
                answered_or_asked(&inner.asking, key, method, params, is_fit).await
            }
            (Era::Legacy, Some(session)) if required.is_none() => {
                session.ask(method, &params, &inner.out, inner.ask_timeout).await
            }
            _ => Err(HttpError::bad_request(format!("The client has no `{method}`"))),
        }
    }
}

/// The answer that came with the request; without one the call waits until it is dropped.
async fn answered_or_asked(
    asking: &Asking,
    key: Option<String>,
    method: &str,
    params: Value,
    is_fit: impl Fn(&Value) -> bool,
) -> Result<Value> {
    {
        let mut state = asking.lock();
        let key = key.unwrap_or_else(|| {
            state.unnamed += 1;
            format!("input_{}", state.unnamed)
        });
        // One that does not fit is asked for again.
        if let Some(answer) = state.answers.get(&key).filter(|answer| is_fit(answer)) {
            return Ok(answer.clone());
        }
        state.answers.shift_remove(&key);
        state.requests.insert(key, json!({ "method": method, "params": params }));
    }
    never(pending().await)
}

fn never(never: Infallible) -> ! {
    match never {}
}

/// What the client lacks for a question.
fn required(method: &str, params: &Value, context: &super::context::Inner) -> Option<Value> {
    let has = context.capabilities;
    let is_url = params.get("mode").is_some_and(|mode| mode == "url");
    let (is_there, required) = match method {
        "sampling/createMessage" => (has.sampling, json!({ "sampling": {} })),
        "roots/list" => (has.roots, json!({ "roots": {} })),
        "elicitation/create" if is_url => (has.urls, json!({ "elicitation": { "url": {} } })),
        "elicitation/create" => (has.forms, json!({ "elicitation": { "form": {} } })),
        _ => return None,
    };
    (!is_there).then_some(required)
}

impl<'a> IntoFuture for Ask<'a> {
    type Output = Result<Value>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answer(|_| true))
    }
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What a user made of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elicited<T> {
    /// The user has filled it in.
    Accepted(T),
    /// The user does not want to.
    Declined,
    /// The user has closed it.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was filled in, if it was.
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(value) => Some(value),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

/// A question to the user, which is asked when it is awaited; see [`McpContext::elicit`].
#[must_use = "nothing is asked until it is awaited"]
pub struct Elicit<'a, T> {
    context: &'a McpContext,
    key: Option<String>,
    message: String,
    /// One that was made by hand.
    schema: Option<Value>,
    kind: PhantomData<fn() -> T>,
}

impl<'a, T> Elicit<'a, T> {
    pub(super) fn of_type(context: &'a McpContext, message: String) -> Self {
        Self { context, key: None, message, schema: None, kind: PhantomData }
    }

    pub(super) fn of_schema(context: &'a McpContext, message: String, schema: Value) -> Self {
        Self { schema: Some(schema), ..Self::of_type(context, message) }
    }

    /// What the question is known by; see [`Ask::key`].
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<'a, T> IntoFuture for Elicit<'a, T>
where
    T: DeserializeOwned + JsonSchema + Validate + Send + 'static,
{
    type Output = Result<Elicited<T>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { context, key, message, schema, .. } = self;
        Box::pin(async move {
            let schema = match schema {
                Some(schema) => schema,
                None => form::<T>()?,
            };
            let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
            let mut ask = Ask::new(context, "elicitation/create", params);
            ask.key = key;
            let answer = ask.answer(|answer| read::<T>(answer).is_ok()).await?;
            read(&answer)
        })
    }
}

impl<T> fmt::Debug for Elicit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elicit").field("message", &self.message).finish_non_exhaustive()
    }
}

/// The schema of a form for `T`. The protocol has one level of simple fields.
fn form<T: JsonSchema>() -> Result<Value> {
    let mut schema = schema::tidy(Generated::of::<T>(Contract::Input).with_definitions());
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flatten().for_each(|(_, schema)| name_choices(schema));
    let is_simple = |schema: &Value| match schema.get("type").and_then(Value::as_str) {
        Some("string" | "number" | "integer" | "boolean") => true,
        Some("array") => schema.get("items").is_some_and(|items| items["type"] == "string"),
        _ => false,
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    if !properties.is_some_and(|properties| properties.values().all(is_simple)) {
        let name = std::any::type_name::<T>();
        let error = format!("`{name}` is no form: a struct of texts, numbers, booleans and enums");
        return Err(HttpError::internal(error));
    }
    if let Some(schema) = schema.as_object_mut() {
        for keyword in ["title", "description", "additionalProperties"] {
            schema.shift_remove(keyword);
        }
    }
    Ok(schema)
}

/// Gives an enum whose values have comments the form that the protocol has for them.
fn name_choices(schema: &mut Value) {
    let choices = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    let choices = choices.into_iter().flatten().map(|choice| {
        let value = choice.get("const").filter(|value| value.is_string())?;
        let title = choice.get("description").unwrap_or(value);
        Some(json!({ "const": value, "title": title }))
    });
    let Some(choices) = choices.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty()) else {
        return;
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("type".to_owned(), "string".into());
        schema.insert("oneOf".to_owned(), choices.into());
    }
}

/// What a client answers for its user.
fn read<T: DeserializeOwned + Validate>(answer: &Value) -> Result<Elicited<T>> {
    let content = || answer.get("content").cloned().unwrap_or_else(|| json!({}));
    match answer.get("action").and_then(Value::as_str) {
        Some("accept") => match serde_json::from_value::<T>(content()) {
            Ok(value) if value.is_valid() => Ok(Elicited::Accepted(value)),
            Ok(_) => Err(HttpError::new(422, "What the client has answered breaks a constraint")),
            Err(error) => {
                let detail = format!("What the client has answered does not fit: {error}");
                Err(HttpError::new(422, detail))
            }
        },
        Some("decline") => Ok(Elicited::Declined),
        Some("cancel") => Ok(Elicited::Cancelled),
        _ => Err(HttpError::new(422, "The answer of the client has no `action`")),
    }
}

/// The answers that a client sends with its request, and those before.
pub(super) fn merge(
    mut known: Map<String, Value>,
    new: Option<&serde_json::value::RawValue>,
) -> Result<Map<String, Value>, serde_json::Error> {
    if let Some(new) = new {
        let new: HashMap<String, Map<String, Value>> = serde_json::from_str(new.get())?;
        known.extend(new.into_iter().map(|(key, answer)| (key, answer.into())));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema, alula_macros::Validate)]
    struct Person {
        /// What to call you.
        #[schemars(length(min = 2))]
        name: String,
        age: Option<u8>,
        color: Option<Color>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema, alula_macros::Validate)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        /// Like the sky.
        Blue,
        /// Like grass.
        Green,
    }

    #[derive(JsonSchema)]
    struct Team {
        #[expect(dead_code, reason = "only its schema is looked at")]
        people: Vec<Person>,
    }

    #[test]
    fn a_form_is_one_level_of_simple_fields() {
        let form = form::<Person>().unwrap();
        assert_eq!(form["properties"]["name"]["description"], "What to call you.");
        assert_eq!(form["properties"]["age"]["type"], "integer");
        let colors = json!([
            { "const": "blue", "title": "Like the sky." },
            { "const": "green", "title": "Like grass." },
        ]);
        assert_eq!(form["properties"]["color"], json!({ "type": "string", "oneOf": colors }));
        assert_eq!(form["required"], json!(["name"]));
        assert!(super::form::<Team>().is_err());
    }

    #[test]
    fn an_answer_has_an_action() {
        let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
        let person = Person { name: "Ada".to_owned(), age: None, color: None };
        assert_eq!(read(&accepted).unwrap(), Elicited::Accepted(person));
        assert_eq!(read::<Person>(&json!({ "action": "decline" })).unwrap(), Elicited::Declined);
        assert_eq!(read::<Person>(&json!({ "action": "cancel" })).unwrap(), Elicited::Cancelled);
        let with = |name: Value| json!({ "action": "accept", "content": { "name": name } });
        for bad in [json!({}), with(1.into()), with("A".into())] {
            assert_eq!(read::<Person>(&bad).unwrap_err().status(), 422, "{bad}");
        }
    }
}
