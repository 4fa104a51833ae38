//! Timers: what they cost, and how late they are.

use std::future::{Future, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::measured::{Done, measured};
use super::numbers;
use crate::arena::child::{Job, Outcome, measure};
use crate::arena::workload::{Effort, Group, Unit, Workload};
use crate::network::Network;
use crate::on_network;
use crate::peer::{MiniRt, MiniRtCurrent, Peer, Smol, Tokio, TokioCurrent};
use crate::statistics::quantile;

/// How long sleeps last, in microseconds, and how many there are in a thorough turn.
const SLEEPS: [(u64, u64); 3] = [(50, 2_000), (1_000, 500), (10_000, 100)];

/// How long timers would last that are not meant to end.
const HOUR: Duration = Duration::from_secs(3_600);

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

/// A job that measures a loop of operations in a task on one worker. It wants their number.
macro_rules! job {
    ($name:literal, $network:ident => $work:expr) => {
        Job {
            name: $name,
            run: |peer, given| {
                let [operations] = numbers(given)?;
                on_network!(peer, $network => {
                    $network::run(1, beside_another::<$network, _, _>(operations, $work))?
                })
            },
        }
    };
}

const TIMER_DROP: Job = job!("timer-drop", N => timers_dropped::<N>);
const TIMER_KEEP: Job = job!("timer-keep", N => timers_kept::<N>);
const TIMEOUT_READY: Job = job!("timeout-ready", N => timeouts_of_ready::<N>);
const TIMEOUT_PENDING: Job = job!("timeout-pending", N => timeouts_of_pending::<N>);

/// The jobs that measure operations, with the operations of a thorough turn.
const COSTS: [(Job, u64); 4] = [
    (TIMER_DROP, 2_000_000),
    (TIMER_KEEP, 1_000_000),
    (TIMEOUT_READY, 10_000_000),
    (TIMEOUT_PENDING, 1_000_000),
];

pub(super) const JOBS: &[Job] = &[LATE, TIMER_DROP, TIMER_KEEP, TIMEOUT_READY, TIMEOUT_PENDING];

pub(super) fn workloads() -> Vec<Workload> {
    let costs = COSTS.map(|(job, operations)| Workload {
        group: Group::Time,
        name: job.name.to_owned(),
        unit: Unit::NanosPerOperation,
        peers: Peer::NETWORKS.to_vec(),
        is_quick: job.name != TIMEOUT_READY.name,
        turn: Box::new(move |peer, effort: Effort| {
            measure(&job, peer, &[effort.operations(operations)])
        }),
    });
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
    costs.into_iter().chain(late).collect()
}

/// The cost of operations on timers in a program that has another one, which ends before them, and has
/// slept with it: a runtime that tells its reactor of a timer which comes first need not do so.
async fn beside_another<N, W, F>(operations: u64, work: W) -> io::Result<Outcome>
where
    N: Network,
    W: Fn(u64, u64) -> F,
    F: Future<Output: Into<Done>>,
{
    N::detach(N::spawn(N::sleep(HOUR / 2)));
    N::sleep(Duration::from_millis(1)).await;
    measured(1, operations, work).await
}

/// Timers that are made, polled once and dropped.
async fn timers_dropped<N: Network>(_width: u64, operations: u64) -> u64 {
    let mut done = 0;
    for _ in 0..operations {
        let mut sleep = pin!(N::sleep(HOUR));
        start(sleep.as_mut()).await;
        done += 1;
    }
    done
}

/// Timers that are made, each in an allocation of its own, and polled once. All live until the end of
/// the measurement, and each would have its own millisecond of an hour.
async fn timers_kept<N: Network>(_width: u64, operations: u64) -> Done {
    let mut kept = Vec::with_capacity(operations as usize);
    for index in 0..operations {
        let spread = Duration::from_millis(index % 3_600_000);
        let mut sleep = Box::pin(N::sleep(HOUR + spread));
        start(sleep.as_mut()).await;
        kept.push(sleep);
    }
    Done::keeping(kept.len() as u64, kept)
}

/// Polls a sleep for the first time.
async fn start(mut sleep: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Time limits for what is ready at once.
async fn timeouts_of_ready<L: Limits>(_width: u64, operations: u64) -> u64 {
    let mut done = 0;
    for number in 0..operations {
        let in_time = L::timeout(HOUR, ready(number)).await;
        done += u64::from(in_time == Some(number));
    }
    done
}

/// Time limits for what is pending once. It merely wakes itself, on every runtime: a runtime's own way
/// to yield may poll the reactor, and that is not the cost of a time limit.
async fn timeouts_of_pending<L: Limits>(_width: u64, operations: u64) -> u64 {
    let mut done = 0;
    for _ in 0..operations {
        let in_time = L::timeout(HOUR, smol::future::yield_now()).await;
        done += u64::from(in_time.is_some());
    }
    done
}

/// A runtime that has time limits.
trait Limits: Network {
    /// The output of `future`, if it is ready within the duration.
    fn timeout<F: Future<Output: Send> + Send>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send;
}

macro_rules! limits {
    ($name:ident, $runtime:ident) => {
        impl Limits for $name {
            async fn timeout<F: Future<Output: Send> + Send>(
                duration: Duration,
                future: F,
            ) -> Option<F::Output> {
                $runtime::time::timeout(duration, future).await.ok()
            }
        }
    };
}

limits!(MiniRt, mini_rt);
limits!(MiniRtCurrent, mini_rt);
limits!(Tokio, tokio);
limits!(TokioCurrent, tokio);

/// smol has none of its own: as in its documentation, the future races with a timer, which is not even
/// made when the future is ready at once.
impl Limits for Smol {
    async fn timeout<F: Future<Output: Send> + Send>(
        duration: Duration,
        future: F,
    ) -> Option<F::Output> {
        let limit = async {
            smol::Timer::after(duration).await;
            None
        };
        smol::future::or(async { Some(future.await) }, limit).await
    }
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
    #[test]
    fn every_runtime_does_every_operation() {
        for (job, _) in COSTS {
            for peer in Peer::NETWORKS {
                let outcome = (job.run)(peer, &[100]);
                let outcome =
                    outcome.unwrap_or_else(|error| panic!("{} {peer}: {error}", job.name));
                let value = outcome.value().unwrap_or_default();
                assert!(
                    value.is_finite() && value > 0.0,
                    "{} {peer}: {value}",
                    job.name
                );
            }
        }
    }

    #[test]
    fn limits_end_what_takes_longer() {
        async fn limited<L: Limits>() -> [Option<u32>; 2] {
            let limit = Duration::from_millis(1);
            let slow = async {
                std::future::pending::<()>().await;
                2
            };
            [
                L::timeout(HOUR, ready(1)).await,
                L::timeout(limit, slow).await,
            ]
        }
        for peer in Peer::NETWORKS {
            let limited = on_network!(peer, N => N::run(1, limited::<N>()));
            assert_eq!(limited.unwrap(), [Some(1), None], "{peer}");
        }
    }
}
