//! Naming an MCP server in the configuration of a program that uses such servers.
//!
//! The file belongs to somebody else: all that is in it stays as it is, to the byte, and a copy of
//! it is kept.

mod diff;
mod json;
mod place;
mod write;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

pub(crate) use self::{
    json::EditError,
    place::{Client, Place},
};

/// A server, as a configuration names it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) way: Way,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// It is started.
    Program { command: String, arguments: Vec<String>, env: Vec<(String, String)> },
    /// It is there.
    Url { url: String, headers: Vec<(String, String)> },
}

/// What was done.
#[derive(Debug)]
pub(crate) enum Done {
    /// It says so already.
    Nothing,
    Written {
        /// The copy of what was there, if anything was.
        backup: Option<PathBuf>,
    },
}

/// Why a configuration was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("{}: {error}; nothing was changed", path.display())]
    Edit { path: PathBuf, error: EditError },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} was changed by another program meanwhile; nothing was changed", .0.display())]
    Raced(PathBuf),
    #[error("{client} starts programs only, so it takes no URL")]
    NoUrl { client: &'static str },
    #[error("where {client} keeps its configuration is not known here; say --file")]
    NoPlace { client: &'static str },
    #[error("{} has another server called {name:?}; say --replace, or another --name", path.display())]
    Taken { path: PathBuf, name: String },
}

impl InstallError {
    /// Whether the file itself was in the way, and not what was wanted.
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Raced(_))
    }
}

/// A change of a configuration that has not been made yet.
#[derive(Debug)]
pub(crate) struct Change {
    path: PathBuf,
    before: Option<String>,
    after: String,
    replaces: bool,
}

impl Entry {
    /// As a client reads it.
    pub(crate) fn to_json(&self, client: Client) -> Result<Value, InstallError> {
        let names_type = client == Client::ClaudeCode;
        let mut map = Map::new();
        match &self.way {
            Way::Program { command, arguments, env } => {
                if names_type {
                    map.insert("type".to_owned(), "stdio".into());
                }
                map.insert("command".to_owned(), command.clone().into());
                map.insert("args".to_owned(), json!(arguments));
                if !env.is_empty() {
                    map.insert("env".to_owned(), texts(env));
                }
            }
            Way::Url { .. } if client == Client::ClaudeDesktop => {
                return Err(InstallError::NoUrl { client: client.name() });
            }
            Way::Url { url, headers } => {
                if names_type {
                    map.insert("type".to_owned(), "http".into());
                }
                map.insert("url".to_owned(), url.clone().into());
                if !headers.is_empty() {
                    map.insert("headers".to_owned(), texts(headers));
                }
            }
        }
        Ok(map.into())
    }
}

fn texts(pairs: &[(String, String)]) -> Value {
    let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    Value::Object(pairs.collect())
}

impl Change {
    /// What naming a server in a file makes of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not what it should be.
    pub(crate) fn plan(path: &Path, name: &str, entry: &Value) -> Result<Self, InstallError> {
        // A link stays one: what it leads to is changed.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let before = read(&path)?;
        let text = before.as_deref().unwrap_or_default();
        match json::with_server(text, name, entry) {
            Ok(after) => {
                let replaces = after != text && json::server(text, name).is_some();
                Ok(Self { path, before, after, replaces })
            }
            Err(error) => Err(InstallError::Edit { path, error }),
        }
    }

    /// Whether it takes the place of another server of the same name.
    pub(crate) fn replaces(&self) -> bool {
        self.replaces
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is other than before, line by line; nothing if nothing is.
    pub(crate) fn diff(&self) -> String {
        diff::of(self.before.as_deref().unwrap_or_default(), &self.after)
    }

    /// Makes it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or is another one by now.
    pub(crate) fn make(self) -> Result<Done, InstallError> {
        let Self { path, before, after, .. } = self;
        if before.as_ref() == Some(&after) {
            return Ok(Done::Nothing);
        }
        if read(&path)? != before {
            return Err(InstallError::Raced(path));
        }
        let written = write::replace(&path, before.as_deref(), &after);
        let backup = written.map_err(|error| InstallError::Io { path, error })?;
        Ok(Done::Written { backup })
    }
}

fn read(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InstallError::Io { path: path.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(way: Way) -> Entry {
        Entry { name: "alula".to_owned(), way }
    }

    #[test]
    fn each_client_reads_it_in_its_own_words() {
        let env = vec![("A".to_owned(), "b".to_owned())];
        let program = entry(Way::Program {
            command: "/bin/alula".to_owned(),
            arguments: vec!["mcp".to_owned()],
            env,
        });
        let plain = json!({ "command": "/bin/alula", "args": ["mcp"], "env": { "A": "b" } });
        assert_eq!(program.to_json(Client::Cursor).unwrap(), plain);
        assert_eq!(program.to_json(Client::ClaudeDesktop).unwrap(), plain);
        let typed = program.to_json(Client::ClaudeCode).unwrap();
        assert_eq!(typed["type"], "stdio");
        let headers = vec![("Authorization".to_owned(), "Bearer k".to_owned())];
        let url = entry(Way::Url { url: "http://localhost/mcp".to_owned(), headers });
        let http = url.to_json(Client::ClaudeCode).unwrap();
        let headers = json!({ "Authorization": "Bearer k" });
        let expected = json!({ "type": "http", "url": "http://localhost/mcp", "headers": headers });
        assert_eq!(http, expected);
        assert!(url.to_json(Client::ClaudeDesktop).is_err());
    }

    #[test]
    fn a_file_is_changed_once_and_its_copy_is_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.json");
        let entry = json!({ "command": "a", "args": [] });
        let first = Change::plan(&path, "a", &entry).unwrap();
        assert!(matches!(first.make().unwrap(), Done::Written { backup: None }));
        let made = fs::read_to_string(&path).unwrap();
        let again = Change::plan(&path, "a", &entry).unwrap();
        assert_eq!(again.diff(), "");
        assert!(!again.replaces());
        assert!(matches!(again.make().unwrap(), Done::Nothing));
        assert!(Change::plan(&path, "a", &json!({ "command": "b" })).unwrap().replaces());
        let other = Change::plan(&path, "b", &entry).unwrap();
        let Done::Written { backup: Some(backup) } = other.make().unwrap() else {
            panic!("it is written, and what was there is kept");
        };
        assert_eq!(fs::read_to_string(backup).unwrap(), made);
        let late = Change::plan(&path, "c", &entry).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(matches!(late.make(), Err(InstallError::Raced(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    }
}
