//! Files of objects that were never finished.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::super::names;

/// How deep names of objects go below the folder.
const DEPTH_MAX: usize = 1;
/// The folders that have our objects, and no others.
const SHELVES: [&str; 2] = ["documents", "texts"];

/// Removes files `NAME#NUMBER`, as objects are called while they are written, to which nothing was
/// added for so long. Who writes one stops much sooner when nothing more comes.
pub(super) fn sweep(root: &Path, silent: Duration) -> io::Result<u64> {
    let mut swept = 0;
    // The folder may have files of others.
    let mut folders: Vec<_> = SHELVES.iter().map(|shelf| (root.join(shelf), 0)).collect();
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
            match entry {
                Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => folders.push((path, depth + 1)),
                Ok(kind) if kind.is_file() && is_staged(&path) => {
                    swept += u64::from(remove(&path, silent)?);
                }
                _ => {}
            }
        }
    }
    Ok(swept)
}

/// Whether it was there, and silent.
fn remove(path: &PathBuf, silent: Duration) -> io::Result<bool> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let written = match fs::metadata(path).and_then(|it| it.modified()) {
        Ok(written) => written,
        Err(error) if gone(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    // One of the future is of another clock, and may be new.
    if SystemTime::now().duration_since(written).is_ok_and(|since| since >= silent) {
        return match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if gone(&error) => Ok(false),
            Err(error) => Err(error),
        };
    }
    Ok(false)
}

fn is_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((name, number)) = name.and_then(|name| name.rsplit_once('#')) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let (document, generation) = name.split_once('.').unwrap_or((name, "0"));
    is_number(number) && is_number(generation) && names::is_document(document)
}
