//! Settings from the environment, `.env` and TOML, checked before the start.
//!
//! Any struct that derives `Deserialize`, `JsonSchema` and [`Validate`] is a struct of settings,
//! such as requests are made of. [`load`] reads it once, at the start:
//!
//! ```
//! use alula::{prelude::*, settings, Secret};
//!
//! /// The settings of the application.
//! #[derive(Debug, Deserialize, JsonSchema, Validate)]
//! struct Settings {
//!     /// The address to listen on.
//!     #[serde(default = "default_host")]
//!     host: std::net::IpAddr,
//!     #[serde(default = "default_port")]
//!     #[schemars(range(min = 1))]
//!     port: u16,
//!     database_url: Option<Secret<String>>,
//!     /// Origins that may call the API from a browser.
//!     #[serde(default)]
//!     cors_origins: Vec<String>,
//! }
//!
//! fn default_host() -> std::net::IpAddr {
//!     [127, 0, 0, 1].into()
//! }
//!
//! fn default_port() -> u16 {
//!     8000
//! }
//!
//! let settings: Settings = settings::load()?;
//! # Ok::<(), alula::settings::SettingsError>(())
//! ```
//!
//! # Sources
//!
//! A source that comes first in this list wins over those that follow, setting by setting:
//!
//! 1. the environment
//! 2. files of variables, as `.env`; of several, the one named last wins
//! 3. files in TOML (feature `toml`); likewise
//! 4. the defaults of serde
//!
//! The environment of the process is only read, never changed.
//!
//! # Names and texts
//!
//! | setting | variable |
//! |---|---|
//! | `port` | `PORT`, with the prefix `APP_` it is `APP_PORT` |
//! | `size` in the struct `pool` | `POOL__SIZE`; the whole struct as JSON is `POOL` |
//! | a list | JSON, or separated by commas: `a, b` |
//! | the entry `chat` of the map `limits` | `LIMITS__CHAT`; the whole map as JSON is `LIMITS` |
//! | a field with `#[schemars(extend("x-env" = "OPENAI_API_KEY"))]` | that name, without the prefix; a list of names is tried in order |
//!
//! Names are those that serde uses, in upper case, with `_` for `-`. They are found in any case,
//! as in pydantic-settings. Names from `#[serde(alias)]` are not known here.
//! Text is read as in a query string: `"8000"` is a number, `yes` is true.
//! **A variable that is empty counts as not set.**
//!
//! # Mistakes
//!
//! All of them are listed at once, each with the name of the setting and where it came from, in
//! the words of validation errors. Values are not shown, as any of them may be a secret. A type that
//! reads its own text, and a check of yours, are told in their own words; a value that such a type
//! quotes is left out, and where it is a [`Secret`], so is all that it says. What a check must not
//! tell, it does not say.
//!
//! ```
//! # use alula::{prelude::*, settings::Loader};
//! # #[derive(Debug, Deserialize, JsonSchema, Validate)]
//! # struct Settings { port: u16, database_url: String }
//! let error = Loader::new()
//!     .prefix("APP_")
//!     .variables([("APP_PORT", "http"), ("APP_DATABASE_URI", "postgres://…")])
//!     .load::<Settings>()
//!     .unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "the settings have mistakes:\n  \
//!        - APP_DATABASE_URI (environment): Extra inputs are not permitted; \
//!          did you mean `APP_DATABASE_URL`?\n  \
//!        - APP_PORT (environment): Input should be a valid integer, \
//!          unable to parse string as an integer\n  \
//!        - APP_DATABASE_URL (not set): Field required"
//! );
//! ```
//!
//! What no setting is called is a mistake, too, so that a slip of the fingers does not go unseen:
//!
//! - a key in TOML or in JSON;
//! - a variable in a file, if it has the prefix;
//! - a variable of the environment, if it has the prefix and is one or two letters from a setting
//!   that is not set. Others are left alone, as platforms put variables of their own there.
//!
//! Without a prefix, variables that belong to nothing are left alone; a similar one is named where a
//! setting is missing.
//!
//! # In an application
//!
//! The settings are a state, which endpoints and dependencies ask for. A dependency in front of it
//! is what a test overrides, as FastAPI's `Depends(get_settings)`:
//!
//! ```
//! use std::sync::Arc;
//!
//! use alula::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema, Validate)]
//! struct Settings {
//!     greeting: String,
//! }
//!
//! /// The settings of the application.
//! #[dependency]
//! async fn settings(settings: State<Settings>) -> Arc<Settings> {
//!     settings.into_inner()
//! }
//!
//! #[get("/")]
//! async fn greet(settings: Depends<settings>) -> Json<String> {
//!     Json(settings.greeting.clone())
//! }
//!
//! fn app(settings: Settings) -> App {
//!     App::new("Greeter", "1.0.0").state(settings).routes(routes![greet])
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let app = app(Settings { greeting: "hello".to_owned() });
//! let test = || Arc::new(Settings { greeting: "test".to_owned() });
//! let client = app.override_dependency::<settings>(test).client().await;
//! assert_eq!(client.get("/").await.json::<String>(), "test");
//! # });
//! ```

