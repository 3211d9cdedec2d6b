//! Directories of files, and web frontends made of them.

mod answer;
mod find;
mod request;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;

use request::Asked;
pub(crate) use request::Below;

use crate::routing::{Route, get};

/// The files of a directory, for [`App::static_files`](crate::App::static_files).
///
/// Files are answered as by [`File`](crate::File): streamed, with `ETag`, `Last-Modified`, `Range`
/// and conditional requests. What is not there is 404, a directory too: none is listed.
///
/// A path cannot lead out of the directory, neither by `..` nor by a symbolic link; a link that
/// stays inside is followed. On Unix that holds also for a link that takes the place of a file or a
/// directory while a request is answered. Files and directories whose names begin with a dot are not there,
/// except for `.well-known`. The directory has to exist when the application starts.
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, StaticFiles};
///
/// let assets = StaticFiles::new("assets").max_age(Duration::from_secs(3600)).precompressed();
/// let app = App::new("Shop", "1.0.0").static_files("/static", assets);
/// ```
#[derive(Debug, Clone)]
pub struct StaticFiles(Settings);

/// A web frontend in a directory, for [`App::frontend`](crate::App::frontend).
///
/// Routes come first, wherever they are declared. For any other path below its own, the rules are
/// those of FastAPI's `app.frontend()`: a file is answered, and for a directory its `index.html`.
/// What is not there is answered with `404.html` if the directory has one, or else, to a browser
/// that navigates (its `Accept` names `text/html`), with `index.html`, so that a single-page
/// application finds its own way. All else is 404, in JSON.
///
/// Pages in HTML are sent with `Cache-Control: no-cache`, so that a browser asks whether there is a
/// new one. What else holds for files is that of [`StaticFiles`].
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, Fallback, Frontend};
///
/// let frontend = Frontend::new("dist")
///     .fallback(Fallback::Index)
///     .max_age(Duration::from_secs(365 * 24 * 3600))
///     .precompressed();
/// let app = App::new("Shop", "1.0.0").frontend("/", frontend);
/// ```
#[derive(Debug, Clone)]
pub struct Frontend(Settings);

/// What a [`Frontend`] answers where it has no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// `404.html` if there is one, or else as [`Index`](Self::Index) if there is an `index.html`.
    Auto,
    /// `index.html`, with 200, to a browser that navigates; 404 in JSON to others.
    Index,
    /// `404.html`, with 404.
    NotFound,
    /// 404 in JSON.
    None,
}

#[derive(Debug, Clone)]
struct Settings {
    directory: PathBuf,
    /// Whether a directory is answered with its `index.html`.
    is_site: bool,
    fallback: Fallback,
    max_age: Option<Duration>,
    precompressed: bool,
}

/// Both kinds, as one route.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<Settings>);

impl StaticFiles {
    /// The files of a directory. A relative path is relative to where the program runs.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(Settings {
            directory: directory.into(),
            is_site: false,
            fallback: Fallback::None,
            max_age: None,
            precompressed: false,
        })
    }

    /// How long a client may use a file without asking whether it has changed.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.0.max_age = Some(max_age);
        self
    }

    /// Sends `app.js.br` or `app.js.gz`, where it is there, to clients that accept it in place of
    /// `app.js`.
    #[must_use]
    pub fn precompressed(mut self) -> Self {
        self.0.precompressed = true;
        self
    }
}

impl Frontend {
    /// The frontend in a directory. A relative path is relative to where the program runs.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let StaticFiles(settings) = StaticFiles::new(directory);
        Self(Settings { is_site: true, fallback: Fallback::Auto, ..settings })
    }

    /// What is answered where there is no file. The file that it names has to exist when the
    /// application starts.
    #[must_use]
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.0.fallback = fallback;
        self
    }

    /// How long a client may use a file that is no page without asking whether it has changed.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.0.max_age = Some(max_age);
        self
    }

    /// As [`StaticFiles::precompressed`].
    #[must_use]
    pub fn precompressed(mut self) -> Self {
        self.0.precompressed = true;
        self
    }
}

macro_rules! from_directory {
    ($($kind:ident)*) => {$(
        impl From<&str> for $kind {
            fn from(directory: &str) -> Self {
                Self::new(directory)
            }
        }

        impl From<&Path> for $kind {
            fn from(directory: &Path) -> Self {
                Self::new(directory)
            }
        }

        impl From<PathBuf> for $kind {
            fn from(directory: PathBuf) -> Self {
                Self::new(directory)
            }
        }

        impl From<$kind> for Files {
            fn from(files: $kind) -> Self {
                Self(Arc::new(files.0))
            }
        }
    )*};
}

from_directory!(StaticFiles Frontend);

impl Files {
    /// A route that answers for all paths below its own.
    pub(crate) fn route(self, path: &str) -> Route {
        let files = self.clone();
        let answer = move |asked: Asked| {
            let files = files.clone();
            async move { files.answer(asked).await }
        };
        let mut route = get(path, answer).hidden();
        route.below = Some(self);
        route
    }

    /// What is missing for a start.
    pub(crate) fn mistake(&self) -> Option<String> {
        let Settings { directory, fallback, .. } = &*self.0;
        if !directory.is_dir() {
            return Some(format!("`{}` is no directory", full(directory)));
        }
        let file = match fallback {
            Fallback::Index => directory.join("index.html"),
            Fallback::NotFound => directory.join("404.html"),
            Fallback::Auto | Fallback::None => return None,
        };
        (!file.is_file()).then(|| format!("the fallback `{}` is not there", full(&file)))
    }

    /// What is said about the caching of a file.
    fn cache_control(&self, is_page: bool) -> Option<HeaderValue> {
        if is_page && self.0.is_site {
            return Some(HeaderValue::from_static("no-cache"));
        }
        let seconds = self.0.max_age?.as_secs();
        HeaderValue::try_from(format!("public, max-age={seconds}")).ok()
    }
}

/// A path as a reader elsewhere needs it.
fn full(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
