//! Where the recordings are, and what to do with them.

use std::{
    env,
    path::{Path, PathBuf},
};

use alula_llm::{
    Anthropic, ChatRequest, ChatResponse, ChatStream, OpenAi, Provider, Result,
    providers::{anthropic, openai},
    testing::{Cassettes, Interaction, Outcome, canonical, check},
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

/// What is beside the calls of models: files and where they are searched, and conversations.
const BESIDE: [&str; 5] = [
    "/v1/conversations",
    "/v1/files",
    "/v1/vector_stores",
    "/v1beta/fileSearchStores",
    "/upload/v1beta/fileSearchStores",
];

/// Requests and answers are written as they were read, and streams add up however they are cut.
#[tokio::test]
async fn nothing_of_a_recorded_call_is_lost() {
    let Some(root) = root() else { return };
    let mut passed = 0;
    for call in Cassettes::load(root).unwrap().iter() {
        match check(call).await {
            Outcome::Passed => passed += 1,
            Outcome::Failed(loss) => panic!("{}: {loss}", call.file.display()),
            _ => {
                let is_known = BESIDE.iter().any(|path| call.path.starts_with(path));
                assert!(is_known, "{} {} is not checked", call.method, call.path);
            }
        }
    }
    assert!(passed >= 131, "{passed} calls only");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OpenAi,
    Anthropic,
}

/// Runs `check` on each recorded provider call; without recordings it says so and does nothing.
pub(crate) fn each(check: impl Fn(Kind, &Interaction)) {
    let Some(root) = root() else { return };
    let folders = [("openai-chat", Kind::OpenAi, 14), ("anthropic", Kind::Anthropic, 17)];
    for (folder, kind, at_least) in folders {
        let cassettes = Cassettes::load(root.join(folder)).unwrap();
        let calls: Vec<_> = cassettes.iter().collect();
        assert!(calls.len() >= at_least, "{folder} has {} calls only", calls.len());
        for call in calls {
            check(kind, call);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration to read")]
pub(crate) fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let root = env::var_os("ALULA_RECORDINGS").map_or(beside, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: there are no recordings at {} (set ALULA_RECORDINGS)", root.display());
    None
}

impl Kind {
    pub(crate) fn read_request(self, body: Value) -> Result<ChatRequest> {
        match self {
            Self::OpenAi => openai::request_from_json(body),
            Self::Anthropic => anthropic::request_from_json(body),
        }
    }

    pub(crate) fn write_request(self, request: &ChatRequest, stream: bool) -> Result<Value> {
        match self {
            Self::OpenAi => OpenAi::new("k").request_json(request, stream),
            Self::Anthropic => Anthropic::new("k").request_json(request, stream),
        }
    }

    pub(crate) fn read_response(self, body: Value) -> Result<ChatResponse> {
        match self {
            Self::OpenAi => openai::response_from_json(body),
            Self::Anthropic => anthropic::response_from_json(body),
        }
    }

    pub(crate) fn write_response(self, response: &ChatResponse) -> Result<Value> {
        match self {
            Self::OpenAi => openai::response_to_json(response),
            Self::Anthropic => anthropic::response_to_json(response),
        }
    }

    pub(crate) fn read_stream(self, chunks: Vec<Bytes>) -> ChatStream {
        let bytes = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
        match self {
            Self::OpenAi => openai::decode_stream(bytes),
            Self::Anthropic => anthropic::decode_stream(bytes),
        }
    }

    pub(crate) fn provider(self, base_url: &str) -> Box<dyn Provider> {
        match self {
            Self::OpenAi => Box::new(OpenAi::new("sk-canary").base_url(base_url)),
            Self::Anthropic => Box::new(Anthropic::new("sk-canary").base_url(base_url)),
        }
    }
}

#[track_caller]
pub(crate) fn assert_same_json(got: &Value, expected: &Value, what: &Interaction) {
    let file = what.file.display();
    assert_eq!(canonical(got), canonical(expected), "{file}");
}
