//! Documents of Word: a ZIP archive with parts in XML.

mod body;
mod numbering;
mod package;
mod styles;
mod xml;

use self::{body::Body, numbering::Numbering, package::Package, styles::Styles, xml::Node};
use super::{ExtractLimits, Unreadable, writer::Writer};
use crate::Extracted;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let mut package = Package::open(document, limits)?;
    let main = package.main_part()?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |name: &str| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let mut writer = Writer::new(limits);
    if let Some(title) = title(&mut package)? {
        writer.title(&title);
    }
    let mut styles = Styles::default();
    package.read(&beside("styles.xml"), |node| styles.read(node))?;
    let mut numbering = Numbering::default();
    package.read(&beside("numbering.xml"), |node| numbering.read(node))?;
    let mut body = Body::new(&styles, &mut numbering, &mut writer);
    if !package.read(&main, |node| body.read(node))? {
        return Err(Unreadable::damaged("it has no text part"));
    }
    for notes in ["footnotes.xml", "endnotes.xml"] {
        package.read(&beside(notes), |node| body.read(node))?;
    }
    writer.finish()
}

/// What the document says that it is called.
fn title(package: &mut Package<'_>) -> Result<Option<String>, Unreadable> {
    let (mut is_title, mut title) = (false, String::new());
    package.read("docProps/core.xml", |node| {
        match node {
            Node::Open(element) => is_title = element.name() == "title",
            Node::Close(_) => is_title = false,
            Node::Text(text) if is_title => title.push_str(text),
            Node::Text(_) => {}
        }
        Ok(())
    })?;
    Ok(Some(title).filter(|title| !title.trim().is_empty()))
}

/// Reads the text part by itself.
#[cfg(fuzzing)]
pub(super) fn fuzz(xml: &[u8]) -> Result<Extracted, Unreadable> {
    let mut writer = Writer::new(&ExtractLimits::default());
    let (styles, mut numbering) = (Styles::default(), Numbering::default());
    let mut body = Body::new(&styles, &mut numbering, &mut writer);
    xml::read(xml, |node| body.read(node))?;
    writer.finish()
}
