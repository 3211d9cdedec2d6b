//! Turning inputs into vectors, by as many calls as it takes.

use std::{mem, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Llm,
    ask::{Ask, Asked},
    call::{Attempts, Failed, aim, is_over, no_targets, own_time, passed_on},
    route::Target,
};
use crate::{
    ChatRequest, EmbedLimits, EmbedRequest, EmbedResponse, Provider, Result, Usage,
    deadline::Watch,
    estimate,
    model::{EmbedInput, Extra},
    observe::Call,
    providers::vector,
    resilience::Tokens,
};

/// How many calls of one request may be on their way at once.
const CALLS_AT_ONCE: usize = 4;

/// A call for vectors.
enum Embedding {}

impl Ask for Embedding {
    type Request = EmbedRequest;
    type Answer = EmbedResponse;
    const OPERATION: &'static str = "embeddings";
    const STREAMS: bool = false;

    async fn ask(
        provider: &dyn Provider,
        request: &EmbedRequest,
        watch: Watch,
    ) -> Result<EmbedResponse> {
        let answer = watch.whole(provider.name(), provider.embed(request)).await?;
        let checked = vector::check_answer(request, &answer);
        checked.map_err(|error| error.with_provider(provider.name()))?;
        Ok(answer)
    }
}

impl Asked for EmbedRequest {
    fn model(&self) -> &str {
        &self.model
    }

    fn ask_for(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    fn tokens(&self) -> Tokens {
        let prompt = self.inputs.iter().map(estimate::input).fold(0, u64::saturating_add);
        Tokens { prompt, answer: 0 }
    }

    fn as_chat(&self) -> Option<&ChatRequest> {
        None
    }
}

/// Asks the targets of the request's model, one after the other, until one has given all vectors:
/// those of different models have nothing to do with each other.
pub(super) async fn run(
    llm: &Llm,
    request: EmbedRequest,
    within: Duration,
) -> Result<EmbedResponse> {
    let call = Call::begin(llm.told(), Embedding::OPERATION, &request.model, false);
    let answered = ask(llm, request, within, &call).await;
    match &answered {
        Ok(answer) => call.answered(answer),
        Err(error) => call.failed(error),
    }
    answered
}

async fn ask(
    llm: &Llm,
    mut request: EmbedRequest,
    within: Duration,
    call: &Call,
) -> Result<EmbedResponse> {
    let inner = &*llm.inner;
    vector::check_inputs(&request)?;
    let mut failure = None;
    let total = inner.deadlines.total.min(within);
    let ends = Instant::now().checked_add(total);
    let mut targets = inner.targets(&request.model)?.into_iter();
    while let Some(target) = targets.next() {
        if failure.is_some() && is_over(ends) {
            break;
        }
        request.ask_for(&target.model);
        aim(inner, call, &target, &request);
        let limits = inner.providers.get(target.provider);
        let limits = limits.map(|it| it.provider.embed_limits(&target.model)).unwrap_or_default();
        let batches = divide(&mut request, limits);
        let (deadlines, own) = own_time::<Embedding>(inner, &target, targets.as_slice());
        let attempts = Attempts::new(llm, ends, (deadlines.total(total), own), call);
        match all(&attempts, &target, &batches).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failure = Some(passed_on(&target, error)?),
        }
        request.inputs = batches.into_iter().flat_map(|batch| batch.inputs).collect();
    }
    Err(failure.unwrap_or_else(no_targets))
}

/// Takes the inputs into requests of which each keeps to the limits. A single input that does not
/// is for the provider to judge.
fn divide(request: &mut EmbedRequest, limits: EmbedLimits) -> Vec<EmbedRequest> {
    let mut inputs = mem::take(&mut request.inputs).into_iter().peekable();
    let mut batches = Vec::new();
    while let Some(first) = inputs.next() {
        let mut tokens = at_most(&first);
        let mut batch = vec![first];
        while batch.len() < limits.inputs
            && let Some(next) = inputs.next_if(|next| {
                tokens = tokens.saturating_add(at_most(next));
                tokens <= limits.tokens
            })
        {
            batch.push(next);
        }
        batches.push(EmbedRequest { inputs: batch, ..request.clone() });
    }
    batches
}

