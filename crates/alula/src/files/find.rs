//! Which file a request is for; all this visits the disk.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Fallback, Files, request::Asked};
use crate::output::{
    File,
    open::{missing_is_none, open_as, within},
};

/// What there is for a request.
#[derive(Debug)]
pub(super) enum Found {
    File(Sent),
    /// The page of a frontend that stands for all that is not there.
    Application(Sent),
    /// The page that says that nothing is there.
    NotFoundPage(Sent),
    /// A directory whose page is at the path with a slash.
    Directory,
    Nothing,
}

/// A file, and how it is sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) file: File,
    /// How the file is compressed on the disk.
    pub(super) coding: Option<&'static str>,
    pub(super) is_page: bool,
}

impl Files {
    pub(super) fn find(&self, asked: &Asked) -> io::Result<Found> {
        let relative = asked.relative.as_deref();
        if let Some(path) = relative.map(|path| self.within(path)).transpose()?.flatten()
            && let Some(found) = self.at(&path, asked)?
        {
            return Ok(found);
        }
        self.instead(asked)
    }

    /// The file at a path, or the page of a directory.
    fn at(&self, path: &Path, asked: &Asked) -> io::Result<Option<Found>> {
        if !path.is_dir() {
            return Ok(self.open(path, asked)?.map(Found::File));
        }
        if !self.0.is_site {
            return Ok(None);
        }
        let Some(index) = self.within(&path.join("index.html"))? else { return Ok(None) };
        match asked.uri.path().ends_with('/') {
            true => Ok(self.open(&index, asked)?.map(Found::File)),
            false => Ok(index.is_file().then_some(Found::Directory)),
        }
    }

    /// What is answered in place of a file that is not there.
    fn instead(&self, asked: &Asked) -> io::Result<Found> {
        let page = |name: &str| match self.within(Path::new(name))? {
            Some(path) => self.open(&path, asked),
            None => Ok(None),
        };
        let fallback = self.0.fallback;
        if matches!(fallback, Fallback::NotFound | Fallback::Auto)
            && let Some(page) = page("404.html")?
        {
            return Ok(Found::NotFoundPage(page));
        }
        if matches!(fallback, Fallback::Index | Fallback::Auto)
            && asked.navigates
            && let Some(page) = page("index.html")?
        {
            return Ok(Found::Application(page));
        }
        Ok(Found::Nothing)
    }

    fn within(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        within(&self.0.directory, path)
    }

    /// Opens a file, or the best form of it that is compressed already.
    fn open(&self, path: &Path, asked: &Asked) -> io::Result<Option<Sent>> {
        let is_page = path.extension().is_some_and(|end| end == "html" || end == "htm");
        let sent = |file, coding| Sent { file, coding, is_page };
        let codings = asked.codings.iter().filter(|_| self.0.precompressed);
        for (coding, end) in codings {
            let mut compressed = path.as_os_str().to_owned();
            compressed.push(end);
            if let Some(compressed) = self.within(Path::new(&compressed))?
                && let Some(file) = missing_is_none(open_as(&compressed, path))?
            {
                return Ok(Some(sent(file, Some(*coding))));
            }
        }
        Ok(missing_is_none(open_as(path, path))?.map(|file| sent(file, None)))
    }
}
