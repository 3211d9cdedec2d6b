//! `alula new`: an application to begin with.

mod files;
mod name;
mod write;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf, absolute},
};

use self::{files::TEMPLATES, name::Name, write::Writing};

/// What the templates call the application, as a package and in code.
const PLACEHOLDER: &str = "my-app";
const PLACEHOLDER_IN_CODE: &str = "my_app";

/// How the templates depend on Alula.
const DEPENDENCY: &str = "alula = { version = \"0.1\" }\n";

/// An application to be made.
#[derive(Debug)]
pub(crate) struct New {
    /// Where it goes; its last part is the name, unless another is given.
    pub(crate) path: PathBuf,
    pub(crate) name: Option<String>,
    /// The folder of the crate `alula`.
    pub(crate) alula: Option<PathBuf>,
}

/// An application that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) files: usize,
    /// The folder of the crate `alula`, if it comes from there.
    pub(crate) alula: Option<PathBuf>,
}

impl New {
    /// Writes the application.
    ///
    /// # Errors
    ///
    /// If it cannot be made; then nothing is left of it.
    pub(crate) fn write(&self) -> Result<Made, NewError> {
        let root = absolute(&self.path).map_err(|error| NewError::Io(self.path.clone(), error))?;
        // `alula new .` means the current folder, whose name only its full path says.
        let root = root.canonicalize().unwrap_or(root);
        let name = self.name(&root)?;
        check_free(&root)?;
        let alula = self.alula()?;
        let mut writing = Writing::default();
        for template in TEMPLATES {
            let path = root.join(template.path);
            let mut text = fill(template.text, &name);
            if template.path == "Cargo.toml" {
                text = manifest(&text, alula.as_deref(), is_in_workspace(&root));
            }
            writing.file(&path, &text).map_err(|error| NewError::Io(path, error))?;
        }
        writing.finish();
        Ok(Made { name: name.to_string(), files: TEMPLATES.len(), alula })
    }

    fn name(&self, root: &Path) -> Result<Name, NewError> {
        let last = || root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.name.clone().unwrap_or_else(last);
        Name::new(&name).map_err(|why| NewError::Name { name, why })
    }

    /// Where Alula is: where the caller says, or where this program was built from, or nowhere on
    /// this machine.
    fn alula(&self) -> Result<Option<PathBuf>, NewError> {
        match &self.alula {
            Some(path) => match path.canonicalize() {
                Ok(path) if is_alula(&path) => Ok(Some(path)),
                _ => Err(NewError::NoAlula(path.clone())),
            },
            None => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alula");
                Ok(source.canonicalize().ok().filter(|path| is_alula(path)))
            }
        }
    }
}

/// Whether this is the folder of the crate `alula`.
fn is_alula(path: &Path) -> bool {
    let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line.trim() == "name = \"alula\"")
}

/// The folder is not there, or is empty but for a repository.
fn check_free(root: &Path) -> Result<(), NewError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(NewError::Io(root.to_owned(), error)),
    };
    let mut names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    match names.find(|name| name != ".git") {
        Some(name) => Err(NewError::NotEmpty(root.to_owned(), name.to_string_lossy().into_owned())),
        None => Ok(()),
    }
}

/// Whether cargo would take the application for a member of a workspace around it.
fn is_in_workspace(root: &Path) -> bool {
    root.ancestors().skip(1).any(|folder| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(is_workspace)
    })
}

/// Whether a line of a manifest begins the table of a workspace, or one inside it.
fn is_workspace(line: &str) -> bool {
    let inside = line.trim_start().strip_prefix('[').map(str::trim_start);
    let rest = inside.and_then(|inside| inside.strip_prefix("workspace")).map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with([']', '.']))
}

/// A basic string of TOML, which escapes less than Rust does.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_ascii_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn fill(text: &str, name: &Name) -> String {
    let in_code = name.in_code();
    let between = text.split(PLACEHOLDER).map(|part| part.replace(PLACEHOLDER_IN_CODE, &in_code));
    between.collect::<Vec<_>>().join(&name.to_string())
}

fn manifest(text: &str, alula: Option<&Path>, in_workspace: bool) -> String {
    let version = concat!("alula = \"", env!("CARGO_PKG_VERSION"), "\"\n").to_owned();
    let dependency = match alula {
        Some(path) => format!("alula = {{ path = {} }}\n", toml_string(&path.to_string_lossy())),
        None => version,
    };
    let mut text = text.replace(DEPENDENCY, &dependency);
    if in_workspace {
        text.push_str(
            "\n# It is on its own, and no member of the workspace around it.\n[workspace]\n",
        );
    }
    text
}

