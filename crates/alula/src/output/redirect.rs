//! Answers that send the client elsewhere.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Output, ResponseContext};
use crate::{error::Result, openapi::Operation};

/// A redirect with the status `CODE`; 307 unless said otherwise.
///
/// The status is part of the type, so that the document tells the truth. Whatever a `Location`
/// header cannot hold is percent-encoded, so a line break or a letter beyond ASCII does no harm.
/// Where the target comes from the client, check that it stays on your own site.
///
/// ```
/// use alula::Redirect;
///
/// // The client repeats its request, with its method and its body.
/// async fn moved() -> Redirect {
///     Redirect::to("/v2/items")
/// }
///
/// // The client continues with GET, as after a form.
/// async fn log_in() -> Redirect<303> {
///     Redirect::see_other("/home")
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect<const CODE: u16 = 307> {
    location: HeaderValue,
}

impl Redirect<307> {
    /// 307: the client repeats its request there. FastAPI's default.
    pub fn to(location: &str) -> Self {
        Self::new(location)
    }
}

impl Redirect<303> {
    /// 303: the client goes on there with `GET`.
    pub fn see_other(location: &str) -> Self {
        Self::new(location)
    }
}

impl Redirect<308> {
    /// 308: like 307, and for good: clients may remember it.
    pub fn permanent(location: &str) -> Self {
        Self::new(location)
    }
}

impl<const CODE: u16> Redirect<CODE> {
    /// A redirect with the status of the type, as in `Redirect::<302>::new("/login")`.
    ///
    /// A status outside of 300 to 399 stops the start of the application.
    pub fn new(location: &str) -> Self {
        let encoded = utf8_percent_encode(location, ENCODED).to_string();
        // The encoded text is visible ASCII only, so it always is a header's value.
        let location = HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static("/"));
        Self { location }
    }
}

/// What Starlette encodes: all but letters, digits, what a URL is made of, and its percent signs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'%')
    .remove(b'#')
    .remove(b'?')
    .remove(b'=')
    .remove(b'@')
    .remove(b'[')
    .remove(b']')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';');

impl<const CODE: u16> Output for Redirect<CODE> {
    fn describe(operation: &mut Operation<'_>, _: u16) {
        if !(300..400).contains(&CODE) {
            operation.mistake(format!("{CODE} is not the status of a redirect"));
        }
        operation.response(CODE, "Successful Response", None);
    }

    fn respond(self, _: &ResponseContext<'_>) -> Result<Response<Body>> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(CODE)?;
        response.headers_mut().insert(header::LOCATION, self.location);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_encoded_as_in_fastapi() {
        let location = |text| Redirect::to(text).location.to_str().unwrap().to_owned();
        assert_eq!(
            location("/a b?x=é&y=\"\r\nset-cookie: a=b"),
            "/a%20b?x=%C3%A9&y=%22%0D%0Aset-cookie:%20a=b"
        );
        let url = "https://user@[::1]:8/a%20b/~c_d.e-f;g?h=(i)!*'$#j+k,l";
        assert_eq!(location(url), url);
    }
}
