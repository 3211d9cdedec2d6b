//! Files in TOML.

use std::{path::Path, sync::Arc};

use serde_json::{Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{Mistake, Origin},
    tree::{Place, Tree},
};

/// Reads a document; each part remembers its line.
pub(super) fn parse(text: &str, path: &Path) -> (Tree, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut document = Document { text, path, mistakes: Vec::new() };
    for error in errors {
        // The message, without the line of the file, which may hold a secret.
        let line = error.span().map_or(1, |span| document.line(span.start));
        let place = Place { name: String::new(), origin: document.origin(line) };
        document.mistakes.push(Mistake::new(&place, "toml_invalid", error.message()));
    }
    let place = Arc::new(Place { name: String::new(), origin: document.origin(1) });
    let tree = document.table(table.get_ref(), place);
    (tree, document.mistakes)
}

struct Document<'d> {
    text: &'d str,
    path: &'d Path,
    mistakes: Vec<Mistake>,
}

impl Document<'_> {
    fn table(&mut self, table: &DeTable<'_>, place: Arc<Place>) -> Tree {
        // The parser sorts the keys; mistakes are told in the order of the lines.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().map(|(key, value)| {
            let name = place.name_of(key.get_ref());
            let origin = self.origin(self.line(key.span().start));
            let inner = Arc::new(Place { name, origin });
            (key.get_ref().to_string(), self.tree(value, inner))
        });
        Tree::Table { entries: entries.collect(), place }
    }

    fn tree(&mut self, value: &Spanned<DeValue<'_>>, place: Arc<Place>) -> Tree {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, place),
            other => Tree::Leaf { value: self.value(other, &place), place },
        }
    }

    fn value(&mut self, value: &DeValue<'_>, place: &Place) -> Value {
        let number = match value {
            DeValue::String(text) => return Value::from(text.as_ref()),
            DeValue::Boolean(flag) => return Value::from(*flag),
            DeValue::Datetime(datetime) => return Value::from(datetime.to_string()),
            DeValue::Array(items) => {
                return items.iter().map(|item| self.value(item.get_ref(), place)).collect();
            }
            DeValue::Table(table) => {
                let entries = table.iter().map(|(key, value)| {
                    (key.get_ref().to_string(), self.value(value.get_ref(), place))
                });
                return Value::Object(entries.collect());
            }
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from)
            }
            DeValue::Float(float) => float.as_str().parse().ok().and_then(Number::from_f64),
        };
        number.map_or_else(
            || {
                let message = "the number is too large, or not finite";
                self.mistakes.push(Mistake::new(place, "toml_invalid", message));
                Value::Null
            },
            Value::Number,
        )
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }

    /// The line of a byte, counted from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Loc;

    #[test]
    fn every_kind_of_value_is_read() {
        let text = "
            name = \"a\"
            count = 0x10
            share = 0.5
            on = true
            day = 2026-01-02
            list = [1, [\"b\"], {c = 2}]
            [server]
            port = 1_000
            [[targets]]
            url = \"x\"
        ";
        let (tree, mistakes) = parse(text, Path::new("app.toml"));
        assert_eq!(mistakes, []);
        let expected = json!({
            "name": "a", "count": 16, "share": 0.5, "on": true, "day": "2026-01-02",
            "list": [1, ["b"], {"c": 2}], "server": {"port": 1000}, "targets": [{"url": "x"}],
        });
        assert_eq!(tree.to_value(), expected);
        let (steps, place) = tree.follow(&["server", "port"].map(Loc::from));
        assert_eq!((steps, &*place.name), (2, "server.port"));
        let origin = Origin::File { path: "app.toml".into(), line: 9 };
        assert_eq!(place.origin, origin);
    }

    #[test]
    fn every_mistake_has_its_line_and_shows_no_value() {
        let text = "a = 1\nkey = sk-canary\nb = 2\na = 3\nc = 99999999999999999999\nd = nan\n";
        let (tree, mistakes) = parse(text, Path::new("app.toml"));
        let lines: Vec<_> = mistakes.iter().map(|it| it.origin.to_string()).collect();
        let expected = ["app.toml line 2", "app.toml line 4", "app.toml line 5", "app.toml line 6"];
        assert_eq!(lines, expected, "{mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("canary"));
        assert_eq!(tree.to_value()["b"], 2);
    }
}