/// The tokens of an input, rather more than fewer: an estimate may be too low by half.
fn at_most(input: &EmbedInput) -> u64 {
    estimate::input(input).saturating_mul(2)
}

async fn one(
    attempts: &Attempts<'_>,
    target: &Target,
    batch: &EmbedRequest,
    slot: &mut Option<EmbedResponse>,
) -> Result<(), Failed> {
    let (answer, passage) = attempts.again::<Embedding>(target, batch).await?;
    passage.used(answer.usage.as_ref().map(Usage::total));
    *slot = Some(answer);
    Ok(())
}

/// Asks for all vectors at one target, which for its breaker is one call. The first that fails
/// ends the others.
async fn all(
    attempts: &Attempts<'_>,
    target: &Target,
    batches: &[EmbedRequest],
) -> Result<EmbedResponse> {
    let admission = attempts.admit(target).await?;
    let mut answers: Vec<Option<EmbedResponse>> = vec![None; batches.len()];
    let calls = batches.iter().zip(&mut answers);
    // Boxed, as the compiler cannot tell of the futures of a closure that they may be sent.
    let calls: Vec<_> =
        calls.map(|(batch, answer)| one(attempts, target, batch, answer).boxed()).collect();
    let mut calls = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
    while let Some(done) = calls.next().await {
        if let Err(failed) = done {
            return Err(failed.tell(admission));
        }
    }
    drop(calls);
    admission.succeeded();
    let mut answers = answers.into_iter().flatten();
    let first = answers.next().ok_or_else(no_targets)?;
    answers.try_fold(first, joined)
}

/// Adds the answer of another call. What is said about a call as a whole is that of the first;
/// what all of them used is known only if each says it.
fn joined(mut answer: EmbedResponse, next: EmbedResponse) -> Result<EmbedResponse> {
    let (here, more) = (answer.vectors.len(), next.vectors.len());
    answer.vectors.append(next.vectors)?;
    if !(answer.beside.is_empty() && next.beside.is_empty()) {
        answer.beside.resize(here, Extra::new());
        answer.beside.extend(next.beside);
        answer.beside.resize(here + more, Extra::new());
    }
    answer.usage = answer.usage.zip(next.usage).map(|(usage, next)| added(usage, next));
    Ok(answer)
}

/// The usage of two calls together.
fn added(usage: Usage, next: Usage) -> Usage {
    let both = |here: Option<u64>, more: Option<u64>| Some(here?.saturating_add(more?));
    let total = usage.total.is_some() || next.total.is_some();
    Usage {
        input: usage.input.saturating_add(next.input),
        output: usage.output.saturating_add(next.output),
        total: total.then(|| usage.total().saturating_add(next.total())),
        cache_read: both(usage.cache_read, next.cache_read),
        cache_read_audio: both(usage.cache_read_audio, next.cache_read_audio),
        cache_write: both(usage.cache_write, next.cache_write),
        cache_write_hour: both(usage.cache_write_hour, next.cache_write_hour),
        reasoning: both(usage.reasoning, next.reasoning),
        audio_input: both(usage.audio_input, next.audio_input),
        audio_output: both(usage.audio_output, next.audio_output),
        image_input: both(usage.image_input, next.image_input),
        image_output: both(usage.image_output, next.image_output),
        searches: both(usage.searches, next.searches),
        extra: both_extra(usage.extra, next.extra),
    }
}

