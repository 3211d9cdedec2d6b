//! A Redis for one test.

use std::{
    env,
    ffi::OsString,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

/// Names under which Redis, or what takes its place, is installed.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// A server of its own on a free port, which keeps nothing on disk and ends with its test.
#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// A server that answers. Without the program the test says that it is skipped, unless
    /// `ALULA_TEST_REQUIRE=1`.
    pub(super) fn start() -> Option<Self> {
        let Some(program) = program() else {
            let is_required = setting("ALULA_TEST_REQUIRE").is_some_and(|value| value == "1");
            assert!(!is_required, "no redis-server; see ALULA_TEST_REDIS");
            println!("skipped: no redis-server; see ALULA_TEST_REDIS");
            return None;
        };
        for _ in 0..10 {
            // Somebody else may take the port before the server does.
            let port = free_port();
            let name = format!("alula-redis-{}-{port}", std::process::id());
            let dir = env::temp_dir().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let child = spawn(&program, &dir, port);
            let mut server = Self { program: program.clone(), dir, port, child };
            if server.answers() {
                return Some(server);
            }
        }
        panic!("{} does not start", program.display());
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection beside those that are tested. It waits for ever, so that a clock that a test
    /// holds has no reason to move.
    pub(super) async fn connect(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    /// Kills it, and with it all that it knew.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.program, &self.dir, self.port);
        assert!(self.answers(), "it does not start again");
    }

    fn answers(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10)
            && self.child.try_wait().unwrap().is_none()
        {
            if ping(self.port).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn ping(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if answer == *b"+PONG\r\n" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
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
pub(super) fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}
