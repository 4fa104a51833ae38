//! Connections that are accepted, served one message and closed, as fast as two clients make them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::numbers;
use crate::arena::child::{Job, Outcome, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::echo;
use crate::load;
use crate::peer::Peer;

/// Threads of the client, each with one connection at a time.
const CLIENTS: usize = 2;

/// Bytes of the message.
const SIZE: usize = 64;

/// Where the server listens: on every address of the loopback network, which no other address allows.
const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A client's port is taken for a minute after its connection was closed, but for one address of the
/// server only. With so many addresses in turns no client runs out of ports, nor looks for one for long.
const ADDRESSES: u8 = 32;

/// How long a server may take for any step.
const PATIENCE: Duration = Duration::from_secs(10);

const SERVE: Job = Job {
    name: "churn",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        echo::serve(peer, workers as usize, EVERYWHERE)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    let workload = |workers: usize| Workload {
        group: Group::Sockets,
        name: format!("churn-{workers}w"),
        unit: Unit::PerSecond,
        peers: super::echo::peers(workers),
        is_quick: true,
        turn: Box::new(move |peer, effort| turn(peer, effort, workers)),
    };
    [1, 2].map(workload).into()
}

fn turn(peer: Peer, effort: Effort, workers: usize) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[workers as u64], 1)?;
    let port = server.addrs()[0].port();
    let clients = (0..CLIENTS).map(|client| {
        let mut visits = Visits::new(port, client);
        move || visits.next()
    });
    let visits = load::repeat(
        clients.collect(),
        effort.warmup(),
        effort.measured(),
        server.pid(),
    )?;
    Ok(Figures {
        value: visits.per_second(),
        // The threads that served connections are gone when their CPU time is asked for.
        cpu_nanos: (peer != Peer::Threads).then(|| visits.server_nanos()),
        more: BTreeMap::from([("client busy %".to_owned(), visits.client_load * 100.0)]),
    })
}

/// The connections that a client makes, one after the other.
struct Visits {
    port: u16,
    client: usize,
    begun: u64,
}

impl Visits {
    fn new(port: u16, client: usize) -> Self {
        Self {
            port,
            client,
            begun: 0,
        }
    }

    /// Connects, has a message echoed, ends its side, and waits for the end of the server's.
    fn next(&mut self) -> io::Result<()> {
        let host = 1 + (self.begun % u64::from(ADDRESSES)) as u8;
        let mut message = [self.client as u8; SIZE];
        message[..8].copy_from_slice(&self.begun.to_le_bytes());
        self.begun += 1;
        visit((Ipv4Addr::new(127, 0, 0, host), self.port).into(), &message)
    }
}

fn visit(addr: SocketAddr, message: &[u8; SIZE]) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(message)?;
    let mut reply = [0; SIZE];
    stream.read_exact(&mut reply)?;
    if reply != *message {
        let reason = "a reply differs from its message";
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "a second reply")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// What comes of two visits to a server that treats each connection so.
    fn visits_to(serve: fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
        let listener = TcpListener::bind(EVERYWHERE)?;
        let mut visits = Visits::new(listener.local_addr()?.port(), 0);
        thread::spawn(move || listener.incoming().try_for_each(|stream| serve(stream?)));
        visits.next()?;
        visits.next()
    }

    #[test]
    fn a_server_must_echo_and_then_close() {
        let echo = |mut stream: TcpStream| {
            let mut message = [0; SIZE];
            stream.read_exact(&mut message)?;
            stream.write_all(&message)?;
            assert_eq!(stream.read(&mut message)?, 0);
            Ok(())
        };
        visits_to(echo).unwrap();
    }

    #[test]
    fn an_altered_byte_is_an_error() {
        let alter = |mut stream: TcpStream| {
            let mut message = [0; SIZE];
            stream.read_exact(&mut message)?;
            message[SIZE - 1] ^= 1;
            stream.write_all(&message)?;
            stream.read(&mut message).map(drop)
        };
        let error = visits_to(alter).unwrap_err();
        assert!(error.to_string().contains("differs"), "{error}");
    }

    #[test]
    fn a_byte_after_the_reply_is_an_error() {
        let repeat = |mut stream: TcpStream| {
            let mut message = [0; SIZE];
            stream.read_exact(&mut message)?;
            stream.write_all(&message)?;
            assert_eq!(stream.read(&mut message)?, 0);
            stream.write_all(&message)
        };
        let error = visits_to(repeat).unwrap_err();
        assert!(error.to_string().contains("second"), "{error}");
    }
}
