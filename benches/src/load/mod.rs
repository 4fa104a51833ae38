//! The load client: a closed loop with a fixed number of requests in flight on each connection, one
//! unless the [`Traffic`] has it otherwise, or an open loop whose requests are due at [`Arrivals`].
//!
//! A server that falls behind slows a closed loop down, which then asks less just when answers are slow.
//! An open loop goes on asking: the latency of a request counts from when it was due, so what waits
//! behind a slow answer is seen to wait.
//!
//! It runs on threads of its own over mio, never on a runtime that is compared. Every byte that
//! comes back is compared with the byte that must; what does not come back is counted as lost.
//! In a timed run a request counts if its reply is complete within the measured window, and the
//! server's CPU time is read at the same two moments, so that neither start-up nor the last replies
//! weigh on the figures.
//!
//! [`wrk`] is another client, a program of the system, for HTTP.

mod arrivals;
mod client;
mod connection;
mod driver;
mod plan;
mod repeated;
mod report;
mod sampling;
mod traffic;
pub mod wrk;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use arrivals::Arrivals;
pub use client::Client;
pub use repeated::{Repetitions, repeat};
pub use report::{Failures, Report};
pub use traffic::{Exchange, Traffic};

/// What to ask of a server.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the server listens.
    pub addr: SocketAddr,
    /// How many connections are open.
    pub connections: usize,
    /// The bytes of a message.
    pub size: usize,
    /// The client's threads, each with its share of the connections.
    pub threads: usize,
    /// When to stop.
    pub amount: Amount,
    /// The server's process, to have its CPU time read.
    pub server_pid: Option<u32>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// By time: only what completes after `warmup`, within `measured`, is counted.
    Window {
        /// How long the load runs before anything counts.
        warmup: Duration,
        /// How long it counts.
        measured: Duration,
    },
    /// By count: this many requests on each connection, all of them counted.
    RequestsPerConnection(u64),
}