mod dotenv;
mod error;
mod gather;
mod load;
mod near;
mod plan;
mod reference;
mod secret;
mod source;
mod text;
#[cfg(feature = "toml")]
mod toml;
mod tree;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use self::error::{Mistake, Origin, SettingsError};
pub use self::secret::Secret;
use self::{gather::Gathered, source::Variable};
use crate::validate::Validate;

/// Reads the environment and, if it is there, `.env` in the current directory.
///
/// # Errors
///
/// Everything that is wrong with the settings.
pub fn load<T>() -> Result<T, SettingsError>
where
    T: DeserializeOwned + JsonSchema + Validate,
{
    Loader::new().dotenv(".env").load()
}

/// Reads as [`load`] does. With a mistake, it prints all of them to stderr and ends the process
/// with code 2, as a command line with a mistake does.
///
/// For the beginning of `main`, when there is nothing to clean up.
pub fn load_or_exit<T>() -> T
where
    T: DeserializeOwned + JsonSchema + Validate,
{
    Loader::new().dotenv(".env").load_or_exit()
}

/// A table of all settings of a type, in Markdown: variable, type, default, description.
///
/// ```
/// use alula::{prelude::*, settings};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Settings {
///     /// The port to listen on.
///     #[serde(default = "port")]
///     #[schemars(range(min = 1))]
///     port: u16,
/// }
///
/// fn port() -> u16 {
///     8000
/// }
///
/// assert_eq!(
///     settings::reference::<Settings>(),
///     "| variable | type | default | description |\n\
///      |---|---|---|---|\n\
///      | `PORT` | integer, 1 to 65535 | `8000` | The port to listen on. |\n"
/// );
/// ```
pub fn reference<T: JsonSchema>() -> String {
    Loader::new().reference::<T>()
}

/// Reads settings from the sources that it is told of; see the [module](self).
///
/// ```
/// use alula::{prelude::*, settings::Loader};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Settings {
///     #[serde(default)]
///     debug: bool,
/// }
///
/// let settings: Settings = Loader::new().prefix("APP_").dotenv(".env").load()?;
/// assert!(!settings.debug);
/// # Ok::<(), alula::settings::SettingsError>(())
/// ```
#[derive(Clone, Default)]
pub struct Loader {
    prefix: String,
    #[cfg(feature = "toml")]
    toml: Vec<(PathBuf, bool)>,
    dotenv: Vec<PathBuf>,
    /// In place of the environment.
    variables: Option<Vec<(String, String)>>,
}

