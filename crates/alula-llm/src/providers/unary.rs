//! Calls that are no chats: for vectors, and for a count of tokens.

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::Url;
use serde_json::Value;

use super::{
    endpoint::{Speaker, body_error},
    http::{self, Address, Answer},
    vector,
};
use crate::{ChatRequest, EmbedRequest, EmbedResponse, Result, TokenCount};

/// A call that is no chat, and the format of its answer.
pub(super) struct Call<P> {
    pub(super) url: Url,
    pub(super) body: Value,
    pub(super) protocol: P,
}

/// Turns inputs into vectors.
pub(super) fn embed<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a EmbedRequest,
) -> BoxFuture<'a, Result<EmbedResponse>> {
    async move { vectors(speaker, request).await.map_err(|error| speaker.endpoint().label(error)) }
        .boxed()
}

/// Counts the tokens of a request.
pub(super) fn count_tokens<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a ChatRequest,
) -> BoxFuture<'a, Result<TokenCount>> {
    async move { count(speaker, request).await.map_err(|error| speaker.endpoint().label(error)) }
        .boxed()
}

async fn vectors<S: Speaker>(speaker: &S, request: &EmbedRequest) -> Result<EmbedResponse> {
    let Call { url, body, protocol } = speaker.embed_call(request)?;
    vector::check_inputs(request)?;
    let response = post(speaker, url, &body).await?;
    let body = speaker.endpoint().pool().read(response).await?;
    let answer = protocol.response_from_slice(&body).and_then(|answer| {
        vector::check_answer(request, &answer)?;
        Ok(answer)
    });
    answer.map_err(|error| {
        // Few answers are errors in disguise, so that it is looked for last.
        let body = serde_json::from_slice(&body).unwrap_or_default();
        S::error_in(&body).map_or(error, |error| body_error(error, S::failure_kind))
    })
}

async fn count<S: Speaker>(speaker: &S, request: &ChatRequest) -> Result<TokenCount> {
    let Call { url, body, protocol } = speaker.count_call(request)?;
    let response = post(speaker, url, &body).await?;
    let body = http::read_json(&speaker.endpoint().pool(), response).await?;
    if let Some(error) = S::error_in(&body) {
        return Err(body_error(error, S::failure_kind));
    }
    protocol.count_from_json(body)
}

/// Posts something that is answered at once.
async fn post<S: Speaker>(speaker: &S, url: Url, body: &Value) -> Result<Answer> {
    let pool = speaker.endpoint().pool();
    let response =
        pool.post(&Address::new(url), speaker.header_map()?, body.to_string().into()).await?;
    http::accept(response, false, S::failure_kind).await
}

/// What a call that takes only these fields takes of a body.
pub(super) fn only(body: Value, fields: &[&str]) -> Value {
    match body {
        Value::Object(mut body) => {
            body.retain(|name, _| fields.contains(&name.as_str()));
            Value::Object(body)
        }
        body => body,
    }
}

/// The address with another end of its path.
pub(super) fn with_end(mut url: Url, end: &str, other: &str) -> Url {
    let path = url.path().strip_suffix(end).unwrap_or(url.path());
    let path = format!("{path}{other}");
    url.set_path(&path);
    url
}