/// Connects, runs the load, waits for the outstanding replies and sees the server close its side.
///
/// Failures of connected connections do not end the run; they are in the report.
///
/// # Errors
/// When a connection cannot be made, the server's CPU time cannot be read, or `load` asks for no
/// bytes, no connections, or fewer connections than threads.
pub fn run(load: &Load) -> io::Result<Report> {
    let (size, in_flight) = (load.size, 1);
    Client::open(load, &Traffic::Echo { size, in_flight })?.run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::thread;

    const CONNECTIONS: usize = 3;
    const REQUESTS: u64 = 20;

    /// The report of a load of 100-byte messages on a server that treats each connection so.
    fn report_against(serve: fn(TcpStream) -> io::Result<()>) -> Report {
        report_of(&echo_of(1), serve)
    }

    fn echo_of(in_flight: usize) -> Traffic {
        let size = 100;
        Traffic::Echo { size, in_flight }
    }

    fn report_of(traffic: &Traffic, serve: fn(TcpStream) -> io::Result<()>) -> Report {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load {
            addr: listener.local_addr().unwrap(),
            connections: CONNECTIONS,
            size: 100,
            threads: 2,
            amount: Amount::RequestsPerConnection(REQUESTS),
            server_pid: None,
        };
        thread::scope(|scope| {
            scope.spawn(move || {
                for stream in listener.incoming().take(CONNECTIONS) {
                    scope.spawn(move || serve(stream.unwrap()));
                }
            });
            Client::open(&load, traffic).unwrap().run().unwrap()
        })
    }

    #[test]
    fn every_request_of_a_faithful_server_counts_once() {
        let report = report_against(|mut stream| {
            let mut buffer = [0; 30];
            loop {
                let read = stream.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..read])?;
            }
        });
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
        assert_eq!((report.failures.errors, report.failures.lost_bytes), (0, 0));
        assert_eq!(report.failures.first, None);
    }

    #[test]
    fn an_altered_byte_is_an_error() {
        let report = report_against(|mut stream| {
            let mut message = [0; 100];
            stream.read_exact(&mut message)?;
            message[99] ^= 1;
            stream.write_all(&message)
        });
        assert_eq!(report.requests, 0);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
    }

    #[test]
    fn a_reply_that_was_sent_before_is_an_error() {
        let report = report_against(|mut stream| {
            let mut message = [0; 100];
            stream.read_exact(&mut message)?;
            stream.write_all(&message)?;
            stream.read_exact(&mut [0; 100])?;
            stream.write_all(&message)
        });
        assert_eq!(report.requests, CONNECTIONS as u64);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
    }

    #[test]
    fn a_byte_after_the_last_reply_is_an_error() {
        let report = report_against(|mut stream| {
            let mut message = [0; 100];
            for _ in 0..REQUESTS {
                stream.read_exact(&mut message)?;
                stream.write_all(&message)?;
            }
            assert_eq!(stream.read(&mut message)?, 0);
            stream.write_all(&[0])
        });
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
    }

    #[test]
    fn the_bytes_that_a_closing_server_keeps_are_lost() {
        let report = report_against(|mut stream| {
            let mut message = [0; 100];
            stream.read_exact(&mut message)?;
            stream.write_all(&message[..60])?;
            stream.shutdown(Shutdown::Write)?;
            stream.read(&mut message).map(drop)
        });
        assert_eq!(report.requests, 0);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
        assert_eq!(report.failures.lost_bytes, CONNECTIONS as u64 * 40);
    }

    #[test]
    fn messages_in_flight_come_back_in_order_and_count_once() {
        let report = report_of(&echo_of(3), |mut stream| {
            // A size that no number of messages is a multiple of.
            let mut buffer = [0; 130];
            loop {
                let read = stream.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..read])?;
            }
        });
        assert_eq!(report.failures.first, None);
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
    }

    #[test]
    fn messages_in_flight_that_change_places_are_an_error() {
        let report = report_of(&echo_of(2), |mut stream| {
            let mut messages = [0; 200];
            stream.read_exact(&mut messages)?;
            messages.rotate_left(100);
            stream.write_all(&messages)
        });
        assert_eq!(report.requests, 0);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
        assert_eq!(report.failures.lost_bytes, CONNECTIONS as u64 * 200);
    }

    #[test]
    fn replies_of_an_exchange_may_change_only_where_it_says_so() {
        let exchange = Traffic::Exchange(Arc::new(Exchange {
            request: b"ask".to_vec(),
            reply: b"answer 0.".to_vec(),
            changing: 7..8,
        }));
        let report = report_of(&exchange, |mut stream| {
            for number in 0..REQUESTS {
                stream.read_exact(&mut [0; 3])?;
                write!(stream, "answer {}.", number % 10)?;
            }
            stream.read(&mut [0]).map(drop)
        });
        assert_eq!(report.failures.first, None);
        assert_eq!(report.requests, CONNECTIONS as u64 * REQUESTS);
        let report = report_of(&exchange, |mut stream| {
            stream.read_exact(&mut [0; 3])?;
            stream.write_all(b"answer 0!")
        });
        assert_eq!(report.requests, 0);
        assert_eq!(report.failures.errors, CONNECTIONS as u64);
    }

    #[test]
    fn greetings_do_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || -> io::Result<usize> {
            let (mut stream, _peer) = listener.accept()?;
            let mut messages = 0;
            let mut message = [0; 100];
            while stream.read(&mut message[..1])? > 0 {
                stream.read_exact(&mut message[1..])?;
                stream.write_all(&message)?;
                messages += 1;
            }
            Ok(messages)
        });
        let load = Load {
            addr,
            connections: 1,
            size: 100,
            threads: 1,
            amount: Amount::RequestsPerConnection(REQUESTS),
            server_pid: None,
        };
        let mut client = Client::open(&load, &echo_of(1)).unwrap();
        client.greet().unwrap();
        let report = client.run().unwrap();
        assert_eq!(report.failures.first, None);
        assert_eq!(report.requests, REQUESTS);
        assert_eq!(server.join().unwrap().unwrap() as u64, 1 + REQUESTS);
    }
}
