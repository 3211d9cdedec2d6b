//! From tags and text to paragraphs, headings, lists and tables.

use crate::{
    Extracted,
    extract::{Unreadable, table::Table, writer::Writer},
};

/// How many lists or tables are kept track of within each other.
const DEPTH_MAX: usize = 32;

/// A longer cell is no value of a table, but a part of a page that a table arranges.
const CELL_CHARS_MAX: usize = 2_000;

/// Elements that have no text for a reader.
const SKIPPED: &[&str] = &[
    "audio", "canvas", "datalist", "iframe", "nav", "noembed", "noframes", "object", "script",
    "select", "style", "svg", "template", "textarea", "video",
];

/// Elements without content.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

/// Elements that begin and end a block.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "main",
    "p",
    "search",
    "section",
    "summary",
    "tbody",
    "tfoot",
    "thead",
];

type Attribute<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// Writes blocks as their tags come.
#[derive(Debug)]
pub(super) struct Blocks {
    writer: Writer,
    /// The text of the present block.
    inline: String,
    title: Option<String>,
    heading: Option<u8>,
    /// How many elements are open that keep their white space.
    preformatted: usize,
    /// Lists that are open, with the next number of those that have numbers.
    lists: Vec<Option<u32>>,
    /// Lists that are open and not kept track of.
    deeper_lists: usize,
    /// What stands in front of the item that has begun.
    mark: Option<String>,
    grids: Vec<Grid>,
    deeper_grids: usize,
    /// The element that is skipped, and how many of its name are open in it.
    skipped: Option<(String, usize)>,
    skips_navigation: bool,
}

/// A table that is open.
#[derive(Debug, Default)]
struct Grid {
    table: Table,
    row: Vec<String>,
    cell: Option<String>,
    /// Whether it only arranges a page.
    is_layout: bool,
}

impl Blocks {
    pub(super) fn new(writer: Writer, skips_navigation: bool) -> Self {
        Self {
            writer,
            inline: String::new(),
            title: None,
            heading: None,
            preformatted: 0,
            lists: Vec::new(),
            deeper_lists: 0,
            mark: None,
            grids: Vec::new(),
            deeper_grids: 0,
            skipped: None,
            skips_navigation,
        }
    }

    /// Whether navigation is being skipped.
    pub(super) fn is_skipping(&self) -> bool {
        self.skips_navigation && self.skipped.is_some()
    }

    pub(super) fn finish(mut self) -> Result<Extracted, Unreadable> {
        self.flush()?;
        while let Some(mut grid) = self.grids.pop() {
            grid.end_row(&mut self.writer)?;
        }
        self.writer.finish()
    }

