//! Loops over operations that begin and end tasks.
//!
//! Each does as many as it is asked for and returns how many have really been done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smol::future::block_on;

use super::super::measured::Done;
use super::thread::KeptThread;
use crate::peer::Executor;
use crate::signal::{Countdown, Signal};

/// How many tasks a foreign thread spawns before it waits until they have run: enough for the wait to
/// cost little, and few enough for the queues to stay in the caches.
const BURST: u64 = 1_000;

/// Batches of tasks that are spawned and then joined.
pub(super) async fn spawn_join<E: Executor>(batch: u64, operations: u64) -> u64 {
    let mut handles = Vec::with_capacity(batch as usize);
    let mut done = 0;
    for _ in 0..operations / batch {
        handles.extend((0..batch).map(|_| E::spawn(async { 1_u64 })));
        for handle in handles.drain(..) {
            done += E::output(handle.await);
        }
    }
    done
}

/// Tasks that are awaited as soon as they are spawned.
pub(super) async fn spawn_await<E: Executor>(_width: u64, operations: u64) -> u64 {
    let mut done = 0;
    for _ in 0..operations {
        done += E::output(E::spawn(async { 1_u64 }).await);
    }
    done
}

/// Batches of closures on threads that may block, which are then joined.
pub(super) async fn spawn_blocking<E: Executor>(batch: u64, operations: u64) -> u64 {
    let mut handles = Vec::with_capacity(batch as usize);
    let mut done = 0;
    for _ in 0..operations / batch {
        handles.extend((0..batch).map(|_| E::spawn_blocking(|| 1_u64)));
        for handle in handles.drain(..) {
            done += E::output(handle.await);
        }
    }
    done
}

/// `width` tasks that nobody joins; the last to run wakes the one that has spawned them.
pub(super) async fn fan_out<E: Executor>(width: u64, operations: u64) -> u64 {
    let running = Arc::new(Countdown::new(0));
    let mut done = 0;
    for _ in 0..operations / width {
        running.restart(width);
        for _ in 0..width {
            let running = running.clone();
            E::detach(E::spawn(async move { running.arrive() }));
        }
        running.ended().await;
        done += width;
    }
    done
}

/// Chains of `depth` tasks, each of which spawns the next and ends.
pub(super) async fn chained<E: Executor>(depth: u64, operations: u64) -> u64 {
    let chain = Arc::new(Chain {
        depth,
        ran: AtomicU64::new(0),
        ended: Signal::default(),
    });
    for _ in 0..operations / depth {
        spawn_next::<E>(chain.clone(), 1);
        chain.ended.received().await;
    }
    chain.ran.load(Ordering::Acquire)
}

struct Chain {
    depth: u64,
    ran: AtomicU64,
    ended: Signal,
}

fn spawn_next<E: Executor>(chain: Arc<Chain>, place: u64) {
    E::detach(E::spawn(async move {
        if place < chain.depth {
            spawn_next::<E>(chain, place + 1);
        } else {
            chain.ran.fetch_add(place, Ordering::Release);
            chain.ended.send();
        }
    }));
}

/// Tasks that are spawned from `threads` threads which are no part of the runtime.
pub(super) async fn foreign<E: Executor>(threads: u64, operations: u64) -> Done {
    let spawning = Arc::new(Countdown::new(threads));
    let ran = Arc::new(AtomicU64::new(0));
    let mut kept = Vec::new();
    for _ in 0..threads {
        let (spawner, spawning, ran) = (E::spawner(), spawning.clone(), ran.clone());
        kept.push(KeptThread::start(move || {
            let tasks = spawn_bursts::<E>(&spawner, operations / threads);
            ran.fetch_add(tasks, Ordering::Relaxed);
            spawning.arrive();
        }));
    }
    spawning.ended().await;
    Done::keeping(ran.load(Ordering::Relaxed), kept)
}

/// Spawns `tasks` tasks and returns when they have run.
fn spawn_bursts<E: Executor>(spawner: &E::Spawner, tasks: u64) -> u64 {
    let running = Arc::new(Countdown::new(0));
    let mut ran = 0;
    while ran < tasks {
        let burst = BURST.min(tasks - ran);
        running.restart(burst);
        for _ in 0..burst {
            let running = running.clone();
            E::detach(E::spawn_from(spawner, async move { running.arrive() }));
        }
        block_on(running.ended());
        ran += burst;
    }
    ran
}
