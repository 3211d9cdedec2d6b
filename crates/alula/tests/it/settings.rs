//! Settings from all their sources.

use std::{collections::HashMap, ffi::OsString, fs, process::Command};

use alula::{
    Secret,
    prelude::*,
    settings::{self, Loader, Origin, SettingsError},
};

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Settings {
    #[serde(default = "default_host")]
    host: String,
    #[schemars(range(min = 1))]
    port: u16,
    #[serde(default)]
    debug: bool,
    #[serde(default)]
    log: Level,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    limits: HashMap<String, u32>,
    #[serde(default)]
    pool: Pool,
    #[schemars(extend("x-env" = ["OPENAI_API_KEY", "OPENAI_KEY"]))]
    #[serde(default)]
    key: Option<Secret<ApiKeyText>>,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    store: Option<Store>,
}

fn default_host() -> String {
    "127.0.0.1".to_owned()
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Info,
    Debug,
}

#[derive(Debug, Default, Deserialize, JsonSchema, Validate)]
#[validate(custom = min_below_max)]
struct Pool {
    #[serde(default)]
    size_min: u32,
    #[serde(default)]
    size_max: u32,
}

fn min_below_max(pool: &Pool) -> Result<(), &'static str> {
    if pool.size_min <= pool.size_max { Ok(()) } else { Err("size_min is above size_max") }
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Target {
    url: String,
    #[serde(default)]
    weight: u32,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Store {
    Memory,
    File { path: String },
}

/// A type whose own `Deserialize` repeats what it refuses.
#[derive(Debug)]
struct ApiKeyText(String);

impl<'de> Deserialize<'de> for ApiKeyText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.starts_with("sk-") {
            true => Ok(Self(text)),
            false => Err(serde::de::Error::custom(format!("bad key {text}"))),
        }
    }
}

impl JsonSchema for ApiKeyText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ApiKeyText".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

impl Validate for ApiKeyText {
    fn is_valid(&self) -> bool {
        true
    }
}

fn loader(variables: &[(&str, &str)]) -> Loader {
    Loader::new().prefix("APP_").variables(variables.iter().copied())
}

fn load(variables: &[(&str, &str)]) -> Settings {
    loader(variables).load().unwrap()
}

#[track_caller]
fn check_error(loaded: Result<Settings, SettingsError>, expected: &[&str]) {
    let error = loaded.unwrap_err();
    let mistakes: Vec<String> = error.mistakes().iter().map(ToString::to_string).collect();
    assert_eq!(mistakes, expected);
}

#[test]
fn texts_become_what_the_fields_are() {
    let settings = load(&[
        ("APP_PORT", " 80_80 "),
        ("APP_DEBUG", "yes"),
        ("APP_LOG", "debug"),
        ("APP_ORIGINS", "https://a.example, https://b.example"),
        ("APP_PORTS", "1, 2"),
        ("APP_LIMITS", "{\"chat\": \"5\"}"),
        ("APP_LIMITS__SEARCH", "7"),
        ("APP_POOL__SIZE_MAX", "20"),
        ("OPENAI_KEY", "sk-second"),
        ("APP_TARGETS", "[{\"url\": \"a\", \"weight\": \"3\"}]"),
        ("APP_STORE__KIND", "file"),
        ("APP_STORE__PATH", "data"),
    ]);
    assert_eq!((settings.host.as_str(), settings.port), ("127.0.0.1", 8080));
    assert!(settings.debug && settings.log == Level::Debug);
    assert_eq!(settings.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.ports, [1, 2]);
    assert_eq!((settings.limits["chat"], settings.limits["search"]), (5, 7));
    assert_eq!((settings.pool.size_min, settings.pool.size_max), (0, 20));
    assert_eq!(settings.key.unwrap().expose().0, "sk-second");
    assert_eq!((settings.targets[0].url.as_str(), settings.targets[0].weight), ("a", 3));
    assert_eq!(settings.store, Some(Store::File { path: "data".to_owned() }));
}

#[test]
fn a_field_wins_over_the_json_of_its_struct() {
    let pool = ("APP_POOL", "{\"size_min\": 1, \"size_max\": 2}");
    let settings = load(&[("APP_POOL__SIZE_MAX", "3"), pool, ("APP_PORT", "1")]);
    assert_eq!((settings.pool.size_min, settings.pool.size_max), (1, 3));
}

#[test]
fn an_empty_variable_is_not_set() {
    let settings = load(&[("APP_PORT", "1"), ("APP_HOST", ""), ("APP_STORE", " ")]);
    assert_eq!((settings.host.as_str(), settings.store), ("127.0.0.1", None));
    check_error(loader(&[("APP_PORT", "")]).load(), &["APP_PORT (not set): Field required"]);
}

