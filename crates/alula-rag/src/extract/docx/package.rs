//! The archive. Nothing of it is ever written to a disk.

use std::{
    borrow::Cow,
    io::{self, BufReader, Cursor, Read},
};

use memchr::memmem;
use zip::{ZipArchive, result::ZipError};

use super::xml::{self, Node};
use crate::extract::{ExtractLimits, Unreadable};

/// What stands in front of each file in the directory of an archive.
const FILE: &[u8] = b"PK\x01\x02";

/// What the archive of another kind of document has in it.
const OTHERS: &[(&str, &str)] = &[
    ("xl/workbook.xml", "an Excel workbook"),
    ("xl/workbook.bin", "an Excel workbook"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("META-INF/container.xml", "an EPUB"),
    ("content.xml", "an OpenDocument file"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
];

pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// How many bytes may still be unpacked.
    left: u64,
    unpacked_bytes_max: u64,
}

impl<'a> Package<'a> {
    /// Opens an archive if it may be that of a Word document.
    pub(super) fn open(document: &'a [u8], limits: &ExtractLimits) -> Result<Self, Unreadable> {
        // Opening it would look at each of them.
        let files = memmem::find_iter(document, FILE).map(|_| 1_u64).sum::<u64>();
        if files > limits.entries_max {
            return Err(Unreadable::too_large("archive", limits.entries_max, "files"));
        }
        let archive = ZipArchive::new(Cursor::new(document)).map_err(unreadable)?;
        let leaves = |name: Result<Cow<'_, str>, ZipError>| name.map_or(true, |it| leaves(&it));
        if archive.file_names().any(leaves) {
            return Err(Unreadable::damaged("a file of its archive would be written elsewhere"));
        }
        let has = |name: &str| archive.index_for_name(name).is_some();
        if let Some((_, found)) = OTHERS.iter().find(|(name, _)| has(name)) {
            return Err(Unreadable::WrongKind(format!("{found}, and not a Word document")));
        }
        if !has("[Content_Types].xml") {
            return Err(Unreadable::WrongKind("a ZIP archive, and not a Word document".to_owned()));
        }
        let unpacked_bytes_max = limits.unpacked_bytes_max;
        Ok(Self { archive, left: unpacked_bytes_max, unpacked_bytes_max })
    }

    /// The name of the part that has the text.
    pub(super) fn main_part(&mut self) -> Result<String, Unreadable> {
        let mut main = None;
        self.read("_rels/.rels", |node| {
            if let Node::Open(element) = node
                && element.name() == "Relationship"
                && element.attribute("Type")?.is_some_and(|it| it.ends_with("/officeDocument"))
            {
                main = element.attribute("Target")?;
            }
            Ok(())
        })?;
        let main = main.map(|target| target.trim_start_matches('/').to_owned());
        Ok(main.unwrap_or_else(|| "word/document.xml".to_owned()))
    }

    /// Reads a part, if there is one of this name.
    pub(super) fn read(
        &mut self,
        name: &str,
        visit: impl FnMut(Node<'_>) -> Result<(), Unreadable>,
    ) -> Result<bool, Unreadable> {
        let Some(index) = self.archive.index_for_name(name) else { return Ok(false) };
        let file = self.archive.by_index(index).map_err(unreadable)?;
        if file.is_symlink() || file.is_dir() {
            return Err(Unreadable::damaged("a part of it is no file"));
        }
        let mut unpacked = Unpacked { from: file, left: &mut self.left };
        let read = xml::read(BufReader::new(&mut unpacked), visit);
        match read {
            Err(_) if self.left == 0 => {
                Err(Unreadable::too_large("unpacked document", self.unpacked_bytes_max, "bytes"))
            }
            read => read.map(|()| true),
        }
    }
}

/// Whether a name leads out of a folder that an archive is unpacked to. No office program writes
/// such a name.
fn leaves(name: &str) -> bool {
    name.starts_with(['/', '\\'])
        || name.contains(['\\', '\0', ':'])
        || name.split('/').any(|segment| segment == "..")
}

fn unreadable(error: ZipError) -> Unreadable {
    match error {
        ZipError::UnsupportedArchive(what) if what == ZipError::PASSWORD_REQUIRED => {
            Unreadable::Encrypted
        }
        error => Unreadable::damaged(error),
    }
}

/// Counts what is unpacked, whatever the archive says of it.
struct Unpacked<'a, R> {
    from: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        *self.left = self.left.saturating_sub(read as u64);
        if *self.left == 0 {
            return Err(io::Error::other("it is too large when it is unpacked"));
        }
        Ok(read)
    }
}
