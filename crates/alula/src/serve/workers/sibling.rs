//! Who accepts connections in the place of a worker that does not.
//!
//! Every worker has the sockets of all. To watch them all would wake all workers for each
//! connection, so each watches only that of the next one in a ring, and a connection wakes two.
//! What the next one has not accepted after [`STEP_BACK`] is taken. The one that should do so may
//! be stuck as well, and so may those before it; so each worker also looks at the sockets that it
//! does not watch from time to time, which costs the same however many connections there are.
//!
//! So a connection is taken soon if its own worker or the one before that runs, and else within
//! [`ROUND_MAX`] as long as any worker runs. A worker that is dead leaves its socket open: its
//! supervisor and all others hold it, too.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long its own worker has time to accept a connection.
///
/// Long for a worker that runs, short for a client that waits.
const STEP_BACK: Duration = Duration::from_millis(5);

/// The longest time between two looks at the sockets that are not watched.
///
/// Long enough to cost an idle worker nothing that can be measured, and short for a client whose
/// worker is stuck, and the one before it, too.
const ROUND_MAX: Duration = Duration::from_millis(250);

/// Connections taken before stepping back again, so that the others take some, too.
const TAKEN_MAX: u32 = 16;

/// The sockets of the other workers.
#[derive(Debug)]
pub(in crate::serve) struct Siblings {
    next: Option<Next>,
    others: Others,
}

impl Siblings {
    /// In the order of the ring, beginning with the next one.
    pub(super) fn new(mut listeners: impl Iterator<Item = TcpListener>) -> io::Result<Self> {
        let next = listeners.next().map(Next::new).transpose()?;
        Ok(Self { next, others: Others::new(listeners.collect())? })
    }

    /// Ready with a connection that nobody accepted in time.
    pub(in crate::serve) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Some(next) = &mut self.next
            && let Poll::Ready(accepted) = next.poll_accept(cx)
        {
            return Poll::Ready(accepted);
        }
        self.others.poll_accept(cx)
    }

    pub(in crate::serve) fn into_listeners(self) -> impl Iterator<Item = TcpListener> {
        self.next.map(|next| next.listener).into_iter().chain(self.others.listeners)
    }
}

/// The socket of the next worker in the ring.
#[derive(Debug)]
struct Next {
    listener: TcpListener,
    /// The same socket, watched. tokio's listener can only accept at once; its stream, which is
    /// made from any socket, can be asked whether there is something to do.
    watched: TcpStream,
    /// Since there was a connection to accept.
    step_back: Option<Pin<Box<Sleep>>>,
    taken: u32,
}

impl Next {
    fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = OwnedFd::from(listener.try_clone()?);
        let watched = TcpStream::from_std(socket.into())?;
        Ok(Self { listener, watched, step_back: None, taken: 0 })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            ready!(self.watched.poll_read_ready(cx))?;
            let step_back = self.step_back.get_or_insert_with(|| Box::pin(sleep(STEP_BACK)));
            ready!(step_back.as_mut().poll(cx));
            if self.taken < TAKEN_MAX {
                let accept = || self.listener.accept();
                match self.watched.try_io(Interest::READABLE, accept) {
                    Ok(accepted) => {
                        self.taken += 1;
                        return Poll::Ready(for_tokio(accepted));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            // There is none left, or it is for others to go on.
            (self.step_back, self.taken) = (None, 0);
        }
    }
}

/// The sockets that are not watched.
#[derive(Debug)]
struct Others {
    listeners: Vec<TcpListener>,
    /// The time between two rounds.
    pause: Duration,
    /// Until the next round; `None` in the middle of one.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Where the round is, and what it has taken: of this socket, and whether of any.
    at: usize,
    taken: u32,
    found: bool,
}

impl Others {
    fn new(listeners: Vec<TcpListener>) -> io::Result<Self> {
        listeners.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
        let (waiting, at, taken, found) = (None, 0, 0, false);
        Ok(Self { listeners, pause: STEP_BACK, waiting, at, taken, found })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if self.listeners.is_empty() {
            return Poll::Pending;
        }
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            if let Some(accepted) = self.go_round() {
                return Poll::Ready(accepted.and_then(for_tokio));
            }
            self.pause = pause_after(self.pause, self.found);
            self.waiting = Some(Box::pin(sleep(self.pause)));
            (self.at, self.found) = (0, false);
        }
    }

