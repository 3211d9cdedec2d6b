//! Which files are meant.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use alula_rag::Kind;

/// How deep folders are looked through.
const DEPTH_MAX: usize = 64;

/// The files that paths stand for, each once, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) mistakes: Vec<(PathBuf, String)>,
    /// How many were passed over: of no kind that is read, or links.
    pub(super) passed_over: u64,
    pub(super) follows_links: bool,
}

impl Files {
    /// Adds what a path stands for: a file, whatever it is; of a folder, all documents below it;
    /// of a pattern, whatever it matches.
    pub(super) fn add(&mut self, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(_) => self.add_found(path, 0, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(path) => {
                self.add_matches(path);
            }
            Err(error) => self.mistake(path, &error),
        }
    }

    fn add_matches(&mut self, pattern: &Path) {
        let Some(text) = pattern.to_str() else {
            return self.mistake(pattern, &"it is no pattern in UTF-8");
        };
        let matches = match glob::glob(text) {
            Ok(matches) => matches,
            Err(error) => return self.mistake(pattern, &error),
        };
        let mut is_any = false;
        for found in matches {
            is_any = true;
            match found {
                Ok(path) => self.add_found(&path, 0, false),
                Err(error) => self.mistake(error.path(), error.error()),
            }
        }
        if !is_any {
            self.mistake(pattern, &"nothing matches it");
        }
    }

    /// A link that somebody names is followed; one that is only found is not, unless that is wanted.
    fn add_found(&mut self, path: &Path, depth: usize, is_named: bool) {
        let follows = self.follows_links || is_named;
        let metadata = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => return self.mistake(path, &error),
        };
        if metadata.is_dir() {
            self.add_folder(path, depth);
        } else if metadata.is_file() && (is_named || is_document(path)) {
            self.files.insert(path.to_owned());
        } else {
            self.passed_over += 1;
        }
    }

    fn add_folder(&mut self, folder: &Path, depth: usize) {
        if depth > DEPTH_MAX {
            return self.mistake(folder, &"it is too deep");
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.mistake(folder, &error),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.add_found(&entry.path(), depth + 1, false),
                Err(error) => self.mistake(folder, &error),
            }
        }
    }

    fn mistake(&mut self, path: &Path, error: &dyn std::fmt::Display) {
        self.mistakes.push((path.to_owned(), error.to_string()));
    }
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn is_document(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| Kind::of_name(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(root: &Path, paths: &[&str], follows_links: bool) -> (Vec<String>, usize, u64) {
        let mut files = Files { follows_links, ..Files::default() };
        paths.iter().for_each(|path| files.add(&root.join(path)));
        let names = files.files.iter().map(|path| path.strip_prefix(root).unwrap());
        let names = names.map(|path| path.display().to_string()).collect();
        (names, files.mistakes.len(), files.passed_over)
    }

    #[test]
    fn folders_files_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/1.md", "a/b/2.PDF", "a/b/3.exe", "4.txt", "5.bin"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let all = ["4.txt", "a/1.md", "a/b/2.PDF"].map(str::to_owned).to_vec();
        assert_eq!(found(root, &["", "a", "4.txt"], false), (all, 0, 3));
        // Whoever names a file means it.
        assert_eq!(found(root, &["5.bin"], false).0, ["5.bin"]);
        assert_eq!(found(root, &["a/**/*.md"], false).0, ["a/1.md"]);
        assert_eq!(found(root, &["*.t?t"], false).0, ["4.txt"]);
        assert_eq!(found(root, &["*.none", "none", "a/["], false).1, 3);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_passed_over_unless_they_are_wanted() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("root"), folder.path().join("other"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("secret.txt"), "x").unwrap();
        symlink(&other, root.join("folder")).unwrap();
        symlink(other.join("secret.txt"), root.join("file.txt")).unwrap();
        symlink(&root, root.join("again")).unwrap();
        assert_eq!(found(&root, &[""], false), (Vec::new(), 0, 3));
        assert_eq!(found(&root, &["*"], false), (Vec::new(), 0, 3));
        // What somebody names is meant.
        assert_eq!(found(&root, &["file.txt"], false).0, ["file.txt"]);
        let (names, mistakes, _) = found(&root, &[""], true);
        assert!(names.contains(&"folder/secret.txt".to_owned()), "{names:?}");
        // A link to a folder above it ends somewhere.
        assert!(mistakes > 0);
    }
}
