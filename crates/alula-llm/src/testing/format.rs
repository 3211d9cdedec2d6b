//! The lines of a cassette: a header, then each call and its answer.

use std::{collections::BTreeMap, ops::Range, path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Arrival, End, Interaction, LoadError,
    audit::Date,
    diff::{canonical, normal},
    media::{self, Media, Medium},
};

/// The version of the format that is read and written.
pub(super) const VERSION: u64 = 1;

/// What the bytes that are no text begin with.
const BASE64: &str = "b64:";

/// What a cassette says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) cassette: u64,
    /// The day of the oldest recording.
    pub(super) recorded: String,
    pub(super) recorder: String,
    /// The host that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_version: Option<String>,
    /// Values that look like secrets and are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Req(Req),
    Res(Res),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Req {
    method: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// A body that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Res {
    status: u16,
    headers: Vec<(String, String)>,
    chunks: Vec<Vec<Part>>,
    end: End,
}

/// Of a piece of a body: first the milliseconds since the headers, then what came, in one text
/// unless it begins or ends in the middle of a character, or has a medium in it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    After(u64),
    Bytes(String),
    Medium(Piece),
}

/// What of a medium came in a piece.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    medium: String,
    at: usize,
    length: usize,
}

/// What is read from a cassette.
pub(super) struct Loaded {
    pub(super) header: Header,
    pub(super) interactions: Vec<Interaction>,
    pub(super) media: Media,
}

/// Reads a whole cassette.
pub(super) fn read(file: &Path, text: &str) -> Result<Loaded, LoadError> {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let (first, number) = lines.next().ok_or_else(|| LoadError::new(file, "it is empty"))?;
    let header = read_header(first).map_err(|reason| LoadError::at(file, number, reason))?;
    let host = header.provider.clone().unwrap_or_default();
    let (mut interactions, mut media) = (Vec::new(), Media::default());
    let mut open: Option<(Req, usize)> = None;
    for (line, number) in lines {
        let failed = |reason: String| LoadError::at(file, number, reason);
        match (parse(line).map_err(failed)?, open.take()) {
            (Line::Req(req), None) => open = Some((req, number)),
            (Line::Req(_), Some((_, number))) => return Err(LoadError::at(file, number, NO_RES)),
            (Line::Res(_), None) => return Err(failed("a `res` without a `req` before it".into())),
            (Line::Res(res), Some((req, number))) => {
                let call = read_req(req, &mut media);
                let call = call.map_err(|reason| LoadError::at(file, number, reason))?;
                let call = Interaction { file: file.to_owned(), host: host.clone(), ..call };
                interactions.push(read_res(res, call, &mut media).map_err(failed)?);
            }
        }
    }
    match open {
        Some((_, number)) => Err(LoadError::at(file, number, NO_RES)),
        None => Ok(Loaded { header, interactions, media }),
    }
}

const NO_RES: &str = "a `req` without a `res` after it: the recording is not whole";

const NO_TIME: &str = "a chunk is not its time and then its texts";

fn read_header(line: &str) -> Result<Header, String> {
    let value: Value = parse(line)?;
    match value.get("cassette").map(Value::as_u64) {
        Some(Some(VERSION)) => {}
        Some(Some(version)) => {
            return Err(format!("its version is {version}, and {VERSION} is the one that is read"));
        }
        _ => return Err("it is no cassette: the first line has no `cassette` version".to_owned()),
    }
    let header: Header = serde_json::from_value(value).map_err(|error| error.to_string())?;
    match header.recorded.parse::<Date>() {
        Ok(_) => Ok(header),
        Err(_) => Err(format!("`recorded` is no date: {:?}", header.recorded)),
    }
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        // It would speak of line 1, since each line is a document of its own.
        let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason);
        format!("column {}: {reason}", error.column())
    })
}

fn read_req(req: Req, media: &mut Media) -> Result<Interaction, String> {
    let request_bytes = req.text.as_deref().map(bytes_of).transpose()?;
    let mut request = req.body.unwrap_or_default();
    if req.sha256 != checksum(&request, request_bytes.as_ref()) {
        return Err("the body is not the one of `sha256`: record the call again".to_owned());
    }
    media.restore(&mut request)?;
    Ok(Interaction {
        method: req.method,
        path: req.path,
        query: req.query,
        request_headers: req.headers.into_iter().collect(),
        request,
        request_bytes,
        ..Interaction::default()
    })
}

