//! Files of objects that were never finished.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How deep names of objects go below the folder.
const DEPTH_MAX: usize = 3;

/// Removes files `NAME#NUMBER`, as objects are called while they are written, to which nothing was
/// added for so long. Who writes one stops much sooner when nothing more comes.
pub(super) fn sweep(root: &Path, silent: Duration) -> io::Result<u64> {
    let mut swept = 0;
    let mut folders = vec![(root.to_owned(), 0)];
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
    let number = name.and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}
