//! URI templates (RFC 6570), read backwards: from a URI to the values in it.
//!
//! | expression | takes |
//! |---|---|
//! | `{id}` | a part of a path, without slashes |
//! | `{path*}`, `{+path}` | the rest of a path, slashes included |
//! | `{?from,to}` | parameters of the query, each of which may be missing |
//!
//! Values are decoded. One that would lead elsewhere when it is taken for the name of a file (`..`,
//! a slash, a backslash, a zero byte) matches nothing.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use regex::Regex;

/// A URI, with or without values in it.
#[derive(Debug)]
pub(crate) struct Template {
    text: String,
    pattern: Regex,
    /// In the order of the pattern's groups.
    path: Vec<Variable>,
    query: Vec<String>,
}

#[derive(Debug)]
struct Variable {
    name: String,
    /// Whether it goes over several parts of a path.
    is_rest: bool,
}

/// Values by their names, as they stand in a URI.
pub(crate) type Values<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.chars().all(is_scheme)
        {
            return Err("a URI begins with a scheme, as in `docs://readme`".to_owned());
        }
        let (mut pattern, mut path, mut query) = ("^".to_owned(), Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((literal, expression)) = rest.split_once('{') {
            if !query.is_empty() {
                return Err("nothing comes after the parameters of the query".to_owned());
            }
            let (expression, after) = expression.split_once('}').ok_or("a `{` is not closed")?;
            pattern.push_str(&regex::escape(literal));
            match expression.strip_prefix('?') {
                Some(names) => {
                    for name in names.split(',') {
                        query.push(checked(name.trim_end_matches('*'))?);
                    }
                }
                None => {
                    let variable = Variable::parse(expression)?;
                    pattern.push_str(if variable.is_rest { "(.+)" } else { "([^/?#]+)" });
                    path.push(variable);
                }
            }
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `}` closes nothing".to_owned());
        }
        if !query.is_empty() && !rest.is_empty() {
            return Err("nothing comes after the parameters of the query".to_owned());
        }
        pattern.push_str(&regex::escape(rest));
        pattern.push('$');
        let pattern = Regex::new(&pattern).map_err(|error| error.to_string())?;
        let template = Self { text: text.to_owned(), pattern, path, query };
        let mut names: Vec<&str> = template.names().collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => Err(format!("`{}` stands there twice", pair.concat())),
            None => Ok(template),
        }
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has no values in it: it is the URI of one resource.
    pub(crate) fn is_plain(&self) -> bool {
        self.path.is_empty() && self.query.is_empty()
    }

    /// What the values are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(|variable| variable.name.as_str()).chain(self.names_of_query())
    }

    /// Those that may be missing.
    pub(crate) fn names_of_query(&self) -> impl Iterator<Item = &str> {
        self.query.iter().map(String::as_str)
    }

    /// The values in a URI, if it is one of these.
    pub(crate) fn values<'a>(&'a self, uri: &'a str) -> Option<Values<'a>> {
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) if !self.query.is_empty() => (path, query),
            _ => (uri, ""),
        };
        let captures = self.pattern.captures(path)?;
        let mut values = Vec::with_capacity(self.path.len());
        for (at, variable) in self.path.iter().enumerate() {
            let text = captures.get(at + 1)?.as_str();
            let value = percent_decode_str(text).decode_utf8().ok()?;
            if !variable.admits(&value) {
                return None;
            }
            values.push((Cow::Borrowed(variable.name.as_str()), value));
        }
        let known = |name: &str| self.query.iter().any(|one| one == name);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if known(&name) {
                // Other texts than names of files may stand here, and slashes in them.
                if value.split(['/', '\\']).any(|part| part == "..") || value.contains('\0') {
                    return None;
                }
                values.push((name, value));
            }
        }
        Some(values)
    }
}

impl Variable {
    fn parse(expression: &str) -> Result<Self, String> {
        let (name, is_rest) = match (expression.strip_prefix('+'), expression.strip_suffix('*')) {
            (Some(name), None) | (None, Some(name)) => (name, true),
            _ => (expression, false),
        };
        Ok(Self { name: checked(name)?, is_rest })
    }

    /// Whether a value could not lead out of the folder that a careless reader joins it to.
    fn admits(&self, value: &str) -> bool {
        let is_odd = |part: &str| matches!(part, "" | "." | "..") || part.contains(['\\', '\0']);
        match self.is_rest {
            true => !value.split('/').any(is_odd),
            false => !is_odd(value) && !value.contains('/'),
        }
    }
}

/// A name, if it can be that of an argument.
fn checked(name: &str) -> Result<String, String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match !name.is_empty() && name.chars().all(is_name) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "`{{{name}}}` is not understood; there are `{{name}}`, `{{name*}}`, `{{+name}}` and \
             `{{?name,other}}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
        let template = Template::parse(template).unwrap();
        let values = template.values(uri)?;
        Some(values.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn values_are_read_from_a_uri() {
        assert_eq!(values("a://x", "a://x"), pairs(&[]));
        assert_eq!(values("a://{id}/b", "a://7/b"), pairs(&[("id", "7")]));
        assert_eq!(values("a://{id}", "a://caf%C3%A9%20"), pairs(&[("id", "café ")]));
        assert_eq!(values("a://{path*}", "a://b/c.md"), pairs(&[("path", "b/c.md")]));
        assert_eq!(values("a://{+path}/z", "a://b/c/z"), pairs(&[("path", "b/c")]));
        let query = "a://s{?q,page}";
        assert_eq!(values(query, "a://s"), pairs(&[]));
        assert_eq!(values(query, "a://s?page=2&x=1&q=a+b"), pairs(&[("page", "2"), ("q", "a b")]));
        for (template, uri) in
            [("a://{id}", "a://7/b"), ("a://{id}", "b://7"), ("a://x", "a://x?y")]
        {
            assert_eq!(values(template, uri), None, "{template} {uri}");
        }
    }

    #[test]
    fn values_do_not_lead_elsewhere() {
        for uri in ["a://..", "a://.", "a://%2e%2e", "a://b%2Fc", "a://b%5Cc", "a://%00", "a://%FF"]
        {
            assert_eq!(values("a://{id}", uri), None, "{uri}");
        }
        for uri in ["a://../b", "a://b/../c", "a://b//c", "a:///etc", "a://b/%2e%2e/c"] {
            assert_eq!(values("a://{path*}", uri), None, "{uri}");
        }
        assert_eq!(values("a://{path*}", "a://..b/c..d"), pairs(&[("path", "..b/c..d")]));
    }

    #[test]
    fn what_is_no_template_says_why() {
        let error = |text| Template::parse(text).unwrap_err();
        assert!(error("readme").contains("scheme"));
        assert!(error("a://{id").contains("not closed"));
        assert!(error("a://}").contains("closes nothing"));
        assert!(error("a://{}").contains("not understood"));
        assert!(error("a://{/x}").contains("not understood"));
        assert!(error("a://{x}{x}").contains("twice"));
        assert!(error("a://{?x}/b").contains("after"));
    }
}
