//! System calls of an echo request, by strace.
//!
//! A server is run twice from start to end, with two exact numbers of requests on each connection. The
//! difference is what the additional requests cost: start-up, accepting and closing cancel out.
//!
//! With many connections the server is saturated: reads and writes repeat, but how many waits there are
//! for events depends on how many connections are ready at a time. A single connection is that of an
//! idle server: its client pauses before each request. Without pauses it would often be ahead of a server
//! that strace slows down, whose runtime might then never have to wait, or even register the connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::tool::Tool;
use crate::arena::child::{self, Job, Outcome};
use crate::arena::workload::Figures;
use crate::echo;
use crate::load::{self, Amount, Load};
use crate::network::LOCALHOST;
use crate::peer::Peer;
use crate::process::ANNOUNCEMENT;

/// Bytes of a message.
pub const SIZE: usize = 64;

/// Requests on each connection, in the short and in the long run.
const RUNS: [u64; 2] = [100, 600];

/// Far more than the slowest run takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Long enough for a server under strace to have nothing left to do.
const PAUSE: Duration = Duration::from_millis(2);

/// Calls for each request that are too few to be told.
const NEGLIGIBLE: f64 = 0.0005;

/// What counts.
pub const STRACE: Tool = Tool {
    name: "strace",
    probe: &["-f", "-c", "-o", "/dev/null", "true"],
};

/// Serves on one worker.
pub const JOB: Job = Job {
    name: "echo-traced",
    run: |peer, _| {
        echo::serve(peer, 1, LOCALHOST)?;
        Ok(Outcome::default())
    },
};

/// System calls for each request, and how many of them have which name.
///
/// # Errors
/// When strace or the server fails, or a byte is lost.
pub fn count(peer: Peer, connections: usize) -> io::Result<Figures> {
    let [short, long] = RUNS;
    let fewer = traced(peer, connections, short)?;
    let more = traced(peer, connections, long)?;
    Ok(difference(
        &fewer,
        &more,
        (long - short) * connections as u64,
    ))
}

/// Calls by name.
type Calls = BTreeMap<String, u64>;

fn difference(fewer: &Calls, more: &Calls, requests: u64) -> Figures {
    let of = |calls: &Calls, name: &str| calls.get(name).copied().unwrap_or(0) as f64;
    let names = fewer.keys().chain(more.keys());
    let mut rates: BTreeMap<String, f64> = names
        .map(|name| {
            let calls = of(more, name) - of(fewer, name);
            (name.clone(), calls / requests as f64)
        })
        .collect();
    let all = rates.values().sum();
    rates.retain(|_, rate| rate.abs() >= NEGLIGIBLE);
    Figures {
        more: rates,
        ..Figures::of(all)
    }
}

/// The system calls in a server's whole life.
fn traced(peer: Peer, connections: usize, requests: u64) -> io::Result<Calls> {
    let mut server = STRACE.start(
        // With this, strace takes a signal, ends the server and writes its summary.
        &["-f", "-c", "-I", "waiting"],
        |path| vec!["-o".into(), path.to_owned()],
        &child::arguments(&JOB, peer, &[]),
        PATIENCE,
    )?;
    let line = server.first_line()?;
    let addr = line.strip_prefix(ANNOUNCEMENT);
    let addr = addr.and_then(|addr| addr.parse().ok());
    let addr = addr.ok_or_else(|| io::Error::other(format!("the server said {line:?}")))?;
    match connections {
        1 => ask_with_pauses(addr, requests)?,
        _ => saturate(addr, connections, requests)?,
    }
    server.terminate()?;
    // It ends by the signal that it was sent.
    let (log, _) = server.log()?;
    parse(&log).ok_or_else(|| io::Error::other(format!("strace's summary: {log:?}")))
}

fn saturate(addr: SocketAddr, connections: usize, requests: u64) -> io::Result<()> {
    let report = load::run(&Load {
        addr,
        connections,
        size: SIZE,
        threads: 1,
        amount: Amount::RequestsPerConnection(requests),
        server_pid: None,
    })?;
    match report.failures.first {
        Some(reason) => Err(io::Error::other(reason)),
        None => Ok(()),
    }
}

fn ask_with_pauses(addr: SocketAddr, requests: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    for number in 0..requests {
        thread::sleep(PAUSE);
        let message = [number as u8; SIZE];
        stream.write_all(&message)?;
        let mut reply = [0; SIZE];
        stream.read_exact(&mut reply)?;
        if reply != message {
            return Err(io::Error::other("a reply is not the message"));
        }
    }
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("a byte after the last reply")),
    }
}

/// Reads a summary; `None` if it is not complete.
///
/// A line has: % time, seconds, usecs/call, calls, perhaps errors, name.
fn parse(summary: &str) -> Option<Calls> {
    let mut calls = Calls::new();
    for line in summary.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[share, _, _, number, .., name] = &fields[..] else {
            continue;
        };
        if share.parse::<f64>().is_err() {
            continue;
        }
        if name == "total" {
            return Some(calls);
        }
        *calls.entry(name.to_owned()).or_default() += number.parse::<u64>().ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.30    0.001000           1      1000         2 read
 38.70    0.000500           0       900           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001500           0      1900         2 total
";

    fn calls<const N: usize>(calls: [(&str, u64); N]) -> Calls {
        calls.map(|(name, number)| (name.to_owned(), number)).into()
    }

    #[test]
    fn a_summary_is_read_and_must_be_complete() {
        let read = parse(SUMMARY).unwrap();
        assert_eq!(read, calls([("read", 1000), ("write", 900)]));
        let (incomplete, _) = SUMMARY.rsplit_once("------ ").unwrap();
        assert_eq!(parse(incomplete), None);
        assert_eq!(parse(""), None);
    }

    /// What the client says of a server that treats the one connection so.
    fn ask(serve: fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        thread::scope(|scope| {
            scope.spawn(move || serve(listener.accept()?.0));
            ask_with_pauses(addr, 3)
        })
    }

    #[test]
    fn the_client_wants_every_byte_back_and_no_other() {
        ask(|mut stream| io::copy(&mut stream.try_clone()?, &mut stream).map(drop)).unwrap();
        let altered = ask(|mut stream| {
            stream.read_exact(&mut [0; SIZE])?;
            stream.write_all(&[1; SIZE])
        });
        assert_eq!(altered.unwrap_err().kind(), io::ErrorKind::Other);
        let lost = ask(|mut stream| stream.read_exact(&mut [0; SIZE]));
        assert_eq!(lost.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_both_runs_have_in_common_cancels_out() {
        let fewer = calls([("mmap", 30), ("read", 150), ("futex", 2)]);
        let more = calls([("mmap", 30), ("read", 1150), ("write", 500)]);
        let figures = difference(&fewer, &more, 500);
        assert_eq!(figures.value, 2.996);
        let names: Vec<&str> = figures.more.keys().map(String::as_str).collect();
        assert_eq!(names, ["futex", "read", "write"]);
        assert_eq!(figures.more["read"], 2.0);
    }
}
