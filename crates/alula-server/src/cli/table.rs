//! Tables for people.

/// Columns under each other, as wide as they need to be.
pub(super) fn of_texts(rows: &[Vec<String>]) -> String {
    with_numbers(rows, usize::MAX)
}

/// The same: so many columns of texts, then numbers, whose last digits are under each other.
pub(super) fn with_numbers(rows: &[Vec<String>], texts: usize) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            let cell = clean(cell);
            if column < texts { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A control character could paint over the table, and over the terminal.
pub(super) fn clean(text: &str) -> String {
    text.replace(is_bad, "\u{fffd}")
}

/// The same for a text of several lines: it keeps them, and its tabs. Marks that turn the direction
/// of what stands behind them are no better than control characters.
pub(crate) fn printable(text: &str) -> String {
    text.replace(|char| !matches!(char, '\n' | '\t') && is_bad(char), "\u{fffd}")
}

/// Whether a terminal does something with a character, other than to show it.
pub(super) fn is_bad(char: char) -> bool {
    match char {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => char.is_control(),
    }
}