/// The numbers that both have, such as the price, together, and what else the first has.
fn both_extra(here: Extra, mut more: Extra) -> Extra {
    let fields = here.into_iter().filter_map(|(name, value)| {
        let more = more.remove(&name).unwrap_or_default();
        let value = match (value, more) {
            (Value::Number(a), Value::Number(b)) => match a.as_u64().zip(b.as_u64()) {
                Some((a, b)) => a.saturating_add(b).into(),
                None => (a.as_f64()? + b.as_f64()?).into(),
            },
            (Value::Number(_) | Value::Null, _) => return None,
            (Value::Object(a), Value::Object(b)) => Value::Object(both_extra(a, b)),
            (Value::Object(a), _) => Value::Object(both_extra(a, Extra::new())),
            (value, _) => value,
        };
        Some((name, value))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    /// How texts of so many words are divided.
    fn sizes(texts: &[usize], inputs: usize, tokens: u64) -> Vec<usize> {
        let mut request = EmbedRequest::new("m").texts(texts.iter().map(|it| "word ".repeat(*it)));
        let batches = divide(&mut request, EmbedLimits { inputs, tokens });
        assert_eq!(batches.iter().flat_map(|it| &it.inputs).count(), texts.len());
        batches.iter().map(|batch| batch.inputs.len()).collect()
    }

    #[test]
    fn inputs_are_divided_by_both_limits() {
        assert_eq!(sizes(&[1; 5], 2, 1000), [2, 2, 1]);
        assert_eq!(sizes(&[10; 5], 100, 50), [2, 2, 1]);
        assert_eq!(sizes(&[1, 1000, 1, 1], 100, 50), [1, 1, 2]);
        assert_eq!(sizes(&[1; 3], 0, 0), [1, 1, 1]);
    }

    /// What two calls have used of which the provider says this.
    fn together(here: Value, more: Value) -> Value {
        let usage = |extra| match extra {
            Value::Object(extra) => Usage { extra, ..Usage::default() },
            other => panic!("{other}"),
        };
        Value::Object(added(usage(here), usage(more)).extra)
    }

    #[test]
    fn usage_is_added_up() {
        let usage = |input, total, known: Option<u64>| Usage {
            input,
            total,
            cache_read: known,
            image_input: known,
            searches: known,
            ..Usage::default()
        };
        let both = added(usage(1, Some(1), Some(3)), usage(2, None, Some(4)));
        assert_eq!(both, usage(3, Some(3), Some(7)));
        let both = added(usage(1, None, Some(3)), usage(2, None, None));
        assert_eq!(both, usage(3, None, None));
        assert_eq!(
            together(json!({"cost": 0.5, "n": 1}), json!({"cost": 0.25, "n": 2})),
            json!({"cost": 0.75, "n": 3})
        );
    }

    #[test]
    fn a_part_is_not_told_as_the_whole() {
        let (priced, silent) = (json!({"cost": 0.5, "tier": "x"}), json!({"tier": "x"}));
        assert_eq!(together(priced.clone(), silent.clone()), silent);
        assert_eq!(together(silent.clone(), priced.clone()), silent);
        assert_eq!(
            together(json!({"details": priced}), json!({"details": silent})),
            json!({"details": silent})
        );
        let answer = |usage| EmbedResponse { usage, ..EmbedResponse::default() };
        for (here, more) in [(Some(Usage::default()), None), (None, Some(Usage::default()))] {
            assert_eq!(joined(answer(here), answer(more)).unwrap().usage, None);
        }
    }

    #[test]
    fn answers_are_joined_in_order() {
        let answer = |value: f32, beside: usize| {
            let mut answer = EmbedResponse::default();
            answer.vectors.push(&[value]).unwrap();
            answer.beside = vec![[("new".to_owned(), value.into())].into_iter().collect(); beside];
            answer
        };
        let both = joined(answer(1.0, 0), answer(2.0, 1)).unwrap();
        assert_eq!(both.vectors.as_slice(), [1.0, 2.0]);
        assert!(both.beside[0].is_empty() && both.beside[1]["new"] == 2.0);
        assert_eq!(joined(both, answer(3.0, 0)).unwrap().beside.len(), 3);
        let mut longer = EmbedResponse::default();
        longer.vectors.push(&[1.0, 2.0]).unwrap();
        let error = joined(answer(1.0, 0), longer).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Decode);
    }
}
