//! What is drawn again and again in the same place, or else printed line by line.

use std::io::{self, IsTerminal as _, Stdout, Write, stdout};

/// The width where nobody knows it.
const COLUMNS: usize = 80;

/// A terminal, or what takes its place.
pub(in crate::cli) struct Screen<W = Stdout> {
    out: W,
    pub(in crate::cli) is_terminal: bool,
    /// What is seen.
    shown: String,
}

impl Screen {
    pub(in crate::cli) fn new() -> Self {
        let out = stdout();
        Self { is_terminal: out.is_terminal(), out, shown: String::new() }
    }
}

impl<W: Write> Screen<W> {
    /// Shows a text in the place of the one before.
    ///
    /// # Errors
    ///
    /// If nobody reads it any more.
    pub(in crate::cli) fn show(&mut self, text: &str) -> io::Result<()> {
        if self.shown == text {
            return Ok(());
        }
        if self.is_terminal {
            let columns = columns();
            let cut = |line: &str| line.chars().take(columns).collect::<String>();
            let lines: Vec<_> = text.lines().map(cut).collect();
            write!(self.out, "{}{}", self.back(), lines.join("\n"))?;
        } else {
            writeln!(self.out, "{text}")?;
        }
        text.clone_into(&mut self.shown);
        self.out.flush()
    }

    /// Leaves what is seen, and goes on below.
    pub(in crate::cli) fn leave(mut self) {
        if self.is_terminal && !self.shown.is_empty() {
            let _ = writeln!(self.out);
        }
    }

    /// Back to where the last text began, which is wiped.
    fn back(&self) -> String {
        match self.shown.lines().count() {
            0 | 1 => "\r\x1b[J".to_owned(),
            lines => format!("\r\x1b[{}A\x1b[J", lines - 1),
        }
    }
}

/// How many characters fit in a line, without the last one, behind which some terminals begin another.
pub(in crate::cli) fn columns() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(stdout())
        && size.ws_col > 1
    {
        return usize::from(size.ws_col) - 1;
    }
    COLUMNS - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(is_terminal: bool, texts: &[&str]) -> String {
        let mut screen = Screen { out: Vec::new(), is_terminal, shown: String::new() };
        texts.iter().for_each(|text| screen.show(text).unwrap());
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn a_text_takes_the_place_of_the_one_before() {
        let texts = ["one\ntwo\nthree", "four", "four", "five"];
        let expected = "\r\x1b[Jone\ntwo\nthree\r\x1b[2A\x1b[Jfour\r\x1b[Jfive";
        assert_eq!(drawn(true, &texts), expected);
        assert_eq!(drawn(false, &texts), "one\ntwo\nthree\nfour\nfive\n");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_as_it_would_take_two() {
        let long = "ü".repeat(10_000);
        assert_eq!(drawn(true, &[&long]), format!("\r\x1b[J{}", "ü".repeat(columns())));
        assert_eq!(drawn(false, &[&long]), format!("{long}\n"));
    }
}
