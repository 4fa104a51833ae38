//! One connection of the load client and its requests in flight.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::traffic::Traffic;

/// A connection with slots for requests: [`begin`](Self::begin) adds a request, [`advance`](Self::advance)
/// moves those in flight, [`take_completed`](Self::take_completed) tells when the oldest is done.
/// No more are in flight than the traffic has it.
pub(super) struct Connection {
    stream: TcpStream,
    traffic: Traffic,
    /// A slot for each request in flight, taken in turns.
    requests: Box<[u8]>,
    request_size: usize,
    reply_size: usize,
    /// When each request in flight was due, oldest first.
    due_at: VecDeque<Instant>,
    begun: u64,
    sent_bytes: u64,
    returned_bytes: u64,
    is_broken: bool,
}

impl Connection {
    /// Connects to `addr`. The messages of an echo are a pattern that differs from connection to
    /// connection.
    pub(super) fn open(addr: SocketAddr, id: usize, traffic: &Traffic) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let (requests, request_size, reply_size) = match traffic {
            &Traffic::Echo { size, in_flight } => {
                let message = (0..size).map(|at| (at * 31 + id * 7) as u8);
                (message.collect::<Vec<_>>().repeat(in_flight), size, size)
            }
            Traffic::Exchange(exchange) => {
                let request = exchange.request.clone();
                (request, exchange.request.len(), exchange.reply.len())
            }
        };
        Ok(Self {
            stream: TcpStream::from_std(stream),
            traffic: traffic.clone(),
            requests: requests.into(),
            request_size,
            reply_size,
            due_at: VecDeque::new(),
            begun: 0,
            sent_bytes: 0,
            returned_bytes: 0,
            is_broken: false,
        })
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether another request can be begun.
    pub(super) fn has_free_slot(&self) -> bool {
        self.in_flight() < self.requests.len() / self.request_size
    }

    pub(super) fn in_flight(&self) -> usize {
        self.due_at.len()
    }

    /// Adds a request that was `due`, to be written by [`write`](Self::write). A message of an echo is stamped with its
    /// number as far as it has room for it.
    pub(super) fn begin(&mut self, due: Instant) {
        if let Traffic::Echo { size, in_flight } = self.traffic {
            let stamp = self.begun.to_le_bytes();
            let room = stamp.len().min(size);
            let slot = (self.begun % in_flight as u64) as usize * size;
            self.requests[slot..slot + room].copy_from_slice(&stamp[..room]);
        }
        self.begun += 1;
        self.due_at.push_back(due);
    }

    /// Writes and reads as much as the socket allows. A server that `has_closed` its side is an error,
    /// after what it has sent is read.
    pub(super) fn advance(&mut self, scratch: &mut [u8], has_closed: bool) -> io::Result<()> {
        self.write()?;
        self.read(scratch, has_closed)
    }

    /// If the reply to the oldest request in flight is complete, this ends it, and returns when it was
    /// due.
    pub(super) fn take_completed(&mut self) -> Option<Instant> {
        let taken = self.begun - self.due_at.len() as u64;
        let completed = self.returned_bytes / self.reply_size as u64;
        if taken < completed {
            self.due_at.pop_front()
        } else {
            None
        }
    }

    /// Gives up the connection; returns how many bytes have not come back of what was sent.
    pub(super) fn abandon(&mut self) -> u64 {
        self.is_broken = true;
        self.due_at.clear();
        let owed = match &self.traffic {
            Traffic::Echo { .. } => self.sent_bytes,
            Traffic::Exchange(_) => {
                self.sent_bytes / self.request_size as u64 * self.reply_size as u64
            }
        };
        owed.saturating_sub(self.returned_bytes)
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

    /// Writes as much as the socket allows of the requests in flight.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let end = self.begun * self.request_size as u64;
        while self.sent_bytes < end {
            let unsent = (end - self.sent_bytes) as usize;
            let (wrapped, rest) = self.requests.split_at(self.place_of(self.sent_bytes));
            let first = &rest[..unsent.min(rest.len())];
            let second = &wrapped[..unsent - first.len()];
            let result = if second.is_empty() {
                self.stream.write(first)
            } else {
                let both = [IoSlice::new(first), IoSlice::new(second)];
                self.stream.write_vectored(&both)
            };
            match result {
                Ok(sent) => self.sent_bytes += sent as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where in the slots the byte stands that is sent after so many.
    fn place_of(&self, bytes: u64) -> usize {
        (bytes % self.requests.len() as u64) as usize
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

    fn check(&mut self, mut received: &[u8]) -> io::Result<()> {
        while !received.is_empty() {
            let checked = self.agreeing(received);
            if checked == 0 {
                let reason = "the reply is not the message";
                return Err(io::Error::new(ErrorKind::InvalidData, reason));
            }
            self.returned_bytes += checked as u64;
            received = &received[checked..];
        }
        Ok(())
    }

    /// How many of the bytes that were `received` are the next of what must come back; zero if they
    /// are others, or more than was asked for.
    fn agreeing(&self, received: &[u8]) -> usize {
        let (expected, agrees) = match &self.traffic {
            Traffic::Echo { .. } => {
                let unanswered = (self.sent_bytes - self.returned_bytes) as usize;
                let rest = &self.requests[self.place_of(self.returned_bytes)..];
                let expected = unanswered.min(rest.len()).min(received.len());
                (expected, rest[..expected] == received[..expected])
            }
            Traffic::Exchange(exchange) => {
                let asked = self.sent_bytes / self.request_size as u64 * self.reply_size as u64;
                let unanswered = (asked - self.returned_bytes) as usize;
                let at = (self.returned_bytes % self.reply_size as u64) as usize;
                let expected = unanswered.min(received.len()).min(self.reply_size - at);
                (expected, exchange.agrees(at, &received[..expected]))
            }
        };
        if agrees { expected } else { 0 }
    }
}
