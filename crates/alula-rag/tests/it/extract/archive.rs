//! ZIP archives, as no program writes them.

use std::io::Write as _;

use flate2::{Compress, Compression, Crc, FlushCompress, write::DeflateEncoder};

/// A file in an archive.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// The index of the entry whose bytes it shares.
    pub(super) same_as: Option<usize>,
}

impl Entry {
    pub(super) fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes().to_vec(),
            data: encoder.finish().unwrap(),
            flags: 0,
            method: 8,
            crc: crc.sum(),
            size: content.len() as u64,
            mode: 0o100_644,
            same_as: None,
        }
    }

    /// Content that is repeated so often that nobody could unpack it.
    pub(super) fn bomb(name: &str, head: &str, unit: &str, times: usize) -> Self {
        let data = repeated(head, unit, times);
        Self { data, crc: 0, size: u64::from(u32::MAX - 1), ..Self::new(name, "") }
    }
}

/// What becomes `head` and so many times `unit`.
pub(super) fn repeated(head: &str, unit: &str, times: usize) -> Vec<u8> {
    let mut data = deflated(head.as_bytes());
    let unit = deflated(unit.as_bytes());
    for _ in 0..times {
        data.extend_from_slice(&unit);
    }
    // An empty block that is the last.
    data.extend([3, 0]);
    data
}

/// A stream without its end, so that another can follow it.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes.len() + 1_000);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(bytes, &mut data, FlushCompress::Sync).unwrap();
    data
}

pub(super) fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut directory, mut offsets) = (Vec::new(), Vec::new(), Vec::<u32>::new());
    for entry in entries {
        let offset = match entry.same_as {
            Some(index) => offsets[index],
            None => u32::try_from(bytes.len()).unwrap(),
        };
        offsets.push(offset);
        let head = head(entry);
        if entry.same_as.is_none() {
            bytes.extend(b"PK\x03\x04");
            bytes.extend(&head);
            bytes.extend(&entry.name);
            bytes.extend(&entry.data);
        }
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&head);
        // No comment, and on the first disk.
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// What stands of a file both in front of it and in the directory.
fn head(entry: &Entry) -> Vec<u8> {
    let mut head = Vec::new();
    for field in [20, entry.flags, entry.method, 0, 0] {
        head.extend(field.to_le_bytes());
    }
    head.extend(entry.crc.to_le_bytes());
    head.extend(u32::try_from(entry.data.len()).unwrap().to_le_bytes());
    head.extend(u32::try_from(entry.size).unwrap().to_le_bytes());
    head.extend(u16::try_from(entry.name.len()).unwrap().to_le_bytes());
    head.extend([0, 0]);
    head
}

/// The parts of a document of Word with this XML in its body.
pub(super) fn parts(body: &str) -> Vec<Entry> {
    vec![
        Entry::new("[Content_Types].xml", "<Types/>"),
        Entry::new(
            "_rels/.rels",
            "<Relationships><Relationship Id=\"r\" Target=\"/word/document.xml\" Type=\"http://\
             schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\"/>\
             </Relationships>",
        ),
        Entry::new(
            "word/document.xml",
            format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>"),
        ),
    ]
}

pub(super) fn docx(body: &str) -> Vec<u8> {
    zip(&parts(body))
}

pub(super) const PARAGRAPH: &str = "<w:p><w:r><w:t>Hello</w:t></w:r></w:p>";
