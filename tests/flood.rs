//! More tasks that are always ready than a ring holds, and more that come from outside: each has its turn.

mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::thread;

use mini_rt::runtime::Builder;

use support::watchdog::Watchdog;

/// Tasks that yield.
const YIELDING: u64 = 500;
/// Tasks from outside that are on their way.
const OUTSTANDING: u64 = 5_000;
/// What a task that yields may have to wait for, in polls. With each of its turns after all others had one it
/// would be 5,500.
const ALLOWED: u64 = 300_000;
/// Polls that are watched.
const POLLS: u64 = 3_000_000;

/// What tasks do, counted.
#[derive(Default)]
struct Counts {
    polls: AtomicU64,
    outstanding: AtomicU64,
    longest: AtomicU64,
    over: AtomicBool,
}

/// Wakes itself until it is over, and notes how many other polls lie between two of its own.
async fn yield_until_over(counts: Arc<Counts>) {
    let mut last = counts.polls.load(Relaxed);
    poll_fn(move |cx| {
        let polls = counts.polls.fetch_add(1, Relaxed);
        counts
            .longest
            .fetch_max(polls.saturating_sub(last), Relaxed);
        last = polls;
        if counts.over.load(Relaxed) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[test]
fn a_flood_from_outside_leaves_tasks_that_yield_their_turns() {
    let _watchdog = Watchdog::seconds("a flood from outside", 120);
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let counts = Arc::new(Counts::default());
    let yielding: Vec<_> = (0..YIELDING)
        .map(|_| runtime.spawn(yield_until_over(counts.clone())))
        .collect();
    while counts.polls.load(Relaxed) < POLLS {
        if counts.outstanding.load(Relaxed) >= OUTSTANDING {
            thread::yield_now();
            continue;
        }
        counts.outstanding.fetch_add(1, Relaxed);
        let counts = counts.clone();
        drop(runtime.spawn(async move {
            counts.polls.fetch_add(1, Relaxed);
            counts.outstanding.fetch_sub(1, Relaxed);
        }));
    }
    counts.over.store(true, Relaxed);
    for task in yielding {
        runtime.block_on(task).unwrap();
    }
    let longest = counts.longest.load(Relaxed);
    assert!(longest <= ALLOWED, "{longest} polls between two turns");
    println!("{longest} polls between two turns at most");
}