fn read_res(res: Res, call: Interaction, media: &mut Media) -> Result<Interaction, String> {
    let mut body = BytesMut::new();
    let mut arrivals = Vec::with_capacity(res.chunks.len());
    for chunk in res.chunks {
        let start = body.len();
        let mut parts = chunk.into_iter();
        let Some(Part::After(after)) = parts.next() else { return Err(NO_TIME.to_owned()) };
        for part in parts {
            match part {
                Part::Bytes(text) => body.extend_from_slice(&bytes_of(&text)?),
                Part::Medium(Piece { medium, at, length }) => {
                    let end = at.saturating_add(length);
                    body.extend_from_slice(media.piece(&medium, at..end)?);
                }
                Part::After(_) => return Err(NO_TIME.to_owned()),
            }
        }
        let bytes = body.len() - start;
        arrivals.push(Arrival { after: Duration::from_millis(after), bytes });
    }
    let (status, headers, end) = (res.status, res.headers, res.end);
    Ok(Interaction { status, headers, body: body.freeze(), arrivals, end, ..call })
}

/// Writes a whole cassette, in which media are set aside.
pub(super) fn write(
    header: &Header,
    interactions: &[Interaction],
    media: &Media,
) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(header)? + "\n";
    for interaction in interactions {
        text += &serde_json::to_string(&Line::Req(req(interaction, media)))?;
        text += "\n";
        text += &serde_json::to_string(&Line::Res(res(interaction, media)))?;
        text += "\n";
    }
    Ok(text)
}

fn req(interaction: &Interaction, media: &Media) -> Req {
    let bytes = interaction.request_bytes.as_ref();
    let has_json = bytes.is_none() && !interaction.request.is_null();
    let mut request = normal(&interaction.request);
    media.set_aside(&mut request);
    Req {
        method: interaction.method.clone(),
        path: interaction.path.clone(),
        query: interaction.query.clone(),
        headers: interaction.request_headers.iter().cloned().collect(),
        sha256: checksum(&request, bytes),
        body: has_json.then_some(request),
        text: bytes.map(|it| text_of(it)),
    }
}

fn res(interaction: &Interaction, media: &Media) -> Res {
    let media = media.of_answer(interaction);
    let mut at = 0;
    let chunks = interaction.chunks().into_iter().map(|(after, bytes)| {
        let after = after.as_millis().try_into().unwrap_or(u64::MAX);
        let parts = parts_of(&bytes, at, &media);
        at += bytes.len();
        [Part::After(after)].into_iter().chain(parts).collect()
    });
    Res {
        status: interaction.status,
        headers: interaction.headers.clone(),
        chunks: chunks.collect(),
        end: interaction.end,
    }
}

/// A piece of a body, that begins at `start` of it, as texts and pieces of media.
fn parts_of(bytes: &Bytes, start: usize, media: &[(Range<usize>, Medium)]) -> Vec<Part> {
    let end = start + bytes.len();
    let (mut parts, mut at) = (Vec::new(), start);
    for (range, medium) in media.iter().filter(|(it, _)| it.start < end && it.end > start) {
        let (from, to) = (range.start.max(start), range.end.min(end));
        parts.extend(texts_of(&bytes.slice(at - start..from - start)).map(Part::Bytes));
        let medium = medium.to_string();
        parts.push(Part::Medium(Piece { medium, at: from - range.start, length: to - from }));
        at = to;
    }
    parts.extend(texts_of(&bytes.slice(at - start..)).map(Part::Bytes));
    parts
}

/// SHA-256 of the canonical JSON, or of the bytes that are none.
fn checksum(request: &Value, bytes: Option<&Bytes>) -> String {
    match bytes {
        Some(bytes) => media::checksum(bytes),
        None if request.is_null() => media::checksum(b""),
        None => media::checksum(canonical(request).as_bytes()),
    }
}

