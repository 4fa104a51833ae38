//! Timers in programs: time limits on sockets, many timers, and attributes with a clock that stands.

mod support;

use std::future::pending;
use std::io::{ErrorKind, Write};

use futures_util::{FutureExt, select};
use mini_rt::prelude::*;
use mini_rt::runtime::Runtime;
use mini_rt::task::JoinSet;
use mini_rt::time::{Duration, Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use support::kinds::{on_every_kind, on_every_runtime};
use support::sockets::{listen, stream_and_peer};
use support::tasks::{on_thread, until};
use support::watchdog::Watchdog;

const MILLI: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn what_a_socket_waits_for_can_be_limited() {
    on_every_runtime("limits on sockets", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        let mut buffer = [0; 8];
        for _ in 0..5 {
            assert!(timeout(2 * MILLI, stream.read(&mut buffer)).await.is_err());
            // The socket is as good as before.
            peer.write_all(b"late").unwrap();
            let read = timeout(HOUR, stream.read(&mut buffer)).await;
            assert_eq!(read.expect("in time").unwrap(), 4);
        }
        let (listener, _) = listen().await;
        assert!(timeout(2 * MILLI, listener.accept()).await.is_err());
        let limited = async {
            timeout(2 * MILLI, stream.read(&mut buffer)).await??;
            Ok::<(), std::io::Error>(())
        };
        assert_eq!(limited.await.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn an_idle_limit_that_each_message_puts_off() {
    on_every_runtime("an idle limit", async |_| {
        let (mut stream, mut peer) = stream_and_peer();
        let server = mini_rt::spawn(async move {
            let (mut idle, mut messages) = (sleep(HOUR), 0);
            let mut buffer = [0; 1];
            loop {
                select! {
                    read = stream.read(&mut buffer).fuse() => {
                        assert_eq!(read.unwrap(), 1);
                        messages += 1;
                        let limit = if messages == 20 { 2 * MILLI } else { HOUR };
                        idle.reset(Instant::now() + limit);
                    }
                    () = (&mut idle).fuse() => return messages,
                }
            }
        });
        for _ in 0..20 {
            peer.write_all(b"x").unwrap();
            sleep(Duration::from_micros(300)).await;
        }
        assert_eq!(server.await.unwrap(), 20);
    });
}

#[test]
fn a_set_of_tasks_with_limits() {
    on_every_kind("a set with limits", 60, |kind| {
        let runtime = kind.build();
        let outcomes = runtime.block_on(async {
            let mut set = JoinSet::new();
            for number in 0..200 {
                set.spawn(timeout(3 * MILLI, async move {
                    match number % 2 {
                        0 => number,
                        _ => pending().await,
                    }
                }));
            }
            set.join_all().await
        });
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            100
        );
    });
}

#[mini_rt::test(start_paused = true)]
async fn an_hour_in_a_test_takes_no_time() {
    let begin = Instant::now();
    let mut ticks = interval(Duration::from_secs(60));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for _ in 0..=60 {
        ticks.tick().await;
    }
    assert_eq!(begin.elapsed(), HOUR);
    let worked = mini_rt::spawn_blocking(|| std::thread::sleep(20 * MILLI));
    assert!(
        timeout(MILLI, worked).await.is_ok(),
        "time stood for the closure"
    );
}

#[mini_rt::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeps_in_tasks_and_in_the_test_itself() {
    let deadline = Instant::now() + 5 * MILLI;
    let task = mini_rt::spawn(async move {
        sleep_until(deadline).await;
        Instant::now()
    });
    sleep_until(deadline).await;
    assert!(Instant::now() >= deadline);
    assert!(task.await.unwrap() >= deadline);
    on_thread(|| ()).await;
}

#[test]
fn a_runtime_that_is_dropped_ends_its_timers() {
    let _watchdog = Watchdog::seconds("dropped", 60);
    let runtime = Runtime::new().unwrap();
    let metrics = runtime.metrics();
    for _ in 0..100 {
        drop(runtime.spawn(sleep(HOUR)));
    }
    runtime.block_on(until(|| metrics.num_timers() == 100));
    drop(runtime);
    assert_eq!(metrics.num_timers(), 0);
}

/// Linux says how much a process has.
#[cfg(target_os = "linux")]
mod memory {
    use mini_rt::time::{Duration, sleep};

    use crate::support::kinds::Kind;
    use crate::support::process::{in_own_process, resident_bytes};
    use crate::support::tasks::poll_once;
    use crate::support::watchdog::Watchdog;
    use crate::{HOUR, MILLI};

    #[test]
    fn a_million_timers_leave_no_memory_behind() {
        const TEST: &str = "memory::a_million_timers_leave_no_memory_behind";
        const TIMERS: u64 = 1_000_000;
        in_own_process(TEST, || {
            let _watchdog = Watchdog::seconds(TEST, 300);
            let runtime = Kind::CurrentThread.build();
            let metrics = runtime.metrics();
            let mut rounds = Vec::new();
            for _ in 0..3 {
                runtime.block_on(async {
                    let mut sleeps = Vec::with_capacity(TIMERS as usize);
                    for number in 0..TIMERS {
                        let mut sleep = sleep(HOUR + Duration::from_micros(number));
                        assert!(poll_once(&mut sleep).await.is_pending());
                        sleeps.push(sleep);
                    }
                    assert_eq!(metrics.num_timers(), TIMERS as usize);
                    drop(sleeps);
                    assert_eq!(metrics.num_timers(), 0);
                    // The core gives the memory back when it has nothing to do.
                    sleep(MILLI).await;
                });
                rounds.push(resident_bytes());
            }
            // The allocator may keep what the first round has used.
            let grown = rounds[2].saturating_sub(rounds[1]);
            assert!(grown < 8 << 20, "{rounds:?}");
            assert!(rounds[2] < 100 << 20, "{rounds:?}");
        });
    }
}
