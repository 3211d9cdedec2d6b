use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Url;
use serde_json::{Map, Value};

use super::{
    canonical_request,
    diff::{Difference, differences},
    request::simplified,
    yaml,
};
use crate::model::{EmbedProtocol, Protocol};

/// Where Vertex AI has a text to turn into a vector; other models have other inputs there.
const INSTANCE: &str = "/instances/0/content";

/// Recordings of provider calls, found by what was asked.
///
/// They are the YAML files of VCR.py. A call matches by method, path and JSON body, where it makes
/// no difference how the same request is spelled (see
/// [`canonical_request`](super::canonical_request)); the query string, the host and the headers
/// take no part. Recordings of the same call are served in their order, and the last of them again
/// and again.
///
/// ```no_run
/// use alula_llm::testing::Cassettes;
/// use serde_json::json;
///
/// let cassettes = Cassettes::load("recordings")?;
/// let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
/// match cassettes.find("POST", "/v1/chat/completions", &body) {
///     Ok(recorded) => println!("{}", recorded.status),
///     Err(miss) => println!("{miss}"),
/// }
/// # Ok::<(), alula_llm::testing::LoadError>(())
/// ```
#[derive(Debug, Default)]
pub struct Cassettes {
    interactions: Vec<Interaction>,
    groups: HashMap<String, Group>,
}

/// A recorded call and its answer.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// The file it is from.
    pub file: PathBuf,
    /// The method, in capitals.
    pub method: String,
    /// The host that was called.
    pub host: String,
    /// The path that was called.
    pub path: String,
    /// The query string, without its question mark.
    pub query: Option<String>,
    /// The JSON that was sent.
    pub request: Value,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of the answer.
    pub body: Bytes,
}

/// Recordings of the same call.
#[derive(Debug, Default)]
struct Group {
    interactions: Vec<usize>,
    served: AtomicUsize,
}

/// A call that is not among the recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// The call, as `METHOD /path`.
    pub call: String,
    /// The file of the recording that comes nearest.
    pub nearest: Option<PathBuf>,
    /// Where the call differs from it, at most ten places.
    pub differences: Vec<Difference>,
}

/// A folder or file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LoadError {
    /// Which one.
    pub path: PathBuf,
    reason: String,
}

impl Cassettes {
    /// Reads every `.yaml` and `.yml` file below `dir`.
    ///
    /// Interactions without a JSON body, such as a download between two calls, are left out.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the folder or one of the files cannot be read.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        let mut files = Vec::new();
        collect_files(dir.as_ref(), &mut files)?;
        files.sort();
        let mut cassettes = Self::default();
        for file in files {
            let text = fs::read_to_string(&file).map_err(|error| failed(&file, error))?;
            let value = yaml::parse(&text).map_err(|error| failed(&file, error))?;
            let list = value.get("interactions").and_then(Value::as_array);
            let list = list.ok_or_else(|| failed(&file, "it has no list of interactions"))?;
            list.iter().filter_map(|it| interaction(&file, it)).for_each(|it| cassettes.add(it));
        }
        Ok(cassettes)
    }

    /// Adds a recording after those that are there.
    pub fn add(&mut self, interaction: Interaction) {
        let key = key(&interaction.method, &interaction.path, &interaction.request);
        self.groups.entry(key).or_default().interactions.push(self.interactions.len());
        self.interactions.push(interaction);
    }

    /// The next recording of this call.
    ///
    /// # Errors
    ///
    /// [`Miss`] when there is none; it names the nearest one and what differs.
    pub fn find(&self, method: &str, path: &str, body: &Value) -> Result<&Interaction, Miss> {
        let path = path.split('?').next().unwrap_or_default();
        let found = self.groups.get(&key(method, path, body)).and_then(|group| {
            let last = group.interactions.len().checked_sub(1)?;
            let turn = group.served.fetch_add(1, Ordering::Relaxed).min(last);
            self.interactions.get(*group.interactions.get(turn)?)
        });
        found.ok_or_else(|| self.miss(method, path, body))
    }

    /// How many recordings there are.
    pub fn len(&self) -> usize {
        self.interactions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.interactions.is_empty()
    }

    /// All recordings, sorted by file.
    pub fn iter(&self) -> impl Iterator<Item = &Interaction> {
        self.interactions.iter()
    }

    /// The recordings that no call has asked for.
    pub fn unused(&self) -> impl Iterator<Item = &Interaction> {
        let unused = self.groups.values().flat_map(|group| {
            let served = group.served.load(Ordering::Relaxed);
            group.interactions.iter().skip(served)
        });
        let mut unused: Vec<usize> = unused.copied().collect();
        unused.sort_unstable();
        unused.into_iter().filter_map(|index| self.interactions.get(index))
    }

    fn miss(&self, method: &str, path: &str, body: &Value) -> Miss {
        const DIFFERENCES_MAX: usize = 10;
        let body = simplified(body);
        let same_path =
            self.interactions.iter().filter(|it| it.method == method && it.path == path);
        let compared = same_path.map(|it| (it, differences(&simplified(&it.request), &body, 1000)));
        let nearest = compared.min_by_key(|(_, differences)| differences.len());
        let (nearest, mut differences) = nearest
            .map(|(it, differences)| (Some(it.file.clone()), differences))
            .unwrap_or_default();
        differences.truncate(DIFFERENCES_MAX);
        Miss { call: format!("{method} {path}"), nearest, differences }
    }
}

