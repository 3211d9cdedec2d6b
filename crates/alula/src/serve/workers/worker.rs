//! A worker, as it sees itself.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::channel::{
    Command, LISTENING, from_standard_input, give_up_standard_input, receive_listeners,
};
use super::sibling::Siblings;
use crate::serve::{Limits, Server, Shutdown};

/// Makes this process the worker that its supervisor started it as.
pub(super) fn take_over(number: usize, limits: Limits) -> io::Result<(Server, Shutdown)> {
    let channel = from_standard_input()?;
    let mut listeners = receive_listeners(&channel)?.into_iter();
    give_up_standard_input()?;
    channel.set_nonblocking(true)?;
    let (commands, reports) = UnixStream::from_std(channel)?.into_split();
    let shutdown = Shutdown::on_signals()?;
    shutdown.listen(obey(commands, shutdown.clone()));
    let own = listeners.next().ok_or(io::ErrorKind::InvalidData)?;
    own.set_nonblocking(true)?;
    let siblings = Box::new(Siblings::new(listeners)?);
    let crew = InCrew { number, reports, siblings };
    Ok((Server::of_worker(TcpListener::from_std(own)?, limits, crew)?, shutdown))
}

/// Does what the supervisor says until it is gone.
async fn obey(mut commands: OwnedReadHalf, shutdown: Shutdown) {
    let mut byte = [0];
    while let Ok(1..) = commands.read(&mut byte).await {
        match Command::from_byte(byte[0]) {
            Some(Command::Stop) => shutdown.trigger(),
            Some(Command::End) => shutdown.end_now(),
            None => {}
        }
    }
    let is_news = !shutdown.is_stopping();
    // The port is free for whoever takes the supervisor's place. Who read the log may be gone, too.
    shutdown.close();
    if is_news {
        tracing::error!("the supervisor is gone; stopping");
    }
}

/// What a server has of the workers beside it.
#[derive(Debug)]
pub(in crate::serve) struct InCrew {
    /// The number of the worker.
    pub(in crate::serve) number: usize,
    /// The sockets of the others.
    pub(in crate::serve) siblings: Box<Siblings>,
    reports: OwnedWriteHalf,
}

impl InCrew {
    /// Tells the supervisor that this worker takes requests. One that is gone is noticed elsewhere.
    pub(in crate::serve) async fn report_listening(&mut self) {
        let _ = self.reports.write_all(&[LISTENING]).await;
    }
}