/// Bytes as the text that they are, or in base64.
pub(super) fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with(BASE64) => text.to_owned(),
        _ => format!("{BASE64}{}", STANDARD.encode(bytes)),
    }
}

/// Bytes as text, with what is left of a character at either end in base64.
fn texts_of(bytes: &Bytes) -> impl Iterator<Item = String> {
    let texts = bytes.utf8_chunks().flat_map(|chunk| [chunk.valid().as_bytes(), chunk.invalid()]);
    let texts: Vec<&[u8]> = texts.filter(|it| !it.is_empty()).collect();
    const TEXTS_MAX: usize = 3;
    // A picture or a sound has more of them, and no text.
    let texts = if texts.len() <= TEXTS_MAX { texts } else { vec![&**bytes] };
    texts.into_iter().map(text_of).collect::<Vec<_>>().into_iter()
}

fn bytes_of(text: &str) -> Result<Bytes, String> {
    match text.strip_prefix(BASE64) {
        Some(data) => match STANDARD.decode(data) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(format!("`{BASE64}` is not followed by base64: {error}")),
        },
        None => Ok(text.to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};
    use serde_json::json;

    use super::*;

    const HEADER: &str = r#"{"cassette":1,"recorded":"2026-11-22","recorder":"a 1"}"#;
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn header() -> Header {
        serde_json::from_str(HEADER).unwrap()
    }

    fn recorded() -> Interaction {
        let arrival = |after, bytes| Arrival { after: Duration::from_millis(after), bytes };
        Interaction {
            method: "POST".to_owned(),
            path: "/v1/x".to_owned(),
            query: Some("a=1".to_owned()),
            request_headers: vec![("accept".to_owned(), "a/b".to_owned())],
            request: json!({"b": 1.0, "a": null}),
            status: 200,
            headers: vec![("x".to_owned(), "1".to_owned()), ("x".to_owned(), "2".to_owned())],
            body: "data: é\n\nb64:".into(),
            arrivals: vec![arrival(0, 7), arrival(41, 3), arrival(41, 4)],
            end: End::Reset,
            ..Interaction::default()
        }
    }

    fn written(calls: &[Interaction]) -> String {
        write(&header(), calls, &Media::default()).unwrap()
    }

    #[test]
    fn a_cassette_is_lines_that_a_diff_can_show() {
        let text = written(&[recorded()]);
        let sha256 = checksum(&json!({"a": null, "b": 1}), None);
        assert_eq!(
            text,
            format!(
                r#"{HEADER}
{{"req":{{"method":"POST","path":"/v1/x","query":"a=1","headers":{{"accept":"a/b"}},"body":{{"a":null,"b":1}},"sha256":"{sha256}"}}}}
{{"res":{{"status":200,"headers":[["x","1"],["x","2"]],"chunks":[[0,"data: ","b64:ww=="],[41,"b64:qQ==","\n\n"],[41,"b64:YjY0Og=="]],"end":"reset"}}}}
"#
            )
        );
        let read = read("x.jsonl".as_ref(), &text).unwrap();
        assert_eq!(read.header, header());
        assert_eq!(written(&read.interactions), text);
        assert_eq!(read.interactions[0].chunks(), recorded().chunks());
    }

    #[test]
    fn a_body_may_be_text_or_bytes_or_nothing() {
        for bytes in [&b"a=1&b=2"[..], b"\xff\x00", b"null"] {
            let (request, request_bytes) = super::super::matching::read_body(bytes.into());
            let call = Interaction { request, request_bytes, ..recorded() };
            let read = read("x.jsonl".as_ref(), &written(&[call])).unwrap();
            assert_eq!(read.interactions[0].request_bytes.as_deref(), Some(bytes));
        }
        let nothing = Interaction { request: Value::Null, ..recorded() };
        let text = written(&[nothing]);
        assert!(text.contains(NOTHING) && !text.contains("\"body\""), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let req = format!(
            r#"{{"req":{{"method":"GET","path":"/","headers":{{}},"sha256":"{NOTHING}"}}}}"#
        );
        let res = r#"{"res":{"status":200,"headers":[],"chunks":[],"end":"eof"}}"#;
        let edited = req.replace("\"sha256\"", "\"body\":1,\"sha256\"");
        let encoded = res.replace("[],\"end", "[[0,\"b64:?\"]],\"end");
        for (lines, expected) in [
            (vec![], "x.jsonl: it is empty"),
            (vec!["{}"], "x.jsonl:1: it is no cassette: the first line has no `cassette` version"),
            (
                vec![r#"{"cassette":2}"#],
                "x.jsonl:1: its version is 2, and 1 is the one that is read",
            ),
            (
                vec![r#"{"cassette":1,"recorded":"today","recorder":"a"}"#],
                "x.jsonl:1: `recorded` is no date: \"today\"",
            ),
            (vec![r#"{"cassette":1}"#], "x.jsonl:1: missing field `recorded`"),
            (vec![HEADER, res], "x.jsonl:2: a `res` without a `req` before it"),
            (
                vec![HEADER, "", &req],
                "x.jsonl:3: a `req` without a `res` after it: the recording is not whole",
            ),
            (
                vec![HEADER, &req, &req],
                "x.jsonl:2: a `req` without a `res` after it: the recording is not whole",
            ),
            (vec![HEADER, "{\"req\":"], "x.jsonl:2: column 7: EOF while parsing a value"),
            (
                vec![HEADER, &edited, res],
                "x.jsonl:2: the body is not the one of `sha256`: record the call again",
            ),
            (
                vec![HEADER, &req, &encoded],
                "x.jsonl:3: `b64:` is not followed by base64: Invalid symbol 63, offset 0.",
            ),
            (
                vec![HEADER, &req, &res.replace("[],\"end", "[[\"x\"]],\"end")],
                "x.jsonl:3: a chunk is not its time and then its texts",
            ),
            (
                vec![HEADER, r#"{"ask":{}}"#],
                "x.jsonl:2: column 6: unknown variant `ask`, expected `req` or `res`",
            ),
        ] {
            let Err(error) = read("x.jsonl".as_ref(), &lines.join("\n")) else {
                panic!("{expected}: it is read");
            };
            assert_eq!(error.to_string(), expected);
        }
        assert!(read("x.jsonl".as_ref(), &[HEADER, &req, res].join("\n")).is_ok());
    }

    /// An answer with a picture, cut into pieces of so many bytes.
    fn drawn(bytes: usize) -> Interaction {
        let body =
            format!("data: {{\"b64_json\":\"{}==\",\"é\":1}}\n\n", "iVBORw0KGgo".repeat(200));
        let pieces = body.len().div_ceil(bytes);
        let arrivals = (0..pieces).map(|_| Arrival { after: Duration::ZERO, bytes });
        Interaction { body: body.into(), arrivals: arrivals.collect(), ..recorded() }
    }

    #[test]
    fn a_medium_is_set_aside_wherever_a_body_is_cut() {
        for bytes in [1, 7, 500, 2199, 2200, 10_000] {
            let call = drawn(bytes);
            let text = written(std::slice::from_ref(&call));
            let read = read("x.jsonl".as_ref(), &text).unwrap();
            let lengths = |call: &Interaction| {
                call.chunks().iter().map(|(_, it)| it.len()).collect::<Vec<_>>()
            };
            assert_eq!(lengths(&read.interactions[0]), lengths(&call));
            let (one, other) = (&call.body, &read.interactions[0].body);
            assert_ne!(one, other);
            assert_eq!(one[..30], other[..30]);
            assert_eq!(one[one.len() - 13..], other[other.len() - 13..]);
            // What is read is written as it was.
            assert_eq!(write(&header(), &read.interactions, &read.media).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_read_as_they_were(
            text in "(b64:|[aé€🦅\n\"]){0,40}",
            cuts in proptest::collection::vec(0..60_usize, 0..5),
        ) {
            let arrivals = cuts.iter().map(|bytes| Arrival {
                after: Duration::from_millis(*bytes as u64),
                bytes: *bytes,
            });
            let call =
                Interaction { body: text.into(), arrivals: arrivals.collect(), ..recorded() };
            let written = written(std::slice::from_ref(&call));
            let read = read("x.jsonl".as_ref(), &written).unwrap();
            prop_assert_eq!(read.interactions[0].chunks(), call.chunks());
        }
    }
}
