//! Path, query, header and cookie parameters.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use axum::extract::{FromRequestParts as _, RawPathParams};
use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{Input, Rejection, RequestContext};
use crate::{
    error::{HttpError, Result},
    openapi::{Operation, Place},
    schema::TextShape,
    validate::Validate,
};

/// Names and texts, as they came.
type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Makes a type of parameters, and its input from the pairs that `$pairs` finds in the request.
macro_rules! parameters {
    (
        $(#[$doc:meta])*
        $Name:ident, $place:expr, |$plan:ident, $cx:ident| $pairs:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $Name<T>(pub T);

        impl<T> Deref for $Name<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<T> DerefMut for $Name<T> {
            fn deref_mut(&mut self) -> &mut T {
                &mut self.0
            }
        }

        impl<T> Input for $Name<T>
        where
            T: DeserializeOwned + JsonSchema + Validate + Send + 'static,
        {
            type Plan = TextShape;

            fn plan(operation: &mut Operation<'_>) -> Self::Plan {
                operation.parameters::<T>($place)
            }

            async fn extract(
                $plan: &Self::Plan,
                $cx: &mut RequestContext,
            ) -> Result<Self, Rejection> {
                let parsed = {
                    let pairs: Pairs<'_> = $pairs;
                    $plan.parse::<T>($place.as_str(), &pairs)
                };
                parsed.map($Name).map_err(|details| $cx.reject_all(details))
            }
        }
    };
}

parameters! {
    /// Parameters from the query string.
    ///
    /// The fields of `T` are the parameters. A key that comes twice fills a list; for a single
    /// value the last one counts. `#[serde(default)]` makes a parameter optional.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[derive(Deserialize, JsonSchema, Validate)]
    /// struct Page {
    ///     #[serde(default)]
    ///     offset: u32,
    ///     #[serde(default)]
    ///     #[schemars(range(max = 100))]
    ///     limit: Option<u32>,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    /// }
    ///
    /// async fn list(Query(page): Query<Page>) -> Json<u32> {
    ///     Json(page.offset + page.limit.unwrap_or(10))
    /// }
    /// ```
    Query, Place::Query, |plan, cx| {
        let query = cx.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).collect()
    }
}

parameters! {
    /// Parameters from the path: a struct by name, or a single value or a tuple in the order of
    /// the template.
    ///
    /// ```
    /// use alula::{Json, Path, get};
    ///
    /// async fn page(Path((book, page)): Path<(String, u32)>) -> Json<String> {
    ///     Json(format!("{book}, page {page}"))
    /// }
    ///
    /// let route = get("/books/{book}/pages/{page}", page);
    /// ```
    Path, Place::Path, |plan, cx| {
        let params = RawPathParams::from_request_parts(cx.parts_mut(), &()).await;
        let params = params.map_err(|error| HttpError::bad_request(error.body_text()))?;
        params.iter().map(|(name, value)| (owned(name), owned(value))).collect()
    }
}

parameters! {
    /// Parameters from headers. The field `x_token` reads the header `x-token`.
    ///
    /// A header that comes twice fills a list; for a single value the first one counts.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[derive(Deserialize, JsonSchema, Validate)]
    /// struct Tracing {
    ///     x_trace_id: Option<String>,
    /// }
    ///
    /// async fn traced(Header(tracing): Header<Tracing>) -> Json<Option<String>> {
    ///     Json(tracing.x_trace_id)
    /// }
    /// ```
    Header, Place::Header, |plan, cx| header_pairs(plan, cx.headers())
}

parameters! {
    /// Parameters from cookies.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[derive(Deserialize, JsonSchema, Validate)]
    /// struct Session {
    ///     session_id: String,
    /// }
    ///
    /// async fn me(Cookie(session): Cookie<Session>) -> Json<String> {
    ///     Json(session.session_id)
    /// }
    /// ```
    Cookie, Place::Cookie, |plan, cx| cookie_pairs(cx.headers())
}

fn owned<'a>(text: &str) -> Cow<'a, str> {
    Cow::Owned(text.to_owned())
}

/// The headers that the parameters name; the others are nobody's business here.
fn header_pairs<'a>(shape: &'a TextShape, headers: &'a HeaderMap) -> Pairs<'a> {
    let values = |name: &'a str| {
        headers.get_all(name).iter().map(move |value| (Cow::Borrowed(name), text(value)))
    };
    shape.parameters().iter().flat_map(|parameter| values(&parameter.name)).collect()
}

/// A header's value as text; what is not ASCII is read as Latin-1, as HTTP always did.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

/// Splits `Cookie` headers into pairs, as RFC 6265 section 5.4 joins them.
pub(super) fn cookie_pairs(headers: &HeaderMap) -> Pairs<'_> {
    let mut pairs = Pairs::new();
    for line in headers.get_all(header::COOKIE) {
        match text(line) {
            Cow::Borrowed(line) => pairs.extend(cookies(line)),
            Cow::Owned(line) => {
                let own =
                    |(name, value): (Cow<'_, str>, Cow<'_, str>)| (owned(&name), owned(&value));
                pairs.extend(cookies(&line).map(own));
            }
        }
    }
    pairs
}

fn cookies(line: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    line.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Some((name.trim().into(), inner.map_or(value.into(), unescape)))
    })
}

/// Undoes the escapes in a quoted value that [`SetCookie`](crate::SetCookie) and Python write:
/// three octal digits, or the letter itself.
fn unescape(quoted: &str) -> Cow<'_, str> {
    let Some((plain, mut rest)) = quoted.split_once('\\') else { return quoted.into() };
    let mut text = plain.to_owned();
    loop {
        let octal = rest.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let letters = match octal.filter(|_| rest.starts_with(['0', '1', '2', '3'])) {
            Some(code) => {
                text.push(code.into());
                rest.get(3..)
            }
            None => {
                // A backslash at the end escapes nothing.
                text.push(rest.chars().next().unwrap_or('\\'));
                rest.char_indices().nth(1).and_then(|(at, _)| rest.get(at..))
            }
        };
        match letters.unwrap_or_default().split_once('\\') {
            Some((plain, escape)) => {
                text.push_str(plain);
                rest = escape;
            }
            None => {
                text.push_str(letters.unwrap_or_default());
                return text.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_split_trimmed_and_unquoted() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; b=\"two\";c=x=y; broken; d=".parse().unwrap());
        headers.append(header::COOKIE, "e=5".parse().unwrap());
        let pairs = cookie_pairs(&headers);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "two"), ("c", "x=y"), ("d", ""), ("e", "5")]);
    }

    #[test]
    fn escapes_in_a_quoted_cookie_are_undone_as_in_fastapi() {
        let value = |line| cookies(line).next().unwrap().1.into_owned();
        assert_eq!(value(r#"a="a b\073c\"\\\351\054""#), "a b;c\"\\é,");
        assert_eq!(value(r#"a="\400\08\""#), r"40008\");
        assert_eq!(value(r#"a="\é\1""#), "é1");
        assert_eq!(value(r"a=x\073"), r"x\073");
    }

    #[test]
    fn a_cookie_that_is_not_ascii_does_not_hide_the_others() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"caf\xe9=\xff; session=1").unwrap();
        headers.append(header::COOKIE, line);
        let pairs = cookie_pairs(&headers);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("café", "ÿ"), ("session", "1")]);
    }

    #[test]
    fn a_header_that_is_not_ascii_is_read_as_latin_1() {
        assert_eq!(text(&HeaderValue::from_bytes(b"caf\xe9").unwrap()), "café");
    }
}
