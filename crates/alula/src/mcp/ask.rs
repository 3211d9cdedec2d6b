//! Questions to the client, and to its user.

use std::{
    collections::HashMap,
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
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

/// What was asked in earlier rounds of a call, and the answers so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Digests of the questions, by key: an answer is to what was asked then.
    pub(super) questions: Map<String, Value>,
    pub(super) answers: Map<String, Value>,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    /// What has no answer yet, by key.
    requests: Map<String, Value>,
    /// What the client would have to be capable of.
    missing: Option<Value>,
    /// How many questions had no key of their own.
    unnamed: usize,
    /// Of the call.
    waker: Option<Waker>,
}

/// Why a call goes no further.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// These have to be answered first.
    Asked { requests: Map<String, Value>, known: Known },
    /// The client is not capable of this.
    Missing(Value),
}

impl Asking {
    pub(super) fn new(known: Known) -> Self {
        Self(Mutex::new(State { known, ..State::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that came with the request; without one the client is asked.
    fn answer(
        &self,
        key: Option<String>,
        method: &str,
        params: &Value,
        is_fit: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let question = json!({ "method": method, "params": params });
        let digest = URL_SAFE_NO_PAD.encode(digest(&SHA256, question.to_string().as_bytes()));
        let mut state = self.lock();
        let key = key.unwrap_or_else(|| {
            state.unnamed += 1;
            format!("input_{}", state.unnamed)
        });
        // One to another question, or that does not fit, is asked for again.
        let is_same = state.known.questions.get(&key).is_some_and(|known| *known == *digest);
        let answer = state.known.answers.get(&key).filter(|answer| is_same && is_fit(answer));
        if answer.is_some() {
            return answer.cloned();
        }
        state.known.answers.shift_remove(&key);
        state.known.questions.insert(key.clone(), digest.into());
        state.requests.insert(key, question);
        None
    }

    /// Lets the call look again for whether it waits for the client.
    fn wake(&self) {
        let waker = self.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Why the call waits, if it does so for the client; else it is woken once it does.
    pub(super) fn stop(&self, waker: &Waker) -> Option<Stop> {
        let mut state = self.lock();
        if let Some(missing) = state.missing.take() {
            return Some(Stop::Missing(missing));
        }
        if state.requests.is_empty() {
            state.waker = Some(waker.clone());
            return None;
        }
        let requests = std::mem::take(&mut state.requests);
        Some(Stop::Asked { requests, known: std::mem::take(&mut state.known) })
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
                let answer = match required {
                    Some(required) => {
                        inner.asking.lock().missing = Some(required);
                        None
                    }
                    None => inner.asking.answer(key, method, &params, is_fit),
                };
                match answer {
                    Some(answer) => Ok(answer),
                    None => {
                        inner.asking.wake();
                        // The function is dropped before; a task that it has spawned is not.
                        context.cancelled().await;
                        Err(HttpError::bad_request("The call is over"))
                    }
                }
            }
            _ if context.is_over() => Err(HttpError::bad_request("The call is over")),
            (Era::Legacy, Some(session)) if required.is_none() => {
                session.ask(method, &params, &inner.out, inner.ask_timeout).await
            }
            _ => Err(HttpError::bad_request(format!("The client has no `{method}`"))),
        }
    }
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

/// The answers that a client sends with its request, and those before, which it cannot change.
pub(super) fn merge(
    mut known: Known,
    new: Option<&serde_json::value::RawValue>,
) -> Result<Known, serde_json::Error> {
    if let Some(new) = new {
        let new: HashMap<String, Map<String, Value>> = serde_json::from_str(new.get())?;
        for (key, answer) in new {
            known.answers.entry(key).or_insert_with(|| answer.into());
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
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

    fn ask(asking: &Asking, message: &str) -> Option<Value> {
        let params = json!({ "message": message });
        asking.answer(None, "elicitation/create", &params, |_| true)
    }

    fn answer(yes: &str) -> Box<serde_json::value::RawValue> {
        serde_json::from_value(json!({ "input_1": { "action": yes } })).unwrap()
    }

    #[test]
    fn an_answer_is_to_what_was_asked() {
        let asking = Asking::default();
        assert_eq!(ask(&asking, "Delete 3 files?"), None);
        let Some(Stop::Asked { known, .. }) = asking.stop(Waker::noop()) else { panic!() };
        let known = merge(known, Some(&answer("accept"))).unwrap();
        assert!(ask(&Asking::new(known.clone()), "Delete 3 files?").is_some());
        assert_eq!(ask(&Asking::new(known), "Delete 3000 files?"), None);
        let unasked = merge(Known::default(), Some(&answer("accept"))).unwrap();
        assert_eq!(ask(&Asking::new(unasked), "Delete 3 files?"), None);
    }

    #[test]
    fn an_answer_stays_as_it_was() {
        let known = merge(Known::default(), Some(&answer("decline"))).unwrap();
        let later = merge(known.clone(), Some(&answer("accept"))).unwrap();
        assert_eq!(later, known);
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
