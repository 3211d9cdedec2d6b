//! WebSockets.

mod close;
mod endpoint;
mod handshake;
mod limits;
mod server;

use std::sync::{Arc, Mutex};

use alula::{Outcome, prelude::*};
use tokio::sync::mpsc;

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Notes how the connection ended.
#[dependency]
async fn noted(scope: Scope, log: State<Log>) -> Log {
    let log = Log::clone(&log);
    let at_exit = log.clone();
    scope.on_exit(|outcome: Outcome| async move { at_exit.note(format!("exit {outcome:?}")) });
    log
}

#[ws("/echo")]
async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await {
        socket.send(message?).await?;
    }
    Ok(())
}

/// Sends a number whenever it may, and tells the test of each.
#[derive(Clone)]
struct Sent(mpsc::Sender<usize>);
