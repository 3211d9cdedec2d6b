//! The process that reads one document, and may die of it.

use std::{
    any::Any,
    fs::File,
    io::{self, Read as _, Write as _},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getppid, setrlimit};

use super::{
    ExtractLimits, Unreadable,
    error::excerpt,
    parse,
    wire::{self, Request},
};
use crate::Extracted;

/// What a parser that calls itself may use. It is only mapped, and costs what is touched.
const STACK_BYTES: usize = 16 << 20;

/// How often it is looked whether the process that wants the text is still there.
const LOOK: Duration = Duration::from_millis(200);

type Answer = Result<Extracted, Unreadable>;

/// Reads the document on the standard input and answers on the standard output: all that the
/// program does that an [`Extractor`](super::Extractor) starts. `request` is its last argument.
///
/// Before the first byte of the document is read, the process takes from itself what it will not
/// need: memory, time, and the right to open, to write, to connect and to start anything.
///
/// It has to be called before there are other threads, and from the end of `main`: a parser that
/// takes too long is left behind.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     let arguments: Vec<String> = std::env::args().collect();
///     if let [_, command, request] = &arguments[..] && command == "extract-document" {
///         return alula_rag::child::run(request);
///     }
///     // All else that the program does.
///     ExitCode::SUCCESS
/// }
/// ```
pub fn run(request: &str) -> ExitCode {
    match answer(request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent passes it on; without it there is nobody to tell.
            let _: io::Result<()> = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(request: &str) -> io::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    // What a parser prints is no part of the answer.
    let output = File::from(rustix::io::dup(rustix::stdio::stdout())?);
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    panic::set_hook(Box::new(|_| ()));

    let wall = request.limits.wall_seconds_max;
    let (sender, receiver) = mpsc::sync_channel(1);
    let parser = thread::Builder::new().name("parser".to_owned()).stack_size(STACK_BYTES);
    parser.spawn(move || sender.send(read(&request)))?;
    wire::write(wait(&receiver, wall)?, output)
}

/// Waits for the answer: as long as it may take, and as long as there is somebody who wants it.
fn wait(receiver: &mpsc::Receiver<io::Result<Answer>>, seconds: u64) -> io::Result<Answer> {
    let (parent, started) = (getppid(), Instant::now());
    let wall = Duration::from_secs(seconds);
    loop {
        let left = wall.saturating_sub(started.elapsed());
        match receiver.recv_timeout(left.min(LOOK)) {
            Ok(answer) => return answer,
            // One that was killed has not ended this process, which nobody else would do.
            Err(RecvTimeoutError::Timeout) if getppid() != parent => {
                return Err(io::Error::other("whoever wanted the text is gone"));
            }
            Err(RecvTimeoutError::Timeout) if started.elapsed() >= wall => {
                return Ok(Err(Unreadable::TookTooLong(seconds)));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("no answer")),
        }
    }
}

/// Limits the process, and reads the document. An error is one of the machine.
fn read(request: &Request) -> io::Result<Answer> {
    let Request { kind, bytes, limits } = request;
    confine(limits)?;
    let mut document = Vec::new();
    let length = usize::try_from(*bytes).map_err(io::Error::other)?;
    if document.try_reserve_exact(length).is_err() {
        return Ok(Err(Unreadable::OutOfMemory(limits.memory_bytes_max)));
    }
    io::stdin().lock().take(*bytes).read_to_end(&mut document)?;
    if document.len() != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let parsed = panic::catch_unwind(AssertUnwindSafe(|| parse(*kind, &document, limits)));
    Ok(parsed.unwrap_or_else(|panic| Err(Unreadable::Crashed(said(panic.as_ref())))))
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    excerpt(text.unwrap_or("its parser failed"))
}

/// Takes from the process what reading a document does not need.
fn confine(limits: &ExtractLimits) -> io::Result<()> {
    let memory = memory()?.map(|now| now.saturating_add(limits.memory_bytes_max));
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    // At the first the process is told that it has taken too long, and at the second it is killed.
    let seconds = limits.cpu_seconds_max;
    set(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    if let Some(memory) = memory {
        limit(Resource::Data, memory)?;
    }
    // Root may start processes in spite of this.
    limit(Resource::Nproc, 0)?;
    // Files that are open stay so; no other can be, and no socket.
    limit(Resource::Nofile, 0)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    set(resource, most, most)
}

fn set(resource: Resource, most: u64, at_all: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(at_all) })?)
}

/// How much memory the process may write to, in bytes, where that is what is limited. What it has
/// only reserved does not count, as allocators reserve much.
fn memory() -> io::Result<Option<u64>> {
    if !cfg!(target_os = "linux") {
        return Ok(None);
    }
    let sizes = std::fs::read_to_string("/proc/self/statm")?;
    let pages = sizes.split_whitespace().nth(5).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("the kernel does not say what it uses"))?;
    Ok(Some(pages.saturating_mul(rustix::param::page_size() as u64)))
}