impl Interaction {
    /// The wire format of the call, if it is one that this crate speaks.
    ///
    /// It goes by the path, which servers that are compatible keep the end of.
    pub fn protocol(&self) -> Option<Protocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/chat/completions") => Some(Protocol::OpenAiChat),
            path if path.ends_with("/v1/messages") => Some(Protocol::AnthropicMessages),
            path if path.ends_with("/responses") => Some(Protocol::OpenAiResponses),
            path if path.ends_with(":generateContent") => Some(Protocol::GeminiGenerate),
            path if path.ends_with(":streamGenerateContent") => Some(Protocol::GeminiGenerate),
            path if path.ends_with("/v2/chat") => Some(Protocol::CohereChat),
            _ => None,
        }
    }

    /// The wire format of a call for vectors, if it is one that this crate speaks.
    pub fn embed_protocol(&self) -> Option<EmbedProtocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/embeddings") => Some(EmbedProtocol::OpenAi),
            path if path.ends_with(":batchEmbedContents") => Some(EmbedProtocol::Gemini),
            path if path.ends_with(":embedContent") => Some(EmbedProtocol::Gemini),
            path if path.ends_with(":predict") && self.request.pointer(INSTANCE).is_some() => {
                Some(EmbedProtocol::Vertex)
            }
            path if path.ends_with("/v2/embed") => Some(EmbedProtocol::Cohere),
            _ => None,
        }
    }

    /// The wire format of a call that counts tokens, if it is one that this crate speaks.
    pub fn count_protocol(&self) -> Option<Protocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/v1/messages/count_tokens") => {
                Some(Protocol::AnthropicMessages)
            }
            path if path.ends_with("/responses/input_tokens") => Some(Protocol::OpenAiResponses),
            path if path.ends_with(":countTokens") => Some(Protocol::GeminiGenerate),
            _ => None,
        }
    }

    /// Whether the answer is a stream of server-sent events.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|it| it.starts_with("text/event-stream"))
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(nearest) = &self.nearest else {
            return write!(f, "there is no recording of {}", self.call);
        };
        write!(f, "no recording of {} matches; the nearest is {}", self.call, nearest.display())?;
        for difference in &self.differences {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}

impl StdError for Miss {}

fn key(method: &str, path: &str, body: &Value) -> String {
    format!("{method} {path} {}", canonical_request(body))
}

