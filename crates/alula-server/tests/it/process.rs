//! `alula` as a child process.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    fmt::Debug,
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    str::FromStr,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The longest wait for anything that should come soon, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address where nobody listens: binding it takes root.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

/// A process to be started.
pub(crate) struct Start {
    command: Command,
    /// Where its database is, if it has several processes.
    folder: Option<TempDir>,
}

/// `alula` with these arguments, and nothing of the environment of whoever runs the tests.
pub(crate) fn alula(arguments: &[&str]) -> Start {
    program(env!("CARGO_BIN_EXE_alula").as_ref(), arguments)
}

/// The same from another place.
pub(crate) fn program(path: &Path, arguments: &[&str]) -> Start {
    let mut command = Command::new(path);
    command.args(arguments).env_clear().env("OLLAMA_HOST", NOBODY);
    // Gone with the process, unless a test names another.
    let folder = arguments.contains(&"--workers").then(|| TempDir::new().unwrap());
    match &folder {
        None => command.env("DATABASE_URL", "sqlite::memory:"),
        Some(folder) => {
            let file = folder.path().join("alula.db");
            command.env("DATABASE_URL", format!("sqlite://{}", file.display()))
        }
    };
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration to read")]
    for name in ["PATH", "HOME"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Start { command, folder }
}

/// A server on a free port, without any provider.
pub(crate) fn serve() -> Start {
    alula(&["serve", "--port", "0"])
}

/// A server whose OpenAI is at this URL.
pub(crate) fn serve_openai(url: &str) -> Start {
    serve().env("OPENAI_API_KEY", "sk-test").env("OPENAI_BASE_URL", url)
}

/// The recordings of a folder as a provider, on a free port.
pub(crate) fn replay(dir: &Path, options: &[&str]) -> Start {
    let mut start = alula(&["replay", "--port", "0"]);
    start.command.args(options).arg(dir);
    start
}

impl Start {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Waits until it listens.
    pub(crate) fn listen(self) -> Alula {
        let mut alula = Alula::start(self);
        let address = alula.stdout.wait_for(|text| {
            let (_, rest) = text.split_once(" on http")?;
            let rest = rest.trim_start_matches('s').strip_prefix("://")?;
            rest.split_once('\n')?.0.parse().ok()
        });
        match address {
            Some(address) => alula.address = address,
            None => panic!("alula does not listen\n{}", alula.printed()),
        }
        alula
    }

    /// With another current directory.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it to be spoken to, line by line.
    pub(crate) fn talk(mut self) -> Alula {
        self.command.stdin(Stdio::piped());
        Alula::start(self)
    }

    /// Waits for nothing.
    pub(crate) fn spawn(self) -> Alula {
        Alula::start(self)
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(self) -> Ended {
        let mut alula = Alula::start(self);
        let status = alula.ended();
        let (stdout, stderr) = (alula.stdout.whole(), alula.stderr.whole());
        Ended { code: status.code(), stdout, stderr }
    }
}

/// What is left of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process that runs. Dropping it kills it, and shows what it printed if the test fails.
pub(crate) struct Alula {
    child: Child,
    /// Of one that is spoken to.
    stdin: Option<ChildStdin>,
    address: SocketAddr,
    stdout: Captured,
    stderr: Captured,
    _folder: Option<TempDir>,
}

impl Alula {
    fn start(start: Start) -> Self {
        let Start { mut command, folder } = start;
        let mut child = command.spawn().expect("the binary can be started");
        let stdin = child.stdin.take();
        let stdout = Captured::read(child.stdout.take().unwrap());
        let stderr = Captured::read(child.stderr.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, stdin, address, stdout, stderr, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Writes a line to its input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is spoken to");
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// Ends its input, and returns all that it printed until it had ended.
    pub(crate) fn hang_up(mut self) -> Ended {
        drop(self.stdin.take());
        self.end_after_signal()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("there is a command `kill`").success());
    }

    /// Waits for something in what it prints.
    pub(crate) fn prints<T>(&self, patience: Duration, find: impl FnMut(&str) -> Option<T>) -> T {
        let found = self.stdout.wait_for_within(patience, find);
        found.expect("it is printed")
    }

    /// Waits until it has logged this.
    pub(crate) fn logged(&self, text: &str) {
        let found = self.stderr.wait_for(|log| log.contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in the log");
    }

    /// How often it has logged this.
    pub(crate) fn count_logged(&self, text: &str) -> usize {
        self.stderr.so_far().matches(text).count()
    }

    /// The process of each worker, by its number.
    pub(crate) fn workers(&self) -> HashMap<usize, u32> {
        let log = self.stderr.so_far();
        let lines = log.lines().filter(|line| {
            line.contains("worker listens worker=") || line.contains("worker replaced worker=")
        });
        lines.map(|line| (number_after(line, " worker="), number_after(line, " pid="))).collect()
    }

    /// How much memory it holds.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = line.split_whitespace().next().unwrap().parse().unwrap();
        kib * 1024
    }

    /// Waits until the process has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "alula still runs after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it, and returns all that it printed.
    pub(crate) fn end(self) -> Ended {
        self.signal("TERM");
        self.end_after_signal()
    }

    /// All that it printed, once it has ended.
    pub(crate) fn end_after_signal(mut self) -> Ended {
        let code = self.ended().code();
        Ended { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    fn printed(&self) -> String {
        format!("--- stdout\n{}--- stderr\n{}", self.stdout.so_far(), self.stderr.so_far())
    }
}

impl Drop for Alula {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.printed());
        }
    }
}

/// The number behind a mark in a line of the log.
fn number_after<T: FromStr<Err: Debug>>(line: &str, mark: &str) -> T {
    let (_, rest) = line.split_once(mark).unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// What a process prints, as it comes.
struct Captured(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

impl Captured {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Text::default()), Condvar::new()));
        let captured = Self(Arc::clone(&shared));
        thread::spawn(move || {
            let (text, changed) = &*shared;
            let mut buffer = [0; 4096];
            loop {
                let read = from.read(&mut buffer).unwrap_or(0);
                let mut text = text.lock().unwrap();
                text.bytes.extend_from_slice(&buffer[..read]);
                text.ended = read == 0;
                changed.notify_all();
                if text.ended {
                    return;
                }
            }
        });
        captured
    }

    /// Waits until `find` finds something; `None` if it never will, or not soon.
    fn wait_for<T>(&self, find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        self.wait_for_within(PATIENCE, find)
    }

    fn wait_for_within<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, changed) = &*self.0;
        let mut found = None;
        let text = text.lock().unwrap();
        let _text = changed.wait_timeout_while(text, patience, |text| {
            found = find(&String::from_utf8_lossy(&text.bytes));
            found.is_none() && !text.ended
        });
        found
    }

    /// Everything, once the process has closed it.
    fn whole(&self) -> String {
        let (text, changed) = &*self.0;
        let text = text.lock().unwrap();
        let (text, _) = changed.wait_timeout_while(text, PATIENCE, |text| !text.ended).unwrap();
        String::from_utf8_lossy(&text.bytes).into_owned()
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }
}
