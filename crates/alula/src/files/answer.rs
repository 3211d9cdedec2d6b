//! Files as answers to requests for them.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, Uri, header};

use super::{
    Files,
    find::{Found, Sent},
    request::Asked,
};
use crate::{
    app::redirect,
    error::{HttpError, Result},
    openapi::Operation,
    output::{Output, ResponseContext, open::on_a_blocking_thread},
};

/// What a directory answers.
pub(super) enum Answer {
    File(Box<Sending>),
    Redirect(HeaderValue),
}

/// A file with what is said about it.
pub(super) struct Sending {
    sent: Sent,
    status: StatusCode,
    cache_control: Option<HeaderValue>,
    /// The headers of a request that choose what is sent.
    vary: Option<&'static str>,
}

impl Files {
    pub(super) async fn answer(self, asked: Asked) -> Result<Answer> {
        let (reads, uri, files) = (asked.reads, asked.uri.clone(), self.clone());
        let found = on_a_blocking_thread(move || files.find(&asked)).await?;
        // A frontend does not know of paths that it has no file for; a directory has them all.
        let knows = !self.0.is_site || matches!(found, Found::File(_) | Found::Directory);
        if !reads && knows {
            let allowed = HeaderValue::from_static("GET,HEAD");
            return Err(HttpError::new(405, "Method Not Allowed").header(header::ALLOW, allowed));
        }
        match found {
            Found::Directory => Ok(Answer::Redirect(with_slash(&uri)?)),
            Found::File(sent) => Ok(self.send(sent, StatusCode::OK, false)),
            Found::Application(sent) if reads => Ok(self.send(sent, StatusCode::OK, true)),
            Found::NotFoundPage(sent) if reads => Ok(self.send(sent, StatusCode::NOT_FOUND, false)),
            Found::Application(_) | Found::NotFoundPage(_) | Found::Nothing => {
                Err(HttpError::not_found("Not Found"))
            }
        }
    }

    /// `navigates` says that only a browser that navigates is sent it.
    fn send(&self, sent: Sent, status: StatusCode, navigates: bool) -> Answer {
        let cache_control = self.cache_control(sent.is_page);
        let vary = match (self.0.precompressed, navigates) {
            (true, true) => Some("Accept, Accept-Encoding"),
            (true, false) => Some("Accept-Encoding"),
            (false, true) => Some("Accept"),
            (false, false) => None,
        };
        Answer::File(Box::new(Sending { sent, status, cache_control, vary }))
    }
}

fn with_slash(uri: &Uri) -> Result<HeaderValue> {
    // Two slashes would lead to another host, and a browser takes a backslash for one.
    let path = uri.path().trim_start_matches(['/', '\\']);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(HeaderValue::try_from(format!("/{path}/{query}"))?)
}

impl Output for Answer {
    fn describe(_: &mut Operation<'_>, _: u16) {}

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let Sending { sent, status, cache_control, vary } = match self {
            Self::Redirect(location) => return Ok(redirect(location)),
            Self::File(sending) => *sending,
        };
        let mut response = match status {
            StatusCode::OK => sent.file.respond(cx)?,
            other => sent.file.whole(other, cx)?,
        };
        let coding = sent.coding.map(HeaderValue::from_static);
        let vary = vary.map(HeaderValue::from_static);
        for (name, value) in [
            (header::CONTENT_ENCODING, coding),
            (header::VARY, vary),
            (header::CACHE_CONTROL, cache_control),
        ] {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }
}
