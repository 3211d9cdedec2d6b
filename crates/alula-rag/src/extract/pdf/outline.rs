//! The headings of a PDF: its outline, which viewers show beside its pages.

use std::collections::{HashMap, HashSet};

use pdf_extract::{Dictionary, Document, Object, ObjectId, decode_text_string};

use crate::{Extracted, Heading, extract::writer::one_line};

/// How many entries of an outline are looked at, and how many names of places.
const ENTRIES_MAX: usize = 10_000;
const NAMES_MAX: usize = 100_000;
/// How deep an outline may be.
const LEVEL_MAX: u8 = 9;
/// How much of a page is looked through for a heading.
const PAGE_BYTES_MAX: usize = 20_000;
/// How much longer than its title the line of a heading may be: it may have a number.
const NUMBER_BYTES_MAX: usize = 16;

/// An entry of an outline.
#[derive(Debug)]
pub(super) struct Entry {
    level: u8,
    title: String,
    page: u32,
}

/// The entries of the outline of a document that lead to its pages, in their order.
pub(super) fn entries(pdf: &Document) -> Vec<Entry> {
    let mut entries = Vec::new();
    let pages = pdf.get_pages();
    let places = Places {
        pdf,
        pages: pages.into_iter().map(|(number, id)| (id, number)).collect(),
        names: names(pdf).unwrap_or_default(),
    };
    let mut seen = HashSet::new();
    let mut stack: Vec<_> = first(pdf).map(|first| (first, 1)).into_iter().collect();
    while let Some((id, level)) = stack.pop() {
        // An outline may lead in circles.
        if seen.len() >= ENTRIES_MAX || !seen.insert(id) {
            continue;
        }
        let Ok(node) = pdf.get_dictionary(id) else { continue };
        let child = |key| node.get(key).and_then(Object::as_reference).ok();
        stack.extend(child(b"Next").map(|next| (next, level)));
        stack.extend(child(b"First").map(|first| (first, (level + 1).min(LEVEL_MAX))));
        if let (Some(title), Some(page)) = (title(pdf, node), places.page_of(node)) {
            entries.push(Entry { level, title, page });
        }
    }
    entries
}

fn first(pdf: &Document) -> Option<ObjectId> {
    let outlines = dictionary(pdf, pdf.catalog().ok()?.get(b"Outlines").ok()?)?;
    outlines.get(b"First").and_then(Object::as_reference).ok()
}

fn title(pdf: &Document, node: &Dictionary) -> Option<String> {
    let title = decode_text_string(resolved(pdf, node.get(b"Title").ok()?)?).ok()?;
    let title = one_line(&title);
    (!title.is_empty()).then_some(title)
}

/// Where entries lead to.
struct Places<'a> {
    pdf: &'a Document,
    pages: HashMap<ObjectId, u32>,
    /// Places that have names.
    names: HashMap<&'a [u8], &'a Object>,
}

impl Places<'_> {
    fn page_of(&self, node: &Dictionary) -> Option<u32> {
        let place = node.get(b"Dest").ok().or_else(|| {
            let action = dictionary(self.pdf, node.get(b"A").ok()?)?;
            action.get(b"D").ok()
        });
        let mut place = resolved(self.pdf, place?)?;
        if let Object::Name(name) | Object::String(name, _) = place {
            place = resolved_place(self.pdf, self.names.get(name.as_slice())?)?;
        }
        let page = place.as_array().ok()?.first()?.as_reference().ok()?;
        self.pages.get(&page).copied()
    }
}

/// What stands behind a name: a place, or a dictionary with one.
fn resolved_place<'a>(pdf: &'a Document, object: &'a Object) -> Option<&'a Object> {
    match resolved(pdf, object)? {
        Object::Dictionary(dictionary) => resolved(pdf, dictionary.get(b"D").ok()?),
        place => Some(place),
    }
}

