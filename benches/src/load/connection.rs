//! One connection of the load client and its message in flight.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

/// A connection in a closed loop: [`start`](Self::start) begins a message,
/// [`advance`](Self::advance) moves it until its reply is complete, and only then may the next begin.
pub(super) struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    sent: usize,
    returned: usize,
    started_at: Option<Instant>,
    completed: u64,
    is_broken: bool,
}

impl Connection {
    /// Connects to `addr`. The message is a pattern that differs from connection to connection.
    pub(super) fn open(addr: SocketAddr, id: usize, size: usize) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            message: (0..size).map(|at| (at * 31 + id * 7) as u8).collect(),
            sent: 0,
            returned: 0,
            started_at: None,
            completed: 0,
            is_broken: false,
        })
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn completed(&self) -> u64 {
        self.completed
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.started_at.is_some()
    }

    /// Begins the next message, which is stamped with its number as far as it has room for it.
    pub(super) fn start(&mut self, now: Instant) -> io::Result<()> {
        let stamp = self.completed.to_le_bytes();
        let room = stamp.len().min(self.message.len());
        self.message[..room].copy_from_slice(&stamp[..room]);
        self.sent = 0;
        self.returned = 0;
        self.started_at = Some(now);
        self.write()
    }

    /// Writes and reads as much as the socket allows. Once the reply is complete, gives the time at
    /// which its message was started. A server that `has_closed` its side is an error, after what it
    /// has sent is read.
    pub(super) fn advance(
        &mut self,
        scratch: &mut [u8],
        has_closed: bool,
    ) -> io::Result<Option<Instant>> {
        self.write()?;
        self.read(scratch, has_closed)?;
        if self.returned < self.message.len() {
            return Ok(None);
        }
        self.completed += 1;
        Ok(self.started_at.take())
    }

    /// Gives up the connection; returns how many bytes of the message in flight have not come back.
    pub(super) fn abandon(&mut self) -> usize {
        self.is_broken = true;
        self.started_at = None;
        self.sent - self.returned
    }

    /// Ends the sending side and waits at most `patience` until the server has closed its own. It must
    /// not send anything more before it does. A connection that was given up is dropped.
    pub(super) fn finish(self, patience: Duration) -> io::Result<()> {
        if self.is_broken {
            return Ok(());
        }
        let mut stream = std::net::TcpStream::from(self.stream);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(patience))?;
        stream.shutdown(Shutdown::Write)?;
        match stream.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::new(
                ErrorKind::InvalidData,
                "more than one reply",
            )),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.message.len() {
            match self.stream.write(&self.message[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until a read falls short of `scratch`: then the socket is empty, and what comes later
    /// is another edge. Only the end of the stream may then be there already, so with `to_end` it
    /// reads on.
    fn read(&mut self, scratch: &mut [u8], to_end: bool) -> io::Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.check(&scratch[..read])?;
                    if read < scratch.len() && !to_end {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn check(&mut self, reply: &[u8]) -> io::Result<()> {
        let unanswered = &self.message[self.returned..self.sent];
        if !unanswered.starts_with(reply) {
            let reason = "the reply is not the message";
            return Err(io::Error::new(ErrorKind::InvalidData, reason));
        }
        self.returned += reply.len();
        Ok(())
    }
}
