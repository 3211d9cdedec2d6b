//! Postgres and Redis, each of which ends with us.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::server::{Server, free_address};

/// Who runs Postgres where we are root, as whom it refuses to run.
const USERS: [&str; 2] = ["postgres:", "nobody:"];
/// How long Postgres may take until it answers.
const START_TIME: Duration = Duration::from_secs(60);

/// A server with its address.
#[derive(Debug)]
pub struct Database {
    /// Its process.
    pub server: Server,
    /// Where it answers.
    pub address: SocketAddr,
    /// What is removed with it.
    _files: Option<Files>,
    programs: PathBuf,
}

/// A folder that is removed.
#[derive(Debug)]
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Database {
    /// Postgres as it comes: a commit waits for the disk.
    ///
    /// # Errors
    ///
    /// If there is none below `programs`, or it does not start.
    pub fn postgres(programs: &Path, logs: &Path) -> Result<Self> {
        let address = free_address()?;
        // Where it is linked to, not all of its programs need be.
        let program = programs.join("postgres").canonicalize().context("there is no postgres")?;
        let programs = program.parent().unwrap_or(programs);
        // Its user may not enter our folders.
        let files = Files(std::env::temp_dir().join(format!("alula-bench-{}", std::process::id())));
        let mut init = unprivileged(&programs.join("initdb"))?;
        init.args(["-A", "trust", "-U", "alula", "-E", "UTF8", "--locale=C.UTF-8", "-D"]);
        let made = init.arg(&files.0).stdout(Stdio::null()).status()?;
        ensure!(made.success(), "initdb ended with {made}");
        let mut command = Command::new("setpriv");
        if let Some((user, group)) = other_user()? {
            command.args(["--reuid", &user.to_string(), "--regid", &group.to_string()]);
            command.arg("--clear-groups");
        } else {
            command = Command::new("env");
        }
        command.arg(&program).arg("-D").arg(&files.0);
        command.args(["-p", &address.port().to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
            command.args(["-c", setting]);
        }
        let server = Server::start_foreign(&command, address, &logs.join("postgres.log"))?;
        let database = Self { server, address, _files: Some(files), programs: programs.to_owned() };
        let started = Instant::now();
        while database.create("answers").is_err() {
            ensure!(started.elapsed() < START_TIME, "postgres does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(database)
    }

    /// Makes an empty database in Postgres, and says where it is.
    ///
    /// # Errors
    ///
    /// If Postgres refuses.
    pub fn create(&self, name: &str) -> Result<String> {
        let port = self.address.port().to_string();
        let mut command = Command::new(self.programs.join("createdb"));
        command.args(["-h", "127.0.0.1", "-p", &port, "-U", "alula", name]);
        let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(made.success(), "createdb ended with {made}");
        Ok(format!("postgres://alula@127.0.0.1:{port}/{name}"))
    }

    /// Redis as it comes, but for its files.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn redis(program: &Path, logs: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.arg("--dir").arg(logs).args(["--dbfilename", "redis.rdb"]);
        let server = Server::start_foreign(&command, address, &logs.join("redis.log"))?;
        Ok(Self { server, address, _files: None, programs: PathBuf::new() })
    }
}

/// A program that does not run as root.
fn unprivileged(program: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = other_user()? {
        command.uid(user).gid(group);
    }
    Ok(command)
}

/// The numbers of a user and its group, if we are root.
fn other_user() -> Result<Option<(u32, u32)>> {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let user = USERS.iter().find_map(|name| users.lines().find(|line| line.starts_with(name)));
    let ids: Vec<&str> =
        user.context("nobody can run Postgres")?.split(':').skip(2).take(2).collect();
    let [user, group] = ids.as_slice() else { bail!("/etc/passwd cannot be read") };
    Ok(Some((user.parse()?, group.parse()?)))
}
