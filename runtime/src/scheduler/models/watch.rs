//! Somebody wakes up in time to see that a core is blocked.
//!
//! Core 0 blocks its thread until something has run that only a sibling can do then. The sibling, core 1,
//! sleeps, and nobody calls it: what it hears of is the end of its nap, if it keeps the watch. If it does not,
//! both wait for ever.

use super::timers::Timer;
use super::*;

/// After so many naps without work a keeper sleeps for good.
const QUIET: usize = 10;

/// Runs a future with core 0, beside a worker that gets the other core.
fn beside_a_keeper<F: Future<Output = ()>>(future: impl FnOnce(Arc<Shared>) -> F) {
    let shared = shared(2, true);
    let keeper = shared.block_on(async {
        let keeper = worker(&shared);
        future(shared.clone()).await;
        keeper
    });
    shared.shut_down();
    keeper.join().unwrap();
    assert_eq!(shared.alive_tasks(), 0);
}

/// Blocks the thread, and the core that it holds, until a flag is set. Meanwhile a nap of core 1 ends.
fn block(shared: &Arc<Shared>, flag: &Flag) {
    assert_eq!(shared.current_core(), Some(0));
    let_time_pass(shared, 1);
    block_on(flag.wait());
}

/// Puts a task into the slot, and blocks until it has run.
fn block_on_the_slot(shared: &Arc<Shared>) {
    let done = Flag::new();
    drop(spawn(shared, {
        let done = done.clone();
        async move { done.set() }
    }));
    block(shared, &done);
}

/// A core that begins to work does so under the watch: the task in its slot is run while it blocks.
#[test]
fn a_keeper_finds_a_blocked_core() {
    check(4, || {
        beside_a_keeper(async |shared| block_on_the_slot(&shared));
    });
}

/// A keeper gives up the watch for lack of work, just when the other core begins to.
#[test]
fn a_keeper_gives_up_while_a_core_begins_to_work() {
    check(2, || {
        beside_a_keeper(async |shared| {
            for _ in 0..QUIET {
                let_time_pass(&shared, 1);
            }
            let_time_pass(&shared, 0);
            Timer::at(&shared, LONG).await;
            block_on_the_slot(&shared);
        });
    });
}

/// A timer of a blocked core is fired when it is due.
#[test]
fn a_keeper_fires_the_timer_of_a_blocked_core() {
    check(4, || {
        beside_a_keeper(async |shared| {
            let fired = Flag::new();
            let timer = shared.timers.of(0).start(LONG, fired.clone().into());
            assert!(timer.is_ok());
            block(&shared, &fired);
        });
    });
}

/// An event that its core has not taken when it blocks is delivered, and the task that it wakes is run.
#[test]
fn a_keeper_takes_the_event_of_a_blocked_core() {
    check(3, || {
        beside_a_keeper(async |shared| {
            let (waits, done) = (Flag::new(), Flag::new());
            let reader = spawn(&shared, {
                let (shared, waits, done) = (shared.clone(), waits.clone(), done.clone());
                async move {
                    let source = Source::new(&shared, 0);
                    waits.set();
                    source.readable().await.unwrap();
                    done.set();
                }
            });
            waits.wait().await;
            shared.reactors.get(0).poller().trigger(Source::FD);
            block(&shared, &done);
            reader.await.unwrap();
        });
    });
}
