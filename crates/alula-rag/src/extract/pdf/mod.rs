//! PDF, page by page.

mod outline;

use std::panic::{self, AssertUnwindSafe};

use pdf_extract::{
    Dictionary, Document, Error, MediaBox, Object, ObjectId, OutputDev, OutputError, Transform,
    output_doc,
};

use super::{ExtractLimits, Unreadable, writer::Writer};
use crate::Extracted;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let pdf = Document::load_mem(document).map_err(Unreadable::damaged)?;
    // Documents that only forbid to be changed are decrypted by now.
    if pdf.trailer.has(b"Encrypt") {
        return Err(Unreadable::Encrypted);
    }
    if pdf.get_pages().is_empty() {
        return Err(Unreadable::damaged("it has no pages"));
    }
    let entries = outline::entries(&pdf);
    let mut pages = Pages::new(writer(&pdf, limits));
    // It fails on fonts that it does not know, often by a panic.
    let read = panic::catch_unwind(AssertUnwindSafe(|| output_doc(&pdf, &mut pages)));
    let mut extracted = match (pages.failure, read) {
        (Some(failure), _) => return Err(failure),
        (None, Ok(Ok(()))) => pages.writer.finish()?,
        (None, Ok(Err(_)) | Err(_)) => by_page(pdf, limits)?,
    };
    extracted.headings = outline::headings(entries, &extracted);
    Ok(extracted)
}

/// Begins with what the document says that it is called.
fn writer(pdf: &Document, limits: &ExtractLimits) -> Writer {
    let mut writer = Writer::new(limits);
    if let Some(title) = title(pdf) {
        writer.title(&title);
    }
    writer
}

/// Reads each page by itself, so that only the one that cannot be read well is not.
fn by_page(mut pdf: Document, limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let mut writer = writer(&pdf, limits);
    let tree = pdf.new_object_id();
    for (number, page) in pdf.get_pages() {
        only(&mut pdf, tree, page).map_err(Unreadable::damaged)?;
        let text = match well(&pdf, limits)? {
            Some(text) => text,
            None => simply(&pdf).map_err(|why| {
                Unreadable::damaged(format!("page {number} cannot be read: {why}"))
            })?,
        };
        writer.paragraph()?;
        writer.page(number);
        push(&text, &mut writer)?;
    }
    writer.finish()
}

/// Makes a page the only one of the document: whoever reads one looks at all of them before. What it
/// inherits it has from above, and not from the tree that is replaced.
fn only(pdf: &mut Document, tree: ObjectId, page: ObjectId) -> Result<(), Error> {
    let mut pages = Dictionary::new();
    pages.set("Type", Object::Name(b"Pages".to_vec()));
    pages.set("Kids", vec![Object::Reference(page)]);
    pages.set("Count", 1);
    pdf.objects.insert(tree, pages.into());
    pdf.catalog_mut()?.set("Pages", tree);
    Ok(())
}

/// The text of the only page, if it can be read well.
fn well(pdf: &Document, limits: &ExtractLimits) -> Result<Option<String>, Unreadable> {
    let mut pages = Pages::new(Writer::new(limits));
    let read = panic::catch_unwind(AssertUnwindSafe(|| output_doc(pdf, &mut pages)));
    match (pages.failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Ok(Ok(()))) => Ok(Some(pages.writer.into_text())),
        (None, Ok(Err(_)) | Err(_)) => Ok(None),
    }
}

/// The text of the only page: words in their order, and only where their font says what its signs
/// mean.
fn simply(pdf: &Document) -> Result<String, String> {
    let text = pdf.extract_text(&[1]).map_err(|error| error.to_string())?;
    if text.contains(UNKNOWN) || text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("its font does not say what its signs mean".to_owned());
    }
    Ok(text)
}

/// What stands in the text for signs of an encoding that is not known.
const UNKNOWN: &str = " Unimplemented?";

/// How far two characters are from each other, in sizes of their font, that are not of one word;
/// or of one line; or of one paragraph.
const SPACE: f64 = 0.1;
const LINE: f64 = 0.5;
const PARAGRAPH: f64 = 1.5;

/// Puts words and lines together from where characters stand.
struct Pages {
    writer: Writer,
    failure: Option<Unreadable>,
    /// Whether the next character begins what is written at once.
    is_first: bool,
    /// Where the last character ended, on the page.
    end: Option<(f64, f64)>,
    /// The character before a hyphen that may end a line.
    hyphen: Hyphen,
}

