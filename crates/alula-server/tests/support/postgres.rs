//! A Postgres for one test.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Where Debian has its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who runs it where the tests run as root, as whom it refuses to run.
const USERS: [&str; 2] = ["postgres:", "nobody:"];

/// A server of its own on a free port, which ends with its test.
#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl Postgres {
    /// A server that answers. Without the programs the test says that it is skipped, unless
    /// `ALULA_TEST_REQUIRE=1`.
    pub(crate) fn start() -> Option<Self> {
        Self::start_in(programs(), "ALULA_TEST_POSTGRES")
    }

    /// One with the programs of this folder, which a variable of this name has said.
    pub(crate) fn start_in(programs: Option<PathBuf>, name: &str) -> Option<Self> {
        let Some(programs) = programs else {
            let is_required = setting("ALULA_TEST_REQUIRE").is_some_and(|value| value == "1");
            assert!(!is_required, "no Postgres; see {name}");
            println!("skipped: no Postgres; see {name}");
            return None;
        };
        // Its user may not be allowed into the folder that it is in.
        if let Err(error) = unprivileged(programs.join("initdb")).arg("--version").output() {
            println!("skipped: {}: {error}", programs.display());
            return None;
        }
        let template = template(&programs);
        for _ in 0..10 {
            // Somebody else may take the port before the server does.
            let port = free_port();
            let dir = unique("alula-postgres");
            run("cp", ["-a".as_ref(), template.as_os_str(), dir.as_os_str()]);
            let child = spawn(&programs, &dir, port);
            let mut server = Self { programs: programs.clone(), dir, port, child };
            if server.answers() {
                return Some(server);
            }
        }
        panic!("{} does not start", programs.display());
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://alula@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again, on the same port.
    pub(crate) fn restart(&mut self) {
        let _ = fs::remove_file(self.dir.join("postmaster.pid"));
        self.child = spawn(&self.programs, &self.dir, self.port);
        assert!(self.answers(), "it does not start again");
    }

    fn answers(&mut self) -> bool {
        let started = Instant::now();
        let status = self.dir.join("postmaster.pid");
        while started.elapsed() < PATIENCE && self.child.try_wait().unwrap().is_none() {
            // Its last line says how far it is.
            if fs::read_to_string(&status).is_ok_and(|status| status.contains("ready")) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// SIGQUIT takes its children along, which SIGKILL leaves.
fn end(child: &mut Child) {
    let _ = Command::new("kill").args(["-s", "QUIT", &child.id().to_string()]).status();
    let _ = child.wait();
}

/// An empty cluster, which is made once on a machine, as that takes a second.
fn template(programs: &Path) -> PathBuf {
    let version = fs::metadata(programs.join("postgres")).unwrap();
    let made = version.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let template = env::temp_dir().join(format!("alula-postgres-template-{}", made.as_secs()));
    if template.join("PG_VERSION").exists() {
        return template;
    }
    let dir = unique("alula-postgres-new");
    run(
        programs.join("initdb"),
        ["-A", "trust", "-U", "alula", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]
            .map(OsStr::new)
            .into_iter()
            .chain([dir.as_os_str()]),
    );
    // Another test may have been faster.
    if fs::rename(&dir, &template).is_err() {
        let _ = fs::remove_dir_all(&dir);
    }
    template
}

fn spawn(programs: &Path, dir: &Path, port: u16) -> Child {
    let mut command = unprivileged(programs.join("postgres"));
    command.arg("-D").arg(dir).arg("-p").arg(port.to_string());
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn run<'a>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = &'a OsStr>) {
    let output = unprivileged(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A program that does not run as root.
fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    let is_root = fs::metadata("/proc/self").is_ok_and(|it| {
        use std::os::unix::fs::MetadataExt as _;
        it.uid() == 0
    });
    if is_root {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let user = USERS.iter().find_map(|name| users.lines().find(|line| line.starts_with(name)));
        let ids: Vec<u32> =
            user.unwrap().split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
        command.uid(ids[0]).gid(ids[1]);
    }
    command
}

/// A path that nobody has used.
fn unique(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    env::temp_dir().join(format!("{name}-{}-{count}", std::process::id()))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The folder of `postgres` and `initdb`: `ALULA_TEST_POSTGRES`, one in the path, or the newest of
/// Debian's.
fn programs() -> Option<PathBuf> {
    let has_both = |dir: &PathBuf| dir.join("postgres").is_file() && dir.join("initdb").is_file();
    if let Some(dir) = setting("ALULA_TEST_POSTGRES").map(PathBuf::from) {
        return Some(dir);
    }
    let path = setting("PATH").unwrap_or_default();
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut debians: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    debians.sort();
    env::split_paths(&path).chain(debians.into_iter().rev()).find(has_both)
}

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}
