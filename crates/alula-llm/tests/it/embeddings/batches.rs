//! A request that is too much for one call.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alula_llm::{
    ChatRequest, ChatResponse, ChatStream, EmbedLimits, EmbedRequest, EmbedResponse, Error,
    ErrorKind, Llm, Phase, Provider, RateLimit, Result, RetryPolicy, Route, Usage,
    model::EmbedContent,
};
use futures_util::{FutureExt, future::BoxFuture, stream};
use tokio::time::{Instant, sleep};

/// Turns `"7"` into a vector with a 7, and does otherwise as it is told.
#[derive(Debug, Clone)]
struct Numbers {
    name: &'static str,
    /// The mark of this provider in its vectors.
    mark: f32,
    /// What it fails with, at the text of this number, so many times.
    failures: Arc<Mutex<(u16, usize, ErrorKind)>>,
    calls: Arc<Mutex<Vec<usize>>>,
    /// How many calls are on their way, and the most there were.
    at_once: Arc<Mutex<(usize, usize)>>,
    /// How many calls came to their end.
    ended: Arc<Mutex<usize>>,
}

impl Numbers {
    fn new(name: &'static str, mark: f32) -> Self {
        Self {
            name,
            mark,
            failures: Arc::new(Mutex::new((0, 0, ErrorKind::Unavailable))),
            calls: Arc::default(),
            at_once: Arc::default(),
            ended: Arc::default(),
        }
    }

    fn failing(self, number: u16, times: usize, kind: ErrorKind) -> Self {
        *self.failures.lock().unwrap() = (number, times, kind);
        self
    }

    fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().clone()
    }

    async fn answer(&self, request: &EmbedRequest) -> Result<EmbedResponse> {
        self.calls.lock().unwrap().push(request.inputs.len());
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let mut answer = EmbedResponse { model: self.name.to_owned(), ..EmbedResponse::default() };
        let mut fails = None;
        let mut numbers = Vec::new();
        for input in &request.inputs {
            let EmbedContent::Text(text) = &input.content else { continue };
            let number: u16 = text.parse().unwrap();
            numbers.push(number);
            let mut failures = self.failures.lock().unwrap();
            if failures.1 > 0 && failures.0 == number {
                failures.1 -= 1;
                fails = Some(failures.2.clone());
            }
            answer.vectors.push(&[number.into(), self.mark])?;
        }
        if let Some(kind) = fails {
            self.at_once.lock().unwrap().0 -= 1;
            return Err(Error::new(kind, "as told"));
        }
        // Later calls answer first.
        sleep(Duration::from_millis(u64::from(1000 - numbers[0]))).await;
        self.at_once.lock().unwrap().0 -= 1;
        *self.ended.lock().unwrap() += 1;
        let input = request.inputs.len() as u64;
        answer.usage = Some(Usage { input, total: Some(input), ..Usage::default() });
        Ok(answer)
    }
}

impl Provider for Numbers {
    fn name(&self) -> &str {
        self.name
    }

    fn chat<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async { Ok(ChatResponse::default()) }.boxed()
    }

    fn stream<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        async { Ok(ChatStream::new(stream::empty())) }.boxed()
    }

    fn embed<'a>(&'a self, request: &'a EmbedRequest) -> BoxFuture<'a, Result<EmbedResponse>> {
        self.answer(request).boxed()
    }

    fn embed_limits(&self, _: &str) -> EmbedLimits {
        EmbedLimits::default().inputs(3).tokens(1000)
    }
}

fn many(model: &str, count: u16) -> EmbedRequest {
    EmbedRequest::new(model).texts((0..count).map(|number| number.to_string()))
}

