//! `alula dev`: builds and runs a program, and does so again when its sources change.

mod group;
mod package;
mod ready;
mod session;
mod watch;

use std::{
    ffi::OsString,
    fmt, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

pub(crate) use self::package::CargoOptions;
use self::{package::Program, session::Session, watch::Watch};

/// What to develop, and how.
#[derive(Debug)]
pub(crate) struct Dev {
    pub(crate) address: SocketAddr,
    pub(crate) cargo: CargoOptions,
    /// What to watch beside the sources.
    pub(crate) watch: Vec<PathBuf>,
    /// The arguments of the program.
    pub(crate) arguments: Vec<OsString>,
}

impl Dev {
    /// Runs until a signal; then nothing that it started is left.
    ///
    /// # Errors
    ///
    /// If there is no program here, its port is taken, or its sources cannot be watched.
    pub(crate) async fn run(self, say: fn(&str)) -> Result<(), DevError> {
        let mut signals = Signals::new().map_err(DevError::Signals)?;
        let address = free(self.address)?;
        let mut session = None;
        let ended = tokio::select! {
            biased;
            () = signals.next() => Ok(()),
            ended = develop(self, address, say, &mut session) => ended,
        };
        if let Some(session) = session {
            session.end().await;
        }
        ended
    }
}

/// The session outlives this, so that whoever ends it early can end its processes.
async fn develop(
    dev: Dev,
    address: SocketAddr,
    say: fn(&str),
    session: &mut Option<Session>,
) -> Result<(), DevError> {
    let program = Program::find(&dev.cargo).await?;
    let watch = Watch::new(&dev.watch).map_err(DevError::Watch)?;
    session.insert(Session::new(dev, address, program, watch, say)).run().await
}

/// The address, if nobody listens there. Port 0 becomes a free one.
fn free(address: SocketAddr) -> Result<SocketAddr, DevError> {
    let listener = TcpListener::bind(address);
    listener.and_then(|it| it.local_addr()).map_err(|error| DevError::Address(address, error))
}

/// The signals that end it.
struct Signals {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?] })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Why there is nothing to develop.
#[derive(Debug)]
pub(crate) enum DevError {
    NoCargo(io::Error),
    /// What cargo says of the package, or what is wrong with it.
    Package(String),
    Address(SocketAddr, io::Error),
    Watch(notify::Error),
    Signals(io::Error),
}

impl fmt::Display for DevError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCargo(error) => write!(f, "cargo cannot be started: {error}"),
            Self::Package(why) => f.write_str(why),
            Self::Address(address, error) => {
                write!(
                    f,
                    "the program could not listen on {address}: {error}; choose another with --port"
                )
            }
            Self::Watch(error) => write!(f, "the sources cannot be watched: {error}"),
            Self::Signals(error) => write!(f, "signals cannot be handled: {error}"),
        }
    }
}
