//! XML without declarations of types: no entity is expanded but those that XML has itself.

use std::io::BufRead;

use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesStart, Event},
};

use crate::extract::Unreadable;

/// How deep elements may be nested. Word itself nests some dozens.
const DEPTH_MAX: usize = 1_000;

/// What XML is made of.
pub(super) enum Node<'a> {
    Open(Element<'a>),
    /// The local name of the element that ends.
    Close(&'a str),
    Text(&'a str),
}

/// The beginning of an element.
pub(super) struct Element<'a>(&'a BytesStart<'a>);

impl Element<'_> {
    /// Its name, without its prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of an attribute, whatever its prefix.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, Unreadable> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(Unreadable::damaged)?;
            if attribute.key.local_name().into_inner() == name {
                let value = unescape(&attribute.value).map_err(Unreadable::damaged)?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }

    /// The attribute that holds the value of most elements.
    pub(super) fn value(&self) -> Result<Option<String>, Unreadable> {
        self.attribute("val")
    }
}

/// Reads XML from its beginning to its end.
pub(super) fn read(
    from: impl BufRead,
    mut visit: impl FnMut(Node<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut reader = Reader::from_reader(from);
    reader.config_mut().expand_empty_elements = true;
    let (mut buffer, mut depth) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(Unreadable::damaged)? {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Unreadable::damaged("it is nested too deeply"));
                }
                visit(Node::Open(Element(&start)))?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                visit(Node::Close(end.local_name().into_inner()))?;
            }
            Event::Text(text) => visit(Node::Text(&text))?,
            Event::CData(text) => visit(Node::Text(&text))?,
            Event::GeneralRef(reference) => {
                if let Some(char) = reference.resolve_char_ref().map_err(Unreadable::damaged)? {
                    visit(Node::Text(char.encode_utf8(&mut [0; 4])))?;
                } else {
                    let text = resolve_predefined_entity(&reference);
                    let unknown =
                        || Unreadable::damaged("it uses an entity that XML does not have");
                    visit(Node::Text(text.ok_or_else(unknown)?))?;
                }
            }
            // Office programs write none, and entities that grow are declared here.
            Event::DocType(_) => return Err(Unreadable::damaged("it declares types of its own")),
            Event::Eof if depth > 0 => return Err(Unreadable::damaged("its end is missing")),
            Event::Eof => return Ok(()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}