fn llm(provider: &Numbers) -> Llm {
    Llm::builder().provider(provider.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn vectors_come_in_the_order_of_their_inputs() {
    let numbers = Numbers::new("a", 1.0);
    let answer = llm(&numbers).embed(many("m", 31)).await.unwrap();
    let expected: Vec<f32> = (0..31_u8).flat_map(|number| [number.into(), 1.0]).collect();
    assert_eq!(answer.vectors.as_slice(), expected);
    assert_eq!(answer.usage.unwrap().total, Some(31));
    assert_eq!(numbers.calls(), [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1]);
    assert_eq!(numbers.at_once.lock().unwrap().1, 4);
}

#[tokio::test(start_paused = true)]
async fn one_call_is_tried_again_alone() {
    let numbers = Numbers::new("a", 1.0).failing(4, 1, ErrorKind::Unavailable);
    let answer = llm(&numbers).embed(many("m", 9)).await.unwrap();
    assert_eq!(answer.vectors.len(), 9);
    assert_eq!(numbers.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_the_others() {
    let numbers = Numbers::new("a", 1.0).failing(4, 1, ErrorKind::InvalidRequest);
    let started = Instant::now();
    let error = llm(&numbers).embed(many("m", 30)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(*numbers.ended.lock().unwrap(), 0);
    assert!(numbers.calls().len() <= 4);
}

/// Half of the vectors of one model and half of another one would be worth nothing.
#[tokio::test(start_paused = true)]
async fn all_vectors_are_from_one_target() {
    let first = Numbers::new("a", 1.0).failing(20, usize::MAX, ErrorKind::Unavailable);
    let second = Numbers::new("b", 2.0);
    let llm = Llm::builder()
        .provider(first.clone())
        .provider(second.clone())
        .route("r", Route::to("a/m").fallback("b/m"))
        .retry(RetryPolicy::default().attempts(1))
        .build()
        .unwrap();
    let answer = llm.embed(many("r", 21)).await.unwrap();
    assert!(*first.ended.lock().unwrap() > 0);
    let expected: Vec<f32> = (0..21_u8).flat_map(|number| [number.into(), 2.0]).collect();
    assert_eq!((answer.vectors.as_slice(), answer.model.as_str()), (&expected[..], "b"));
    assert_eq!(answer.usage.unwrap().input, 21);
}

#[tokio::test(start_paused = true)]
async fn each_call_is_held_to_the_limits_of_its_provider() {
    let numbers = Numbers::new("a", 1.0);
    let llm = Llm::builder()
        .provider(numbers.clone())
        .rate_limit("a", RateLimit::default().requests(2).wait_max(Duration::from_secs(600)))
        .concurrency("a", 1)
        .build()
        .unwrap();
    let started = Instant::now();
    assert_eq!(llm.embed(many("m", 12)).await.unwrap().vectors.len(), 12);
    assert_eq!(numbers.at_once.lock().unwrap().1, 1);
    assert!(started.elapsed() >= Duration::from_secs(60));
}

/// Whoever waits less than the total leaves a call that has failed, and not one that nobody ended.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_too_slow_for_its_callers_is_not_asked_any_more() {
    let numbers = Numbers::new("a", 1.0);
    let llm = llm(&numbers);
    let within = Duration::from_millis(100);
    for _ in 0..3 {
        let started = Instant::now();
        let error = llm.embed_within(many("m", 1), within).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout { phase: Phase::Total });
        assert!(error.message().contains("100ms"), "{error}");
        assert_eq!(started.elapsed(), within);
    }
    let started = Instant::now();
    llm.embed_within(many("m", 1), within).await.unwrap_err();
    assert_eq!((started.elapsed(), numbers.calls().len()), (Duration::ZERO, 3));
    // Who waits long enough closes it again.
    sleep(Duration::from_secs(60)).await;
    assert_eq!(llm.embed(many("m", 1)).await.unwrap().vectors.len(), 1);
    llm.embed_within(many("m", 1), Duration::from_secs(2)).await.unwrap();
}

#[tokio::test]
async fn nothing_is_asked_for_nothing() {
    let numbers = Numbers::new("a", 1.0);
    for (request, message) in [
        (EmbedRequest::new("m"), "input: there is nothing to turn into a vector"),
        (EmbedRequest::new("m").texts(["1", ""]), "input[1]: it is empty"),
    ] {
        let error = llm(&numbers).embed(request).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::InvalidRequest, message));
    }
    assert!(numbers.calls().is_empty());
}
