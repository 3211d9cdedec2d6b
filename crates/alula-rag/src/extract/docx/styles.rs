//! What the styles of paragraphs mean.

use std::collections::HashMap;

use super::xml::Node;
use crate::extract::Unreadable;

/// How many styles are looked at that are based on each other.
const BASES_MAX: usize = 16;

/// The styles of a document, by their ids.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    /// The style that is being read.
    open: Option<(String, Style)>,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    /// The level in the outline; the first is 0, and 9 is none.
    outline: Option<u8>,
    list: ListPlace,
}

/// To which list a paragraph belongs, and how deep.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ListPlace {
    pub(super) id: Option<String>,
    pub(super) level: Option<u8>,
}

/// What a style means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The level of a heading; the first is 1.
    pub(super) heading: Option<u8>,
    pub(super) is_title: bool,
    /// Whether it repeats the headings of the document.
    pub(super) is_contents: bool,
    pub(super) list: ListPlace,
}

impl Styles {
    pub(super) fn read(&mut self, node: Node<'_>) -> Result<(), Unreadable> {
        let element = match node {
            Node::Open(element) => element,
            Node::Close("style") => {
                self.styles.extend(self.open.take());
                return Ok(());
            }
            Node::Close(_) | Node::Text(_) => return Ok(()),
        };
        if element.name() == "style" {
            self.open = element.attribute("styleId")?.map(|id| (id, Style::default()));
            return Ok(());
        }
        let Some((_, style)) = &mut self.open else { return Ok(()) };
        let value = || element.value();
        match element.name() {
            "name" => style.name = value()?.unwrap_or_default().to_lowercase(),
            "basedOn" => style.based_on = value()?,
            "outlineLvl" => style.outline = value()?.and_then(|it| it.parse().ok()),
            "numId" => style.list.id = value()?,
            "ilvl" => style.list.level = value()?.and_then(|it| it.parse().ok()),
            _ => {}
        }
        Ok(())
    }

    /// What a style means, by itself or by what it is based on.
    pub(super) fn meaning(&self, id: &str) -> Meaning {
        let mut meaning = Meaning::default();
        let (mut outline, mut next) = (None, Some(id));
        for _ in 0..BASES_MAX {
            let Some(style) = next.and_then(|id| self.styles.get(id)) else { break };
            outline = outline.or(style.outline);
            meaning.heading = meaning.heading.or_else(|| heading(&style.name));
            meaning.is_title |= style.name == "title";
            meaning.is_contents |= style.name.starts_with("toc ");
            meaning.list.id = meaning.list.id.take().or_else(|| style.list.id.clone());
            meaning.list.level = meaning.list.level.or(style.list.level);
            next = style.based_on.as_deref();
        }
        match outline {
            Some(level @ 0..9) => meaning.heading = Some(level + 1),
            Some(_) => meaning.heading = None,
            None => {}
        }
        meaning
    }
}

/// The level of one of the headings that Word brings along.
fn heading(name: &str) -> Option<u8> {
    let level = name.strip_prefix("heading ")?.parse().ok()?;
    (1..=9).contains(&level).then_some(level)
}
