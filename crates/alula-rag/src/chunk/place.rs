//! Where in a document a text stands.

use std::slice;

use crate::{Extracted, Heading, Page};

/// Says on which page and under which headings places are, which are asked for in their order.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pages: slice::Iter<'a, Page>,
    headings: slice::Iter<'a, Heading>,
    page: Option<u32>,
    /// The headings above the place that was asked for last, the highest first.
    above: Vec<&'a Heading>,
}

impl<'a> Places<'a> {
    pub(super) fn new(extracted: &'a Extracted) -> Self {
        Self {
            pages: extracted.pages.iter(),
            headings: extracted.headings.iter(),
            page: None,
            above: Vec::new(),
        }
    }

    /// The page of a character, and its headings. A heading stands under itself.
    pub(super) fn at(&mut self, char: usize) -> (Option<u32>, Vec<String>) {
        while let Some(page) = self.pages.as_slice().first().filter(|page| page.start <= char) {
            self.page = Some(page.number);
            self.pages.next();
        }
        while let Some(heading) = self.headings.as_slice().first().filter(|it| it.start <= char) {
            self.above.retain(|above| above.level < heading.level);
            self.above.push(heading);
            self.headings.next();
        }
        (self.page, self.above.iter().map(|heading| heading.text.clone()).collect())
    }
}
