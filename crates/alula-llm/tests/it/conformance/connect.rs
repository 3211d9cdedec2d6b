//! A server that takes no connection.

use std::{io, net::SocketAddr, time::Duration};

use alula_llm::{Error, ErrorKind, HttpLimits, Llm, OpenAi, Phase};
use futures_util::{StreamExt, stream};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use super::{
    AT_ONCE, Adapter, FAMILY, PATIENCE, PROTOCOLS,
    faults::{BRIEF, SLACK, TRIES},
    http_with, patient, request,
};

/// A listener whose queue is full, as that of a server that hangs: the system answers nobody more.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    /// `None` where the system has no such limit.
    async fn start() -> io::Result<Option<Self>> {
        const WAITING_MAX: usize = 64;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while waiting.len() < WAITING_MAX {
            match timeout(BRIEF, TcpStream::connect(address)).await {
                Ok(stream) => waiting.push(stream?),
                Err(_) => {
                    return Ok(Some(Self { address, _listener: listener, _waiting: waiting }));
                }
            }
        }
        Ok(None)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn ended(llm: &Llm, streamed: bool) -> (Error, Duration) {
    let started = Instant::now();
    let call = async {
        match streamed {
            true => llm.stream(request()).await.map(drop),
            false => llm.chat(request()).await.map(drop),
        }
    };
    let result = timeout(PATIENCE, call).await.unwrap();
    (result.unwrap_err(), started.elapsed())
}

/// What is wrong, if anything is. The machine may be late, but not each time.
async fn failure(llm: &Llm, streamed: bool) -> Option<String> {
    for _ in 0..TRIES {
        let (error, took) = ended(llm, streamed).await;
        let is_meant = *error.kind() == ErrorKind::Timeout { phase: Phase::Connect }
            && error.message() == format!("no connection came within {BRIEF:?}");
        match is_meant {
            true if took <= BRIEF + SLACK => return None,
            true => {}
            false => return Some(format!("{error:?}")),
        }
    }
    Some("it ends too late".to_owned())
}

/// Each waits as long as its own connections say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_longer_for_a_connection_than_the_limit() {
    let Some(full) = Full::start().await.unwrap() else {
        return println!("skipped: the queue of a listener does not fill up here");
    };
    let http = http_with(HttpLimits::default().connect_timeout(BRIEF));
    let adapters: Vec<Adapter> = PROTOCOLS.into_iter().chain(FAMILY).collect();
    let cases = adapters.iter().flat_map(|adapter| [(adapter, false), (adapter, true)]);
    let failures = stream::iter(cases).map(|(adapter, streamed)| {
        let llm = adapter.llm_at(&full.url(), &http, patient());
        async move {
            let failure = failure(&llm, streamed).await?;
            Some(format!("{} (streamed: {streamed}): {failure}", adapter.name))
        }
    });
    let failures: Vec<String> =
        failures.buffer_unordered(AT_ONCE).filter_map(|it| async { it }).collect().await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn the_deadline_is_that_of_the_connections_that_providers_share() {
    let Some(full) = Full::start().await.unwrap() else {
        return println!("skipped: the queue of a listener does not fill up here");
    };
    let openai = OpenAi::new("k").base_url(full.url());
    let shared = Llm::builder().deadlines(patient().connect(BRIEF)).provider(openai.clone());
    assert_eq!(failure(&shared.build().unwrap(), false).await, None);
    // Who brings connections of its own brings their limit.
    let own = openai.http(http_with(HttpLimits::default().connect_timeout(BRIEF)));
    let llm = Llm::builder().deadlines(patient()).provider(own).build().unwrap();
    assert_eq!(failure(&llm, false).await, None);
}
