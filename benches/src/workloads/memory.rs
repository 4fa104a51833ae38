//! Resident memory per idle task, idle connection, and live timer.

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::task::Poll;
use std::time::Duration;

use super::numbers;
use crate::arena::child::{Job, Outcome, measure, serve};
use crate::arena::workload::{Effort, Figures, Group, Unit, Workload};
use crate::memory::{Handles, idle_tasks};
use crate::network::{LOCALHOST, Network};
use crate::on_network;
use crate::peer::Peer;
use crate::process::announce;
use crate::usage::resident_bytes;

/// Tasks and timers in a thorough turn.
const MANY: u64 = 1_000_000;

/// Connections in a thorough turn.
const CONNECTIONS: u64 = 5_000;

/// Connections before those that count, for which a server gets ready.
const WARMUP: usize = 100;

const IDLE_TASKS: Job = Job {
    name: "idle-tasks",
    run: |peer, given| {
        let [handles, tasks] = numbers(given)?;
        let handles = Handles::ALL[handles as usize % Handles::ALL.len()];
        let bytes = idle_tasks(peer, handles, tasks as usize)?;
        Ok(Outcome::of(bytes as f64 / tasks as f64))
    },
};

const TIMERS: Job = Job {
    name: "live-timers",
    run: |peer, given| {
        let [timers] = numbers(given)?;
        let bytes = on_network!(peer, N => N::run(1, keep_timers::<N>(timers)))??;
        Ok(Outcome::of(bytes as f64 / timers as f64))
    },
};

const SERVE: Job = Job {
    name: "idle-connections",
    run: |peer, given| {
        let [workers] = numbers(given)?;
        on_network!(peer, N => N::run(workers as usize, serve_idle::<N>())?)?;
        Ok(Outcome::default())
    },
};

pub(super) const JOBS: &[Job] = &[IDLE_TASKS, TIMERS, SERVE];

pub(super) fn workloads() -> Vec<Workload> {
    // nio ends a task that nobody can wake.
    let mut peers = Peer::EXECUTORS.to_vec();
    peers.retain(|&peer| peer != Peer::Nio);
    let tasks = (0..Handles::ALL.len()).map(|index| Workload {
        group: Group::Memory,
        name: format!("idle-task-handle-{}", Handles::ALL[index]),
        unit: Unit::Bytes,
        peers: peers.clone(),
        is_quick: true,
        turn: Box::new(move |peer, effort: Effort| {
            measure(&IDLE_TASKS, peer, &[index as u64, effort.operations(MANY)])
        }),
    });
    let timers = Workload {
        group: Group::Memory,
        name: "live-timer".to_owned(),
        unit: Unit::Bytes,
        peers: Peer::NETWORKS.to_vec(),
        is_quick: true,
        turn: Box::new(|peer, effort| measure(&TIMERS, peer, &[effort.operations(MANY)])),
    };
    let connections = Workload {
        group: Group::Memory,
        name: "idle-connection".to_owned(),
        unit: Unit::Bytes,
        peers: Peer::NETWORKS.to_vec(),
        is_quick: true,
        turn: Box::new(|peer, effort| idle_connections(peer, effort.operations(CONNECTIONS))),
    };
    tasks.chain([timers, connections]).collect()
}

/// By how much the memory grows for so many timers, each in a box of its own.
async fn keep_timers<N: Network>(timers: u64) -> io::Result<u64> {
    let mut kept = Vec::with_capacity(timers as usize);
    let before = resident_bytes(std::process::id())?;
    for _ in 0..timers {
        let mut sleep = Box::pin(N::sleep(Duration::from_secs(3_600)));
        let is_pending = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending, "an hour is long");
        kept.push(sleep);
    }
    Ok(resident_bytes(std::process::id())?.saturating_sub(before))
}

/// Accepts connections, and echoes what comes through a buffer as small as the client's message.
async fn serve_idle<N: Network>() -> io::Result<()> {
    let listener = N::bind(LOCALHOST).await?;
    announce(N::local_addr(&listener)?);
    loop {
        let mut stream = N::accept(&listener).await?;
        N::detach(N::spawn(async move {
            let mut buffer = [0; 1];
            while N::read(&mut stream, &mut buffer).await? > 0 {
                N::write_all(&mut stream, &buffer).await?;
            }
            io::Result::Ok(())
        }));
    }
}

/// By how much a server's memory grows for each of so many connections that have been served once.
fn idle_connections(peer: Peer, connections: u64) -> io::Result<Figures> {
    let server = serve(&SERVE, peer, &[1], 1)?;
    let open = |_: u64| {
        let mut stream = TcpStream::connect(server.addrs()[0])?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        Ok(stream)
    };
    let warm: io::Result<Vec<TcpStream>> = (0..WARMUP as u64).map(open).collect();
    let before = resident_bytes(server.pid())?;
    let kept: io::Result<Vec<TcpStream>> = (0..connections).map(open).collect();
    let after = resident_bytes(server.pid())?;
    drop((warm?, kept?));
    let bytes = after.saturating_sub(before);
    Ok(Figures::of(bytes as f64 / connections as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory they take is seen only in a process that does nothing else.
    #[test]
    fn timers_of_every_peer_can_be_kept() {
        for peer in Peer::NETWORKS {
            let outcome = (TIMERS.run)(peer, &[1_000]);
            assert!(outcome.is_ok(), "{peer}: {outcome:?}");
        }
        assert!((TIMERS.run)(Peer::Raw, &[1_000]).is_err());
    }
}
