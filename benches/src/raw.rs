//! The floor: an echo server without a runtime.
//!
//! Each thread has an epoll instance and its share of the connections, in turn as they come, and does
//! nothing but wait, read and write. Edge-triggered, and a read that falls short has emptied the socket:
//! so a request costs one read, one write, and its share of a wait.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::echo::BUFFER_SIZE;
use crate::process::announce;

/// Events that a wait brings at most.
const EVENTS: usize = 1024;

/// Serves `addr` on `workers` threads, and prints its address once it listens.
///
/// # Errors
/// Returns only on an error: of `bind`, of `accept`, or of a poller.
pub fn serve(workers: usize, addr: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    announce(listener.local_addr()?);
    let loops: Vec<Adopter> = (0..workers)
        .map(|_| Adopter::start_loop())
        .collect::<io::Result<_>>()?;
    for number in 0.. {
        let (stream, _peer) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        loops[number % workers].adopt(TcpStream::from_std(stream), Token(number))?;
    }
    Ok(())
}

/// A loop, as the thread sees it that accepts.
struct Adopter {
    registry: Registry,
    adopted: Sender<(Token, TcpStream)>,
}

impl Adopter {
    fn start_loop() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let (adopted, connections) = channel();
        thread::Builder::new()
            .name("raw".to_owned())
            .spawn(move || run(poll, &connections).expect("epoll works"))?;
        Ok(Self { registry, adopted })
    }

    /// Gives a connection to the loop, and only then has it reported.
    fn adopt(&self, stream: TcpStream, token: Token) -> io::Result<()> {
        let fd = stream.as_raw_fd();
        let sent = self.adopted.send((token, stream));
        sent.map_err(|_| io::Error::other("a loop has ended"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut SourceFd(&fd), token, interest)
    }
}

fn run(mut poll: Poll, adopted: &Receiver<(Token, TcpStream)>) -> io::Result<()> {
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut events = Events::with_capacity(EVENTS);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let token = event.token();
            // A connection is sent before it is reported, and taken only then.
            if !connections.contains_key(&token) {
                let new = adopted.try_iter();
                connections.extend(new.map(|(token, stream)| (token, Connection::new(stream))));
            }
            let advance = |connection: &mut Connection| connection.advance(event.is_read_closed());
            if let Some(Err(_closed)) = connections.get_mut(&token).map(advance) {
                connections.remove(&token);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// What was read and is not yet written.
    unwritten: std::ops::Range<usize>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER_SIZE].into(),
            unwritten: 0..0,
        }
    }

    /// Echoes as much as the socket allows. A short read has emptied it; only the end of the stream may
    /// then be there already, if the client `has_closed`. The end is an error.
    fn advance(&mut self, has_closed: bool) -> io::Result<()> {
        let mut is_empty = false;
        loop {
            while !self.unwritten.is_empty() {
                match self.stream.write(&self.buffer[self.unwritten.clone()]) {
                    Ok(written) => self.unwritten.start += written,
                    Err(error) => return would_block(error),
                }
            }
            if is_empty && !has_closed {
                return Ok(());
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.unwritten = 0..read;
                    is_empty = read < self.buffer.len();
                }
                Err(error) => return would_block(error),
            }
        }
    }
}

fn would_block(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock => Ok(()),
        _ => Err(error),
    }
}
