//! An echo server some of whose handlers compute for milliseconds, and the clients that make them.
//!
//! Such a handler does not block its worker, it is just slow. What matters is how long the echo
//! connections wait that share its core.

use std::hint::spin_loop;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::echo;
use crate::messages::{Connection, MESSAGE_SIZE, request_of};
use crate::network::{LOCALHOST, Network, receive};
use crate::on_network;
use crate::peer::Peer;
use crate::process::announce;
use crate::random::Random;

/// The shortest and the longest computation, in microseconds.
const COMPUTATION: (u64, u64) = (1_000, 5_000);

/// The shortest and the longest pause of a client between two requests, in microseconds.
const PAUSE: (u64, u64) = (0, 10_000);

/// How long the answer to a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves two free ports of 127.0.0.1 on `workers` worker threads of `peer`, and prints both addresses:
/// first that of an echo server, then that of handlers which compute.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`; at once for a peer that
/// is not a [`Network`].
pub fn serve(peer: Peer, workers: usize) -> io::Result<()> {
    on_network!(peer, N => N::run(workers, serve_on::<N>())?)
}

async fn serve_on<N: Network>() -> io::Result<()> {
    let echoing = N::bind(LOCALHOST).await?;
    let computing = N::bind(LOCALHOST).await?;
    announce(N::local_addr(&echoing)?);
    announce(N::local_addr(&computing)?);
    N::detach(N::spawn(echo::accept_all::<N>(echoing)));
    loop {
        let stream = N::accept(&computing).await?;
        N::detach(N::spawn(handle::<N>(stream)));
    }
}

/// Answers each request when it has computed for as many microseconds as the request says.
async fn handle<N: Network>(mut stream: N::Stream) -> io::Result<()> {
    let mut message = [0; MESSAGE_SIZE];
    while receive::<N>(&mut stream, &mut message).await? {
        compute(Duration::from_micros(u64::from_le_bytes(request_of(
            &message,
        ))));
        N::write_all(&mut stream, &message).await?;
    }
    Ok(())
}

fn compute(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        spin_loop();
    }
}

/// Sends requests over as many connections as there are `burners`, each on a thread of its own with a
/// pause after each answer, for as long as `meanwhile` takes; returns how many were answered with what
/// `meanwhile` gives. The durations are the same in every run.
///
/// # Errors
/// When a connection fails, or an answer differs from its request or does not come.
pub fn beside<T>(
    addr: SocketAddr,
    burners: usize,
    meanwhile: impl FnOnce() -> T,
) -> io::Result<(u64, T)> {
    let connections = (0..burners).map(|_| Connection::open(addr, PATIENCE));
    let connections = connections.collect::<io::Result<Vec<_>>>()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let begin = |(seed, connection)| {
            let is_over = &is_over;
            scope.spawn(move || send_requests(connection, Random::new(seed), is_over))
        };
        let threads: Vec<_> = (0..).zip(connections).map(begin).collect();
        let result = meanwhile();
        is_over.store(true, Ordering::Relaxed);

        let mut answers = 0;
        for thread in threads {
            answers += thread.join().expect("no client thread panics")?;
        }
        Ok((answers, result))
    })
}

fn send_requests(
    mut connection: Connection,
    mut random: Random,
    is_over: &AtomicBool,
) -> io::Result<u64> {
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        let microseconds = random.between(COMPUTATION.0, COMPUTATION.1);
        connection.round_trip(microseconds.to_le_bytes())?;
        answers += 1;
        thread::sleep(Duration::from_micros(random.between(PAUSE.0, PAUSE.1)));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    #[test]
    fn requests_go_on_until_the_measurement_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (answered, answers) = channel();
        thread::spawn(move || -> io::Result<()> {
            let (mut stream, _peer) = listener.accept()?;
            let mut message = [0; MESSAGE_SIZE];
            loop {
                stream.read_exact(&mut message)?;
                let microseconds = u64::from_le_bytes(request_of(&message));
                stream.write_all(&message)?;
                let _ = answered.send(microseconds);
            }
        });
        let (count, seen) =
            beside(addr, 1, || answers.iter().take(20).collect::<Vec<_>>()).unwrap();
        assert!(count >= 20, "{count}");
        assert_eq!(seen.len(), 20);
        let range = COMPUTATION.0..=COMPUTATION.1;
        assert!(
            seen.iter().all(|duration| range.contains(duration)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_computation_takes_its_time() {
        let start = Instant::now();
        compute(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2));
    }

    #[test]
    fn nio_is_refused() {
        let error = serve(Peer::Nio, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
