//! What is in a directory, reached without a way out of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::entry::Entry;
use super::{
    File,
    open::{describe, missing_is_none, naming},
};

/// Something in a directory, under its real path.
///
/// A link is resolved here, and only if it stays inside. Whoever can write to the directory may put
/// another one in its place at any moment, so what is opened is not looked up again by its path.
#[derive(Debug)]
pub(crate) struct Inside {
    path: PathBuf,
    entry: Entry,
}

impl Inside {
    /// What is at a path in a directory; nothing if that is somewhere else.
    pub(crate) fn find(directory: &Path, path: &Path) -> io::Result<Option<Self>> {
        let root = fs::canonicalize(directory).map_err(|error| naming(directory, &error))?;
        let real = fs::canonicalize(root.join(path)).map_err(|error| naming(path, &error));
        let Some(real) = missing_is_none(real)? else { return Ok(None) };
        let Ok(relative) = real.strip_prefix(&root) else { return Ok(None) };
        let entry = Entry::reach(&root, relative).map_err(|error| naming(&real, &error));
        Ok(missing_is_none(entry)?.map(|entry| Self { path: real, entry }))
    }

    /// The real path, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.entry.is_dir()
    }

    pub(crate) fn is_file(&self) -> bool {
        self.entry.is_file()
    }

    /// Opens it as a file of the kind which a name has; nothing if it is none, or no longer there.
    pub(crate) fn open_as(&self, kind: &Path) -> io::Result<Option<File>> {
        // Asked first: to open a device may do something.
        if !self.is_file() {
            return Ok(None);
        }
        let name = |error: io::Error| naming(&self.path, &error);
        let Some(file) = missing_is_none(self.entry.open().map_err(name))? else { return Ok(None) };
        let metadata = file.metadata().map_err(name)?;
        match metadata.is_file() {
            true => describe(file, &metadata, kind).map_err(name).map(Some),
            false => Ok(None),
        }
    }
}

#[cfg(unix)]
mod entry {
    use std::{
        ffi::{OsStr, OsString},
        fs, io,
        os::fd::{AsFd, OwnedFd},
        path::Path,
    };

    use rustix::{
        fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat},
        io::Errno,
    };

    /// A name in a directory that is held open.
    #[derive(Debug)]
    pub(super) struct Entry {
        parent: OwnedFd,
        name: OsString,
        kind: FileType,
    }

    /// To walk through a directory takes no right to list it, where the system can tell them apart.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    const WALK: OFlags = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    const WALK: OFlags = OFlags::RDONLY;

    impl Entry {
        /// Walks from the root one name at a time, over no link: the path had none when it was
        /// looked up, and one that has come since may lead anywhere.
        pub(super) fn reach(root: &Path, relative: &Path) -> io::Result<Self> {
            let walk = WALK | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let mut parent = openat(CWD, root, walk, Mode::empty())?;
            let mut names = relative.iter();
            let name = names.next_back().unwrap_or(OsStr::new(".")).to_owned();
            for name in names {
                parent = no_link(&parent, name, walk)?;
            }
            let found = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(Self { parent, name, kind: FileType::from_raw_mode(found.st_mode) })
        }

        pub(super) fn is_dir(&self) -> bool {
            self.kind == FileType::Directory
        }

        pub(super) fn is_file(&self) -> bool {
            self.kind == FileType::RegularFile
        }

        /// Opens what is there now, unless that is a link.
        pub(super) fn open(&self) -> io::Result<fs::File> {
            // Not to wait for the other end of a pipe that has come in the place of a file.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            no_link(&self.parent, &self.name, flags).map(fs::File::from)
        }
    }

    fn no_link(parent: impl AsFd, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
        openat(parent, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
            // What Linux, and what the BSDs say of a link.
            Errno::LOOP | Errno::MLINK => io::ErrorKind::NotFound.into(),
            other => other.into(),
        })
    }
}

#[cfg(not(unix))]
mod entry {
    use std::{
        fs, io,
        path::{Path, PathBuf},
    };

