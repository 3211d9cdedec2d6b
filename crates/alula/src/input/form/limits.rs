//! What a form may cost.

use std::fmt;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of forms: number, size and memory.
///
/// They hold for [`Form`](crate::Form) and [`Multipart`](crate::Multipart). What is not set here is
/// taken from around: a route asks its router, the router its app, and last come the defaults. How
/// large a body may be as a whole is for [`max_body`](crate::Route::max_body) to say.
///
/// Too many fields or files are answered 400, as in FastAPI, and too many bytes 413; both as soon
/// as the one too many arrives.
///
/// ```
/// use alula::{FormLimits, Json, post};
///
/// # async fn upload() -> Json<u8> { Json(1) }
/// let limits = FormLimits::default().files(10).file_bytes(20 * 1024 * 1024);
/// let route = post("/photos", upload).form_limits(limits);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FormLimits {
    fields: Option<usize>,
    files: Option<usize>,
    field_bytes: Option<usize>,
    file_bytes: Option<u64>,
    part_header_bytes: Option<usize>,
    file_memory_bytes: Option<usize>,
    memory_bytes: Option<usize>,
}

impl FormLimits {
    /// Number of texts in a form. Default: 1000.
    #[must_use]
    pub fn fields(mut self, limit: usize) -> Self {
        self.fields = Some(limit);
        self
    }

    /// Number of files in a form. Default: 1000.
    #[must_use]
    pub fn files(mut self, limit: usize) -> Self {
        self.files = Some(limit);
        self
    }

    /// Size of one text, in bytes as they arrive; in a URL-encoded form with its name.
    /// Default: 1 MiB.
    #[must_use]
    pub fn field_bytes(mut self, limit: usize) -> Self {
        self.field_bytes = Some(limit);
        self
    }

    /// Size of one file, in bytes. By default only the size of the whole body is limited.
    #[must_use]
    pub fn file_bytes(mut self, limit: u64) -> Self {
        self.file_bytes = Some(limit);
        self
    }

    /// Size of the headers of one part, in bytes. Default: 8 KiB.
    #[must_use]
    pub fn part_header_bytes(mut self, limit: usize) -> Self {
        self.part_header_bytes = Some(limit);
        self
    }

    /// The largest file that stays in memory, in bytes; a larger one goes to a temporary file.
    /// Default: 1 MiB.
    #[must_use]
    pub fn file_memory_bytes(mut self, limit: usize) -> Self {
        self.file_memory_bytes = Some(limit);
        self
    }

    /// Size of all files that stay in memory together, and of all texts and headers of a multipart
    /// form together, in bytes. Default: 8 MiB.
    ///
    /// A file beyond it goes to the temporary file, however small; a text beyond it is 413.
    #[must_use]
    pub fn memory_bytes(mut self, limit: usize) -> Self {
        self.memory_bytes = Some(limit);
        self
    }

    /// What is set here, and for the rest what is set around.
    pub(crate) fn or(self, outer: Self) -> Self {
        Self {
            fields: self.fields.or(outer.fields),
            files: self.files.or(outer.files),
            field_bytes: self.field_bytes.or(outer.field_bytes),
            file_bytes: self.file_bytes.or(outer.file_bytes),
            part_header_bytes: self.part_header_bytes.or(outer.part_header_bytes),
            file_memory_bytes: self.file_memory_bytes.or(outer.file_memory_bytes),
            memory_bytes: self.memory_bytes.or(outer.memory_bytes),
        }
    }

    pub(super) fn bounds(self) -> Bounds {
        Bounds {
            fields_max: self.fields.unwrap_or(1000),
            files_max: self.files.unwrap_or(1000),
            field_bytes_max: self.field_bytes.unwrap_or(MIB),
            file_bytes_max: self.file_bytes.unwrap_or(u64::MAX),
            part_header_bytes_max: self.part_header_bytes.unwrap_or(8 * KIB),
            file_memory_bytes_max: self.file_memory_bytes.unwrap_or(MIB),
            memory_bytes_max: self.memory_bytes.unwrap_or(8 * MIB),
        }
    }
}

/// Shows what holds where nothing around says otherwise.
impl fmt::Debug for FormLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = self.bounds();
        f.debug_struct("FormLimits")
            .field("fields", &bounds.fields_max)
            .field("files", &bounds.files_max)
            .field("field_bytes", &bounds.field_bytes_max)
            .field("file_bytes", &self.file_bytes)
            .field("part_header_bytes", &bounds.part_header_bytes_max)
            .field("file_memory_bytes", &bounds.file_memory_bytes_max)
            .field("memory_bytes", &bounds.memory_bytes_max)
            .finish()
    }
}

/// The limits of one route, all of them known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) fields_max: usize,
    pub(super) files_max: usize,
    pub(super) field_bytes_max: usize,
    pub(super) file_bytes_max: u64,
    pub(super) part_header_bytes_max: usize,
    pub(super) file_memory_bytes_max: usize,
    pub(super) memory_bytes_max: usize,
}
