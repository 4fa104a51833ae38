//! A request and its reply within one runtime, the client in `block_on` or in a task.

use super::numbers;
use crate::arena::child::{Job, Outcome, measure};
use crate::arena::workload::{Effort, Group, Unit, Workload};
use crate::peer::Peer;
use crate::request_reply::Client;

/// Round trips in a thorough turn.
const ROUND_TRIPS: u64 = 20_000;

const ASK: Job = Job {
    name: "request-reply",
    run: |peer, given| {
        let [client, round_trips] = numbers(given)?;
        let client = Client::ALL[client as usize % Client::ALL.len()];
        let took = client.run(peer, round_trips)?;
        Ok(Outcome::of(took.as_nanos() as f64 / round_trips as f64))
    },
};

pub(super) const JOBS: &[Job] = &[ASK];

pub(super) fn workloads() -> Vec<Workload> {
    let workload = |index: usize| Workload {
        group: Group::Sockets,
        name: format!("request-reply-in-{}", Client::ALL[index]),
        unit: Unit::NanosPerOperation,
        peers: Peer::NETWORKS.to_vec(),
        is_quick: true,
        turn: Box::new(move |peer, effort: Effort| {
            let round_trips = effort.operations(ROUND_TRIPS);
            measure(&ASK, peer, &[index as u64, round_trips])
        }),
    };
    (0..Client::ALL.len()).map(workload).collect()
}