#[test]
fn every_mistake_is_listed_with_its_name_and_its_source() {
    let loaded = loader(&[
        ("APP_PORT", "0"),
        ("APP_DEBUG", "perhaps"),
        ("APP_LOG", "loud"),
        ("APP_PORTS", "1,x"),
        ("APP_LIMITS", "{\"chat\": -1}"),
        ("APP_POOL", "{\"size_mix\": 1}"),
        ("APP_TARGETS", "[{\"weight\": 1}, {\"url\": \"a\", \"wait\": 1}]"),
        ("APP_ORIGINS", "[a]"),
        ("APP_STORE__KIND", "tape"),
        ("APP_HOTS", "a"),
    ]);
    let expected = [
        "APP_ORIGINS (environment): Invalid JSON: expected value at line 1 column 2",
        "APP_HOTS (environment): Extra inputs are not permitted; did you mean `APP_HOST`?",
        "APP_PORT (environment): Input should be greater than or equal to 1",
        "APP_DEBUG (environment): Input should be a valid boolean, unable to interpret input",
        "APP_LOG (environment): Input should be 'info' or 'debug'",
        "APP_PORTS[1] (environment): Input should be a valid integer, unable to parse string as \
         an integer",
        "APP_LIMITS.chat (environment): Input should be greater than or equal to 0",
        "APP_POOL.size_mix (environment): Extra inputs are not permitted; did you mean \
         `size_min`?",
        "APP_TARGETS[0].url (environment): Field required",
        "APP_TARGETS[1].wait (environment): Extra inputs are not permitted",
        "APP_STORE__KIND (environment): Input tag 'tape' found using 'kind' does not match any of \
         the expected tags: 'memory', 'file'",
    ];
    check_error(loaded.load(), &expected);
}

#[test]
fn a_check_of_the_type_has_its_place() {
    let loaded = loader(&[("APP_PORT", "1"), ("APP_POOL__SIZE_MIN", "2")]).load();
    check_error(
        loaded,
        &["APP_POOL__SIZE_MIN (environment): Value error, size_min is above size_max"],
    );
}

#[test]
fn a_variable_of_somebody_else_is_left_alone() {
    let settings = load(&[
        ("APP_PORT", "1"),
        ("APP_SERVICE_HOST", "10.0.0.1"),
        ("APP_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("APP_DEBUG", "no"),
        ("APP_DEBUGS", "APP_DEBUG is set, so this is no slip"),
        ("PORTS", "x"),
    ]);
    assert_eq!(settings.port, 1);
}

#[test]
fn without_a_prefix_a_similar_name_is_a_hint() {
    let loader = Loader::new().variables([("PROT", "1"), ("PATH", "/bin")]);
    check_error(loader.load(), &["PORT (not set): Field required; is `PROT` meant to be it?"]);
}

#[test]
fn a_secret_is_in_no_message() {
    for (name, value) in [("OPENAI_API_KEY", "canary"), ("OPENAI_KEY", "{\"canary\": 1}")] {
        let error = loader(&[("APP_PORT", "1"), (name, value)]).load::<Settings>().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains(&format!("{name} (environment): The value is refused")), "{shown}");
    }
    let loader = loader(&[("OPENAI_API_KEY", "sk-canary"), ("APP_PORT", "1")]);
    let settings: Settings = loader.load().unwrap();
    assert!(!format!("{settings:?} {loader:?}").contains("canary"));
}

#[test]
fn a_file_of_variables_is_below_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let text = "# the application\nexport APP_PORT=1\nAPP_HOST='a' # host\nAPP_DEBUG=on\n\
                OTHER=ignored\n";
    fs::write(&path, text).unwrap();
    let settings: Settings =
        loader(&[("APP_HOST", "b"), ("APP_DEBUG", "")]).dotenv(&path).load().unwrap();
    assert_eq!((settings.host.as_str(), settings.port, settings.debug), ("b", 1, true));

    let local = folder.path().join(".env.local");
    fs::write(&local, "APP_PORT=2\n").unwrap();
    let loader = loader(&[]).dotenv(&path).dotenv(&local).dotenv(folder.path().join("gone"));
    assert_eq!(loader.load::<Settings>().unwrap().port, 2);
}

#[test]
fn mistakes_in_a_file_have_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    fs::write(&path, "canary\nAPP_PORT=x\nAPP_COLOUR=red\nAPP_HOTS=a\n").unwrap();
    let error = loader(&[]).dotenv(&path).load::<Settings>().unwrap_err();
    let mistakes: Vec<_> = error
        .mistakes()
        .iter()
        .map(|it| match &it.origin {
            Origin::File { path: found, line } if *found == path => (*line, &*it.name, &*it.kind),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (1, "", "dotenv_invalid"),
        (3, "APP_COLOUR", "extra_forbidden"),
        (4, "APP_HOTS", "extra_forbidden"),
        (2, "APP_PORT", "int_parsing"),
    ];
    assert_eq!(mistakes, expected);
    assert!(!error.to_string().contains("canary"));
}

