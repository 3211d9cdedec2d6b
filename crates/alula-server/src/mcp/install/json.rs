//! A member more in a JSON text, of which all else stays as it is.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer, Serialize as _,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};

/// Where clients look for servers.
const SERVERS: &str = "mcpServers";
const BOM: char = '\u{feff}';

/// Why a text was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("this is no JSON: {0}")]
    Malformed(String),
    #[error("this is no JSON object")]
    NoObject,
    #[error("`{SERVERS}` is no object")]
    NoServers,
    #[error("{0}")]
    Entry(serde_json::Error),
}

/// The text of a configuration with a server in it, in place of one of the same name.
pub(super) fn with_server(text: &str, name: &str, entry: &Value) -> Result<String, EditError> {
    let (bom, body) = match text.strip_prefix(BOM) {
        Some(body) => (true, body),
        None => (false, text),
    };
    let edited = match body.trim().is_empty() {
        true => {
            let whole = json!({ SERVERS: { name: entry } });
            format!("{}\n", Style::default().pretty(&whole, 0)?)
        }
        false => edited(body, name, entry)?,
    };
    Ok(if bom { format!("{BOM}{edited}") } else { edited })
}

/// What a configuration says of the server of this name.
pub(super) fn server<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let body = text.strip_prefix(BOM).unwrap_or(text);
    let top = Object::read(body, 0..body.len()).ok()?;
    let servers = Object::read(body, top.value(SERVERS)?).ok()?;
    body.get(servers.value(name)?)
}

fn edited(text: &str, name: &str, entry: &Value) -> Result<String, EditError> {
    let style = Style::of(text);
    let top = Object::read(text, 0..text.len())?;
    let Some(servers) = top.value(SERVERS) else {
        return top.with(text, SERVERS, &json!({ name: entry }), &style, 1);
    };
    let servers = Object::read(text, servers).map_err(|error| match error {
        EditError::NoObject => EditError::NoServers,
        error => error,
    })?;
    match servers.value(name) {
        Some(place) => {
            let known: Option<Value> =
                text.get(place.clone()).and_then(|raw| serde_json::from_str(raw).ok());
            match known.as_ref() == Some(entry) {
                // As it is written is as good.
                true => Ok(text.to_owned()),
                false => Ok(spliced(text, place, &style.pretty(entry, 2)?)),
            }
        }
        None => servers.with(text, name, entry, &style, 2),
    }
}

fn spliced(text: &str, place: Range<usize>, new: &str) -> String {
    let before = text.get(..place.start).unwrap_or_default();
    let after = text.get(place.end..).unwrap_or_default();
    [before, new, after].concat()
}

/// An object, and where its members are in the text.
struct Object {
    /// From brace to brace.
    place: Range<usize>,
    members: Vec<(String, Range<usize>)>,
}

impl Object {
    fn read(text: &str, place: Range<usize>) -> Result<Self, EditError> {
        let whole = text.get(place.clone()).unwrap_or_default();
        let members: Members<'_> = serde_json::from_str(whole).map_err(|error| {
            match serde_json::from_str::<Value>(whole) {
                Ok(_) => EditError::NoObject,
                Err(_) => EditError::Malformed(error.to_string()),
            }
        })?;
        // A raw value is a part of the text that it was read from.
        let begin = text.as_ptr().addr();
        let place_of = |raw: &RawValue| {
            let start = raw.get().as_ptr().addr().saturating_sub(begin);
            start..start + raw.get().len()
        };
        let members = members.0.into_iter().map(|(key, raw)| (key, place_of(raw))).collect();
        let lead = whole.len() - whole.trim_start().len();
        let start = place.start + lead;
        Ok(Self { place: start..start + whole.trim().len(), members })
    }

    /// The value of a member: the last one of this name, as programs read it.
    fn value(&self, name: &str) -> Option<Range<usize>> {
        let found = self.members.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, place)| place.clone())
    }

    /// The text with a member more, behind the others.
    fn with(
        &self,
        text: &str,
        key: &str,
        value: &Value,
        style: &Style,
        depth: usize,
    ) -> Result<String, EditError> {
        let key = serde_json::to_string(key).map_err(EditError::Entry)?;
        let member = format!("{key}:{}{}", style.space(), style.pretty(value, depth)?);
        Ok(match self.members.last() {
            Some((_, last)) => {
                let member = format!(",{}{member}", style.newline(depth));
                spliced(text, last.end..last.end, &member)
            }
            None => {
                let (inner, outer) = (style.newline(depth), style.newline(depth - 1));
                spliced(text, self.place.clone(), &format!("{{{inner}{member}{outer}}}"))
            }
        })
    }
}

