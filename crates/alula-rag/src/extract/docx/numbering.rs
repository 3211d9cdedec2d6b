//! The marks in front of the items of lists.

use std::collections::HashMap;

use super::xml::Node;
use crate::extract::Unreadable;

/// How deep lists may be; Word has nine levels.
const LEVELS: usize = 9;

/// The lists of a document.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Kinds of lists, by their ids.
    kinds: HashMap<String, Kind>,
    /// Lists by their ids, with their kind and the numbers that were given last.
    lists: HashMap<String, (String, [u32; LEVELS])>,
    open: Option<Open>,
}

/// A kind of lists: the first number of each level, if its items are numbered.
type Kind = [Option<u32>; LEVELS];

/// What is being read.
#[derive(Debug)]
enum Open {
    Kind { id: String, kind: Kind, level: usize },
    List { id: String },
}

impl Numbering {
    pub(super) fn read(&mut self, node: Node<'_>) -> Result<(), Unreadable> {
        let element = match node {
            Node::Open(element) => element,
            Node::Close("abstractNum") => {
                if let Some(Open::Kind { id, kind, .. }) = self.open.take() {
                    self.kinds.insert(id, kind);
                }
                return Ok(());
            }
            Node::Close(_) | Node::Text(_) => return Ok(()),
        };
        match (element.name(), &mut self.open) {
            ("abstractNum", _) => {
                let id = element.attribute("abstractNumId")?;
                self.open = id.map(|id| Open::Kind { id, kind: [Some(1); LEVELS], level: 0 });
            }
            ("num", _) => self.open = element.attribute("numId")?.map(|id| Open::List { id }),
            ("abstractNumId", Some(Open::List { id })) => {
                if let Some(kind) = element.value()? {
                    self.lists.insert(std::mem::take(id), (kind, [0; LEVELS]));
                }
            }
            ("lvl", Some(Open::Kind { level, .. })) => {
                let value = element.attribute("ilvl")?;
                *level = value.and_then(|it| it.parse().ok()).unwrap_or(LEVELS);
            }
            ("start", Some(Open::Kind { kind, level, .. })) => {
                let value = element.value()?.and_then(|it| it.parse().ok());
                if let Some(Some(first)) = kind.get_mut(*level) {
                    *first = value.unwrap_or(1);
                }
            }
            ("numFmt", Some(Open::Kind { kind, level, .. })) => {
                let format = element.value()?;
                let is_numbered = !matches!(format.as_deref(), Some("bullet" | "none"));
                if let Some(first) = kind.get_mut(*level).filter(|_| !is_numbered) {
                    *first = None;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The mark of the next item of a list.
    pub(super) fn mark(&mut self, list: &str, level: usize) -> String {
        let level = level.min(LEVELS - 1);
        let bullet = || "- ".to_owned();
        let Some((kind, numbers)) = self.lists.get_mut(list) else { return bullet() };
        let first = self.kinds.get(kind).and_then(|kind| kind.get(level).copied().flatten());
        let Some(first) = first else { return bullet() };
        // What is deeper begins anew.
        let mut numbers = numbers.iter_mut().skip(level);
        let Some(number) = numbers.next() else { return bullet() };
        *number = if *number == 0 { first } else { number.saturating_add(1) };
        let mark = format!("{number}. ");
        numbers.for_each(|deeper| *deeper = 0);
        mark
    }
}
