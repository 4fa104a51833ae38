//! The clients: plain blocking sockets, each connection that does round trips on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::{Request, Variant};
use crate::messages::Connection;

/// How often a round trip begins, on one connection or another.
const PERIOD: Duration = Duration::from_millis(1);

/// How long the clients go on before and after a task blocks.
const MARGIN: Duration = Duration::from_millis(250);

/// How much longer than the block an answer may take until it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long clients waited in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The longest wait.
    pub worst: Duration,
    /// The second longest wait, on any connection.
    pub second_worst: Duration,
    /// What 99 % of all waits do not exceed.
    pub p99: Duration,
}

impl Report {
    /// Sums up the `waits` of all clients.
    ///
    /// # Errors
    /// When there are fewer than two.
    fn new(mut waits: Vec<Duration>) -> io::Result<Self> {
        waits.sort_unstable();
        let [.., second_worst, worst] = waits[..] else {
            return Err(io::Error::other(
                "not even two answers came in the whole run",
            ));
        };
        Ok(Self {
            worst,
            second_worst,
            p99: waits[(waits.len() * 99).div_ceil(100) - 1],
        })
    }
}

/// Has a task of the server at `addr` block for as long as `block`, which has to be what the server
/// was started with, as `variant` has to be; reports how long other connections waited.
///
/// # Errors
/// When a connection fails, an answer differs from its request or does not come, or the answer to the
/// blocking request comes so early that nothing can have blocked.
pub fn observe(addr: SocketAddr, variant: Variant, block: Duration) -> io::Result<Report> {
    let patience = block + PATIENCE;
    let mut blocker = Connection::open(addr, patience)?;
    blocker.round_trip(Request::Echo.into())?;
    let pulses = variant.pulsing_connections();
    let pulsing = (0..pulses).map(|_| {
        let mut connection = Connection::open(addr, patience)?;
        connection.round_trip(Request::Echo.into())?;
        Ok(connection)
    });
    let pulsing = pulsing.collect::<io::Result<Vec<_>>>()?;
    let parked = (0..variant.parked_connections()).map(|_| {
        let mut connection = Connection::open(addr, patience)?;
        connection.send(Request::Park.into())?;
        Ok(connection)
    });
    let parked = parked.collect::<io::Result<Vec<_>>>()?;

    let start = Instant::now();
    let end = start + MARGIN + block + MARGIN;
    thread::scope(|scope| {
        let begin = |(place, connection): (u32, Connection)| {
            scope.spawn(move || pulse(connection, start + PERIOD * place, PERIOD * pulses, end))
        };
        let threads: Vec<_> = (0..).zip(pulsing).map(begin).collect();
        thread::sleep(MARGIN);
        let mut waits = have_it_block(&mut blocker, parked, variant, block)?;
        for thread in threads {
            waits.extend(thread.join().expect("no client thread panics")?);
        }
        Report::new(waits)
    })
}

/// Sends the blocking request and waits for its answer, and before that for those of the parked
/// connections, one after the other. Their waits begin when their answers are due.
fn have_it_block(
    blocker: &mut Connection,
    parked: Vec<Connection>,
    variant: Variant,
    block: Duration,
) -> io::Result<Vec<Duration>> {
    let asked_at = Instant::now();
    blocker.send(Request::Block.into())?;
    let mut waits = Vec::with_capacity(parked.len());
    for mut connection in parked {
        connection.receive()?;
        waits.push(asked_at.elapsed().saturating_sub(variant.answers_after()));
        connection.expect_end()?;
    }
    blocker.receive()?;
    if variant != Variant::Nothing && asked_at.elapsed() < block {
        return Err(io::Error::other("no task can have blocked for so long"));
    }
    Ok(waits)
}

/// Begins a round trip at `next` and each `period` later, until `end`; those whose time has passed
/// while another was under way are left out. Returns how long each took.
fn pulse(
    mut connection: Connection,
    mut next: Instant,
    period: Duration,
    end: Instant,
) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while next < end {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        waits.push(connection.round_trip(Request::Echo.into())?);
        next = next_slot(next, period, Instant::now());
    }
    Ok(waits)
}

/// The first slot after `last` that is not before `now`.
fn next_slot(last: Instant, period: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(last).div_duration_f64(period);
    last + period * (passed.ceil() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::server;
    use crate::peer::Peer;
    use std::net::TcpListener;

    #[test]
    fn a_report_sums_up() {
        let waits = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let report = Report::new(waits(200)).unwrap();
        assert_eq!(report.worst, Duration::from_millis(200));
        assert_eq!(report.second_worst, Duration::from_millis(199));
        assert_eq!(report.p99, Duration::from_millis(198));
        assert!(Report::new(waits(2)).is_ok());
        assert!(Report::new(waits(1)).is_err());
    }

    #[test]
    fn slots_that_have_passed_are_left_out() {
        let last = Instant::now();
        let ms = Duration::from_millis;
        let after = |elapsed| next_slot(last, ms(4), last + elapsed) - last;
        assert_eq!(after(ms(0)), ms(4));
        assert_eq!(after(ms(1)), ms(4));
        assert_eq!(after(ms(4)), ms(4));
        assert_eq!(after(ms(5)), ms(8));
        assert_eq!(after(ms(101)), ms(104));
    }

    #[test]
    fn a_server_that_does_not_block_is_found_out() {
        const LONG: Duration = Duration::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut reader, _peer) = listener.accept()?;
            io::copy(&mut reader.try_clone()?, &mut reader)
        });
        let mut blocker = Connection::open(addr, LONG).unwrap();
        let error = have_it_block(&mut blocker, Vec::new(), Variant::Io, LONG).unwrap_err();
        assert!(error.to_string().contains("can have blocked"), "{error}");
        have_it_block(&mut blocker, Vec::new(), Variant::Nothing, LONG).unwrap();
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let block = Duration::ZERO;
        for peer in Peer::ALL {
            for variant in Variant::ALL {
                if !Peer::NETWORKS.contains(&peer) {
                    let error = server::serve(peer, 1, variant, block).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                }
            }
        }
    }
}
