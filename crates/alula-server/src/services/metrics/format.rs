//! The two formats that Prometheus reads, and which of them a client prefers.

use std::fmt::Write as _;

use alula::http::{HeaderMap, header};

/// How everything that is counted is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of
    /// Prometheus, in which the registry writes.
    Text,
    /// [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/).
    OpenMetrics,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Text, Self::OpenMetrics];

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::OpenMetrics => "application/openmetrics-text",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// `OpenMetrics` for who names it and likes it no less than text, and else text: whoever
    /// accepts neither may still read that.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
        let ranges: Vec<_> = lists.flat_map(|list| list.split(',')).map(Range::of).collect();
        let (open_metrics, is_named) = Self::OpenMetrics.weight(&ranges);
        match is_named && open_metrics > 0.0 && open_metrics >= Self::Text.weight(&ranges).0 {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// How much it is liked, and whether it is named: the most specific range says so.
    fn weight(self, ranges: &[Range<'_>]) -> (f32, bool) {
        let matching = ranges.iter().filter_map(|range| Some((range.precision(self)?, range)));
        let decides = matching.max_by(|(precision, range), (of_other, other)| {
            precision.cmp(of_other).then(range.weight.total_cmp(&other.weight))
        });
        match decides {
            Some((precision, range)) => (range.weight, precision >= Precision::Name),
            None => (0.0, false),
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Text => "0.0.4",
            Self::OpenMetrics => "1.0.0",
        }
    }

    /// A text of the registry in this format.
    pub(crate) fn write(self, text: String) -> String {
        match self {
            Self::Text => text,
            Self::OpenMetrics => open_metrics(&text),
        }
    }
}

/// How well a range says what it means (RFC 9110, §12.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    /// `*/*`
    Any,
    /// `text/*`
    Type,
    /// `text/plain`
    Name,
    /// `text/plain; version=0.0.4`
    Version,
}

/// What a client accepts.
struct Range<'a> {
    media_type: String,
    version: Option<&'a str>,
    weight: f32,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut range = Self { media_type, version: None, weight: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match &*name.to_ascii_lowercase() {
                "version" => range.version = Some(value.trim_matches('"')),
                "q" => range.weight = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }

    /// How well it says that it means this format; nothing if it means others.
    fn precision(&self, format: Format) -> Option<Precision> {
        let name = format.media_type();
        match (&*self.media_type, self.version) {
            ("*/*", _) => Some(Precision::Any),
            (range, None) if range == name => Some(Precision::Name),
            (range, Some(version)) if range == name => {
                (version == format.version()).then_some(Precision::Version)
            }
            (range, _) => {
                let of_type = range.strip_suffix('*').filter(|of_type| of_type.ends_with('/'))?;
                name.starts_with(of_type).then_some(Precision::Type)
            }
        }
    }
}

/// The same numbers, with counters called by their names without `_total`, quotes in explanations
/// escaped, and an end by which a text that was cut off is known.
fn open_metrics(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let family = |name| match counters.contains(&name) {
        true => name.strip_suffix("_total").unwrap_or(name),
        false => name,
    };
    let mut written = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let comment = line.strip_prefix("# ").and_then(|comment| {
            let (word, rest) = comment.split_once(' ')?;
            let (name, value) = rest.split_once(' ')?;
            Some((word, family(name), value))
        });
        // Writing to a text does not fail.
        let _ = match comment {
            Some(("HELP", name, help)) => {
                writeln!(written, "# HELP {name} {}", help.replace('"', "\\\""))
            }
            Some((word, name, value)) => writeln!(written, "# {word} {name} {value}"),
            None => writeln!(written, "{line}"),
        };
    }
    written.push_str("# EOF\n");
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_likes_openmetrics_gets_it() {
        let accepted = |lists: &[&str]| {
            let lists = lists.iter().map(|list| (header::ACCEPT, list.parse().unwrap()));
            Format::accepted(&lists.collect())
        };
        // What Prometheus 2 and 3 send.
        let two = "application/openmetrics-text;version=1.0.0,\
                   application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let three = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                     application/openmetrics-text;version=0.0.1;q=0.4,\
                     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                     text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for lists in [
            &[two][..],
            &[three],
            &["application/openmetrics-text"],
            &["Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=0.5, text/plain; q=0.4"],
            &["text/plain", "application/openmetrics-text"],
            // The most specific one counts, wherever it is.
            &["*/*, text/plain;q=0.1, application/openmetrics-text;q=0.5"],
            &["text/*;q=0.9, application/openmetrics-text;q=0.5, text/plain;q=0.4"],
            &["text/plain;q=0.9, application/openmetrics-text;q=0.5, text/plain;version=0.0.4;q=0"],
            &["text/plain;version=1.0.0, application/openmetrics-text;q=0.5"],
        ] {
            assert_eq!(accepted(lists), Format::OpenMetrics, "{lists:?}");
        }
        for lists in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["text/plain;version=0.0.4"],
            &["application/openmetrics-text;version=0.0.1"],
            &["application/openmetrics-text;version=2.0.0"],
            &["application/openmetrics-text;q=0"],
            &["application/openmetrics-text;q=much"],
            &["application/openmetrics-text;q=0.4, text/*;q=0.5"],
            &["application/openmetrics-text;q=0.4", "*/*"],
            &[
                "application/openmetrics-text;version=1.0.0;q=0.1, application/openmetrics-text, text/*;q=0.5",
            ],
            &["application/json"],
        ] {
            assert_eq!(accepted(lists), Format::Text, "{lists:?}");
        }
    }

    #[test]
    fn counters_are_called_by_other_names_in_openmetrics() {
        let text = "# HELP a_total Say \"a\".\n# TYPE a_total counter\na_total{b=\"# TYPE x\"} 1\n\
                    # HELP b_total B.\n# TYPE b_total gauge\nb_total 2\n";
        let expected = "# HELP a Say \\\"a\\\".\n# TYPE a counter\na_total{b=\"# TYPE x\"} 1\n\
                        # HELP b_total B.\n# TYPE b_total gauge\nb_total 2\n# EOF\n";
        assert_eq!(Format::OpenMetrics.write(text.to_owned()), expected);
        assert_eq!(Format::Text.write(text.to_owned()), text);
    }
}