    pub(super) fn start(&mut self, name: &str, attribute: Attribute<'_>) -> Result<(), Unreadable> {
        if let Some((skipped, open)) = &mut self.skipped {
            *open += usize::from(skipped == name);
            return Ok(());
        }
        if self.skips(name, attribute) {
            self.skipped = Some((name.to_owned(), 1));
            return Ok(());
        }
        match name {
            "title" => self.title = Some(String::new()),
            "br" => self.line_end(),
            "img" => {
                if let Some(alternative) = attribute("alt") {
                    self.text(alternative);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush()?;
                self.make_layout()?;
                self.heading = name.get(1..).and_then(|level| level.parse().ok());
            }
            "pre" | "listing" | "xmp" | "plaintext" => {
                self.flush()?;
                self.make_layout()?;
                self.preformatted += 1;
            }
            "ul" | "menu" | "dir" => self.start_list(None)?,
            "ol" => {
                let first = attribute("start").and_then(|start| start.trim().parse().ok());
                self.start_list(Some(first.unwrap_or(1)))?;
            }
            "li" => self.start_item()?,
            "table" => self.start_table()?,
            "tr" => self.start_row()?,
            "td" | "th" => self.start_cell()?,
            name if BLOCKS.contains(&name) => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn end(&mut self, name: &str) -> Result<(), Unreadable> {
        if let Some((skipped, open)) = &mut self.skipped {
            if skipped == name {
                *open -= 1;
                if *open == 0 {
                    self.skipped = None;
                }
            }
            return Ok(());
        }
        match name {
            "title" => {
                if let Some(title) = self.title.take() {
                    self.writer.title(&title);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush()?;
                self.heading = None;
            }
            "pre" | "listing" | "xmp" => {
                self.flush()?;
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            "ul" | "menu" | "dir" | "ol" => self.end_list()?,
            "li" => {
                self.flush()?;
                self.mark = None;
            }
            "table" => self.end_table()?,
            "tr" => self.start_row()?,
            "td" | "th" => {
                self.flush()?;
                if let Some(grid) = self.grids.last_mut() {
                    grid.end_cell();
                }
            }
            name if BLOCKS.contains(&name) => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            return;
        }
        if let Some(title) = &mut self.title {
            title.push_str(text);
            return;
        }
        if self.preformatted > 0 {
            self.inline.push_str(text);
            return;
        }
        for char in text.chars() {
            if !char.is_whitespace() {
                self.inline.push(char);
            } else if !self.inline.is_empty() && !self.inline.ends_with([' ', '\n']) {
                self.inline.push(' ');
            }
        }
    }

    fn line_end(&mut self) {
        if self.preformatted == 0 {
            self.inline.truncate(self.inline.trim_end_matches(' ').len());
        }
        self.inline.push('\n');
    }

    fn skips(&self, name: &str, attribute: Attribute<'_>) -> bool {
        let navigates =
            || name == "nav" || !VOID.contains(&name) && attribute("role") == Some("navigation");
        name != "nav" && SKIPPED.contains(&name) || self.skips_navigation && navigates()
    }

    /// Writes the block that ends here.
    fn flush(&mut self) -> Result<(), Unreadable> {
        if self.inline.is_empty() {
            return Ok(());
        }
        let inline = std::mem::take(&mut self.inline);
        if self.preformatted > 0 && !inline.trim().is_empty() {
            return self.write_preformatted(&inline);
        }
        let text = inline.trim();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(cell) = self.grids.last_mut().and_then(|grid| grid.cell.as_mut()) {
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(text);
            // No value is that long.
            return if cell.len() > CELL_CHARS_MAX { self.make_layout() } else { Ok(()) };
        }
        if let Some(level) = self.heading {
            return self.writer.heading(level, text);
        }
        if let Some(depth) = self.lists.len().checked_sub(1) {
            let mark = self.mark.take();
            let goes_on = mark.is_none();
            let mark = mark.unwrap_or_default();
            return self.writer.item(depth + usize::from(goes_on), &mark, text);
        }
        self.writer.paragraph()?;
        self.writer.push(text)
    }

    fn write_preformatted(&mut self, text: &str) -> Result<(), Unreadable> {
        self.writer.paragraph()?;
        self.writer.push("```\n")?;
        self.writer.push(text.trim_start_matches(['\n', '\r']).trim_end())?;
        self.writer.push("\n```")?;
        self.writer.paragraph()
    }

    fn start_list(&mut self, first: Option<u32>) -> Result<(), Unreadable> {
        self.flush()?;
        if self.lists.len() < DEPTH_MAX {
            self.lists.push(first);
        } else {
            self.deeper_lists += 1;
        }
        Ok(())
    }

    fn end_list(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        self.mark = None;
        if self.deeper_lists > 0 {
            self.deeper_lists -= 1;
        } else {
            self.lists.pop();
        }
        Ok(())
    }

    fn start_item(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        self.mark = Some(match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "- ".to_owned(),
        });
        Ok(())
    }

    fn start_table(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        self.make_layout()?;
        if self.grids.len() < DEPTH_MAX {
            self.grids.push(Grid::default());
        } else {
            self.deeper_grids += 1;
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        if self.deeper_grids > 0 {
            self.deeper_grids -= 1;
        } else if let Some(mut grid) = self.grids.pop() {
            grid.end_row(&mut self.writer)?;
            self.writer.paragraph()?;
        }
        Ok(())
    }

    /// Ends the row before, if there is one.
    fn start_row(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        match self.grids.last_mut() {
            Some(grid) => grid.end_row(&mut self.writer),
            None => Ok(()),
        }
    }

    fn start_cell(&mut self) -> Result<(), Unreadable> {
        self.flush()?;
        if let Some(grid) = self.grids.last_mut() {
            grid.end_cell();
            grid.cell = (!grid.is_layout).then(String::new);
        }
        Ok(())
    }

    /// What is to be written now cannot be in a cell: the table that is open only arranges a page.
    fn make_layout(&mut self) -> Result<(), Unreadable> {
        let Some(grid) = self.grids.last_mut().filter(|grid| grid.cell.is_some()) else {
            return Ok(());
        };
        grid.is_layout = true;
        grid.end_cell();
        for cell in grid.row.drain(..).filter(|cell| !cell.is_empty()) {
            self.writer.paragraph()?;
            self.writer.push(&cell)?;
        }
        Ok(())
    }
}

impl Grid {
    fn end_cell(&mut self) {
        self.row.extend(self.cell.take());
    }

    fn end_row(&mut self, writer: &mut Writer) -> Result<(), Unreadable> {
        self.end_cell();
        let row = std::mem::take(&mut self.row);
        if row.is_empty() { Ok(()) } else { self.table.row(&row, writer) }
    }
}