impl Loader {
    /// Reads the environment, without a prefix.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the name of every variable begins with, such as `APP_`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Reads a file of variables, if it is there: lines of `NAME=value`, at most 1 MiB.
    ///
    /// A line may begin with `export`, and end with a comment after a blank and `#`. A value in
    /// quotes may have several lines; `\n`, `\r`, `\t`, `\"`, `\$` and `\\` are escapes in double
    /// quotes, `\'` and `\\` in single ones. A dollar is a dollar: nothing is put in for `$NAME`.
    #[must_use]
    pub fn dotenv(mut self, path: impl AsRef<Path>) -> Self {
        self.dotenv.push(path.as_ref().to_owned());
        self
    }

    /// Reads a file in TOML, if it is there; at most 1 MiB. A struct is a table.
    ///
    /// ```
    /// use alula::{prelude::*, settings::Loader};
    ///
    /// #[derive(Debug, Deserialize, JsonSchema, Validate)]
    /// struct Settings {
    ///     pool: Pool,
    /// }
    ///
    /// #[derive(Debug, Deserialize, JsonSchema, Validate)]
    /// struct Pool {
    ///     connections_max: Option<u32>,
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let path = "app.toml";
    /// # let path = folder.path().join(path);
    /// std::fs::write(&path, "[pool]\nconnection_max = 20\n")?;
    /// let error = Loader::new().toml(&path).variables::<&str>([]).load::<Settings>().unwrap_err();
    /// let mistake = &error.mistakes()[0];
    /// assert_eq!(mistake.name, "pool.connection_max");
    /// assert!(mistake.origin.to_string().ends_with("app.toml line 2"));
    /// assert!(mistake.message.ends_with("did you mean `connections_max`?"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "toml")]
    #[must_use]
    pub fn toml(mut self, path: impl AsRef<Path>) -> Self {
        self.toml.push((path.as_ref().to_owned(), false));
        self
    }

    /// Reads a file in TOML that must be there, such as one that a command line names.
    #[cfg(feature = "toml")]
    #[must_use]
    pub fn toml_required(mut self, path: impl AsRef<Path>) -> Self {
        self.toml.push((path.as_ref().to_owned(), true));
        self
    }

    /// Takes these variables in place of the environment, for a test.
    #[must_use]
    pub fn variables<S: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (S, S)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables = Some(variables.collect());
        self
    }

    /// Reads and checks the settings.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn load<T>(&self) -> Result<T, SettingsError>
    where
        T: DeserializeOwned + JsonSchema + Validate,
    {
        load::load(self)
    }

    /// Reads and checks the settings; see [`load_or_exit`].
    pub fn load_or_exit<T>(&self) -> T
    where
        T: DeserializeOwned + JsonSchema + Validate,
    {
        self.load().unwrap_or_else(|error| exit(&error))
    }

    /// A table of all settings of a type, in Markdown; see [`reference`](fn@reference).
    pub fn reference<T: JsonSchema>(&self) -> String {
        reference::reference(schemars::schema_for!(T).as_value(), &self.prefix)
    }

    fn gather(&self, gathered: &mut Gathered<'_, '_>) {
        #[cfg(feature = "toml")]
        for (path, required) in &self.toml {
            gathered.add_toml(path, *required);
        }
        for path in &self.dotenv {
            gathered.add_dotenv(path);
        }
        let variable = |name, value| Variable { name, value, origin: Origin::Environment };
        gathered.add_variables(match &self.variables {
            Some(variables) => {
                let variables = variables.iter().cloned();
                variables.map(|(name, value)| variable(name, Some(value))).collect()
            }
            None => std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some(variable(name.into_string().ok()?, value.into_string().ok()))
                })
                .collect(),
        });
    }
}

/// Without the values of variables, which may be secrets.
impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Loader");
        #[cfg(feature = "toml")]
        debug.field("toml", &self.toml);
        debug.field("prefix", &self.prefix).field("dotenv", &self.dotenv).finish_non_exhaustive()
    }
}

#[expect(
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    reason = "nothing runs yet, and there is no log yet"
)]
fn exit(error: &SettingsError) -> ! {
    eprintln!("{error}");
    std::process::exit(2)
}
