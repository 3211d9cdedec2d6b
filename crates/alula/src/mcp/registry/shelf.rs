//! Things of one kind, by name and in order.

use std::collections::HashMap;

use serde_json::{Map, Value, value::RawValue};

use crate::mcp::about::Common;

/// Things of one kind.
pub(in crate::mcp) struct Shelf<T> {
    entries: Vec<Entry<T>>,
    by_name: HashMap<String, usize>,
}

/// One of them.
pub(in crate::mcp) struct Entry<T> {
    pub(in crate::mcp) common: Common,
    /// What clients read of it, written once.
    json: Box<RawValue>,
    pub(in crate::mcp) item: T,
}

/// A part of a list.
pub(in crate::mcp) struct Page<'a> {
    pub(in crate::mcp) items: Vec<&'a RawValue>,
    /// Where the next part begins, if there is one.
    pub(in crate::mcp) next: Option<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by_name: HashMap::new() }
    }
}

impl<T> Shelf<T> {
    /// Adds a thing by the key that it is found by; gives whether that was free.
    pub(super) fn add(
        &mut self,
        key: &str,
        common: Common,
        fields: &Map<String, Value>,
        item: T,
    ) -> bool {
        let Ok(json) = serde_json::value::to_raw_value(fields) else { return false };
        if self.by_name.contains_key(key) {
            return false;
        }
        self.by_name.insert(key.to_owned(), self.entries.len());
        self.entries.push(Entry { common, json, item });
        true
    }

    pub(in crate::mcp) fn find(&self, key: &str) -> Option<&Entry<T>> {
        self.entries.get(*self.by_name.get(key)?)
    }

    pub(in crate::mcp) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter()
    }

    pub(in crate::mcp) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The things that pass, from a cursor on, at most so many; nothing for a cursor that is none.
    ///
    /// A cursor is a position among all things, so that it holds for a caller who meanwhile sees
    /// others.
    pub(in crate::mcp) fn page(
        &self,
        cursor: Option<&str>,
        size: usize,
        passes: impl Fn(&Common) -> bool,
    ) -> Option<Page<'_>> {
        let start = match cursor {
            None => 0,
            Some(cursor) => {
                let start = cursor.strip_prefix("after-")?.parse::<usize>().ok()?;
                (start <= self.entries.len()).then_some(start)?
            }
        };
        let rest = self.entries.iter().enumerate().skip(start);
        let mut rest = rest.filter(|(_, entry)| passes(&entry.common)).peekable();
        let mut page = Page { items: Vec::new(), next: None };
        while let Some((at, entry)) = rest.next() {
            page.items.push(&*entry.json);
            if page.items.len() >= size && rest.peek().is_some() {
                page.next = Some(format!("after-{}", at + 1));
                break;
            }
        }
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf<()> {
        let mut shelf = Shelf::default();
        for name in ["a", "b", "c", "d"] {
            let fields = Map::from_iter([("name".to_owned(), name.into())]);
            let common = Common { name: name.to_owned(), ..Common::default() };
            assert!(shelf.add(name, common, &fields, ()));
        }
        shelf
    }

    fn names(page: &Page<'_>) -> Vec<String> {
        let name = |json: &&RawValue| serde_json::from_str::<Value>(json.get()).unwrap();
        page.items.iter().map(|json| name(json)["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_list_is_read_in_parts() {
        let shelf = shelf();
        let passes = |item: &Common| item.name != "c";
        let first = shelf.page(None, 2, passes).unwrap();
        assert_eq!(names(&first), ["a", "b"]);
        let second = shelf.page(first.next.as_deref(), 2, passes).unwrap();
        assert_eq!((names(&second), second.next), (vec!["d".to_owned()], None));
        for cursor in ["", "x", "after-", "after-9", "after--1"] {
            assert!(shelf.page(Some(cursor), 2, passes).is_none(), "{cursor}");
        }
    }

    #[test]
    fn a_name_is_there_once() {
        let mut shelf = shelf();
        assert!(!shelf.add("a", Common::default(), &Map::new(), ()));
        assert!(shelf.find("a").is_some() && shelf.find("e").is_none());
    }
}
