//! Forms whose files the endpoint reads while they arrive.

use std::{borrow::Cow, fmt, marker::PhantomData};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, header};
use schemars::JsonSchema;

use super::{
    Media, file_name,
    limits::Bounds,
    parameters,
    parser::{Event, Malformed, Parser},
    part::{Head, Kind, Refused},
    refusal,
    spool::to_u64,
};
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext, reader::BodyReader},
    openapi::Operation,
};

/// A form whose parts are read one after the other, as they arrive.
///
/// For files that go on to somewhere else, such as a store of objects: nothing is kept in memory
/// or in a temporary file on the way, and who writes slowly slows the client down. What is not
/// read of a part is skipped. Where the content has to be there before anything is done with it,
/// [`Multipart`](crate::Multipart) is simpler.
///
/// `T` is for the document alone, which describes a form with its fields; nothing is made of it.
/// So a field that is missing, or that nobody knows, is for the endpoint to judge.
///
/// A body has at most 50 MiB unless [`max_body`](crate::Route::max_body) says otherwise;
/// [`FormLimits`](crate::FormLimits) are for its parts.
///
/// # Errors
///
/// 415 for another content type. While it is read: 400 for a body that is no form, breaks off, or
/// has too many fields or files, 408 for one that stalls, 413 for one that is too large.
///
/// ```
/// use alula::{prelude::*, testing::TestForm};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Upload {
///     file: UploadFile,
/// }
///
/// #[post("/uploads")]
/// async fn upload(mut form: MultipartStream<Upload>) -> Result<Json<usize>> {
///     let mut bytes = 0;
///     while let Some(mut part) = form.next_part().await? {
///         while let Some(piece) = part.chunk().await? {
///             bytes += piece.len();
///         }
///     }
///     Ok(Json(bytes))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Uploads", "1.0.0").routes(routes![upload]).client().await;
/// let form = TestForm::new().file("file", "wing.txt", "text/plain", "1234");
/// assert_eq!(client.post("/uploads").multipart(form).await.json::<usize>(), 4);
/// # });
/// ```
pub struct MultipartStream<T> {
    /// Nothing of a request without a body.
    parts: Option<Parts>,
    form: PhantomData<fn() -> T>,
}

impl<T> MultipartStream<T> {
    /// The next part; `None` behind the last one. What is not read of the part before is skipped.
    ///
    /// # Errors
    ///
    /// As the type says. After an error there is nothing more to read.
    pub async fn next_part(&mut self) -> Result<Option<FormPart<'_>>> {
        match &mut self.parts {
            Some(parts) => parts.next_part().await,
            None => Ok(None),
        }
    }
}

/// A part of a [`MultipartStream`]: a text, or a file.
pub struct FormPart<'a> {
    parts: &'a mut Parts,
    name: String,
    file: Option<FileHead>,
    bytes: u64,
}

struct FileHead {
    file_name: String,
    headers: HeaderMap,
}

impl FormPart<'_> {
    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a file: its head names one, though the name may be empty.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// What the client calls the file; nothing if it says nothing, and for a text.
    ///
    /// This is the client's word: it may be a path, or lead out of a directory.
    pub fn file_name(&self) -> Option<&str> {
        let name = self.file.as_ref().map(|file| file.file_name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// A name that is safe to use in a directory of your own, as
    /// [`UploadFile::safe_file_name`](crate::UploadFile::safe_file_name) makes it.
    pub fn safe_file_name(&self) -> Cow<'_, str> {
        file_name::safe(self.file_name().unwrap_or_default())
    }

    /// The content type of a file, as the client says it.
    pub fn content_type(&self) -> Option<&str> {
        self.file.as_ref()?.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The next bytes of it; `None` behind the last ones. A piece is as large as it came over the
    /// network, some tens of KiB at most.
    ///
    /// # Errors
    ///
    /// As [`MultipartStream::next_part`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self.parts.data().await? {
            None => Ok(None),
            Some(data) => {
                self.count(data.len())?;
                Ok(Some(data))
            }
        }
    }

    /// All of it as text. A text has at most as many bytes as
    /// [`FormLimits::field_bytes`](crate::FormLimits::field_bytes) says; of what is not UTF-8,
    /// replacement characters take the place.
    ///
    /// # Errors
    ///
    /// As [`MultipartStream::next_part`].
    pub async fn text(mut self) -> Result<String> {
        // A file that is read as a text is held in memory as well.
        let mut text = Vec::new();
        while let Some(data) = self.parts.data().await? {
            self.count(data.len())?;
            self.parts.check_text(&self.name, text.len() + data.len())?;
            text.extend_from_slice(&data);
        }
        Ok(parameters::text(text))
    }

    fn count(&mut self, more: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(to_u64(more));
        let Bounds { file_bytes_max, .. } = self.parts.bounds;
        if self.file.is_some() && self.bytes > file_bytes_max {
            return Err(self
                .parts
                .fail(refusal::too_large(format!("The file `{}`", self.name), file_bytes_max)));
        }
        if self.file.is_none() {
            let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
            self.parts.check_text(&self.name, bytes)?;
            self.parts.take_memory(more)?;
        }
        Ok(())
    }
}

