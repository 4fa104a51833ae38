//! Timers: what they cost, and how late they are.

use std::io;
use std::time::{Duration, Instant};

use super::numbers;
use crate::arena::child::{Job, Outcome, measure};
use crate::arena::workload::{Effort, Group, Unit, Workload};
use crate::network::Network;
use crate::on_network;
use crate::peer::Peer;
use crate::statistics::quantile;

/// How long sleeps last, in microseconds, and how many there are in a thorough turn.
const SLEEPS: [(u64, u64); 3] = [(50, 2_000), (1_000, 500), (10_000, 100)];

/// Sleeps before those that count, which find everything cold.
const COLD: usize = 10;

const LATE: Job = Job {
    name: "late",
    run: |peer, given| {
        let [micros, sleeps] = numbers(given)?;
        let duration = Duration::from_micros(micros);
        let late = on_network!(peer, N => N::run(2, late::<N>(duration, sleeps as usize)))??;
        let micros = |share| quantile(late.iter().copied(), share) / 1_000.0;
        Ok(Outcome::of(micros(0.5))
            .and("p99 us", micros(0.99))
            .and("worst us", micros(1.0)))
    },
};

pub(super) const JOBS: &[Job] = &[LATE];

pub(super) fn workloads() -> Vec<Workload> {
    let late = SLEEPS.map(|(micros, sleeps)| Workload {
        group: Group::Time,
        name: format!("lateness-{micros}us"),
        unit: Unit::Micros,
        peers: Peer::NETWORKS.to_vec(),
        is_quick: true,
        turn: Box::new(move |peer, effort: Effort| {
            measure(&LATE, peer, &[micros, effort.operations(sleeps)])
        }),
    });
    late.into()
}

/// How late each sleep is, in nanoseconds, on a runtime that does nothing else.
async fn late<N: Network>(duration: Duration, sleeps: usize) -> io::Result<Vec<f64>> {
    for _ in 0..COLD {
        N::sleep(duration).await;
    }
    let mut late = Vec::with_capacity(sleeps);
    for _ in 0..sleeps {
        let deadline = Instant::now() + duration;
        N::sleep(duration).await;
        let over = Instant::now().checked_duration_since(deadline);
        let over = over.ok_or_else(|| io::Error::other("a sleep ended early"))?;
        late.push(over.as_nanos() as f64);
    }
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_of_every_runtime_end_and_none_early() {
        for peer in Peer::NETWORKS {
            let outcome = (LATE.run)(peer, &[100, 5]).unwrap();
            assert_ne!(outcome, Outcome::default(), "{peer}");
        }
    }
}
