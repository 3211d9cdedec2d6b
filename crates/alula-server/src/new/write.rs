//! Files that are all written, or none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Files and folders that were made, taken back unless all of them were.
#[derive(Debug, Default)]
pub(super) struct Writing {
    made: Vec<PathBuf>,
    finished: bool,
}

impl Writing {
    /// Writes a file that is not there yet, with the folders above it.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let mut file = fs::File::create_new(path)?;
        self.made.push(path.to_owned());
        io::Write::write_all(&mut file, text.as_bytes())
    }

    /// Makes a folder and those above it, where they are not there yet.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<()> {
        let missing = path.ancestors().take_while(|folder| {
            !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
        });
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            fs::create_dir(folder)?;
            self.made.push(folder.to_owned());
        }
        Ok(())
    }

    /// Keeps what was written.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        for path in self.made.iter().rev() {
            // A folder in which someone else has put something stays.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/b");
        fs::create_dir(folder.path().join("mine")).unwrap();
        let write = |names: &[&str]| -> io::Result<()> {
            let mut writing = Writing::default();
            for name in names {
                writing.file(&root.join(name), "text")?;
            }
            writing.finish();
            Ok(())
        };
        assert!(write(&["x", "c/d/y", "x"]).is_err());
        let left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
        write(&["x", "c/d/y"]).unwrap();
        assert_eq!(fs::read_to_string(root.join("c/d/y")).unwrap(), "text");
    }
}
