//! Directories of files, web frontends, slashes and mounts.

mod conditions;
mod disk;
mod fastapi;
mod mounts;

use std::{fs, path::Path};

use tempfile::TempDir;

/// A directory with files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(directory.path(), name, text);
    }
    directory
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
