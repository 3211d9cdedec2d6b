//! Calls that are no chats, for vectors and for a count of tokens: the same faults.

use alula_llm::{
    EmbedRequest, Error, ErrorKind, Http, Llm, Phase,
    testing::{FakeProvider, Fault},
};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout};

use super::{
    AT_ONCE, Adapter, FAMILY, PATIENCE, PROTOCOLS,
    faults::{BRIEF, SECOND, SLACK, TRIES, at_its_time, expected, faults, limit},
    http, patient, request,
};

/// Who has no call for vectors.
const NO_VECTORS: [&str; 5] = ["Anthropic", "groq", "deepseek", "cerebras", "xai"];
/// Who counts tokens.
const COUNT: [&str; 4] = ["OpenAiResponses", "Anthropic", "Gemini", "Vertex AI"];

const TOKENS: u64 = 5;
const VECTOR: [f32; 2] = [0.5, -0.25];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Vectors,
    Count,
}

struct Case {
    adapter: Adapter,
    what: What,
    name: &'static str,
    fault: Fault,
    expected: String,
}

impl Case {
    fn new(adapter: Adapter, what: What, name: &'static str, fault: Fault) -> Self {
        let [whole, _] = expected(adapter, name);
        let expected = match fault {
            // It makes a text longer, and there is none.
            Fault::HugeLine(_) => "the answer".to_owned(),
            _ => whole,
        };
        Self { adapter, what, name, fault, expected }
    }

    /// What is wrong, if anything is.
    async fn run(&self, http: &Http) -> Option<String> {
        for _ in 0..TRIES {
            match self.try_once(http).await {
                Ok(true) => return None,
                // The machine may have been late and not the call, but not each time.
                Ok(false) => {}
                Err(failure) => {
                    let Self { adapter, what, name, .. } = self;
                    return Some(format!("{} {what:?} {name} {failure}", adapter.name));
                }
            }
        }
        Some(format!("{} {:?} {} ends too late", self.adapter.name, self.what, self.name))
    }

    /// Whether it ends in time, or what is wrong.
    async fn try_once(&self, http: &Http) -> Result<bool, String> {
        let deadlines = match self.expected.as_str() {
            "`Timeout` (Total)" => patient().total(BRIEF),
            _ => patient(),
        };
        let fake = FakeProvider::start().await;
        let turn = fake.always().embeds([VECTOR]).counts(TOKENS);
        turn.then(at_its_time(&self.fault));
        let llm = self.adapter.llm(&fake, http, deadlines);
        let started = Instant::now();
        let result = timeout(PATIENCE, self.call(&llm)).await.map_err(|_| "hangs")?;
        let took = started.elapsed();
        let found = outcome(&result);
        if found != self.expected {
            return Err(format!("gives {found}, expected {}: {result:?}", self.expected));
        }
        let Err(error) = result else { return Ok(true) };
        let timed_out = matches!(error.kind(), ErrorKind::Timeout { .. });
        let may_pass = error.is_retryable() && error.retry_after().is_none() && !timed_out;
        let (asked, attempts) = (fake.request_count(), 1 + usize::from(may_pass));
        if timed_out {
            let is_over = asked == 0 || timeout(SECOND, fake.disconnected()).await.is_ok();
            let limit = limit(deadlines, Phase::Total);
            return match is_over {
                true => Ok(asked == attempts && took <= limit + SLACK),
                false => Err("keeps the connection open".to_owned()),
            };
        }
        match asked == attempts {
            true => Ok(true),
            false => Err(format!("is asked {asked} times, not {attempts}")),
        }
    }

    /// Whether what came is what was said.
    async fn call(&self, llm: &Llm) -> Result<bool, Error> {
        match self.what {
            What::Vectors => {
                let answer = llm.embed(EmbedRequest::new("m").texts(["a"])).await?;
                Ok(answer.vectors.as_slice() == VECTOR)
            }
            What::Count => {
                let count = llm.count_tokens(request()).await?;
                Ok((count.tokens, count.exact) == (TOKENS, true))
            }
        }
    }
}

fn outcome(result: &Result<bool, Error>) -> String {
    match result.as_ref().map_err(Error::kind) {
        Ok(true) => "the answer".to_owned(),
        Ok(false) => "another answer".to_owned(),
        Err(ErrorKind::Timeout { phase }) => format!("`Timeout` ({phase:?})"),
        Err(kind) => {
            let kind = format!("{kind:?}");
            format!("`{}`", kind.split(' ').next().unwrap_or_default())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_and_counts_fail_as_it_is_documented() {
    let (http, faults) = (http(), faults());
    let adapters: Vec<Adapter> = PROTOCOLS.into_iter().chain(FAMILY).collect();
    let mut cases = Vec::new();
    for adapter in adapters {
        let vectors = (!NO_VECTORS.contains(&adapter.name)).then_some(What::Vectors);
        let count = COUNT.contains(&adapter.name).then_some(What::Count);
        for what in vectors.into_iter().chain(count) {
            let of = |(name, fault): &(&'static str, Fault)| {
                Case::new(adapter, what, name, fault.clone())
            };
            cases.extend(faults.iter().map(of));
        }
    }
    let failures = stream::iter(&cases).map(|case| case.run(&http));
    let failures: Vec<String> =
        failures.buffer_unordered(AT_ONCE).filter_map(|it| async { it }).collect().await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