/// The names of places: in a dictionary, and in a tree.
fn names(pdf: &Document) -> Option<HashMap<&[u8], &Object>> {
    let catalog = pdf.catalog().ok()?;
    let mut names = HashMap::new();
    if let Some(all) = catalog.get(b"Dests").ok().and_then(|dests| dictionary(pdf, dests)) {
        names.extend(all.iter().map(|(name, place)| (name.as_slice(), place)));
    }
    let tree = catalog.get(b"Names").ok().and_then(|names| dictionary(pdf, names));
    let mut stack: Vec<_> = tree.and_then(|tree| tree.get(b"Dests").ok()).into_iter().collect();
    let mut nodes = 0;
    while let Some(node) = stack.pop() {
        nodes += 1;
        let Some(node) = dictionary(pdf, node).filter(|_| nodes < ENTRIES_MAX) else { continue };
        let array = |key| node.get(key).ok().and_then(|it| resolved(pdf, it)?.as_array().ok());
        stack.extend(array(b"Kids").into_iter().flatten().take(ENTRIES_MAX));
        for pair in array(b"Names").into_iter().flat_map(|names| names.chunks_exact(2)) {
            if let [name, place] = pair
                && let Ok(name) = name.as_str()
                && names.len() < NAMES_MAX
            {
                names.insert(name, place);
            }
        }
    }
    Some(names)
}

fn resolved<'a>(pdf: &'a Document, object: &'a Object) -> Option<&'a Object> {
    pdf.dereference(object).ok().map(|(_, object)| object)
}

fn dictionary<'a>(pdf: &'a Document, object: &'a Object) -> Option<&'a Dictionary> {
    resolved(pdf, object)?.as_dict().ok()
}

/// Finds the headings in the text: the line with the title, or else the beginning of its page.
pub(super) fn headings(entries: Vec<Entry>, extracted: &Extracted) -> Vec<Heading> {
    let text = &extracted.text;
    let mut starts = Vec::with_capacity(extracted.pages.len());
    let mut places = text.char_indices().map(|(at, _)| at).enumerate().peekable();
    for page in &extracted.pages {
        while places.next_if(|(char, _)| *char < page.start).is_some() {}
        let start = places.peek().map_or(text.len(), |(_, at)| *at);
        starts.push((page.number, page.start, start));
    }
    let mut headings: Vec<Heading> = Vec::with_capacity(entries.len());
    for Entry { level, title, page } in entries {
        let Ok(index) = starts.binary_search_by_key(&page, |(number, ..)| *number) else {
            continue;
        };
        let Some((_, char, from)) = starts.get(index) else { continue };
        let to = starts.get(index + 1).map_or(text.len(), |(.., at)| *at);
        let to = text.floor_char_boundary(to.min(from + PAGE_BYTES_MAX));
        let page = text.get(*from..to).unwrap_or_default();
        let before = line_of(&title, page).unwrap_or(0);
        let before = page.get(..before).unwrap_or_default().chars().count();
        headings.push(Heading { start: char + before, level, text: title });
    }
    headings.sort_by_key(|heading| heading.start);
    headings
}

/// Where the line begins that is a title, perhaps behind its number.
fn line_of(title: &str, page: &str) -> Option<usize> {
    let title = title.to_lowercase();
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        let is_short = line.len() <= title.len() + NUMBER_BYTES_MAX;
        if is_short && line.to_lowercase().contains(&title) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Page;

    fn entry(level: u8, title: &str, page: u32) -> Entry {
        Entry { level, title: title.to_owned(), page }
    }

    #[test]
    fn headings_are_lines_of_their_page_or_its_beginning() {
        let text =
            "Été\nContents: Wings\n\n1 Wings of birds, and what is said of them\n2.1 WINGS\ntext";
        let page = |number, start| Page { number, start };
        let extracted = Extracted {
            text: text.to_owned(),
            pages: vec![page(1, 0), page(2, 21)],
            ..Extracted::default()
        };
        let entries = vec![
            entry(1, "Other", 2),
            entry(2, "Wings", 2),
            entry(1, "Wings", 1),
            entry(1, "Nowhere", 3),
        ];
        let found = headings(entries, &extracted);
        let found: Vec<_> = found.iter().map(|it| (it.start, it.level, it.text.as_str())).collect();
        assert_eq!(found, [(4, 1, "Wings"), (21, 1, "Other"), (64, 2, "Wings")],);
        let line: String = text.chars().skip(64).take(9).collect();
        assert_eq!(line, "2.1 WINGS");
    }
}