/// A form on its way through.
struct Parts {
    reader: BodyReader,
    parser: Parser,
    bounds: Bounds,
    /// What has arrived and is not looked at yet.
    piece: Bytes,
    texts: usize,
    files: usize,
    /// What the texts and the heads of all parts take.
    memory_bytes: usize,
    place: Place,
}

/// Where in a form it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Inside,
    Over,
}

/// What comes next, in memory of its own.
enum Next {
    Head(Head),
    Data(Bytes),
    End,
}

impl Parts {
    async fn next_part(&mut self) -> Result<Option<FormPart<'_>>> {
        while self.data().await?.is_some() {}
        let Some(Next::Head(Head { name, kind })) = self.next().await? else { return Ok(None) };
        let file = match kind {
            Kind::Text => None,
            Kind::File { file_name, headers } => Some(FileHead { file_name, headers }),
        };
        let (count, what, max) = match &file {
            Some(_) => (&mut self.files, "files", self.bounds.files_max),
            None => (&mut self.texts, "fields", self.bounds.fields_max),
        };
        *count += 1;
        if *count > max {
            return Err(self.fail(refusal::too_many(what, max)));
        }
        self.place = Place::Inside;
        Ok(Some(FormPart { parts: self, name, file, bytes: 0 }))
    }

    /// More of the content of the part; nothing behind its end.
    async fn data(&mut self) -> Result<Option<Bytes>> {
        if self.place != Place::Inside {
            return Ok(None);
        }
        match self.next().await? {
            Some(Next::Data(data)) => Ok(Some(data)),
            _ => {
                self.place = Place::Between;
                Ok(None)
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Next>> {
        if self.place == Place::Over {
            return Ok(None);
        }
        loop {
            match self.step() {
                Ok(Some(next)) => return Ok(Some(next)),
                Ok(None) => {}
                Err(error) => return Err(self.fail(error)),
            }
            match self.reader.next().await {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => {
                    self.place = Place::Over;
                    return self.parser.finish().map(|()| None).map_err(refusal::malformed);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// What is next in what has arrived.
    fn step(&mut self) -> Result<Option<Next>> {
        let mut rest = &*self.piece;
        let event = self.parser.next(&mut rest).map_err(|malformed| match malformed {
            Malformed::HeadSize => {
                refusal::too_large("The head of a part", self.bounds.part_header_bytes_max)
            }
            malformed => refusal::malformed(malformed),
        })?;
        let (next, head_bytes) = match event {
            None => (None, 0),
            Some(Event::End) => (Some(Next::End), 0),
            Some(Event::Data(data)) => (Some(Next::Data(Bytes::copy_from_slice(data))), 0),
            Some(Event::Head(head)) => {
                let parsed = Head::parse(head).map_err(|refused| match refused {
                    Refused::Malformed(malformed) => refusal::malformed(malformed),
                    Refused::Nameless => refusal::nameless(),
                })?;
                (Some(Next::Head(parsed)), head.len())
            }
        };
        let used = self.piece.len() - rest.len();
        self.piece.advance(used);
        self.take_memory(head_bytes)?;
        Ok(next)
    }

    fn check_text(&mut self, name: &str, bytes: usize) -> Result<()> {
        let max = self.bounds.field_bytes_max;
        match bytes > max {
            true => Err(self.fail(refusal::too_large(format!("The field `{name}`"), max))),
            false => Ok(()),
        }
    }

    fn take_memory(&mut self, bytes: usize) -> Result<()> {
        self.memory_bytes += bytes;
        let max = self.bounds.memory_bytes_max;
        match self.memory_bytes > max {
            true => Err(self.fail(refusal::too_large("The form without its files", max))),
            false => Ok(()),
        }
    }

    /// Nothing more is read.
    fn fail(&mut self, error: HttpError) -> HttpError {
        self.place = Place::Over;
        error
    }
}

/// How a form is read part by part.
#[doc(hidden)]
#[derive(Debug)]
pub struct MultipartStreamPlan {
    bounds: Bounds,
}

impl<T: JsonSchema + Send + 'static> Input for MultipartStream<T> {
    type Plan = MultipartStreamPlan;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.form::<T, Self>("multipart/form-data", true);
        MultipartStreamPlan { bounds: operation.form_limits().bounds() }
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let media = Media::of(cx.headers())?;
        let reader = cx.reader(cx.limits().upload())?;
        let boundary = match media {
            Media::Multipart { boundary } => boundary,
            Media::UrlEncoded => return Err(refusal::no_multipart().into()),
            Media::Unknown => {
                let mut reader = reader;
                return match reader.next().await? {
                    Some(_) => Err(refusal::no_multipart().into()),
                    None => Ok(Self { parts: None, form: PhantomData }),
                };
            }
        };
        let parser = Parser::new(&boundary, plan.bounds.part_header_bytes_max);
        let parts = Parts {
            reader,
            parser: parser.map_err(refusal::malformed)?,
            bounds: plan.bounds,
            piece: Bytes::new(),
            texts: 0,
            files: 0,
            memory_bytes: 0,
            place: Place::Between,
        };
        Ok(Self { parts: Some(parts), form: PhantomData })
    }
}

impl<T> fmt::Debug for MultipartStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MultipartStream")
    }
}

impl fmt::Debug for FormPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormPart")
            .field("name", &self.name)
            .field("file_name", &self.file_name())
            .finish_non_exhaustive()
    }
}
