//! A blocking client that sends requests of 16 bytes, each of which is its own answer.
//!
//! It needs a thread to itself and no runtime, so that what it measures is the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The bytes of a message.
pub const MESSAGE_SIZE: usize = 16;

const REQUEST_SIZE: usize = MESSAGE_SIZE / 2;

/// A request, and its answer, which is the same bytes: what is asked for, then a number that tells one
/// request of a connection from the next.
pub type Message = [u8; MESSAGE_SIZE];

/// What is asked for, in the terms of the server.
pub type Request = [u8; REQUEST_SIZE];

/// The request within a message.
pub fn request_of(message: &Message) -> Request {
    let mut request = [0; REQUEST_SIZE];
    request.copy_from_slice(&message[..REQUEST_SIZE]);
    request
}

/// A connection with at most one request under way.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    patience: Duration,
    message: Message,
    messages: u64,
}

impl Connection {
    /// Connects to `addr`. No answer may take longer than `patience`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(addr: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self {
            stream,
            patience,
            message: [0; MESSAGE_SIZE],
            messages: 0,
        })
    }

    /// Sends a request, without waiting for its answer.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, request: Request) -> io::Result<()> {
        self.messages += 1;
        self.message[..REQUEST_SIZE].copy_from_slice(&request);
        self.message[REQUEST_SIZE..].copy_from_slice(&self.messages.to_le_bytes());
        self.stream.write_all(&self.message)
    }

    /// Waits for the answer to the request that was sent last.
    ///
    /// # Errors
    /// The system's; when the answer differs from the request, or does not come.
    pub fn receive(&mut self) -> io::Result<()> {
        let mut answer = [0; MESSAGE_SIZE];
        self.stream
            .read_exact(&mut answer)
            .map_err(|error| self.explained(error))?;
        if answer == self.message {
            return Ok(());
        }
        let reason = "an answer differs from its request";
        Err(io::Error::new(ErrorKind::InvalidData, reason))
    }

    /// Sends a request and waits for its answer; returns how long both took.
    ///
    /// # Errors
    /// Those of [`send`](Self::send) and [`receive`](Self::receive).
    pub fn round_trip(&mut self, request: Request) -> io::Result<Duration> {
        let start = Instant::now();
        self.send(request)?;
        self.receive()?;
        Ok(start.elapsed())
    }

    /// Waits until the server ends the connection.
    ///
    /// # Errors
    /// The system's; when it sends something before, or does not end.
    pub fn expect_end(mut self) -> io::Result<()> {
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "a second answer")),
            Err(error) => Err(self.explained(error)),
        }
    }

    fn explained(&self, error: io::Error) -> io::Error {
        let reason = match error.kind() {
            ErrorKind::WouldBlock => format!("no answer within {:?}", self.patience),
            ErrorKind::UnexpectedEof => "the server closed a connection".to_owned(),
            _ => return error,
        };
        io::Error::new(error.kind(), reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    /// A server of one connection, whose requests are answered with what `answer` makes of them.
    fn answering(answer: fn(Message) -> Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || -> io::Result<()> {
            let (mut stream, _peer) = listener.accept()?;
            let mut message = [0; MESSAGE_SIZE];
            loop {
                stream.read_exact(&mut message)?;
                let answer = answer(message);
                stream.write_all(&answer)?;
                if answer.len() < MESSAGE_SIZE {
                    return Ok(());
                }
            }
        });
        addr
    }

    fn failure(answer: fn(Message) -> Vec<u8>) -> String {
        let mut connection = Connection::open(answering(answer), LONG).unwrap();
        connection.round_trip([1; 8]).unwrap_err().to_string()
    }

    #[test]
    fn the_same_request_is_another_message_each_time() {
        let mut connection = Connection::open(answering(|message| message.to_vec()), LONG).unwrap();
        connection.round_trip([7; 8]).unwrap();
        let first = connection.message;
        connection.round_trip([7; 8]).unwrap();
        assert_ne!(connection.message, first);
        assert_eq!(request_of(&connection.message), [7; 8]);
    }

    #[test]
    fn an_altered_byte_is_an_error() {
        let failure = failure(|mut message| {
            message[15] ^= 1;
            message.to_vec()
        });
        assert!(failure.contains("differs"), "{failure}");
    }

    #[test]
    fn a_connection_that_ends_within_an_answer_is_an_error() {
        let failure = failure(|message| message[..15].to_vec());
        assert!(failure.contains("closed"), "{failure}");
    }

    #[test]
    fn a_byte_after_the_last_answer_is_an_error() {
        let answer = |message: Message| [&message[..], &[0]].concat();
        let mut connection = Connection::open(answering(answer), LONG).unwrap();
        connection.round_trip([1; 8]).unwrap();
        let error = connection.expect_end().unwrap_err();
        assert!(error.to_string().contains("second"), "{error}");
    }

    #[test]
    fn an_answer_that_does_not_come_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut connection = Connection::open(addr, Duration::from_millis(10)).unwrap();
        let error = connection.round_trip([1; 8]).unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }
}