#[test]
fn what_a_broken_file_may_hold_is_not_called_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    fs::write(&path, "APP_PORT\n").unwrap();
    let error = loader(&[]).dotenv(&path).load::<Settings>().unwrap_err();
    assert_eq!(error.mistakes().len(), 1, "{error}");
    fs::write(&path, b"APP_HOST=\xff\n").unwrap();
    let error = loader(&[]).dotenv(&path).load::<Settings>().unwrap_err();
    assert!(error.to_string().ends_with(".env is not UTF-8"), "{error}");
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    let error = loader(&[]).dotenv(&path).load::<Settings>().unwrap_err();
    assert!(error.to_string().ends_with(".env has more than 1048576 bytes"), "{error}");
    let error = loader(&[]).dotenv(folder.path()).load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[cfg(feature = "toml")]
mod toml {
    use super::*;

    #[test]
    fn toml_is_below_variables_and_above_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        let text = "port = 1\nhost = \"a\"\n[pool]\nsize_max = 5\n[limits]\nchat = 1\n\
                    [[targets]]\nurl = \"x\"\n";
        fs::write(&path, text).unwrap();
        let env = folder.path().join(".env");
        fs::write(&env, "APP_POOL__SIZE_MIN=2\nAPP_HOST=b\n").unwrap();
        let loader =
            loader(&[("APP_LIMITS__SEARCH", "2"), ("APP_PORT", "3")]).toml(&path).dotenv(&env);
        let settings: Settings = loader.load().unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("b", 3));
        assert_eq!((settings.pool.size_min, settings.pool.size_max), (2, 5));
        assert_eq!((settings.limits["chat"], settings.limits["search"]), (1, 2));
        assert_eq!((settings.targets[0].url.as_str(), settings.log), ("x", Level::Info));
    }

    #[test]
    fn mistakes_in_toml_have_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        let text = "port = 70000\nprot = 1\n\n[pool]\nsize_min = \"x\"\nsize-max = 1\n\
                    [[targets]]\nurl = 1\nwait = 2\n[store]\nkind = \"file\"\n";
        fs::write(&path, text).unwrap();
        let error = loader(&[]).toml_required(&path).load::<Settings>().unwrap_err();
        let mistakes: Vec<_> = error
            .mistakes()
            .iter()
            .map(|it| match &it.origin {
                Origin::File { line, .. } => (*line, &*it.name, &*it.kind),
                _ => (0, &*it.name, &*it.kind),
            })
            .collect();
        let expected = [
            (1, "port", "less_than_equal"),
            (5, "pool.size_min", "int_parsing"),
            (6, "pool.size-max", "extra_forbidden"),
            (7, "targets[0].url", "string_type"),
            (7, "targets[0].wait", "extra_forbidden"),
            (0, "APP_STORE__PATH", "missing"),
            (2, "prot", "extra_forbidden"),
        ];
        assert_eq!(mistakes, expected);
        assert!(error.to_string().contains("did you mean `size_max`?"), "{error}");
    }

    #[test]
    fn a_file_that_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        let loader = loader(&[("APP_PORT", "1")]);
        assert!(loader.clone().toml(&path).load::<Settings>().is_ok());
        let error = loader.toml_required(&path).load::<Settings>().unwrap_err();
        assert!(error.to_string().contains("app.toml cannot be read"), "{error}");
    }
}

/// Not a test by itself: the program that the next test runs.
#[test]
fn a_program_that_loads_or_exits() {
    #[expect(clippy::disallowed_methods, reason = "it asks whether it is that program")]
    if std::env::var_os("ALULA_TEST_LOAD_OR_EXIT").is_some() {
        let settings: Settings = settings::load_or_exit();
        println!("the port is {}", settings.port);
    }
}

#[test]
fn a_program_with_a_mistake_says_so_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, OsString)]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "settings::a_program_that_loads_or_exits", "--nocapture"])
            .current_dir(&folder)
            .env("ALULA_TEST_LOAD_OR_EXIT", "1")
            .envs(variables.iter().cloned())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, stderr) = run(&[("PORT", "http".into()), ("DEBUG", "x".into())]);
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "the settings have mistakes:\n  - PORT (environment): Input should be a valid integer, \
         unable to parse string as an integer\n  - DEBUG (environment): Input should be a valid \
         boolean, unable to interpret input\n"
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let (code, _, stderr) = run(&[("PORT", std::ffi::OsStr::from_bytes(b"\xff").into())]);
        assert_eq!(code, Some(2));
        assert!(stderr.contains("PORT (environment): The value is not UTF-8"), "{stderr}");
    }
    fs::write(folder.path().join(".env"), "PORT=8080\n").unwrap();
    let (code, stdout, _) = run(&[]);
    assert!(code == Some(0) && stdout.contains("the port is 8080"), "{stdout}");
}
