//! Random schedules: runtimes of all kinds, several at a time, on which scenarios begin at random moments, and
//! which end when all is done, or are ended in the middle of it.
//!
//! ```text
//! cargo test --test stress                                           a few seconds, always the same
//! MINI_RT_STRESS_SEED=7 MINI_RT_STRESS_SECONDS=600 cargo test --test stress
//! ```
//!
//! A run is a row of rounds. A round has a seed of its own, one more than the round's before it, so that the
//! seed which a failure names begins with the round that failed. What a seed repeats is what is tried; in
//! which order threads run is up to the system.
//!
//! What always holds, and is checked:
//!
//! - Each value that a future owns is dropped once, also if the runtime ends first.
//! - A task gives its output, unless it was aborted or its runtime was ended. What was sent arrives, each byte
//!   in its place, and is echoed so.
//! - No timer is early.
//! - After a round the descriptors and threads are those from before it. A runtime on which all is done has no
//!   task, no timer and no registered descriptor.
//! - Nothing panics but what panics on purpose, on whichever thread.
//!
//! | file | what it is for |
//! |---|---|
//! | `world.rs` | a runtime from its making to its end |
//! | `actor.rs` | one who plays a scenario: what it may do, and how it judges results |
//! | `witness.rs` | who tells what was going on if a round hangs, and counts panics |
//! | `scenarios.rs` | a list of them |
//! | `tasks.rs`, `timers.rs`, `sockets.rs`, `threads.rs` | the scenarios |
//!
//! This binary has a single test, for what it measures belongs to the whole process.

mod support;

#[path = "stress/actor.rs"]
mod actor;
#[path = "stress/scenarios.rs"]
mod scenarios;
#[path = "stress/sockets.rs"]
mod sockets;
#[path = "stress/tasks.rs"]
mod tasks;
#[path = "stress/threads.rs"]
mod threads;
#[path = "stress/timers.rs"]
mod timers;
#[path = "stress/witness.rs"]
mod witness;
#[path = "stress/world.rs"]
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use support::kinds::Kind;
use support::process::{open_fds, thread_ids, wait_for_only};
use support::random::Random;
use support::tasks::block_until;
use support::watchdog::Watchdog;
use witness::{Witness, count_panics};

const SEED: &str = "MINI_RT_STRESS_SEED";
const SECONDS: &str = "MINI_RT_STRESS_SECONDS";

/// A round takes tens of milliseconds; a machine that is busy elsewhere, and a sanitizer, may stretch that.
const A_ROUND_HANGS_AFTER: Duration = Duration::from_secs(120);
const THE_WITNESS_SPEAKS_AFTER: Duration = Duration::from_secs(90);

#[test]
fn random_schedules_lose_nothing_and_leave_nothing() {
    let first = number(SEED, 1);
    let length = Duration::from_secs(number(SECONDS, 4));
    println!("{SEED}={first} {SECONDS}={}", length.as_secs());
    let panics = count_panics();
    // What the first runtime of a process makes for all that follow is there before the first round.
    drop(Kind::CurrentThread.build());
    let begin = Instant::now();
    let mut seed = first;
    while seed == first || begin.elapsed() < length {
        let round = catch_unwind(AssertUnwindSafe(|| {
            play_round(seed);
            assert_eq!(panics.count(), 0, "something panicked on another thread");
        }));
        if let Err(panic) = round {
            println!("to begin with the round that failed: {SEED}={seed}");
            resume_unwind(panic);
        }
        seed = seed.wrapping_add(1);
    }
    println!("{} rounds", seed.wrapping_sub(first));
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a decimal number")),
        Err(_) => default,
    }
}

/// Some runtimes at once, each with a thread of its own that makes and ends it.
fn play_round(seed: u64) {
    let what = format!("the round with {SEED}={seed}");
    let _watchdog = Watchdog::new(&what, A_ROUND_HANGS_AFTER);
    let witness = Arc::new(Witness::default());
    let _testimony = witness.speak_after(THE_WITNESS_SPEAKS_AFTER, what);
    let (fds, threads) = (open_fds(), thread_ids());
    let mut random = Random::seeded(seed);
    thread::scope(|scope| {
        for _ in 0..1 + random.below(3) {
            let (random, witness) = (random.branch(), &witness);
            scope.spawn(move || world::live(random, witness));
        }
    });
    wait_for_only(&threads);
    block_until(|| open_fds() == fds);
}
