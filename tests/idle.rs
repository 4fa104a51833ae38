//! A runtime with nothing to do does nothing, however many connections it holds.

mod support;

use std::thread;
use std::time::Duration;

use mini_rt::net::AsyncTcpStream;
use mini_rt::time::sleep;

use support::kinds::{Kind, on_every_kind};
use support::process::{
    affordable_connections, cpu_time_of, in_own_process, sleeps_of_other_threads,
};
use support::sockets::{ask, echo, std_pairs};
use support::tasks::{on_thread, until};

const CONNECTIONS: usize = 1_000;
/// How long a runtime may watch out for more after it has worked.
const SETTLING: Duration = Duration::from_millis(200);
const MEASURED: Duration = Duration::from_secs(1);
const ALLOWED: Duration = Duration::from_millis(4);

/// What happened while this thread slept.
#[derive(Debug)]
struct Rest {
    /// Processor time of all threads.
    used: Duration,
    /// Whether one of the other threads woke up.
    disturbed: bool,
}

fn measure() -> Rest {
    let before = sleeps_of_other_threads();
    let used = cpu_time_of(|| thread::sleep(MEASURED));
    Rest {
        used,
        disturbed: sleeps_of_other_threads() != before,
    }
}

/// Checks that all other threads come to rest: that there is a time in which none of them wakes up. Whoever
/// was busy until here may be late with finding the way to sleep, but must find it.
fn assert_comes_to_rest(kind: Kind) {
    thread::sleep(SETTLING);
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let rest = measure();
        if rest.used <= ALLOWED && !rest.disturbed {
            return;
        }
        seen.push(rest);
    }
    panic!("{kind:?} never rests for {MEASURED:?}: {seen:#?}");
}

#[test]
fn an_idle_runtime_with_a_thousand_connections_uses_no_processor() {
    const TEST: &str = "an_idle_runtime_with_a_thousand_connections_uses_no_processor";
    in_own_process(TEST, || {
        let count = affordable_connections(CONNECTIONS);
        on_every_kind(TEST, 60, |kind| {
            let runtime = kind.build();
            let metrics = runtime.metrics();
            runtime.block_on(async {
                let (connections, peers): (Vec<_>, Vec<_>) = std_pairs(count)
                    .map(|(ours, peer)| {
                        let stream = AsyncTcpStream::from_std(ours).unwrap();
                        (mini_rt::spawn(echo(stream)), peer)
                    })
                    .unzip();
                until(|| metrics.registered_fds() == count).await;
                on_thread(move || assert_comes_to_rest(kind)).await;

                // It wakes for each of them.
                on_thread(move || peers.iter().for_each(|peer| ask(peer, b"awake?"))).await;
                for connection in connections {
                    assert_eq!(connection.await.unwrap().unwrap(), 6);
                }
            });
        });
    });
}

#[test]
fn an_idle_runtime_without_callers_uses_no_processor() {
    const TEST: &str = "an_idle_runtime_without_callers_uses_no_processor";
    in_own_process(TEST, || {
        on_every_kind(TEST, 60, |kind| {
            let runtime = kind.build();
            runtime.block_on(async {
                mini_rt::spawn_blocking(|| ()).await.unwrap();
                mini_rt::spawn(mini_rt::task::yield_now()).await.unwrap();
            });
            assert_comes_to_rest(kind);
        });
    });
}

#[test]
fn a_runtime_that_waits_for_a_far_deadline_uses_no_processor() {
    const TEST: &str = "a_runtime_that_waits_for_a_far_deadline_uses_no_processor";
    in_own_process(TEST, || {
        on_every_kind(TEST, 60, |kind| {
            let runtime = kind.build();
            let metrics = runtime.metrics();
            runtime.block_on(async {
                let sleeps = mini_rt::spawn(sleep(Duration::from_secs(3_600)));
                until(|| metrics.num_timers() == 1).await;
                on_thread(move || assert_comes_to_rest(kind)).await;
                sleeps.abort();
            });
        });
    });
}
