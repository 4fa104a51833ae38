//! Loops over operations that wake tasks.
//!
//! Each does as many as it is asked for and returns how many have really been done.

use std::sync::Arc;

use smol::future::block_on;

use super::super::measured::Done;
use super::thread::KeptThread;
use crate::peer::Executor;
use crate::signal::{Countdown, Signal};

/// How many messages fit between two stages of a pipeline.
const CHANNEL: usize = 100;

/// `tasks` tasks that yield to each other.
pub(super) async fn yield_among<E: Executor>(tasks: u64, operations: u64) -> u64 {
    let yields = operations / tasks;
    let yielding = |_| {
        E::spawn(async move {
            let mut done = 0_u64;
            for _ in 0..yields {
                E::yield_now().await;
                done += 1;
            }
            done
        })
    };
    joined::<E>((0..tasks).map(yielding).collect()).await
}

/// `pairs` pairs of tasks that wake each other in turn. The operation is a round trip.
pub(super) async fn ping_pong<E: Executor>(pairs: u64, operations: u64) -> u64 {
    let round_trips = operations / pairs;
    let mut pinging = Vec::with_capacity(pairs as usize);
    for _ in 0..pairs {
        let signals = Arc::new((Signal::default(), Signal::default()));
        let partners = signals.clone();
        E::detach(E::spawn(async move {
            let (ping, pong) = &*partners;
            for _ in 0..round_trips {
                ping.received().await;
                pong.send();
            }
        }));
        pinging.push(E::spawn(async move {
            let (ping, pong) = &*signals;
            let mut done = 0_u64;
            for _ in 0..round_trips {
                ping.send();
                pong.received().await;
                done += 1;
            }
            done
        }));
    }
    joined::<E>(pinging).await
}

/// Messages that go through `stages` tasks with a channel before and behind each.
///
/// # Panics
/// If messages get lost or out of order.
pub(super) async fn pipeline<E: Executor>(stages: u64, operations: u64) -> u64 {
    let (source, mut inlet) = async_channel::bounded(CHANNEL);
    E::detach(E::spawn(async move {
        for number in 0..operations {
            source.send(number).await.expect("the pipeline is open");
        }
    }));
    for _ in 0..stages {
        let (outlet, next) = async_channel::bounded(CHANNEL);
        E::detach(E::spawn(async move {
            while let Ok(number) = inlet.recv().await {
                outlet.send(number + 1).await.expect("the pipeline is open");
            }
        }));
        inlet = next;
    }
    let mut done = 0;
    while let Ok(number) = inlet.recv().await {
        assert_eq!(number, done + stages);
        done += 1;
    }
    done
}

/// `waiters` tasks that all wait until a thread which is no part of the runtime wakes them all, again
/// and again. The operation is the wake of one.
pub(super) async fn wake_storm<E: Executor>(waiters: u64, operations: u64) -> Done {
    let storms = operations / waiters;
    let storm = Arc::new(Storm {
        signals: (0..waiters).map(|_| Signal::default()).collect(),
        calm: Countdown::new(waiters),
    });
    let waking = storm.clone();
    let kept = KeptThread::start(move || {
        for _ in 0..storms {
            block_on(waking.calm.ended());
            waking.calm.restart(waiters);
            waking.signals.iter().for_each(Signal::send);
        }
    });
    let waiting = |index: usize| {
        let storm = storm.clone();
        E::spawn(async move {
            let mut done = 0_u64;
            for _ in 0..storms {
                let signal = &storm.signals[index];
                signal.received_after(|| storm.calm.arrive()).await;
                done += 1;
            }
            done
        })
    };
    let done = joined::<E>((0..waiters as usize).map(waiting).collect()).await;
    Done::keeping(done, kept)
}

struct Storm {
    signals: Vec<Signal>,
    /// All tasks wait.
    calm: Countdown,
}

/// The sum of what tasks have done.
async fn joined<E: Executor>(tasks: Vec<E::Handle<u64>>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += E::output(task.await);
    }
    sum
}