    /// A path. Nothing keeps a link away that takes its place; to make one takes a privilege.
    #[derive(Debug)]
    pub(super) struct Entry {
        path: PathBuf,
        kind: fs::FileType,
    }

    impl Entry {
        pub(super) fn reach(root: &Path, relative: &Path) -> io::Result<Self> {
            let path = root.join(relative);
            let kind = fs::symlink_metadata(&path)?.file_type();
            Ok(Self { path, kind })
        }

        pub(super) fn is_dir(&self) -> bool {
            self.kind.is_dir()
        }

        pub(super) fn is_file(&self) -> bool {
            self.kind.is_file()
        }

        pub(super) fn open(&self) -> io::Result<fs::File> {
            fs::File::open(&self.path)
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory `site` with `sub/page.html`, and beside it `secret/page.html`.
    fn directory() -> tempfile::TempDir {
        let outer = tempfile::tempdir().unwrap();
        for name in ["site/sub", "secret"] {
            fs::create_dir_all(outer.path().join(name)).unwrap();
            fs::write(outer.path().join(name).join("page.html"), name).unwrap();
        }
        outer
    }

    fn length(found: &Inside) -> Option<u64> {
        found.open_as(found.path()).unwrap().map(|file| file.length)
    }

    #[test]
    fn a_link_that_takes_the_place_of_a_file_is_not_followed() {
        let outer = directory();
        let (site, secret) = (outer.path().join("site"), outer.path().join("secret/page.html"));
        let find = || Inside::find(&site, Path::new("sub/page.html")).unwrap().unwrap();
        assert_eq!(length(&find()), Some(8));
        let found = find();
        fs::remove_file(site.join("sub/page.html")).unwrap();
        symlink(secret, site.join("sub/page.html")).unwrap();
        assert_eq!(length(&found), None);
    }

    #[test]
    fn a_link_that_takes_the_place_of_a_directory_is_not_followed() {
        let outer = directory();
        let (site, secret) = (outer.path().join("site"), outer.path().join("secret"));
        let found = Inside::find(&site, Path::new("sub/page.html")).unwrap().unwrap();
        fs::rename(site.join("sub"), site.join("old")).unwrap();
        symlink(secret, site.join("sub")).unwrap();
        assert_eq!(length(&found), Some(8), "what was found");
        // As if it had come after the path was looked up.
        assert!(Entry::reach(&site, Path::new("sub/page.html")).is_err());
        let link = Entry::reach(&site, Path::new("sub")).unwrap();
        assert!(!link.is_dir() && !link.is_file());
    }

    #[test]
    fn a_pipe_that_takes_the_place_of_a_file_is_not_waited_for() {
        let outer = directory();
        let (site, page) = (outer.path().join("site"), outer.path().join("site/sub/page.html"));
        let found = Inside::find(&site, Path::new("sub/page.html")).unwrap().unwrap();
        fs::remove_file(&page).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&page).status().unwrap().success());
        assert_eq!(length(&found), None);
        let found = Inside::find(&site, Path::new("sub/page.html")).unwrap().unwrap();
        assert_eq!(length(&found), None);
    }

    #[test]
    fn links_inside_lead_to_what_they_name() {
        let outer = directory();
        let site = outer.path().join("site");
        symlink("sub/page.html", site.join("relative")).unwrap();
        symlink(site.join("sub"), site.join("absolute")).unwrap();
        symlink("../secret", site.join("outside")).unwrap();
        for inside in ["relative", "absolute/page.html"] {
            let found = Inside::find(&site, Path::new(inside)).unwrap().unwrap();
            assert_eq!(length(&found), Some(8), "{inside}");
        }
        for outside in ["outside", "outside/page.html"] {
            assert!(Inside::find(&site, Path::new(outside)).unwrap().is_none(), "{outside}");
        }
        assert!(Inside::find(&site, Path::new("")).unwrap().unwrap().is_dir());
    }
}
