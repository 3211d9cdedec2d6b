//! How likely the tokens of an answer were, in the form of another provider.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::model::fields::object;

/// The probabilities as OpenAI writes them, if they are of tokens that have a text.
pub(super) fn to_openai(logprobs: &Value) -> Option<Cow<'_, Value>> {
    // OpenAI's two formats have the same form.
    if logprobs.get("content").is_some() {
        return Some(Cow::Borrowed(logprobs));
    }
    let chosen = logprobs.get("chosenCandidates")?.as_array()?;
    let top = logprobs.get("topCandidates").and_then(Value::as_array);
    let others = |place: usize| top?.get(place)?.get("candidates")?.as_array();
    let tokens = chosen.iter().enumerate().map(|(place, chosen)| {
        let others = others(place).into_iter().flatten();
        let mut token = token_of_gemini(chosen);
        token.insert("top_logprobs".to_owned(), others.map(token_of_gemini).collect());
        Value::Object(token)
    });
    Some(Cow::Owned(json!({"content": tokens.collect::<Value>(), "refusal": null})))
}

fn token_of_gemini(candidate: &Value) -> Map<String, Value> {
    let token = candidate.get("token").and_then(Value::as_str).unwrap_or_default();
    let logprob = candidate.get("logProbability").cloned().unwrap_or_default();
    object([("token", token.into()), ("logprob", logprob), ("bytes", token.as_bytes().into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geminis_tokens_are_told_in_openais_words() {
        let token = json!({"token": "é", "tokenId": 7, "logProbability": -0.5});
        let gemini = json!({
            "chosenCandidates": [token],
            "topCandidates": [{"candidates": [token, {"token": "a", "logProbability": -2.0}]}],
        });
        let written = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
        let mut expected = written("é", -0.5);
        expected["top_logprobs"] = json!([written("é", -0.5), written("a", -2.0)]);
        let expected = json!({"content": [expected], "refusal": null});
        assert_eq!(*to_openai(&gemini).unwrap(), expected);
        assert_eq!(*to_openai(&expected).unwrap(), expected);
    }

    #[test]
    fn tokens_without_a_text_are_left_out() {
        for other in [json!([{"token_ids": [1], "logprobs": [-0.5]}]), json!({}), Value::Null] {
            assert_eq!(to_openai(&other), None);
        }
    }
}
