//! Files as answers.

mod body;
pub(crate) mod inside;
pub(crate) mod open;
mod range;
mod validators;

use std::{collections::VecDeque, ops::Range, time::SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use self::{
    body::{CHUNK_BYTES_MAX, Content, FileBody, Segment},
    range::{Requested, requested},
    validators::{Validators, Verdict, whole_seconds},
};
use super::{
    Output, ResponseContext,
    media::{Media, binary},
    stream_context::StreamContext,
};
use crate::{
    app::unique_text,
    error::{HttpError, Result},
    openapi::Operation,
};

/// A file as an answer.
///
/// It is streamed: at most 64 KiB of it are in memory, and the threads that wait for the disk are
/// not those that serve requests. The content type follows
/// from the extension of the name that the client is told, or else of the path.
///
/// Clients get `ETag` and `Last-Modified`, and what they can do with them: a condition that says
/// they have the file is answered 304, `Range` is answered 206 with the parts they lack (several
/// as `multipart/byteranges`) or 416. That is for GET and HEAD, for conditions with a status of 2xx
/// and for ranges with 200; an answer to another method, or with another status, is the whole file.
/// A file that becomes shorter while it is sent breaks the answer off.
///
/// ```
/// use alula::prelude::*;
///
/// #[get("/report")]
/// async fn report() -> Result<File> {
///     Ok(File::open("reports/2026.pdf").await?.attachment("report.pdf"))
/// }
/// ```
///
/// A file that is not there is an error like any other, so that the example answers 500 and logs
/// which file it was. Where it is the client who chooses, use [`find_in`](Self::find_in), which
/// keeps to a directory:
///
/// ```
/// use alula::prelude::*;
///
/// #[get("/reports/{name}")]
/// async fn report(Path(name): Path<String>) -> Result<File> {
///     File::find_in("reports", &name).await?.ok_or_else(|| HttpError::not_found("no such report"))
/// }
/// ```
#[derive(Debug)]
pub struct File {
    content: Content,
    length: u64,
    media: Media,
    validators: Validators,
    /// What is wrong with how the file was described: a mistake of the program.
    mistake: Option<String>,
}

impl File {
    /// Content that is in memory already.
    ///
    /// Without an [`etag`](Self::etag) or a [`last_modified`](Self::last_modified) there are no
    /// conditional requests; ranges work.
    ///
    /// ```
    /// use alula::File;
    ///
    /// async fn export() -> File {
    ///     File::bytes("text/csv", "a,b\n1,2\n").attachment("export.csv")
    /// }
    /// ```
    pub fn bytes(content_type: &str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            length: content.len() as u64,
            content: Content::Memory(content),
            media: Media::new(content_type),
            validators: Validators::default(),
            mistake: None,
        }
    }

    /// Has the client save the file under this name.
    #[must_use]
    pub fn attachment(mut self, name: &str) -> Self {
        self.media.set_disposition("attachment", name);
        self
    }

    /// Has the client show the file, and call it so if it saves it.
    #[must_use]
    pub fn inline(mut self, name: &str) -> Self {
        self.media.set_disposition("inline", name);
        self
    }

    /// Another content type than that of the extension. Text gets `charset=utf-8` if it names no
    /// other.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.media.set_content_type(content_type);
        self
    }

    /// The tag of this state of the content, without its quotes. It has to change with every byte.
    #[must_use]
    pub fn etag(mut self, tag: &str) -> Self {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b',';
        let is_valid = tag.bytes().all(allowed);
        match HeaderValue::try_from(format!("\"{tag}\"")).ok().filter(|_| is_valid) {
            Some(etag) => self.validators.etag = Some(etag),
            None => self.mistake = Some(format!("{tag:?} is no tag for `ETag`")),
        }
        self
    }

    /// When the content last changed.
    #[must_use]
    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.validators.modified = whole_seconds(time);
        self
    }

    /// The part of the content that the request asks for, with its status and its headers.
    fn selected(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let origin = cx.stream();
        match self.requested(cx) {
            Requested::Malformed(detail) => Err(HttpError::bad_request(detail)),
            Requested::Unsatisfiable => {
                let length = HeaderValue::try_from(format!("bytes */{}", self.length))?;
                let error = HttpError::new(416, "Range Not Satisfiable");
                Err(error.header(header::CONTENT_RANGE, length))
            }
            Requested::Whole => self.whole(cx.status(), cx),
            Requested::Parts(parts) => match <[_; 1]>::try_from(parts) {
                Ok([part]) => {
                    let range = HeaderValue::try_from(content_range(&part, self.length))?;
                    let mut response = self.response([Segment::Of(part)].into(), origin)?;
                    response.headers_mut().insert(header::CONTENT_RANGE, range);
                    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                    Ok(response)
                }
                Err(parts) => self.multipart(parts, origin),
            },
        }
    }

    /// All of it with a status, whatever the client has already.
    pub(crate) fn whole(
        self,
        status: StatusCode,
        cx: &ResponseContext<'_>,
    ) -> Result<Response<Body>> {
        let whole = 0..self.length;
        let mut response = self.response([Segment::Of(whole)].into(), cx.stream())?;
        *response.status_mut() = status;
        Ok(response)
    }

    /// Only what is answered as it is, and with 200, has parts.
    fn requested(&self, cx: &ResponseContext<'_>) -> Requested {
        match cx.status() {
            StatusCode::OK => requested(cx.headers(), self.length, &self.validators),
            _ => Requested::Whole,
        }
    }

    /// Several parts in one body (RFC 9110, section 14.6).
    fn multipart(self, parts: Vec<Range<u64>>, origin: StreamContext) -> Result<Response<Body>> {
        let boundary = unique_text();
        let content_type = self.media.content_type().to_str().unwrap_or_default().to_owned();
        let mut segments = VecDeque::with_capacity(3 * parts.len() + 1);
        for part in parts {
            let range = content_range(&part, self.length);
            let head = format!(
                "--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n"
            );
            let body = [Segment::Own(head.into()), Segment::Of(part)];
            segments.extend(body);
            segments.push_back(Segment::Own(Bytes::from_static(b"\r\n")));
        }
        segments.push_back(Segment::Own(format!("--{boundary}--").into()));
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        let mut response = self.response(segments, origin)?;
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_type = HeaderValue::try_from(content_type)?;
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// A response with a body, and the headers that each answer about the file has.
    fn response(
        self,
        segments: VecDeque<Segment>,
        origin: StreamContext,
    ) -> Result<Response<Body>> {
        let body = FileBody::new(self.content, segments, origin);
        let length = body.len();
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        self.media.apply(headers)?;
        self.validators.apply(headers);
        Ok(response)
    }

    fn not_modified(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        // What a 200 would say; a length of 0 would be a lie.
        let length = HeaderValue::from(self.length);
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        self.validators.apply(response.headers_mut());
        response
    }
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

impl Output for File {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        operation.response(status, "Successful Response", binary());
    }

    fn respond(mut self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        if let Some(mistake) = self.mistake.take() {
            return Err(HttpError::internal(mistake));
        }
        // Conditions are about what is read (RFC 9110, section 13.2.1). Another method has done its
        // work by now, and to say that it did not happen would be a lie.
        let reads = matches!(*cx.method(), Method::GET | Method::HEAD);
        if !reads || !cx.status().is_success() {
            return self.whole(cx.status(), cx);
        }
        match self.validators.judge(cx.headers()) {
            Verdict::Send => self.selected(cx),
            Verdict::NotModified => Ok(self.not_modified()),
            Verdict::PreconditionFailed => Err(HttpError::new(412, "Precondition Failed")),
        }
    }
}
