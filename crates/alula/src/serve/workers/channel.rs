//! What a supervisor and its worker say to each other.
//!
//! The channel is a pair of sockets; the worker finds its end at its standard input, which any
//! process can take over without knowing a number. The supervisor sends the listening sockets
//! first and then commands of one byte; the worker says once that it listens. Each learns from
//! the end of the channel that the other is gone, however it went.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// From the supervisor, with the listening sockets.
const LISTENERS: u8 = b'L';
/// From the worker: it takes requests.
pub(super) const LISTENING: u8 = b'R';

/// The most sockets that fit into one message, on Linux 253.
pub(super) const WORKERS_MAX: usize = 128;

/// What a supervisor asks of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Finish what has begun, and end.
    Stop,
    /// End now.
    End,
}

impl Command {
    pub(super) fn as_byte(self) -> u8 {
        match self {
            Self::Stop => b'S',
            Self::End => b'E',
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Stop, Self::End].into_iter().find(|command| command.as_byte() == byte)
    }
}

/// Sends listening sockets, of which the receiver gets copies.
pub(super) fn send_listeners(channel: &UnixStream, listeners: &[&TcpListener]) -> io::Result<()> {
    let fds: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no room for the sockets in a message"));
    }
    sendmsg(channel, &[IoSlice::new(&[LISTENERS])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Receives what [`send_listeners`] sent, in its order. Blocks until it is there, which it is from
/// the start.
pub(super) fn receive_listeners(channel: &UnixStream) -> io::Result<Vec<TcpListener>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(WORKERS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let listeners: Vec<_> = rights.flatten().map(TcpListener::from).collect();
    match byte == [LISTENERS] && !listeners.is_empty() {
        true => Ok(listeners),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "standard input has no sockets")),
    }
}

/// The worker's end, as a copy that what the worker starts itself does not inherit.
pub(super) fn from_standard_input() -> io::Result<UnixStream> {
    let input: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(UnixStream::from(input))
}

/// Lets go of the standard input. Programs that the worker starts inherit it: one that reads it
/// would take the commands away, and one that goes on would keep the channel open.
pub(super) fn give_up_standard_input() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(File::open("/dev/null")?)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn listeners_arrive_as_the_same_sockets() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listeners = [(); WORKERS_MAX].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addrs: Vec<_> = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
        send_listeners(&ours, &listeners.each_ref()).unwrap();
        drop((ours, listeners));
        let received = receive_listeners(&theirs).unwrap();
        let received_addrs: Vec<_> = received.iter().map(|it| it.local_addr().unwrap()).collect();
        assert_eq!(received_addrs, addrs);
        std::net::TcpStream::connect(addrs[7]).unwrap();
        received[7].accept().unwrap();
    }

    #[test]
    fn what_is_no_listener_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"L").unwrap();
        assert_eq!(receive_listeners(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(ours);
        assert_eq!(receive_listeners(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn commands_are_read_as_they_are_written() {
        for command in [Command::Stop, Command::End] {
            assert_eq!(Command::from_byte(command.as_byte()), Some(command));
        }
        assert_eq!(Command::from_byte(LISTENING), None);
    }
}
