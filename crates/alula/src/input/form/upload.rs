//! An uploaded file.

use std::{borrow::Cow, fmt, io, path::Path, sync::Arc};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, header};
use tokio::task::spawn_blocking;

use super::{
    fields::StoredFile,
    file_name,
    spool::{BATCH_BYTES, Content, to_u64},
    upload_io::{Cursor, read},
};
use crate::error::{HttpError, Result};

/// A file of a [`Multipart`](crate::Multipart) form.
///
/// A field of this type is a file that must be there, `Option<UploadFile>` one that may, and
/// `Vec<UploadFile>` any number. A file input that was left empty in a browser counts as not there.
///
/// A small file is in memory, a larger one in a temporary file without a name, which is gone with
/// the last `UploadFile` of its form: after the endpoint, and also if the client leaves, the
/// endpoint panics or the process is killed. The temporary file is in the system's directory for
/// them (on Unix `TMPDIR`, or `/tmp`). No method keeps a thread of the runtime waiting for a disk.
///
/// It is read as a whole with [`bytes`](Self::bytes) or [`text`](Self::text), in pieces with
/// [`stream`](Self::stream) or as a tokio [`AsyncRead`](tokio::io::AsyncRead), or kept with
/// [`save`](Self::save).
///
/// ```
/// use alula::prelude::*;
/// use alula::testing::TestForm;
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Photo {
///     #[schemars(length(min = 1))]
///     title: String,
///     file: UploadFile,
/// }
///
/// #[post("/photos")]
/// async fn photo(Multipart(photo): Multipart<Photo>) -> Result<Json<String>> {
///     let bytes = photo.file.bytes().await?;
///     Ok(Json(format!("{}: {} bytes", photo.title, bytes.len())))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Photos", "1.0.0").routes(routes![photo]).client().await;
/// let form = TestForm::new().text("title", "A wing").file("file", "w.png", "image/png", "1234");
/// assert_eq!(client.post("/photos").multipart(form).await.json::<String>(), "A wing: 4 bytes");
/// # });
/// ```
pub struct UploadFile {
    pub(super) stored: Arc<StoredFile>,
    pub(super) cursor: Cursor,
}

impl UploadFile {
    pub(super) fn new(stored: Arc<StoredFile>) -> Self {
        Self { stored, cursor: Cursor::default() }
    }

    /// What the client calls the file; nothing if it says nothing.
    ///
    /// This is the client's word: it may be a path, or lead out of a directory. For a file of your
    /// own take [`safe_file_name`](Self::safe_file_name).
    pub fn file_name(&self) -> Option<&str> {
        Some(self.stored.file_name.as_str()).filter(|name| !name.is_empty())
    }

    /// A name that is safe to use in a directory of your own: of [`file_name`](Self::file_name) the
    /// part behind the last slash or backslash, without control characters, those that Windows
    /// reserves, and leading dots, and of at most 255 bytes. `file` if nothing is left.
    ///
    /// Two files can have the same name, so a program that keeps them adds something of its own.
    pub fn safe_file_name(&self) -> Cow<'_, str> {
        file_name::safe(&self.stored.file_name)
    }

    /// The content type, as the client says it.
    pub fn content_type(&self) -> Option<&str> {
        self.headers().get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// All headers of the part.
    pub fn headers(&self) -> &HeaderMap {
        &self.stored.headers
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.stored.size
    }

    /// Whether the content is in memory, so that reading it does not wait.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.stored.content, Content::Memory(_))
    }

    /// The whole content in memory; without a copy if it is there already.
    ///
    /// Asks for [`size`](Self::size) bytes of memory, so a program with large limits looks at that
    /// first.
    ///
    /// # Errors
    ///
    /// 500 if the temporary file cannot be read.
    pub async fn bytes(&self) -> Result<Bytes> {
        let len = usize::try_from(self.size())?;
        Ok(read(&self.stored, 0, len).await?)
    }

    /// The whole content as text.
    ///
    /// # Errors
    ///
    /// 400 if it is not UTF-8, 500 if the temporary file cannot be read.
    pub async fn text(&self) -> Result<String> {
        String::from_utf8(self.bytes().await?.into()).map_err(|error| {
            let name = self.file_name().unwrap_or("file");
            HttpError::bad_request(format!("`{name}` is not UTF-8: {}", error.utf8_error()))
        })
    }

    /// The content from its beginning, in pieces of at most 256 KiB.
    ///
    /// An item is an error if the temporary file cannot be read. The stream has the content to
    /// itself: it may outlive the `UploadFile`, and be the body of an answer.
    pub fn stream(&self) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let pieces = stream::try_unfold((Arc::clone(&self.stored), 0), |(stored, at)| async move {
            let piece = read(&stored, at, BATCH_BYTES).await?;
            let next = (stored, at + to_u64(piece.len()));
            Ok((!piece.is_empty()).then_some((piece, next)))
        });
        pieces.map(|piece: io::Result<Bytes>| Ok(piece?))
    }

    /// Writes the content to a file, which is made or overwritten.
    ///
    /// The path is yours, never the client's: see [`safe_file_name`](Self::safe_file_name). A write
    /// that fails leaves a part of the file behind.
    ///
    /// # Errors
    ///
    /// 500 if a file cannot be written or read.
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (stored, path) = (Arc::clone(&self.stored), path.as_ref().to_owned());
        Ok(spawn_blocking(move || write_to(&stored, &path)).await??)
    }
}

/// Copies the content, on a thread that may wait.
fn write_to(stored: &StoredFile, path: &Path) -> io::Result<()> {
    use io::Write as _;
    let mut target = std::fs::File::create(path)?;
    let (file, start) = match &stored.content {
        Content::Memory(bytes) => return target.write_all(bytes),
        Content::Disk { file, start } => (file, *start),
    };
    let mut batch = vec![0; BATCH_BYTES];
    let mut done = 0;
    while done < stored.size {
        let left = usize::try_from(stored.size - done).unwrap_or(BATCH_BYTES);
        let len = left.min(BATCH_BYTES);
        let batch = batch.get_mut(..len).unwrap_or_default();
        file.read_exact_at(batch, start + done)?;
        target.write_all(batch)?;
        done += to_u64(len);
    }
    Ok(())
}

impl fmt::Debug for UploadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFile")
            .field("file_name", &self.file_name())
            .field("content_type", &self.content_type())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
