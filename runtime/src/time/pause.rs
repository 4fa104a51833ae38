//! The test's hand on the clock.
//!
//! While a clock is stopped it does not follow the system's. It moves when it is [advanced](advance), and by
//! itself when there is nothing else to do: once every task waits, and no blocking closure is under way, to
//! the next deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::scheduler::{Shared, context};
use crate::spawn::yield_now;

/// Stops the clock of the current runtime. Timers go by it, and so does [`Instant::now`](super::Instant::now).
///
/// From then on time passes only when every task waits and no blocking closure is under way: then the clock
/// jumps to the next deadline. So a test of an hour takes milliseconds. Sockets know nothing of this
/// clock, so a test with peers outside its own runtime may be too late for them at any moment. If several
/// threads are in `block_on` of the runtime, only what runs on the one that runs the tasks holds the time.
///
/// # Panics
///
/// Outside a runtime, on one with worker threads, and if the clock stands already.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, Instant, pause, sleep};
///
/// mini_rt_runtime::block_on(async {
///     pause();
///     let begin = Instant::now();
///     sleep(Duration::from_secs(3_600)).await;
///     assert_eq!(begin.elapsed(), Duration::from_secs(3_600));
/// });
/// ```
#[track_caller]
pub fn pause() {
    let stopped = controllable().clock.stop();
    assert!(stopped, "the clock is paused already");
}

/// Lets the clock of the current runtime go on, from where it stands.
///
/// # Panics
///
/// Outside a runtime, on one with worker threads, and if the clock goes anyway.
#[track_caller]
pub fn resume() {
    let shared = controllable();
    let went = shared.clock.go_on();
    assert!(went, "the clock is not paused");
    shared.time_has_changed();
}

/// Moves the stopped clock of the current runtime forward. Timers that are due by then fire, in their order,
/// and the tasks that waited for them are polled before this returns; unless it is called by a thread in
/// `block_on` beside the one that runs the tasks.
///
/// # Panics
///
/// Outside a runtime, on one with worker threads, and if the clock is not [paused](pause).
///
/// # Cancel safety
///
/// Given up before its first poll it has done nothing, and later all but run the tasks.
///
/// # Examples
///
/// ```
/// use mini_rt_runtime::time::{Duration, advance, pause, sleep};
///
/// mini_rt_runtime::block_on(async {
///     pause();
///     let sleeps = mini_rt_runtime::spawn(sleep(Duration::from_secs(60)));
///     mini_rt_runtime::yield_now().await;
///     advance(Duration::from_secs(59)).await;
///     assert!(!sleeps.is_finished());
///     advance(Duration::from_secs(1)).await;
///     assert!(sleeps.is_finished());
/// });
/// ```
pub async fn advance(duration: Duration) {
    let shared = controllable();
    let clock = &shared.clock;
    assert!(
        clock.is_stopped(),
        "the clock is not paused: call `pause` before `advance`"
    );
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    clock.advance_to(clock.now().saturating_add(nanos));
    let fired = shared.fire_due_timers();
    // Each time so many tasks have their turn at least, wherever they wait.
    for _ in 0..=fired / 61 {
        yield_now().await;
    }
}

/// The current runtime, if its clock may be held.
#[track_caller]
fn controllable() -> Arc<Shared> {
    let shared = context::current().expect(context::NO_RUNTIME);
    assert!(
        !shared.has_workers(),
        "only the clock of a current-thread runtime can be held: build one, or leave out the `flavor` of \
         the test"
    );
    shared
}