    /// The next connection of this round.
    fn go_round(&mut self) -> Option<io::Result<(std::net::TcpStream, SocketAddr)>> {
        while let Some(listener) = self.listeners.get(self.at) {
            if self.taken < TAKEN_MAX {
                match listener.accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    accepted => {
                        self.taken += 1;
                        self.found = true;
                        return Some(accepted);
                    }
                }
            }
            self.at += 1;
            self.taken = 0;
        }
        None
    }
}

/// Where there was something to take, more will come.
fn pause_after(pause: Duration, found: bool) -> Duration {
    if found { STEP_BACK } else { pause.saturating_mul(2).min(ROUND_MAX) }
}

fn for_tokio(
    (stream, addr): (std::net::TcpStream, SocketAddr),
) -> io::Result<(TcpStream, SocketAddr)> {
    stream.set_nonblocking(true)?;
    Ok((TcpStream::from_std(stream)?, addr))
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::{Wake, Waker},
    };

    use tokio::time::timeout;

    use super::*;

    /// Longer than anything here takes, also on a machine with much else to do.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// The sockets of a number of other workers, and their addresses.
    fn siblings(count: usize) -> (Siblings, Vec<SocketAddr>) {
        let listeners: Vec<_> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addrs = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
        (Siblings::new(listeners.into_iter()).unwrap(), addrs)
    }

    async fn accept(siblings: &mut Siblings) -> SocketAddr {
        let accepting = poll_fn(|cx| siblings.poll_accept(cx));
        timeout(PATIENCE, accepting).await.unwrap().unwrap().1
    }

    /// A connection, of which the runtime has heard as far as it wants to.
    async fn connect(addr: SocketAddr) -> std::net::TcpStream {
        let own = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = std::net::TcpStream::connect(addr).unwrap();
        // What came later is known by then.
        let _later = std::net::TcpStream::connect(own.local_addr().unwrap()).unwrap();
        own.accept().await.unwrap();
        stream
    }

    #[tokio::test]
    async fn a_connection_wakes_the_one_before_in_the_ring_and_no_other() {
        let (mut siblings, addrs) = siblings(3);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        // No round comes in the middle of this.
        siblings.others.waiting = Some(Box::pin(sleep(100 * PATIENCE)));
        assert!(siblings.poll_accept(&mut Context::from_waker(&waker)).is_pending());
        let _others = (connect(addrs[1]).await, connect(addrs[2]).await);
        assert_eq!(wakes.0.load(SeqCst), 0);
        let _next = connect(addrs[0]).await;
        assert_eq!(wakes.0.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn connections_to_all_of_them_are_taken() {
        let (mut siblings, addrs) = siblings(5);
        for _ in 0..3 {
            for addr in &addrs {
                let client = std::net::TcpStream::connect(addr).unwrap();
                assert_eq!(accept(&mut siblings).await, client.local_addr().unwrap());
            }
        }
        let clients: Vec<_> = (0..3 * TAKEN_MAX)
            .map(|at| std::net::TcpStream::connect(addrs[at as usize % 5]).unwrap())
            .collect();
        for _ in &clients {
            accept(&mut siblings).await;
        }
    }

    #[test]
    fn rounds_that_find_nothing_become_rare() {
        let mut pause = STEP_BACK;
        let mut next = |found| {
            pause = pause_after(pause, found);
            pause.as_millis()
        };
        assert_eq!([(); 7].map(|()| next(false)), [10, 20, 40, 80, 160, 250, 250]);
        assert_eq!((next(true), next(false)), (5, 10));
    }
}
