//! The head of an answer (RFC 9112, sections 4 to 6 and 9).

use std::mem::MaybeUninit;

use bytes::Bytes;
use httparse::{Header, ParserConfig, Response, Status};
use hyper::{
    StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
};

use super::{
    Error,
    framing::{Chunks, Framing},
};

/// The most fields that a head has.
const FIELDS_MAX: usize = 100;
/// The largest head, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How many heads may come that only say that an answer is on its way.
const INTERIM_MAX: usize = 32;

const TOO_LONG: Error = Error::Malformed("its head is too long");

/// What an answer begins with.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the server takes another request on the connection.
    pub(super) keeps_open: bool,
}

/// The bytes of a head that comes in several reads. One that comes in one is read where it is.
#[derive(Default)]
pub(super) struct Heads {
    pub(super) kept: Vec<u8>,
    interim: usize,
}

impl Heads {
    /// Reads on: a whole head, and where it ends in [`kept`](Self::kept), or in `raw` if nothing is
    /// kept.
    pub(super) fn push(
        &mut self,
        raw: &[u8],
        has_no_body: bool,
    ) -> Result<Option<(Head, usize)>, Error> {
        let is_new = self.kept.is_empty();
        if !is_new {
            let mut seen = self.kept.len();
            self.kept.extend_from_slice(raw);
            let empty = empty_lines(&self.kept);
            self.kept.drain(..empty);
            seen = seen.saturating_sub(empty);
            // Who sends byte by byte does not get the whole read for each.
            if !has_empty_line(self.kept.get(seen.saturating_sub(2)..).unwrap_or_default()) {
                return self.check_length().map(|()| None);
            }
        }
        let bytes = if is_new { raw } else { &self.kept };
        let mut start = 0;
        loop {
            match parse(bytes.get(start..).unwrap_or_default(), has_no_body)? {
                Parsed::Final(head, length) => return Ok(Some((head, start + length))),
                Parsed::Interim(length) => start += length,
                Parsed::Partial => break,
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(Error::Malformed("it is announced too often"));
            }
        }
        let rest = bytes.get(start..).unwrap_or_default();
        // Empty lines before a head are no part of it, and would look like its end.
        let empty = empty_lines(rest);
        match is_new {
            true => self.kept.extend_from_slice(raw.get(start + empty..).unwrap_or_default()),
            false => drop(self.kept.drain(..start + empty)),
        }
        self.check_length().map(|()| None)
    }

    fn check_length(&self) -> Result<(), Error> {
        if self.kept.len() > HEAD_BYTES_MAX { Err(TOO_LONG) } else { Ok(()) }
    }

    /// What is wrong where no more comes.
    pub(super) fn finish(&self) -> Error {
        match parse(&self.kept, false) {
            _ if self.kept.is_empty() => Error::NoAnswer,
            Err(error) => error,
            Ok(_) => Error::CutOff,
        }
    }
}

/// How many bytes of empty lines come first.
fn empty_lines(mut bytes: &[u8]) -> usize {
    let all = bytes.len();
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    all - bytes.len()
}

fn has_empty_line(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).any(|at| {
        let before = bytes.get(..at).unwrap_or_default();
        before.ends_with(b"\n") || before.ends_with(b"\n\r")
    })
}

enum Parsed {
    Partial,
    /// So long is a head that another one follows.
    Interim(usize),
    Final(Head, usize),
}

fn parse(bytes: &[u8], has_no_body: bool) -> Result<Parsed, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut answer = Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut answer, bytes, &mut fields);
    let length = match parsed.map_err(Error::Parse)? {
        Status::Complete(length) => length,
        Status::Partial => return Ok(Parsed::Partial),
    };
    if length > HEAD_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Error::Malformed("it has no status"))?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Malformed("it goes on in another protocol"));
    }
    if status.is_informational() {
        return Ok(Parsed::Interim(length));
    }
    let headers = header_map(bytes.get(..length).unwrap_or_default(), answer.headers)?;
    let has_body =
        !has_no_body && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_old = answer.version == Some(0);
    let framing = if has_body { framing(&headers, is_old)? } else { Framing::End };
    // Of two that tell of the end, one may be meant for somebody on the way.
    let is_odd =
        has_body && headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    let keeps_open = !is_odd && stays_open(&headers, is_old);
    Ok(Parsed::Final(Head { status, headers, framing, keeps_open }, length))
}

/// The fields of a head. Their values share one copy of it, which goes with the last of them: that
/// is two allocations, and not one for each.
fn header_map(bytes: &[u8], fields: &[Header<'_>]) -> Result<HeaderMap, Error> {
    let shared = Bytes::copy_from_slice(bytes);
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| Error::Parse(httparse::Error::HeaderName))?;
        let value = HeaderValue::from_maybe_shared(shared_part(&shared, bytes, field.value))
            .map_err(|_| Error::Parse(httparse::Error::HeaderValue))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// What `part` is of `bytes`, as a part of `shared`, which is the same.
fn shared_part(shared: &Bytes, bytes: &[u8], part: &[u8]) -> Bytes {
    let start = part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
    let end = start.wrapping_add(part.len());
    match !part.is_empty() && start < end && end <= shared.len() {
        true => shared.slice(start..end),
        false => Bytes::copy_from_slice(part),
    }
}

/// How the end of a body is told (RFC 9112, section 6.3).
fn framing(headers: &HeaderMap, is_old: bool) -> Result<Framing, Error> {
    if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        if is_old {
            return Err(Error::Malformed("HTTP/1.0 has no transfer encodings"));
        }
        let last = last.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return Ok(match is_chunked {
            true => Framing::Chunked(Chunks::default()),
            false => Framing::UntilClose,
        });
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for text in value.as_bytes().split(|byte| *byte == b',') {
            let this = number(text.trim_ascii())
                .ok_or(Error::Malformed("its content-length is no number"))?;
            if length.is_some_and(|length| length != this) {
                return Err(Error::Malformed("it has several content-lengths"));
            }
            length = Some(this);
        }
    }
    Ok(length.map_or(Framing::UntilClose, Framing::of_length))
}

/// Digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

fn stays_open(headers: &HeaderMap, is_old: bool) -> bool {
    if has_option(headers, "close") {
        return false;
    }
    !is_old || has_option(headers, "keep-alive")
}

/// Whether the connection is to be treated so.
pub(super) fn has_option(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let mut options = values.flat_map(|value| value.split(|byte| *byte == b','));
    options.any(|given| given.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}
