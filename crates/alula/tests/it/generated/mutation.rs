//! What can go wrong with a request.

use serde_json::Value;

use super::{
    document::Document,
    random::Random,
    request::Sent,
    value::{Maker, Medium},
};

const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X!#"];

const CONTENT_TYPES: &[&[u8]] = &[
    b"application/json",
    b"application/json; charset=utf-16",
    b"application/x+json",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=\"generated-boundary\"",
    b"",
    b";;;",
    b"\xff\xfe",
    b"application/",
];

/// Names that something in the framework reads.
const HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "x-api-key",
    "x-request-id",
    "x-trace-id",
    "x-hop",
    "accept",
    "range",
    "if-none-match",
    "if-modified-since",
    "content-length",
    "transfer-encoding",
    "expect",
    "host",
    "origin",
    "access-control-request-method",
    "accept-encoding",
    "content-encoding",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "traceparent",
    "upgrade",
    "connection",
];

const VALUES: &[&[u8]] = &[
    b"",
    b" ",
    b"\xff\x80",
    b"Bearer",
    b"Bearer ",
    b"Basic !!!",
    b"Basic YQ==",
    b"bearer a b",
    b"=",
    b";=;",
    b"a=b; a=c; =d; e",
    b"\"",
    b"bytes=0-",
    b"bytes=9-1,-0",
    b"-1",
    b"99999999999999999999",
    b"chunked",
    b"*",
    b"gzip;q=nan",
    b"\tx\t",
    b"null",
    b"W/\"x\", *",
    b"Sun, 99 Foo 0000",
    b"00-0-0-0",
];

const PATHS: &[&str] = &[
    "/",
    "//",
    "/%",
    "/%zz",
    "/%00",
    "/%FF",
    "/..",
    "/../../etc/passwd",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/x",
    "/v1",
    "/v1/",
    "/v1/files/",
    "/v1/files/%2e%2e/%2f",
    "/v1/rooms//tables/1",
    "*",
];

const TEXTS: &[&[u8]] = &[
    b"",
    b"{",
    b"[",
    b"null",
    b"nul",
    b"{}",
    b"[]",
    b"\"",
    b"\"\\ud800\"",
    b"1e999",
    b"-",
    b"0",
    b"{\"a\":1,\"a\":2}",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"{\"name\":NaN}",
    b"[[[[[[[[[[",
    b"a=b&a=c&=&&",
    b"%=%zz",
    b"--generated-boundary",
    b"--generated-boundary\r\n\r\n\r\n--generated-boundary--",
    b"--generated-boundary\r\ncontent-disposition: x\r\n\r\n",
];

/// Makes one thing wrong, or at least different.
pub(super) fn apply(sent: &mut Sent, document: &Document, random: &mut Random) {
    sent.valid = false;
    match random.below(12) {
        0 => {
            sent.method = random.choose(METHODS).as_bytes().to_vec();
            sent.addressed = false;
        }
        1 => {
            path(sent, random);
            sent.addressed = false;
        }
        2 => query(sent, document, random),
        3 => {
            if !sent.headers.is_empty() {
                let at = random.below(sent.headers.len());
                sent.headers.remove(at);
            }
        }
        4 => {
            let name = (*random.choose(HEADERS)).to_owned();
            let value = header_value(random);
            sent.headers.push((name, value));
        }
        5 => {
            if !sent.headers.is_empty() {
                let at = random.below(sent.headers.len());
                sent.headers[at].1 = header_value(random);
            }
        }
        6 => {
            sent.headers.retain(|(name, _)| name != "content-type");
            let kind = random.choose(CONTENT_TYPES).to_vec();
            sent.headers.push(("content-type".to_owned(), kind));
        }
        7 => sent.body = random.choose(TEXTS).to_vec(),
        8 => bytes(&mut sent.body, random),
        _ => json(sent, document, random),
    }
}

fn header_value(random: &mut Random) -> Vec<u8> {
    if random.one_in(2) {
        return random.choose(VALUES).to_vec();
    }
    let mut bytes = random.bytes(40);
    bytes.retain(|byte| *byte >= b' ' && *byte != 0x7f);
    bytes
}

fn path(sent: &mut Sent, random: &mut Random) {
    match random.below(4) {
        0 => sent.path = (*random.choose(PATHS)).to_owned(),
        1 => sent.path.push_str(random.choose::<&str>(PATHS)),
        2 => {
            let text: String = random.bytes(20).iter().map(|byte| format!("%{byte:02X}")).collect();
            sent.path = format!("{}{text}", sent.path);
        }
        _ => {
            let mut segments: Vec<&str> = sent.path.split('/').collect();
            let at = random.below(segments.len());
            segments[at] = *random.choose::<&str>(&[
                "",
                "x",
                "-1",
                "%FF",
                "99999999999999999999",
                "%20",
                "1.5",
            ]);
            sent.path = segments.join("/");
        }
    }
    if !sent.path.starts_with(['/', '*']) {
        sent.path.insert(0, '/');
    }
}

fn query(sent: &mut Sent, document: &Document, random: &mut Random) {
    if random.one_in(4) {
        let text: String = random.bytes(30).iter().map(|byte| format!("%{byte:02x}")).collect();
        let sign = *random.choose(&["&", "=", "%", "+", "&&==", ";", "%G0"]);
        sent.raw_query = Some(format!("{text}{sign}{text}"));
        return;
    }
    let mut maker = Maker { document, random, medium: Medium::Text, sure: true };
    let value = maker.anything(9);
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match sent.query.len() {
        0 => sent.query.push(("skip".to_owned(), value)),
        length => {
            let at = random.below(length);
            match random.below(3) {
                0 => _ = sent.query.remove(at),
                1 => sent.query[at].1 = value,
                _ => sent.query.push((sent.query[at].0.clone(), value)),
            }
        }
    }
}

fn bytes(body: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(body.len() + 1);
    match random.below(4) {
        0 => body.truncate(at),
        1 => body.extend(random.bytes(20)),
        2 => body.insert(at, random.byte()),
        _ if at < body.len() => body[at] ^= 1 << random.below(8),
        _ => body.clear(),
    }
}

/// Puts something else in one place of a JSON body.
fn json(sent: &mut Sent, document: &Document, random: &mut Random) {
    let Ok(mut root) = serde_json::from_slice::<Value>(&sent.body) else {
        return bytes(&mut sent.body, random);
    };
    let place = pick(&mut root, random);
    let mut maker = Maker { document, random, medium: Medium::Json, sure: true };
    match place {
        Value::Object(members) if maker.random.one_in(2) => {
            let key = members.keys().nth(maker.random.below(members.len())).cloned();
            match key {
                Some(key) if maker.random.one_in(2) => _ = members.shift_remove(&key),
                _ => _ = members.insert("unknown".to_owned(), maker.anything(1)),
            }
        }
        Value::Array(items) if maker.random.one_in(2) => {
            let count = *maker.random.choose(&[1, 2, 150]);
            let item = maker.anything(2);
            items.extend(std::iter::repeat_n(item, count));
        }
        place => *place = maker.anything(0),
    }
    sent.body = root.to_string().into_bytes();
}

/// A value somewhere inside of a value, or that value.
fn pick<'v>(value: &'v mut Value, random: &mut Random) -> &'v mut Value {
    let length = match &value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if length == 0 || random.one_in(3) {
        return value;
    }
    let at = random.below(length);
    match value {
        Value::Array(items) => pick(&mut items[at], random),
        Value::Object(members) => pick(members.values_mut().nth(at).unwrap(), random),
        other => other,
    }
}
