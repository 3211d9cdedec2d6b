use std::{
    ffi::OsString,
    fs::File,
    io::{self, Seek as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::Command,
    sync::Semaphore,
    time::timeout,
};

use super::{
    ExtractError, ExtractLimits, Unreadable,
    error::excerpt,
    wire::{HEAD_BYTES_MAX, Head, Request},
};
use crate::{Extracted, Kind};

/// How much is kept of what the child says of its end.
const STDERR_BYTES_MAX: u64 = 4 << 10;

/// Tells allocators not to take memory that they do not need yet, as it would not be limited.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");

/// How much later than its own the child's limit of time is enforced from outside.
const GRACE: Duration = Duration::from_secs(2);

/// Takes the text out of documents, each in a process of its own.
///
/// Parsers hang, overflow and exhaust memory on some documents. So the program that is given here,
/// in most cases the same that is running, is started for each of them, without environment, and
/// limits itself before it reads the first byte; it does nothing but call
/// [`child::run`](super::child::run) with its last argument. However that ends, it is an error that
/// says why, and this process goes on.
///
/// A clone shares what may run at the same time.
///
/// ```no_run
/// # async fn read() -> Result<(), Box<dyn std::error::Error>> {
/// use alula_rag::{Extractor, Kind};
///
/// let extractor = Extractor::this_program()?.arg("extract-document");
/// let document = std::fs::File::open("manual.pdf")?;
/// let extracted = extractor.extract(Kind::Pdf, document).await?;
/// println!("{} pages", extracted.pages.len());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Extractor {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limits: ExtractLimits,
    turns: Arc<Semaphore>,
}

impl Extractor {
    /// Starts this program, with a last argument that it has to give to
    /// [`child::run`](super::child::run). Two run at the same time, unless
    /// [said](Self::concurrency) otherwise.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            limits: ExtractLimits::default(),
            turns: Arc::new(Semaphore::new(2)),
        }
    }

    /// Starts the program that is running, as [`new`](Self::new) does another one. On Linux it is that
    /// one also when its file was replaced or removed meanwhile, as an upgrade does.
    ///
    /// # Errors
    ///
    /// If the system does not say which program that is.
    pub fn this_program() -> io::Result<Self> {
        const RUNNING: &str = "/proc/self/exe";
        let is_there = cfg!(target_os = "linux") && Path::new(RUNNING).exists();
        Ok(Self::new(if is_there { RUNNING.into() } else { std::env::current_exe()? }))
    }

    /// Adds an argument, in front of the last one.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of the environment, which is empty otherwise.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Says what each document may take.
    #[must_use]
    pub fn limits(mut self, limits: ExtractLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Says how many run at the same time; at least one does. The others wait.
    #[must_use]
    pub fn concurrency(mut self, most: usize) -> Self {
        self.turns = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Takes the text out of a document. The process ends if this is dropped.
    ///
    /// The file is read from its beginning; nobody else may read it at the same time.
    ///
    /// # Errors
    ///
    /// If the document cannot be read, or its process cannot be started.
    pub async fn extract(&self, kind: Kind, document: File) -> Result<Extracted, ExtractError> {
        let machine = ExtractError::Machine;
        let _turn = self.turns.acquire().await.map_err(|error| machine(io::Error::other(error)))?;
        let bytes = document.metadata().map_err(machine)?.len();
        if bytes > self.limits.document_bytes_max {
            let limit = self.limits.document_bytes_max;
            return Err(Unreadable::too_large("document", limit, "bytes").into());
        }
        (&document).rewind().map_err(machine)?;
        let request = Request { kind, bytes, limits: self.limits.clone() };
        let request = serde_json::to_string(&request).map_err(|error| machine(error.into()))?;
        let seconds = self.limits.wall_seconds_max;
        let limit = Duration::from_secs(seconds).saturating_add(GRACE);
        match timeout(limit, self.ask(&request, document)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unreadable::TookTooLong(seconds).into()),
        }
    }

    async fn ask(&self, request: &str, document: File) -> Result<Extracted, ExtractError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(request).env_clear().env(ALLOCATOR.0, ALLOCATOR.1);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(document).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(ExtractError::Machine)?;
        // The command holds the document open.
        drop(command);
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(ExtractError::Machine(io::Error::other("the process has no output")));
        };
        let answer = self.read(stdout);
        let (answer, said, status) = tokio::join!(answer, last_words(stderr), child.wait());
        match answer {
            Ok(answer) => answer.map_err(ExtractError::Unreadable),
            Err(_) => Err(self.end(status.map_err(ExtractError::Machine)?, &said)),
        }
    }

    /// Reads an answer, if it is one to its last byte.
    async fn read(
        &self,
        from: impl AsyncRead + Unpin,
    ) -> io::Result<Result<Extracted, Unreadable>> {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        (&mut from).take(HEAD_BYTES_MAX).read_until(b'\n', &mut line).await?;
        let (bytes, title, pages, headings) = match serde_json::from_slice(&line)? {
            Head::Text { bytes, title, pages, headings } => (bytes, title, pages, headings),
            Head::Unreadable(reason) => return Ok(Err(reason)),
        };
        drop(line);
        if bytes > self.limits.text_bytes_max {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = Vec::with_capacity(usize::try_from(bytes).map_err(io::Error::other)?);
        from.take(bytes.saturating_add(1)).read_to_end(&mut text).await?;
        if text.len() as u64 != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        Ok(Ok(Extracted { text, title, pages, headings }))
    }

    /// Why a process ended that gave no answer.
    fn end(&self, status: ExitStatus, said: &str) -> ExtractError {
        const SIGXCPU: i32 = 24;
        let reason = if said.contains("memory allocation of") {
            Unreadable::OutOfMemory(self.limits.memory_bytes_max)
        } else if said.contains("has overflowed its stack") {
            Unreadable::Crashed("it is nested too deeply".to_owned())
        } else {
            match signal(status) {
                Some(SIGXCPU) => Unreadable::TookTooLong(self.limits.cpu_seconds_max),
                Some(signal) if is_own_fault(signal) => {
                    Unreadable::Crashed(format!("its parser ended with signal {signal}"))
                }
                // Somebody ended it, or it is another program: neither is for the document.
                _ => {
                    let words = excerpt(said);
                    let error = format!("the process that reads it ended with {status} {words}");
                    return ExtractError::Machine(io::Error::other(error.trim_end().to_owned()));
                }
            }
        };
        ExtractError::Unreadable(reason)
    }
}

/// The beginning of what a process says; it may say more.
async fn last_words(mut from: impl AsyncRead + Unpin) -> String {
    let mut words = Vec::new();
    let read = (&mut from).take(STDERR_BYTES_MAX).read_to_end(&mut words).await;
    if read.is_ok() {
        let mut rest = tokio::io::sink();
        // What cannot be read was not needed.
        let _: io::Result<u64> = tokio::io::copy(&mut from, &mut rest).await;
    }
    String::from_utf8_lossy(&words).into_owned()
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Whether a process has brought a signal upon itself: an illegal instruction, a trap, an abort, a
/// bus error, a wrong number, a wrong address, or a file that is too large.
fn is_own_fault(signal: i32) -> bool {
    matches!(signal, 4..=8 | 10 | 11 | 25)
}