/// Why no application was made.
#[derive(Debug)]
pub(crate) enum NewError {
    Name { name: String, why: String },
    NotEmpty(PathBuf, String),
    NoAlula(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for NewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, why } => {
                write!(f, "an application cannot be called `{name}`: {why} (--name gives another)")
            }
            Self::NotEmpty(path, entry) => {
                write!(f, "{} is not empty: there is `{entry}`", path.display())
            }
            Self::NoAlula(path) => {
                write!(f, "{} is not the folder of the crate `alula`", path.display())
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn new(path: PathBuf) -> New {
        New { path, name: None, alula: None }
    }

    /// All files below a folder, by their paths from it.
    fn files(root: &Path) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => _ = found.insert(path.strip_prefix(root).unwrap().to_owned()),
                }
            }
        }
        found
    }

    #[test]
    fn every_file_of_the_templates_is_used() {
        let count = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/app")).len();
        // One of them is written twice: `.env` and `.env.example`.
        assert_eq!(TEMPLATES.len(), count + 1);
    }

    #[test]
    fn the_placeholder_is_nowhere_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/parrot-api");
        let made = new(root.clone()).write().unwrap();
        assert_eq!((made.name.as_str(), made.files), ("parrot-api", files(&root).len()));
        for file in files(&root) {
            let text = fs::read_to_string(root.join(&file)).unwrap();
            let left = [PLACEHOLDER, PLACEHOLDER_IN_CODE].iter().any(|it| text.contains(it));
            assert!(!left, "{}", file.display());
        }
        let main = fs::read_to_string(root.join("src/main.rs")).unwrap();
        assert!(main.contains("use parrot_api::{"));
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join("notes"), "mine").unwrap();
        assert!(matches!(new(root.clone()).write(), Err(NewError::NotEmpty(..))));
        assert_eq!(files(&root).len(), 1);
        fs::remove_file(root.join("notes")).unwrap();
        new(root.clone()).write().unwrap();
        assert!(root.join("src/main.rs").exists());
    }

    #[test]
    fn names_and_paths_that_do_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let bad = new(folder.path().join("My App"));
        assert!(matches!(bad.write(), Err(NewError::Name { .. })));
        New { name: Some("my-app".to_owned()), ..bad }.write().unwrap();
        let nowhere = New { alula: Some(folder.path().to_owned()), ..new(folder.path().join("a")) };
        assert!(matches!(nowhere.write(), Err(NewError::NoAlula(_))));
        assert!(!folder.path().join("a").exists());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(new(folder.path().join("file")).write(), Err(NewError::Io(..))));
    }

    #[test]
    fn alula_comes_from_a_folder_or_by_version() {
        let text = "[dependencies]\nalula = { version = \"0.1\" }\n";
        let version = concat!("[dependencies]\nalula = \"", env!("CARGO_PKG_VERSION"), "\"\n");
        assert_eq!(manifest(text, None, false), version);
        let path = "[dependencies]\nalula = { path = \"/a \\\"b\\\"\" }\n";
        assert_eq!(manifest(text, Some(Path::new("/a \"b\"")), false), path);
        // What Rust would escape otherwise than TOML: `é` as macOS writes it, in two characters.
        let path = "[dependencies]\nalula = { path = \"/Rene\u{301}\\\\a\\u0001\" }\n";
        assert_eq!(manifest(text, Some(Path::new("/Rene\u{301}\\a\u{1}")), false), path);
        assert!(manifest(text, None, true).ends_with("[workspace]\n"));
        let template = TEMPLATES.iter().find(|it| it.path == "Cargo.toml").unwrap();
        assert!(template.text.contains(DEPENDENCY));
    }

    #[test]
    fn a_workspace_around_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/app");
        assert!(!is_in_workspace(&root));
        fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"x\"\n").unwrap();
        assert!(!is_in_workspace(&root));
        for workspace in
            ["[workspace]\nmembers = []\n", "[ workspace ] # all\n", "[workspace.package]\n"]
        {
            fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
            assert!(is_in_workspace(&root), "{workspace}");
        }
    }
}
