//! `alula.toml`, read again while the server runs: all of it, or nothing.

mod changes;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::changes::changes;
pub(crate) use self::watch::Hangup;
use super::{
    keys::{Keys, Plans},
    llm::{Environment, Origin},
    models::Models,
    tools::{ServerSettings, Tools},
};
use crate::{
    config::{Config, ConfigError, FileError, Located, Source, variable},
    time::Timestamp,
};

/// What the file says is in force here. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Reload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    environment: Environment,
    models: Models,
    keys: Keys,
    tools: Tools,
    state: Mutex<State>,
}

/// What is known of the file.
#[derive(Debug)]
struct State {
    /// What was read last, be it in force or not.
    seen: Seen,
    /// Whether what is in force came from a file.
    has_file: bool,
    loaded_at: Timestamp,
    failed: Option<Failed>,
    origins: HashMap<String, Origin>,
}

/// What the file is like: its text if there is one, or why it cannot be read.
type Seen = Result<Option<String>, String>;

/// A reload that changed nothing.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

/// Since when what is in force has been, and what was wrong with the file since.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) loaded_at: Timestamp,
    pub(crate) failed: Option<Failed>,
    pub(crate) origins: HashMap<String, Origin>,
}

/// A configuration that can be put in force.
#[derive(Debug)]
pub(crate) struct Start {
    source: Source,
    environment: Environment,
    text: Option<String>,
    file: Option<Located>,
    servers: BTreeMap<String, ServerSettings>,
}

impl Start {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or has a mistake.
    pub(crate) fn read(source: Source, environment: Environment) -> Result<Self, ConfigError> {
        let (text, file) = source.load()?.unzip();
        let servers = mcp_servers(file.as_ref())?;
        Ok(Self { source, environment, text, file, servers })
    }

    /// Begins without a file, for the document alone.
    pub(crate) fn without_file(environment: Environment) -> Self {
        let (source, servers) = (Source::new(None), BTreeMap::new());
        Self { source, environment, text: None, file: None, servers }
    }

    pub(crate) fn file(&self) -> Option<&Located> {
        self.file.as_ref()
    }

    pub(crate) fn config(&self) -> &Config {
        self.environment.config()
    }

    /// Sets up the providers.
    ///
    /// # Errors
    ///
    /// When that cannot be done as the file says.
    pub(crate) fn connect(&self) -> Result<alula_llm::Llm, ConfigError> {
        self.environment.connect(self.file.as_ref(), None)
    }

    pub(crate) fn plans(&self) -> Plans {
        self.file.as_ref().map(Located::plans).unwrap_or_default()
    }

    /// The MCP servers whose tools may be called.
    pub(crate) fn tools(&self) -> Tools {
        Tools::new(self.servers.clone(), self.config().tools)
    }
}

fn mcp_servers(file: Option<&Located>) -> Result<BTreeMap<String, ServerSettings>, FileError> {
    file.map_or_else(|| Ok(BTreeMap::new()), |file| file.mcp_servers(variable))
}

impl Reload {
    /// Goes on from what is in force already.
    pub(crate) fn new(start: Start, models: Models, keys: Keys, tools: Tools) -> Self {
        let Start { source, environment, text, file, .. } = start;
        let state = State {
            has_file: file.is_some(),
            seen: Ok(text),
            loaded_at: Timestamp::now(),
            failed: None,
            origins: environment.origins(file.as_ref()),
        };
        let state = Mutex::new(state);
        Self(Arc::new(Inner { source, environment, models, keys, tools, state }))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.source.path()
    }

    pub(crate) fn status(&self) -> Status {
        let state = self.0.state();
        Status {
            loaded_at: state.loaded_at,
            failed: state.failed.clone(),
            origins: state.origins.clone(),
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in force what was read, unless it is what was read before and nobody insists. One task
    /// alone does this.
    fn take(&self, seen: Seen, insists: bool) {
        let had_file = match &*self.state() {
            state if state.seen == seen && !insists => return,
            state => state.has_file,
        };
        let file = self.shown_path();
        let replaced = self.replace(&seen, had_file);
        let mut state = self.state();
        match replaced {
            Ok(replaced) => {
                tracing::info!(
                    file,
                    changes = replaced.changes,
                    "the configuration was read again"
                );
                state.has_file = seen.as_ref().is_ok_and(Option::is_some);
                state.loaded_at = Timestamp::now();
                state.failed = None;
                state.origins = replaced.origins;
            }
            Err(reason) => {
                tracing::error!(
                    error = reason,
                    "the configuration has a mistake; that of before stays in force"
                );
                state.failed = Some(Failed { at: Timestamp::now(), reason });
            }
        }
        state.seen = seen;
    }

    /// Replaces everything that the file says, or nothing.
    fn replace(&self, seen: &Seen, had_file: bool) -> Result<Replaced, String> {
        let text = match seen {
            Ok(Some(text)) => Some(text),
            // Whoever puts another file in its place may have taken away the old one first.
            Ok(None) if had_file => return Err("the file is not there any more".to_owned()),
            Ok(None) => None,
            Err(reason) => return Err(reason.clone()),
        };
        let file = text.map(|text| self.source.parse(text)).transpose();
        let file = file.map_err(|error| error.to_string())?;
        let before = self.models.current();
        let after = self.environment.connect(file.as_ref(), Some(&before));
        let after = after.map_err(|error| format!("{}: {error}", self.shown_path()))?;
        let plans = file.as_ref().map(Located::plans).unwrap_or_default();
        let servers = mcp_servers(file.as_ref()).map_err(|error| error.to_string())?;
        let others = [("mcp servers", self.tools.changes(&servers))];
        let changes = changes((&before, &self.keys.plans()), (&after, &plans), others);
        self.tools.replace(servers);
        self.models.replace(after);
        self.keys.set_plans(plans);
        Ok(Replaced { changes, origins: self.environment.origins(file.as_ref()) })
    }

    fn shown_path(&self) -> String {
        self.source.path().display().to_string()
    }
}

struct Replaced {
    changes: String,
    origins: HashMap<String, Origin>,
}
