//! Tables, as Markdown has them.

use super::{Unreadable, writer::Writer};

/// Writes the rows of a table as they come. The first of them is its head.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: usize,
}

impl Table {
    /// Writes a row; one without words is left out.
    pub(super) fn row(&mut self, cells: &[String], to: &mut Writer) -> Result<(), Unreadable> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        if self.rows == 0 {
            to.paragraph()?;
        } else {
            to.line()?;
        }
        self.rows += 1;
        to.push("|")?;
        for cell in cells {
            to.push(" ")?;
            for (word, index) in cell.split_whitespace().zip(0..) {
                to.push(if index == 0 { "" } else { " " })?;
                // A bar would end the cell.
                for (part, index) in word.split('|').zip(0..) {
                    to.push(if index == 0 { "" } else { "\\|" })?;
                    to.push(part)?;
                }
            }
            to.push(" |")?;
        }
        to.push("\n")?;
        if self.rows == 1 {
            to.push("|")?;
            cells.iter().try_for_each(|_| to.push(" --- |"))?;
            to.push("\n")?;
        }
        Ok(())
    }
}
