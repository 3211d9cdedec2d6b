//! Which file a request is for; all this visits the disk.

use std::{io, path::Path};

use super::{Fallback, Files, request::Asked};
use crate::output::{File, inside::Inside};

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
        if let Some(inside) = relative.map(|path| self.within(path)).transpose()?.flatten()
            && let Some(found) = self.at(&inside, asked)?
        {
            return Ok(found);
        }
        self.instead(asked)
    }

    /// The file at a path, or the page of a directory.
    fn at(&self, inside: &Inside, asked: &Asked) -> io::Result<Option<Found>> {
        if !inside.is_dir() {
            return Ok(self.open(inside, asked)?.map(Found::File));
        }
        if !self.0.is_site {
            return Ok(None);
        }
        let index = self.within(&inside.path().join("index.html"))?;
        let Some(index) = index else { return Ok(None) };
        match asked.uri.path().ends_with('/') {
            true => Ok(self.open(&index, asked)?.map(Found::File)),
            false => Ok(index.is_file().then_some(Found::Directory)),
        }
    }

    /// What is answered in place of a file that is not there.
    fn instead(&self, asked: &Asked) -> io::Result<Found> {
        let page = |name: &str| match self.within(Path::new(name))? {
            Some(inside) => self.open(&inside, asked),
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

    fn within(&self, path: &Path) -> io::Result<Option<Inside>> {
        Inside::find(&self.0.directory, path)
    }

    /// Opens a file, or the best form of it that is compressed already.
    fn open(&self, inside: &Inside, asked: &Asked) -> io::Result<Option<Sent>> {
        let path = inside.path();
        let is_page = path.extension().is_some_and(|end| end == "html" || end == "htm");
        let sent = |file, coding| Sent { file, coding, is_page };
        let codings = asked.codings.iter().filter(|_| self.0.precompressed);
        for (coding, end) in codings {
            let mut compressed = path.as_os_str().to_owned();
            compressed.push(end);
            if let Some(compressed) = self.within(Path::new(&compressed))?
                && let Some(file) = compressed.open_as(path)?
            {
                return Ok(Some(sent(file, Some(*coding))));
            }
        }
        Ok(inside.open_as(path)?.map(|file| sent(file, None)))
    }
}
