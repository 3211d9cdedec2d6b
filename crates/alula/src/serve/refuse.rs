//! The answer to a connection for which there is no room.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::task::TaskTracker;

/// Refusals under way at a time; beyond that, connections are closed without an answer.
const REFUSALS_MAX: usize = 512;

/// How long a refusal waits for the client to read it and hang up.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\n\
    content-length: 33\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    \r\n\
    {\"detail\":\"Too many connections\"}";

/// Sends 503s, so that a full server says so.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    under_way: TaskTracker,
}

impl Refusals {
    /// Refuses a connection whatever its request is.
    pub(super) fn refuse(&self, stream: TcpStream) {
        if self.under_way.len() < REFUSALS_MAX {
            self.under_way.spawn(timeout(REFUSAL_TIME, refuse(stream)));
        }
    }
}

/// Answers, then reads until the client hangs up: to close over unread bytes would reset the
/// connection, and the client would not get the answer.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_body() {
        let text = str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
