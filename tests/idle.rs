//! A runtime with nothing to do does nothing, however many connections it holds.

mod support;

use std::thread;
use std::time::Duration;

use mini_rt::net::AsyncTcpStream;

use support::kinds::on_every_kind;
use support::process::{cpu_time_of, in_own_process, raise_fd_limit, sleeps_of_other_threads};
use support::sockets::{ask, echo, std_pairs};
use support::tasks::{on_thread, until};

const CONNECTIONS: usize = 1_000;
const MEASURED: Duration = Duration::from_secs(1);
const ALLOWED: Duration = Duration::from_millis(4);

/// What happened while this thread slept.
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

#[test]
fn an_idle_runtime_with_a_thousand_connections_uses_no_processor() {
    const TEST: &str = "an_idle_runtime_with_a_thousand_connections_uses_no_processor";
    in_own_process(TEST, || {
        raise_fd_limit(2 * CONNECTIONS as u64 + 100);
        on_every_kind(TEST, 60, |kind| {
            let runtime = kind.build();
            let metrics = runtime.metrics();
            runtime.block_on(async {
                let (connections, peers): (Vec<_>, Vec<_>) = std_pairs(CONNECTIONS)
                    .map(|(ours, peer)| {
                        let stream = AsyncTcpStream::from_std(ours).unwrap();
                        (mini_rt::spawn(echo(stream)), peer)
                    })
                    .unzip();
                until(|| metrics.registered_fds() == CONNECTIONS).await;
                let (rest, peers) = on_thread(move || {
                    // Whoever was busy until here finds the way to sleep.
                    thread::sleep(Duration::from_millis(100));
                    (measure(), peers)
                })
                .await;
                assert!(
                    rest.used <= ALLOWED,
                    "{:?} of {MEASURED:?} on {kind:?}",
                    rest.used
                );
                assert!(!rest.disturbed, "a thread woke up on {kind:?}");

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
            thread::sleep(Duration::from_millis(100));
            let rest = measure();
            assert!(
                rest.used <= ALLOWED,
                "{:?} of {MEASURED:?} on {kind:?}",
                rest.used
            );
            assert!(!rest.disturbed, "a thread woke up on {kind:?}");
        });
    });
}
