//! Files of variables: `.env`.

/// A variable of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// Counted from 1; of its first line, if it has several.
    pub(super) line: usize,
}

/// A line that is no variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

/// The variables of a file in their order, and what is wrong with it.
pub(super) fn parse(text: &str) -> (Vec<Variable>, Vec<BadLine>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser { rest: text, line: 1 };
    let (mut variables, mut bad_lines) = (Vec::new(), Vec::new());
    while !parser.rest.is_empty() {
        let line = parser.line;
        match parser.entry() {
            Ok(Some((name, value))) => variables.push(Variable { name, value, line }),
            Ok(None) => {}
            Err(message) => bad_lines.push(BadLine { line, message }),
        }
        parser.skip_line();
    }
    (variables, bad_lines)
}

struct Parser<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Parser<'t> {
    /// The variable of a line; its end is left.
    fn entry(&mut self) -> Result<Option<(String, String)>, &'static str> {
        self.skip_blanks();
        if self.at_end_of_line() {
            return Ok(None);
        }
        let mut name = self.name();
        if name == "export" && self.rest.starts_with([' ', '\t']) {
            self.skip_blanks();
            name = self.name();
        }
        self.skip_blanks();
        let value = self.rest.strip_prefix('=').filter(|_| !name.is_empty());
        self.rest = value.ok_or("expected NAME=value")?;
        self.skip_blanks();
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.plain(),
        };
        Ok(Some((name.to_owned(), value)))
    }

    fn name(&mut self) -> &'t str {
        let part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
        let end = self.rest.find(|char| !part(char)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// A value without quotes: to the end of the line, or to a comment after a blank.
    fn plain(&mut self) -> String {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.take(end);
        let is_comment = |(at, _): &(usize, _)| {
            let before = line.get(..*at).unwrap_or_default();
            before.is_empty() || before.ends_with([' ', '\t'])
        };
        let comment = line.match_indices('#').find(is_comment).map_or(line.len(), |(at, _)| at);
        line.get(..comment).unwrap_or(line).trim().to_owned()
    }

    /// A value in quotes, which may have several lines. Nothing but a comment may follow.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let opened = self.rest;
        let mut value = String::new();
        let mut chars = opened.char_indices().skip(1);
        let end = loop {
            match chars.next() {
                Some((at, char)) if char == quote => break at + 1,
                Some((_, '\\')) => match chars.next() {
                    Some((_, escaped)) => unescape(quote, escaped, &mut value),
                    None => return Err("a quote is opened and not closed"),
                },
                Some((_, char)) => value.push(char),
                None => return Err("a quote is opened and not closed"),
            }
        };
        let whole = self.take(end);
        self.line += whole.matches('\n').count();
        self.skip_blanks();
        match self.at_end_of_line() {
            true => Ok(value),
            false => Err("something follows the closing quote"),
        }
    }

    fn at_end_of_line(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(['\n', '#']) || self.rest.starts_with("\r\n")
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }

    fn take(&mut self, end: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// What a backslash and the character after it mean. Between single quotes only the quote and the
/// backslash itself are escaped.
fn unescape(quote: char, escaped: char, value: &mut String) {
    let meant = match (quote, escaped) {
        (_, '\\' | '\'') => escaped,
        ('"', '"' | '$') => escaped,
        ('"', 'n') => '\n',
        ('"', 'r') => '\r',
        ('"', 't') => '\t',
        _ => {
            value.push('\\');
            escaped
        }
    };
    value.push(meant);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_value_survives_quotes(value: String) {
            let single = value.replace('\\', "\\\\").replace('\'', "\\'");
            let double = value.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("A='{single}' # one\nexport B=\"{double}\"\nC=end");
            let (variables, bad_lines) = parse(&text);
            prop_assert_eq!(bad_lines, vec![]);
            let values: Vec<&str> = variables.iter().map(|it| it.value.as_str()).collect();
            prop_assert_eq!(values, [value.as_str(), value.as_str(), "end"]);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "[A\"'#= \\\\\r\n\u{feff}é]{0,40}") {
            let (variables, bad_lines) = parse(&format!("{text}\"'\nLAST=1"));
            // A quote that is opened and never closed hides nothing, either.
            let last = variables.last().is_some_and(|it| it.name == "LAST");
            prop_assert!(last || variables.iter().any(|it| it.value.contains("LAST=1")), "{bad_lines:?}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let (variables, bad_lines) = parse(text);
        let found: Vec<_> = variables.iter().map(|it| (&*it.name, &*it.value, it.line)).collect();
        assert_eq!((found.as_slice(), bad_lines), (expected, vec![]), "{text}");
    }

    #[track_caller]
    fn check_bad(text: &str, expected: &[(usize, &str)]) {
        let (_, bad_lines) = parse(text);
        assert_eq!(bad_lines.len(), expected.len(), "{bad_lines:?}");
        for (bad, (line, part)) in bad_lines.iter().zip(expected) {
            assert_eq!(bad.line, *line);
            assert!(bad.message.contains(part), "{bad:?}");
        }
    }

    #[test]
    fn plain_values() {
        check("A=1\nB = two words \nC=\n", &[("A", "1", 1), ("B", "two words", 2), ("C", "", 3)]);
        check(
            "export A=1\nexport\tB=2\nexport=3",
            &[("A", "1", 1), ("B", "2", 2), ("export", "3", 3)],
        );
        check("\u{feff}A=1\r\n\r\nB=2\r\n", &[("A", "1", 1), ("B", "2", 3)]);
        check("URL=postgres://u:p@h/d?x=1", &[("URL", "postgres://u:p@h/d?x=1", 1)]);
    }

    #[test]
    fn comments() {
        check("# all\n  # indented\nA=1 # tail\nB=#all", &[("A", "1", 3), ("B", "", 4)]);
        check("A=a#b c", &[("A", "a#b c", 1)]);
        check("A='a # b' # tail\nB=\"#\"", &[("A", "a # b", 1), ("B", "#", 2)]);
    }

    #[test]
    fn quotes_and_escapes() {
        check(r#"A=" a \"b\" \n\t\\ ""#, &[("A", " a \"b\" \n\t\\ ", 1)]);
        check(r"A='a\n\'b\'\\'", &[("A", r"a\n'b'\", 1)]);
        check(r#"A="\w+\$""#, &[("A", r"\w+$", 1)]);
        check("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo", 1), ("B", "3", 3)]);
        check("A=it's\nB=a\"b\"", &[("A", "it's", 1), ("B", "a\"b\"", 2)]);
    }

    #[test]
    fn nothing_is_put_in_for_a_dollar() {
        check("A=1\nB=${A}$A\nC=\"$A\"", &[("A", "1", 1), ("B", "${A}$A", 2), ("C", "$A", 3)]);
    }

    #[test]
    fn bad_lines_are_all_found_and_do_not_hide_the_others() {
        check_bad("A\nB=1\n=x\n? = 2", &[(1, "NAME=value"), (3, "NAME=value"), (4, "NAME=value")]);
        check_bad("A='x' y\nB=2", &[(1, "follows")]);
        check_bad("A=1\nB=\"x\nC=3\n", &[(2, "not closed")]);
        check_bad("A=\"x\\", &[(1, "not closed")]);
        let (variables, _) = parse("oops\nB=2");
        assert_eq!(variables, [Variable { name: "B".into(), value: "2".into(), line: 2 }]);
    }
}
