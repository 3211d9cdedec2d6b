//! A Redis for one test.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Names under which Redis, or what takes its place, is installed.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// A server of its own on a free port, which keeps nothing on disk and ends with its test.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl Redis {
    /// A server that answers. Without the program the test says that it is skipped, unless
    /// `ALULA_TEST_REQUIRE=1`.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            let is_required = setting("ALULA_TEST_REQUIRE").is_some_and(|value| value == "1");
            assert!(!is_required, "no redis-server; see ALULA_TEST_REDIS");
            println!("skipped: no redis-server; see ALULA_TEST_REDIS");
            return None;
        };
        for _ in 0..10 {
            // Somebody else may take the port before the server does.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let name = format!("alula-server-redis-{}-{port}", std::process::id());
            let dir = env::temp_dir().join(name);
            fs::create_dir_all(&dir).unwrap();
            let child = spawn(&program, &dir, port);
            let mut server = Self { program: program.clone(), dir, port, child };
            if server.answers() {
                return Some(server);
            }
        }
        panic!("{} does not start", program.display());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks for a password from now on, until it is started again.
    pub(crate) fn protect(&self, password: &str) {
        self.run(&format!("CONFIG SET requirepass {password}\r\n"));
    }

    /// The same address with a password.
    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}/0", self.port)
    }

    /// All that it holds, as it is on disk.
    pub(crate) fn dump(&self, password: &str) -> Vec<u8> {
        self.run(&format!("AUTH {password}\r\nCONFIG SET rdbcompression no\r\nSAVE\r\n"));
        fs::read(self.dir.join("dump.rdb")).unwrap()
    }

    /// Runs commands, of which none fails.
    fn run(&self, commands: &str) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{commands}QUIT\r\n").as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert!(answers.lines().all(|answer| answer == "+OK"), "{answers}");
    }

    /// Kills it, and with it all that it knew.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.program, &self.dir, self.port);
        assert!(self.answers(), "it does not start again");
    }

    fn answers(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < PATIENCE && self.child.try_wait().unwrap().is_none() {
            if ping(self.port).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn ping(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if answer == *b"+PONG\r\n" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn spawn(program: &Path, dir: &Path, port: u16) -> Child {
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(dir);
    command.arg("--port").arg(port.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// `ALULA_TEST_REDIS`, or one in the path.
fn program() -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    let find = |name| env::split_paths(&path).map(|dir| dir.join(name)).find(|it| it.is_file());
    setting("ALULA_TEST_REDIS").map(PathBuf::from).or_else(|| NAMES.into_iter().find_map(find))
}

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}
