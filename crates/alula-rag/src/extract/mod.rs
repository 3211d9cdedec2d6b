//! The text of a document, taken out of it in a process of its own.

pub mod child;
mod csv;
mod docx;
mod error;
mod html;
mod limits;
mod markdown;
mod parent;
#[cfg(feature = "pdf")]
mod pdf;
mod plain;
mod table;
mod wire;
mod writer;

pub use self::{
    error::{ExtractError, Unreadable},
    limits::ExtractLimits,
    parent::Extractor,
};
use crate::{Extracted, Kind};

/// Takes the text out of a document, here and now. Only a process that may die does that.
fn parse(kind: Kind, document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    match kind {
        #[cfg(feature = "pdf")]
        Kind::Pdf => pdf::parse(document, limits),
        #[cfg(not(feature = "pdf"))]
        Kind::Pdf => {
            let found = "PDF, and this program was built without the feature `pdf`";
            Err(Unreadable::WrongKind(found.to_owned()))
        }
        Kind::Docx => docx::parse(document, limits),
        Kind::Html => html::parse(document, limits),
        Kind::Markdown => markdown::parse(document, limits),
        Kind::Csv => csv::parse(document, limits),
        Kind::Text => plain::parse(document, limits),
    }
}

/// What the fuzz targets call.
#[cfg(fuzzing)]
pub fn fuzz(kind: Kind, document: &[u8]) -> Result<Extracted, Unreadable> {
    parse(kind, document, &ExtractLimits::default())
}

/// The same of the text part of a Word document by itself.
#[cfg(fuzzing)]
pub fn fuzz_xml(xml: &[u8]) -> Result<Extracted, Unreadable> {
    docx::fuzz(xml)
}
