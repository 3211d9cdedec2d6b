//! What the client reads, with the values of fields in it.

use proc_macro2::Span;
use syn::LitStr;

use super::variant::Field;

/// A text in which `{field}` stands for the value of a field.
#[derive(Debug)]
pub(super) struct Detail {
    /// As `format!` takes it, with the fields by the names that they are bound to.
    pub(super) format: LitStr,
    /// As people read it, in the document.
    pub(super) text: String,
    /// Which fields are in it.
    pub(super) fields: Vec<usize>,
}

impl Detail {
    /// Reads the text of `#[api(detail = "…")]`.
    pub(super) fn parse(literal: &LitStr, fields: &[Field]) -> syn::Result<Self> {
        let error = |message: String| syn::Error::new_spanned(literal, message);
        let (mut format, mut text, mut used) = (String::new(), String::new(), Vec::new());
        let value = literal.value();
        let mut rest = value.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (plain, braces) = rest.split_at(at);
            format.push_str(plain);
            text.push_str(plain);
            if let Some(after) = braces.strip_prefix("{{").or_else(|| braces.strip_prefix("}}")) {
                let brace = braces.get(..1).unwrap_or_default();
                format.push_str(&brace.repeat(2));
                text.push_str(brace);
                rest = after;
                continue;
            }
            let inside = braces.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((placeholder, after)) = inside else {
                return Err(error("a brace is not closed; `{{` and `}}` are braces".to_owned()));
            };
            let (name, how) = match placeholder.split_once(':') {
                Some((name, how)) => (name.trim(), format!(":{how}")),
                None => (placeholder.trim(), String::new()),
            };
            let at = find(name, fields).map_err(error)?;
            used.push(at.0);
            format.push_str(&format!("{{{}{how}}}", at.1));
            text.push_str(&format!("{{{name}}}"));
            rest = after;
        }
        format.push_str(rest);
        text.push_str(rest);
        // Errors are shown at the text, but its names are those that the derive binds.
        let span = literal.span().resolved_at(Span::call_site());
        Ok(Self { format: LitStr::new(&format, span), text, fields: used })
    }
}

/// The field of a name: where it is, and what it is bound to.
fn find(name: &str, fields: &[Field]) -> Result<(usize, String), String> {
    if name.is_empty() {
        return Err("name the field: `{field}`, or `{0}`".to_owned());
    }
    let found = fields.iter().enumerate().find(|(_, field)| field.name == name);
    let Some((at, field)) = found else {
        let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
        return Err(match names.is_empty() {
            true => format!("there is no field `{name}`"),
            false => format!("there is no field `{name}`; there are {}", names.join(", ")),
        });
    };
    if field.is_cause {
        return Err(format!("`{name}` is for the log only; the client must not read it"));
    }
    Ok((at, field.binding.to_string()))
}