fn collect_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let read = |error: io::Error| failed(dir, error);
    for entry in fs::read_dir(dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn failed(path: &Path, reason: impl fmt::Display) -> LoadError {
    LoadError { path: path.to_owned(), reason: reason.to_string() }
}

/// Reads an interaction; `None` for one without a JSON body.
fn interaction(file: &Path, value: &Value) -> Option<Interaction> {
    let request = value.get("request")?;
    let response = value.get("response")?;
    let url = Url::parse(request.get("uri")?.as_str()?).ok()?;
    let status = response.get("status")?;
    let status = status.get("code").unwrap_or(status).as_u64()?;
    Some(Interaction {
        file: file.to_owned(),
        method: request.get("method")?.as_str()?.to_ascii_uppercase(),
        host: url.host_str().unwrap_or_default().to_owned(),
        path: url.path().to_owned(),
        query: url.query().map(str::to_owned),
        request: json_body(request)?,
        status: status.try_into().ok()?,
        headers: response.get("headers").and_then(Value::as_object).map(headers)?,
        body: body(response)?,
    })
}

/// The body of a request, which is JSON parsed or as text.
fn json_body(request: &Value) -> Option<Value> {
    match parsed_body(request) {
        Some(body) => Some(body.clone()),
        None => serde_json::from_slice(&body(request)?).ok(),
    }
}

/// A body that is JSON already: in a place of its own, or with its type beside it.
fn parsed_body(message: &Value) -> Option<&Value> {
    let typed = || {
        let body = message.get("body")?;
        (body.get("type")? == "json").then(|| body.get("content"))?
    };
    message.get("parsed_body").or_else(typed)
}

fn body(message: &Value) -> Option<Bytes> {
    if let Some(body) = parsed_body(message) {
        return Some(body.to_string().into());
    }
    let body = message.get("body")?;
    // A request has the text itself, a response puts it under `string`, and newer recorders put
    // both under `content`.
    let body = body.get("string").or_else(|| body.get("content")).unwrap_or(body);
    match body.get(yaml::BINARY) {
        Some(data) => STANDARD.decode(data.as_str()?).ok().map(Bytes::from),
        None => Some(body.as_str()?.to_owned().into()),
    }
}

fn headers(headers: &Map<String, Value>) -> Vec<(String, String)> {
    let mut list = Vec::with_capacity(headers.len());
    for (name, values) in headers {
        let values = match values {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values.into_iter().filter_map(Value::as_str) {
            list.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(file: &str, request: Value, status: u16) -> Interaction {
        Interaction {
            file: file.into(),
            method: "POST".to_owned(),
            host: "x.example".to_owned(),
            path: "/v1/x".to_owned(),
            query: None,
            request,
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    fn cassettes() -> Cassettes {
        let mut cassettes = Cassettes::default();
        for (file, temperature, status) in [("a", 1, 200), ("b", 2, 200), ("c", 1, 429)] {
            let request = json!({"model": "m", "temperature": temperature});
            cassettes.add(recorded(file, request, status));
        }
        cassettes
    }

    #[test]
    fn equal_calls_are_served_in_order_and_the_last_repeats() {
        let cassettes = cassettes();
        let body = json!({"temperature": 1.0, "model": "m", "stream": false});
        let statuses: Vec<u16> = (0..3)
            .map(|_| cassettes.find("POST", "/v1/x?beta=true", &body).unwrap().status)
            .collect();
        assert_eq!(statuses, [200, 429, 429]);
        let unused: Vec<_> = cassettes.unused().map(|it| it.file.to_str().unwrap()).collect();
        assert_eq!(unused, ["b"]);
    }

    #[test]
    fn a_miss_names_the_nearest_recording_and_what_differs() {
        let cassettes = cassettes();
        let body = json!({"model": "m", "temperature": 2, "seed": 3, "stream": false});
        let miss = cassettes.find("POST", "/v1/x", &body).unwrap_err();
        assert_eq!(
            miss.to_string(),
            "no recording of POST /v1/x matches; the nearest is b\n  /seed: expected nothing, got 3"
        );
        let miss = cassettes.find("GET", "/v1/x", &body).unwrap_err();
        assert_eq!(miss.to_string(), "there is no recording of GET /v1/x");
    }
}
