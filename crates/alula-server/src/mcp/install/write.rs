//! A file in place of another one, all of it or nothing.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::time::Timestamp;

/// Puts a text in the place of a file; gives the copy of what was there.
pub(super) fn replace(
    path: &Path,
    before: Option<&str>,
    after: &str,
) -> io::Result<Option<PathBuf>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let backup = match before {
        Some(_) => {
            let backup = beside(path, &format!("{}.bak", Timestamp::now().as_millis()));
            fs::copy(path, &backup)?;
            Some(backup)
        }
        None => None,
    };
    let new = beside(path, &format!("{}.new", std::process::id()));
    let written = write(&new, path, after).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok(backup)
}

/// Writes a file that has the permissions of another one, or else is for its owner alone: it may
/// hold keys.
fn write(new: &Path, old: &Path, text: &str) -> io::Result<()> {
    let mut file = own(new)?;
    file.write_all(text.as_bytes())?;
    if let Ok(known) = fs::metadata(old) {
        file.set_permissions(known.permissions())?;
    }
    file.sync_all()
}

fn own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}
