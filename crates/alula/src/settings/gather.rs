//! From files and variables to one tree.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use serde_json::{Map, Value};

use super::{
    dotenv,
    error::{Mistake, Origin},
    near::nearest,
    plan::{NESTED, Setting, Takes},
    source::{Source, Variable},
    text,
    tree::{Place, Tree},
};

/// The largest file of settings, in bytes. One that is larger is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) const FORBIDDEN: (&str, &str) = ("extra_forbidden", "Extra inputs are not permitted");

/// What the sources said so far.
pub(super) struct Gathered<'p, 's> {
    settings: &'p [Setting<'s>],
    prefix: &'p str,
    pub(super) tree: Tree,
    pub(super) mistakes: Vec<Mistake>,
    /// Whether a part of a source could not be read, so that what is missing may be there.
    pub(super) incomplete: bool,
    /// Without a prefix, the names that no setting has, for whoever misses one.
    pub(super) strangers: Vec<String>,
}

impl<'p, 's> Gathered<'p, 's> {
    pub(super) fn new(settings: &'p [Setting<'s>], prefix: &'p str) -> Self {
        let place = Arc::new(Place { name: String::new(), origin: Origin::Unset });
        Self {
            settings,
            prefix,
            tree: Tree::new(Value::Object(Map::new()), &place),
            mistakes: Vec::new(),
            incomplete: false,
            strangers: Vec::new(),
        }
    }

    /// Lays a file in TOML over what is there.
    #[cfg(feature = "toml")]
    pub(super) fn add_toml(&mut self, path: &Path, required: bool) {
        let Some(text) = self.read(path, required) else { return };
        let (tree, mistakes) = super::toml::parse(&text, path);
        self.incomplete |= !mistakes.is_empty();
        self.mistakes.extend(mistakes);
        self.tree.lay_over(tree);
    }

    /// Lays a file of variables over what is there.
    pub(super) fn add_dotenv(&mut self, path: &Path) {
        let Some(text) = self.read(path, false) else { return };
        let origin = |line| Origin::File { path: path.to_owned(), line };
        let (variables, bad_lines) = dotenv::parse(&text);
        for bad in bad_lines {
            self.incomplete = true;
            let place = Place { name: String::new(), origin: origin(bad.line) };
            self.mistakes.push(Mistake::new(&place, "dotenv_invalid", bad.message));
        }
        let variables = variables.into_iter().map(|it| {
            let dotenv::Variable { name, value, line } = it;
            Variable { name, value: Some(value), origin: origin(line) }
        });
        self.add_variables(variables.collect());
    }

    /// Lays variables over what is there.
    pub(super) fn add_variables(&mut self, variables: Vec<Variable>) {
        let mut source = Source::new(variables);
        for setting in self.settings {
            if let Some(variable) = source.take(&setting.variables) {
                self.set(&setting.path, setting.takes, variable);
            }
            if setting.takes.object && !setting.has_fields {
                for (key, variable) in source.take_entries(&setting.variables) {
                    let inner = key.split(NESTED);
                    let path: Vec<&str> = setting.path.iter().copied().chain(inner).collect();
                    self.set(&path, Takes::ANYTHING, variable);
                }
            }
        }
        self.meet_strangers(&source);
    }

    fn set(&mut self, path: &[&str], takes: Takes, variable: &Variable) {
        let Variable { name, value, origin } = variable;
        let place = Arc::new(Place { name: name.clone(), origin: origin.clone() });
        let read = match value {
            Some(value) => text::value(value, takes).map_err(|it| ("json_invalid", it)),
            None => Err(("string_unicode", "The value is not UTF-8".to_owned())),
        };
        match read {
            Ok(value) => self.tree.lay_over(Tree::new(value, &place).below(path)),
            Err((kind, message)) => {
                self.incomplete = true;
                self.mistakes.push(Mistake::new(&place, kind, message));
            }
        }
    }

    /// Refuses variables that have the prefix and no setting: all those of a file, and those of
    /// the environment that look like a slip, as platforms put variables of their own there.
    fn meet_strangers(&mut self, source: &Source) {
        for variable in source.strangers() {
            if !has_prefix(&variable.name, self.prefix) {
                continue;
            }
            if self.prefix.is_empty() {
                self.strangers.push(variable.name.clone());
                continue;
            }
            let free = self.settings.iter().filter(|setting| !source.has(&setting.variables));
            let names = free.filter_map(|setting| setting.variables.first());
            let meant = nearest(&variable.name, names.map(String::as_str));
            if meant.is_none() && variable.origin == Origin::Environment {
                continue;
            }
            let place = Place { name: variable.name.clone(), origin: variable.origin.clone() };
            let (kind, message) = FORBIDDEN;
            self.mistakes.push(Mistake::new(&place, kind, with_hint(message, meant)));
        }
    }

    /// The text of a file; `None` if it is not there, or cannot be read, which is a mistake.
    fn read(&mut self, path: &Path, required: bool) -> Option<String> {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return self.unreadable(path, &format!("cannot be read: {error}")),
        };
        if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_BYTES_MAX) {
            return self.unreadable(path, &format!("has more than {FILE_BYTES_MAX} bytes"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => self.unreadable(path, "is not UTF-8"),
        }
    }

    fn unreadable(&mut self, path: &Path, why: &str) -> Option<String> {
        self.incomplete = true;
        let place = Place { name: String::new(), origin: Origin::Unset };
        let message = format!("{} {why}", path.display());
        self.mistakes.push(Mistake::new(&place, "file_invalid", message));
        None
    }
}

pub(super) fn with_hint(message: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