/// The members of an object in their order, each with its own text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

/// How a text is set.
struct Style {
    /// What a level is indented by; nothing for a text on one line.
    indent: Option<String>,
    newline: &'static str,
}

impl Default for Style {
    fn default() -> Self {
        Self { indent: Some("  ".to_owned()), newline: "\n" }
    }
}

impl Style {
    fn of(text: &str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        if !text.trim().contains('\n') {
            // `{}` says nothing of how it would be set.
            let is_bare = text.trim().len() <= 2;
            return Self { indent: is_bare.then(|| "  ".to_owned()), newline };
        }
        let indents = text.lines().map(|line| {
            let letters = line.trim_start();
            line.strip_suffix(letters).unwrap_or_default()
        });
        let first = indents.into_iter().find(|indent| !indent.is_empty());
        Self { indent: Some(first.unwrap_or("  ").to_owned()), newline }
    }

    fn newline(&self, depth: usize) -> String {
        match &self.indent {
            Some(indent) => format!("{}{}", self.newline, indent.repeat(depth)),
            None => String::new(),
        }
    }

    fn space(&self) -> &'static str {
        if self.indent.is_some() { " " } else { "" }
    }

    /// A value as it stands at this depth.
    fn pretty(&self, value: &Value, depth: usize) -> Result<String, EditError> {
        let Some(indent) = &self.indent else { return Ok(value.to_string()) };
        let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        value.serialize(&mut serializer).map_err(EditError::Entry)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.replace('\n', &self.newline(depth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> String {
        with_server(text, "b", &json!({ "command": "b" })).unwrap()
    }

    #[test]
    fn a_new_file_has_the_server_alone() {
        let expected =
            "{\n  \"mcpServers\": {\n    \"b\": {\n      \"command\": \"b\"\n    }\n  }\n}\n";
        for text in ["", " \n", "\u{feff}"] {
            assert_eq!(with(text).trim_start_matches(BOM), expected);
        }
        assert_eq!(format!("{}\n", with("{}")), expected);
        assert_eq!(
            with("{ \"mcpServers\": {} }"),
            "{ \"mcpServers\": {\"b\":{\"command\":\"b\"}} }"
        );
    }

    #[test]
    fn all_else_stays_to_the_byte() {
        let text = "\u{feff}{\r\n\t\"z\": 1e400, \"big\": 12345678901234567890123,\r\n\
                    \t\"mcpServers\": {\r\n\t\t\"a\": {\"command\":   \"a\", \"x\": [ 1.0 ]}\r\n\
                    \t},\r\n\t\"é\": \"\\u00e9\"\r\n}\r\n";
        let added = ",\r\n\t\t\"b\": {\r\n\t\t\t\"command\": \"b\"\r\n\t\t}";
        let (before, after) = text.split_once("\r\n\t},").unwrap();
        assert_eq!(with(text), format!("{before}{added}\r\n\t}},{after}"));
    }

    #[test]
    fn a_server_of_the_same_name_is_replaced_in_its_place() {
        let text = "{\n    \"mcpServers\": {\n        \"b\": {\"command\": \"old\"},\n        \
                    \"c\": 1\n    }\n}";
        let new = "{\n            \"command\": \"b\"\n        }";
        assert_eq!(with(text), text.replace("{\"command\": \"old\"}", new));
        let same = text.replace("old", "b");
        assert_eq!(with(&same), same, "what is the same stays as it is written");
    }

    #[test]
    fn a_file_without_servers_gets_them_at_its_end() {
        let text = "{\n  \"theme\": \"dark\"\n}\n";
        let servers = "{\n    \"b\": {\n      \"command\": \"b\"\n    }\n  }";
        let expected = format!("{{\n  \"theme\": \"dark\",\n  \"mcpServers\": {servers}\n}}\n");
        assert_eq!(with(text), expected);
        let read: Value = serde_json::from_str(&with(text)).unwrap();
        assert_eq!(read["mcpServers"]["b"]["command"], "b");
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        let error = |text: &str| with_server(text, "b", &json!({})).unwrap_err().to_string();
        assert!(error("{ // mine\n}").starts_with("this is no JSON: "));
        assert!(error("{ \"a\": 1 ").starts_with("this is no JSON: "));
        assert!(error("{} {}").starts_with("this is no JSON: "));
        assert_eq!(error("[]"), "this is no JSON object");
        assert_eq!(error("{ \"mcpServers\": [] }"), "`mcpServers` is no object");
    }
}