/// What a line ends with, as far as it may go on in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hyphen {
    None,
    /// A letter, behind which a hyphen may stand.
    Letter,
    /// That hyphen, which has not been written.
    Held(char),
}

/// What stands between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

impl Pages {
    fn new(writer: Writer) -> Self {
        Self { writer, failure: None, is_first: true, end: None, hyphen: Hyphen::None }
    }

    fn gap(&self, x: f64, y: f64, size: f64) -> Gap {
        let Some((end_x, end_y)) = self.end.filter(|_| self.is_first) else { return Gap::None };
        let down = (y - end_y).abs();
        if down > size * PARAGRAPH {
            Gap::Paragraph
        } else if x < end_x && down > size * LINE {
            Gap::Line
        } else if x > end_x + size * SPACE {
            Gap::Space
        } else {
            Gap::None
        }
    }

    fn write(&mut self, gap: Gap, text: &str) -> Result<(), Unreadable> {
        let first = text.chars().next();
        if let Hyphen::Held(hyphen) = self.hyphen {
            self.hyphen = Hyphen::None;
            // A word that goes on in the next line.
            if gap == Gap::Line && first.is_some_and(char::is_lowercase) {
                return self.write(Gap::None, text);
            }
            self.writer.push(hyphen.encode_utf8(&mut [0; 4]))?;
        }
        match gap {
            Gap::None => {}
            Gap::Space => self.writer.push(" ")?,
            Gap::Line => self.writer.line()?,
            Gap::Paragraph => self.writer.paragraph()?,
        }
        let is_hyphen = matches!(text, "-" | "\u{ad}" | "\u{2010}");
        if let Some(hyphen) = first.filter(|_| is_hyphen && self.hyphen == Hyphen::Letter) {
            self.hyphen = Hyphen::Held(hyphen);
            return Ok(());
        }
        let is_letter = text.ends_with(char::is_lowercase);
        self.hyphen = if is_letter { Hyphen::Letter } else { Hyphen::None };
        push(text, &mut self.writer)
    }

    /// Ends the line, with the hyphen that was kept back.
    fn end_page(&mut self) -> Result<(), Unreadable> {
        if let Hyphen::Held(hyphen) = self.hyphen {
            self.writer.push(hyphen.encode_utf8(&mut [0; 4]))?;
        }
        self.hyphen = Hyphen::None;
        self.end = None;
        self.writer.paragraph()
    }

    /// Remembers why nothing more is read, as errors of ours have no place in those of the parser.
    fn note(&mut self, done: Result<(), Unreadable>) -> Result<(), OutputError> {
        done.map_err(|failure| {
            self.failure = Some(failure);
            OutputError::from(std::fmt::Error)
        })
    }
}

/// Writes text with letters in place of ligatures.
fn push(text: &str, to: &mut Writer) -> Result<(), Unreadable> {
    let mut rest = text;
    while let Some((at, letters)) =
        rest.char_indices().find_map(|(at, it)| Some((at, ligature(it)?)))
    {
        let (before, sign) = rest.split_at(at);
        to.push(before)?;
        to.push(letters)?;
        rest = sign.get(sign.ceil_char_boundary(1)..).unwrap_or_default();
    }
    to.push(rest)
}

/// Letters that fonts draw as one, and people search for as several.
fn ligature(char: char) -> Option<&'static str> {
    Some(match char {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => return None,
    })
}

impl OutputDev for Pages {
    fn begin_page(
        &mut self,
        number: u32,
        _size: &MediaBox,
        _art: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        let begun = self.writer.paragraph();
        self.writer.page(number);
        self.note(begun)
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        let ended = Self::end_page(self);
        self.note(ended)
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        let size = font_size * (place.m11 * place.m22 - place.m12 * place.m21).abs().sqrt();
        let (x, y) = (place.m31, place.m32);
        let written = self.write(self.gap(x, y, size), text);
        self.is_first = false;
        self.end = Some((x + width * size, y));
        self.note(written)
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.is_first = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// What the document says that it is called.
fn title(pdf: &Document) -> Option<String> {
    let info = match pdf.trailer.get(b"Info").ok()? {
        Object::Reference(id) => pdf.get_dictionary(*id).ok()?,
        object => object.as_dict().ok()?,
    };
    let title = match info.get(b"Title").ok()? {
        Object::Reference(id) => pdf.get_object(*id).ok()?,
        object => object,
    };
    pdf_extract::decode_text_string(title).ok()
}
