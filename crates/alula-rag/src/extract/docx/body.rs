//! The text itself: paragraphs, tables and notes.

use super::{
    numbering::Numbering,
    styles::{ListPlace, Styles},
    xml::{Element, Node},
};
use crate::extract::{Unreadable, table::Table, writer::Writer};

/// Elements whose text is not read: what was moved away or replaced, how it is pronounced, and what
/// stands in for what older programs do not know.
const SKIPPED: &[&str] =
    &["moveFrom", "pPrChange", "rPrChange", "rt", "Fallback", "instrText", "delText"];

/// Writes the text of a part as its nodes come.
pub(super) struct Body<'a> {
    styles: &'a Styles,
    numbering: &'a mut Numbering,
    writer: &'a mut Writer,
    /// Paragraphs that are open: a text box is within one.
    paragraphs: Vec<Paragraph>,
    tables: Vec<Grid>,
    /// How many elements are open of those that are skipped.
    skipped: usize,
    /// How many are open that say how something looks.
    properties: usize,
    is_text: bool,
    /// The mark of the note that has begun.
    note: Option<String>,
}

#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    outline: Option<u8>,
    list: ListPlace,
}

/// A table that is open.
#[derive(Debug, Default)]
struct Grid {
    table: Table,
    row: Vec<String>,
    cell: String,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        styles: &'a Styles,
        numbering: &'a mut Numbering,
        writer: &'a mut Writer,
    ) -> Self {
        Self {
            styles,
            numbering,
            writer,
            paragraphs: Vec::new(),
            tables: Vec::new(),
            skipped: 0,
            properties: 0,
            is_text: false,
            note: None,
        }
    }

    pub(super) fn read(&mut self, node: Node<'_>) -> Result<(), Unreadable> {
        match node {
            Node::Open(element) if self.skipped > 0 || SKIPPED.contains(&element.name()) => {
                self.skipped += 1;
                Ok(())
            }
            Node::Close(_) if self.skipped > 0 => {
                self.skipped -= 1;
                Ok(())
            }
            Node::Text(_) if self.skipped > 0 || !self.is_text => Ok(()),
            Node::Text(text) => {
                self.push(text);
                Ok(())
            }
            Node::Open(element) => self.open(&element),
            Node::Close(name) => self.close(name),
        }
    }

    fn open(&mut self, element: &Element<'_>) -> Result<(), Unreadable> {
        match element.name() {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.is_text = true,
            "pPr" | "rPr" | "tblPr" | "sectPr" => self.properties += 1,
            "pStyle" | "outlineLvl" | "numId" | "ilvl" => self.property(element)?,
            "tab" | "ptab" if self.properties == 0 => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "footnoteReference" => self.reference(element, "")?,
            "endnoteReference" => self.reference(element, "e")?,
            "footnote" => self.start_note(element, "")?,
            "endnote" => self.start_note(element, "e")?,
            "tbl" => self.tables.push(Grid::default()),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Unreadable> {
        match name {
            "p" => self.end_paragraph()?,
            "t" => self.is_text = false,
            "pPr" | "rPr" | "tblPr" | "sectPr" => {
                self.properties = self.properties.saturating_sub(1);
            }
            "footnote" | "endnote" => self.note = None,
            "tc" => {
                if let Some(grid) = self.tables.last_mut() {
                    let cell = std::mem::take(&mut grid.cell);
                    grid.row.push(cell);
                }
            }
            "tr" => self.end_row()?,
            "tbl" => {
                self.tables.pop();
                if self.tables.is_empty() {
                    self.writer.paragraph()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn property(&mut self, element: &Element<'_>) -> Result<(), Unreadable> {
        let Some(paragraph) = self.paragraphs.last_mut() else { return Ok(()) };
        let value = element.value()?;
        let number = || value.as_ref().and_then(|value| value.parse().ok());
        match element.name() {
            "outlineLvl" => paragraph.outline = number(),
            "ilvl" => paragraph.list.level = number(),
            "numId" => paragraph.list.id = value,
            _ => paragraph.style = value,
        }
        Ok(())
    }

    fn reference(&mut self, element: &Element<'_>, kind: &str) -> Result<(), Unreadable> {
        if let Some(id) = element.attribute("id")? {
            self.push(&format!("[^{kind}{id}]"));
        }
        Ok(())
    }

    /// Begins a note, unless it is one of the lines that Word draws above notes.
    fn start_note(&mut self, element: &Element<'_>, kind: &str) -> Result<(), Unreadable> {
        if element.attribute("type")?.is_none_or(|it| it == "normal") {
            let id = element.attribute("id")?.unwrap_or_default();
            self.note = Some(format!("[^{kind}{id}]: "));
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), Unreadable> {
        let Some(paragraph) = self.paragraphs.pop() else { return Ok(()) };
        let text = paragraph.text.trim();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(grid) = self.tables.last_mut() {
            if !grid.cell.is_empty() {
                grid.cell.push(' ');
            }
            grid.cell.push_str(text);
            return Ok(());
        }
        if let Some(note) = self.note.take() {
            self.writer.paragraph()?;
            self.writer.push(&note)?;
            return self.writer.push(text);
        }
        self.write(&paragraph, text)
    }

    fn write(&mut self, paragraph: &Paragraph, text: &str) -> Result<(), Unreadable> {
        let style = paragraph.style.as_deref().map(|id| self.styles.meaning(id));
        let style = style.unwrap_or_default();
        if style.is_contents {
            return Ok(());
        }
        if style.is_title {
            self.writer.title(text);
            return self.writer.heading(1, text);
        }
        let own = paragraph.outline.map(|level| (level < 9).then_some(level + 1));
        if let Some(level) = own.unwrap_or(style.heading) {
            return self.writer.heading(level, text);
        }
        let list = paragraph.list.id.as_ref().or(style.list.id.as_ref());
        // 0 takes a paragraph out of the list of its style.
        if let Some(list) = list.filter(|list| *list != "0") {
            let level = paragraph.list.level.or(style.list.level).unwrap_or(0);
            let mark = self.numbering.mark(list, usize::from(level));
            return self.writer.item(usize::from(level), &mark, text);
        }
        self.writer.paragraph()?;
        self.writer.push(text)
    }

    /// Writes a row. That of a table in a cell becomes a part of the cell.
    fn end_row(&mut self) -> Result<(), Unreadable> {
        let depth = self.tables.len();
        let Some(grid) = self.tables.last_mut() else { return Ok(()) };
        let row = std::mem::take(&mut grid.row);
        if depth == 1 {
            return grid.table.row(&row, self.writer);
        }
        if let Some(outer) = depth.checked_sub(2).and_then(|index| self.tables.get_mut(index)) {
            if !outer.cell.is_empty() {
                outer.cell.push_str("; ");
            }
            outer.cell.push_str(&row.join(", "));
        }
        Ok(())
    }
}
