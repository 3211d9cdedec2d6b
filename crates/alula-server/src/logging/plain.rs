//! The fields of a line of text that nobody reads at a terminal.

use std::{
    error::Error,
    fmt::{self, Write as _},
    iter,
};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// The message, then `name=value` for each field, as `tracing-subscriber` writes them; but without
/// the colours, for which it formats every word twice also where there are none. A server writes a
/// line for each request.
pub(super) struct PlainFields;

impl<'writer> FormatFields<'writer> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'a> {
    writer: Writer<'a>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.write(field.name(), value);
        }
    }

    fn write(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Writer<'_>) -> fmt::Result,
    ) -> fmt::Result {
        if !self.is_empty {
            self.writer.write_char(' ')?;
        }
        self.is_empty = false;
        if name != "message" {
            self.writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.write_char('=')?;
        }
        value(&mut self.writer)
    }
}

impl Visit for Line<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        self.field(field, |writer| {
            if field.name() == "message" {
                return Printable(writer).write_str(value);
            }
            if !value.bytes().all(is_plain) {
                return write!(writer, "{value:?}");
            }
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.field(field, |writer| write!(Printable(writer), "{value}"));
        let mut sources = iter::successors(value.source(), |&error| error.source()).peekable();
        if sources.peek().is_none() || self.result.is_err() {
            return;
        }
        let name = format!("{}.sources", field.name());
        self.result = self.write(&name, |writer| {
            let mut before = "[";
            for source in sources {
                writer.write_str(before)?;
                write!(Printable(writer), "{source}")?;
                before = ", ";
            }
            writer.write_char(']')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |writer| write!(Printable(writer), "{value:?}"));
    }
}

/// Writes no character that would be a command to the terminal that shows the file one day, and no
/// end of a line, behind which whoever chose the text could forge another one.
struct Printable<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_command = |character: char| character.is_control() && character != '\t';
        for piece in text.split_inclusive(is_command) {
            match piece.chars().next_back().filter(|last| is_command(*last)) {
                None => self.0.write_str(piece)?,
                Some(last) => {
                    self.0.write_str(piece.strip_suffix(last).unwrap_or_default())?;
                    write!(self.0, "{}", last.escape_default())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer\u{1b}[2J")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner(#[source] fmt::Error);

    fn log() {
        let span = tracing::info_span!("request", request_id = "req \"1\"", number = 7);
        let _entered = span.enter();
        let (name, at) = ("né\n", -3);
        let error = Outer(Inner(fmt::Error));
        let error: &(dyn Error + 'static) = &error;
        tracing::info!(
            error,
            name,
            at,
            r#type = "t",
            share = 0.5,
            yes = true,
            none = None::<u8>,
            list = ?[1, 2],
            shown = %"a b",
            "two {}",
            "words"
        );
        tracing::warn!(path = "/v1/models", "only this\u{7}");
        tracing::warn!("");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no\n2026-11-27T00:00:00Z  INFO forged")]
    struct Forging;

    #[test]
    fn a_record_is_one_line() {
        let written = Written::default();
        let lines = tracing_subscriber::fmt().with_ansi(false).without_time();
        let subscriber = lines.with_writer(written.clone()).fmt_fields(PlainFields).finish();
        tracing::subscriber::with_default(subscriber, || {
            let error: &(dyn Error + 'static) = &Forging;
            tracing::info!(error, shown = %Forging, text = "a\r\nb", "{Forging}");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.matches(['\n', '\r']).count(), 1, "{written}");
        assert_eq!(written.matches("no\\n2026").count(), 3, "{written}");
    }

    /// What is written without colours is what `tracing-subscriber` writes.
    #[test]
    fn lines_are_those_of_the_default() {
        let written = [Written::default(), Written::default()];
        let [default, plain] = &written;
        let lines = || tracing_subscriber::fmt().with_ansi(false).without_time();
        let subscriber = lines().with_writer(default.clone()).finish();
        tracing::subscriber::with_default(subscriber, log);
        let subscriber = lines().with_writer(plain.clone()).fmt_fields(PlainFields).finish();
        tracing::subscriber::with_default(subscriber, log);
        let [default, plain] =
            written.map(|it| String::from_utf8(it.0.lock().unwrap().clone()).unwrap());
        assert_eq!(plain.lines().count(), 3);
        assert_eq!(plain, default.replace("\\x1b", "\\u{1b}").replace("\\x07", "\\u{7}"));
    }
}
