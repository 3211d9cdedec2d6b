//! Forms in `multipart/form-data`.

use http::HeaderMap;

use super::{
    fields::{Fields, StoredFile},
    limits::Bounds,
    parameters,
    parser::{Event, Malformed, Parser},
    part::{Head, Kind, Refused},
    refusal,
    spool::{BATCH_BYTES, Content, Spool, to_u64},
};
use crate::{error::Result, input::reader::BodyReader};

/// Reads a form, under the limits while it arrives. Without `keeps_files` only what describes a
/// file is kept.
pub(super) async fn read(
    mut reader: BodyReader,
    boundary: &[u8],
    bounds: Bounds,
    keeps_files: bool,
) -> Result<Fields> {
    let parser = Parser::new(boundary, bounds.part_header_bytes_max);
    let mut parser = parser.map_err(refusal::malformed)?;
    let mut form = Assembly::new(bounds, keeps_files);
    while let Some(piece) = reader.next().await? {
        let mut rest = &*piece;
        while let Some(event) =
            parser.next(&mut rest).map_err(|malformed| form.refuse(malformed))?
        {
            match event {
                Event::Head(head) => form.begin(head)?,
                Event::Data(data) => form.data(data)?,
                Event::End => form.end().await?,
            }
            if form.is_due() {
                form.flush().await?;
            }
        }
    }
    parser.finish().map_err(refusal::malformed)?;
    Ok(form.fields)
}

/// A form while its parts arrive.
struct Assembly {
    bounds: Bounds,
    keeps_files: bool,
    fields: Fields,
    texts: usize,
    files: usize,
    /// What the texts and the heads of all parts take.
    text_memory_bytes: usize,
    /// What the complete files in memory take.
    file_memory_bytes: usize,
    part: Option<Part>,
    spool: Spool,
}

/// A part while it arrives.
struct Part {
    name: String,
    file: Option<File>,
    /// The text, or what is not on disk of a file.
    buffer: Vec<u8>,
}

struct File {
    file_name: String,
    headers: HeaderMap,
    size: u64,
    /// Where it begins in the temporary file, if it is there.
    start: Option<u64>,
}

impl Assembly {
    fn new(bounds: Bounds, keeps_files: bool) -> Self {
        Self {
            bounds,
            keeps_files,
            fields: Fields::default(),
            texts: 0,
            files: 0,
            text_memory_bytes: 0,
            file_memory_bytes: 0,
            part: None,
            spool: Spool::default(),
        }
    }

    fn begin(&mut self, head: &[u8]) -> Result<()> {
        // Before any work for it.
        self.take_memory(head.len())?;
        let Head { name, kind } = Head::parse(head).map_err(|refused| match refused {
            Refused::Malformed(malformed) => refusal::malformed(malformed),
            Refused::Nameless => refusal::nameless(),
        })?;
        let file = match kind {
            Kind::Text => None,
            Kind::File { file_name, headers } => {
                Some(File { file_name, headers, size: 0, start: None })
            }
        };
        let (count, what, max) = match &file {
            Some(_) => (&mut self.files, "files", self.bounds.files_max),
            None => (&mut self.texts, "fields", self.bounds.fields_max),
        };
        *count += 1;
        if *count > max {
            return Err(refusal::too_many(what, max));
        }
        self.part = Some(Part { name, file, buffer: Vec::new() });
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        match &mut part.file {
            Some(file) => {
                file.size = file.size.saturating_add(to_u64(data.len()));
                if file.size > self.bounds.file_bytes_max {
                    let what = format!("The file `{}`", part.name);
                    return Err(refusal::too_large(what, self.bounds.file_bytes_max));
                }
                if self.keeps_files {
                    part.buffer.extend_from_slice(data);
                }
            }
            None => {
                if part.buffer.len() + data.len() > self.bounds.field_bytes_max {
                    let what = format!("The field `{}`", part.name);
                    return Err(refusal::too_large(what, self.bounds.field_bytes_max));
                }
                part.buffer.extend_from_slice(data);
                self.take_memory(data.len())?;
            }
        }
        Ok(())
    }

    /// Whether the part that arrives has bytes that must go to disk.
    fn is_due(&self) -> bool {
        let Some(Part { file: Some(file), buffer, .. }) = &self.part else { return false };
        match file.start {
            Some(_) => buffer.len() >= BATCH_BYTES,
            None => {
                buffer.len() > self.bounds.file_memory_bytes_max
                    || self.file_memory_bytes + buffer.len() > self.bounds.memory_bytes_max
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        if let Some(Part { file: Some(file), buffer, .. }) = &mut self.part {
            file.start.get_or_insert(self.spool.len());
            self.spool.append(buffer).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let Some(Part { name, file, mut buffer }) = self.part.take() else { return Ok(()) };
        let Some(File { file_name, headers, size, start }) = file else {
            self.fields.text(name, parameters::text(buffer));
            return Ok(());
        };
        let on_disk = match start {
            Some(start) => {
                if !buffer.is_empty() {
                    self.spool.append(&mut buffer).await?;
                }
                self.spool.content(start)
            }
            None => None,
        };
        let content = on_disk.unwrap_or_else(|| {
            self.file_memory_bytes += buffer.len();
            Content::Memory(buffer.into())
        });
        self.fields.file(name, StoredFile { file_name, headers, size, content });
        Ok(())
    }

    fn take_memory(&mut self, bytes: usize) -> Result<()> {
        self.text_memory_bytes += bytes;
        match self.text_memory_bytes > self.bounds.memory_bytes_max {
            true => {
                Err(refusal::too_large("The form without its files", self.bounds.memory_bytes_max))
            }
            false => Ok(()),
        }
    }

    fn refuse(&self, malformed: Malformed) -> crate::HttpError {
        match malformed {
            Malformed::HeadSize => {
                refusal::too_large("The head of a part", self.bounds.part_header_bytes_max)
            }
            malformed => refusal::malformed(malformed),
        }
    }
}
