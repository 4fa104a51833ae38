//! Metrics: what is counted is what has happened.

mod support;

use std::future::pending;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mini_rt_runtime::io::{AsyncFd, Interest};
use mini_rt_runtime::runtime::{Builder, Handle, RuntimeMetrics};
use mini_rt_runtime::{LocalSet, coop, spawn, spawn_blocking, spawn_local, yield_now};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{block_until, on_thread, settle, until};
use support::watchdog::Watchdog;

fn sum(metrics: &RuntimeMetrics, count: impl Fn(&RuntimeMetrics, usize) -> u64) -> u64 {
    let workers = 0..metrics.num_workers();
    workers.map(|worker| count(metrics, worker)).sum()
}

fn polls(metrics: &RuntimeMetrics) -> u64 {
    sum(metrics, RuntimeMetrics::worker_poll_count)
}

#[test]
fn tasks_are_counted_whoever_spawns_them() {
    on_every_kind("tasks are counted", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        assert_eq!(metrics.num_workers(), kind.cores());
        runtime.block_on(async {
            for _ in 0..10 {
                spawn(async {}).await.unwrap();
            }
            let handle = Handle::current();
            let outside = on_thread(move || [0; 5].map(|_| handle.spawn(pending::<()>()))).await;
            until(|| metrics.num_alive_tasks() == 5).await;
            assert_eq!(metrics.spawned_tasks_count(), 15);
            outside.iter().for_each(|task| task.abort());
            until(|| metrics.num_alive_tasks() == 0).await;
            assert_eq!(metrics.spawned_tasks_count(), 15);
        });
    });
}

#[test]
fn local_tasks_of_a_runtime_count_and_those_of_a_set_do_not() {
    let runtime = Kind::CurrentThread.build();
    let metrics = runtime.metrics();
    runtime.block_on(async {
        let task = spawn_local(pending::<()>());
        let set = LocalSet::new();
        set.spawn_local(pending::<()>());
        settle().await;
        assert_eq!(
            (metrics.num_alive_tasks(), metrics.spawned_tasks_count()),
            (1, 1)
        );
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(
            (metrics.num_alive_tasks(), metrics.spawned_tasks_count()),
            (0, 1)
        );
    });
}

#[test]
fn each_poll_counts_once() {
    on_every_kind("polls", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.block_on(settle());
        let before = polls(&metrics);
        const YIELDS: u64 = 1_000;
        runtime.block_on(async {
            let task = spawn(async {
                for _ in 0..YIELDS {
                    yield_now().await;
                }
            });
            task.await.unwrap();
        });
        // The task's, and those of the future of `block_on`.
        let counted = polls(&metrics) - before;
        assert!(
            (YIELDS + 2..=YIELDS + 5).contains(&counted),
            "{counted} on {kind:?}"
        );
    });
}

#[test]
fn queues_are_as_deep_as_what_waits_in_them() {
    let _watchdog = Watchdog::seconds("queue depths", 60);
    let runtime = Kind::CurrentThread.build();
    let metrics = runtime.metrics();
    let from_outside: Vec<_> = (0..3).map(|_| runtime.spawn(async {})).collect();
    assert_eq!(metrics.global_queue_depth(), 3);
    runtime.block_on(async {
        for task in from_outside {
            task.await.unwrap();
        }
        assert_eq!(metrics.global_queue_depth(), 0);
        let local: Vec<_> = (0..7).map(|_| spawn(async {})).collect();
        assert_eq!(metrics.worker_local_queue_depth(0), 7);
        for task in local {
            task.await.unwrap();
        }
        assert_eq!(metrics.worker_local_queue_depth(0), 0);
    });
}

#[test]
fn the_reactor_counts_descriptors_turns_and_events() {
    on_every_kind("descriptors", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let (ours, mut peer) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let fd = AsyncFd::new(ours).unwrap();
            let events = sum(&metrics, RuntimeMetrics::worker_event_count);
            let turns = sum(&metrics, RuntimeMetrics::worker_turn_count);
            let waits = spawn(async move { fd.ready(Interest::READABLE).await.map(drop) });
            until(|| metrics.registered_fds() == 1).await;
            peer.write_all(b"x").unwrap();
            waits.await.unwrap().unwrap();
            until(|| metrics.registered_fds() == 0).await;
            assert!(sum(&metrics, RuntimeMetrics::worker_event_count) > events);
            assert!(sum(&metrics, RuntimeMetrics::worker_turn_count) > turns);
        });
    });
}

#[test]
fn a_worker_that_sleeps_is_not_busy() {
    let _watchdog = Watchdog::seconds("sleep", 60);
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let metrics = runtime.metrics();
    let busy = || metrics.worker_total_busy_duration(0);
    const BLOCKS: Duration = Duration::from_millis(20);
    let blocks = || {
        let task = runtime.spawn(async { std::thread::sleep(BLOCKS) });
        block_until(|| task.is_finished());
    };
    let (parks, before) = (metrics.worker_park_count(0), busy());
    blocks();
    block_until(|| metrics.worker_park_count(0) > parks);
    let between = busy();
    assert!(between - before >= BLOCKS, "{:?}", between - before);
    // However long it rests, that is not counted.
    let (begin, rest) = (Instant::now(), Duration::from_millis(300));
    std::thread::sleep(rest);
    let parks = metrics.worker_park_count(0);
    runtime.spawn(async {});
    block_until(|| metrics.worker_park_count(0) > parks);
    let (worked, elapsed) = (busy() - between, begin.elapsed());
    assert!(worked + rest / 2 <= elapsed, "{worked:?} of {elapsed:?}");
}

#[test]
fn blocking_threads_are_counted_busy_idle_and_wanted() {
    let _watchdog = Watchdog::seconds("blocking threads", 60);
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(2)
        .build()
        .unwrap();
    let metrics = runtime.metrics();
    let load = || {
        (
            metrics.num_blocking_threads(),
            metrics.num_idle_blocking_threads(),
            metrics.blocking_queue_depth(),
        )
    };
    assert_eq!(load(), (0, 0, 0));
    let (go_on, may_go_on): (Vec<_>, Vec<_>) = (0..5).map(|_| mpsc::channel::<()>()).unzip();
    let closures: Vec<_> = may_go_on
        .into_iter()
        .map(|may_go_on| runtime.spawn_blocking(move || assert!(may_go_on.recv().is_err())))
        .collect();
    block_until(|| load() == (2, 0, 3));
    drop(go_on);
    runtime.block_on(async {
        for closure in closures {
            closure.await.unwrap();
        }
    });
    block_until(|| load() == (2, 2, 0));
}

#[test]
fn polls_that_the_budget_ends_are_counted() {
    on_every_kind("budget", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let spends = spawn(async {
                for _ in 0..1_000 {
                    coop::consume_budget().await;
                }
            });
            spends.await.unwrap();
            // 128 units are in a budget.
            until(|| metrics.budget_forced_yield_count() >= 1_000 / 128).await;
        });
    });
}

#[test]
fn workers_that_are_all_blocked_show() {
    let _watchdog = Watchdog::seconds("all blocked", 60);
    for workers in [1, 2, 3] {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .build()
            .unwrap();
        let metrics = runtime.metrics();
        let (go_on, may_go_on): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel::<()>()).unzip();
        let blocking: Vec<_> = may_go_on
            .into_iter()
            .map(|may_go_on| runtime.spawn(async move { assert!(may_go_on.recv().is_err()) }))
            .collect();
        block_until(|| metrics.num_blocked_workers() == workers);
        let text = metrics.to_string();
        assert_eq!(text.matches("blocked for").count(), workers, "{text}");
        let waits = runtime.spawn(async {});
        assert!(!waits.is_finished());
        drop(go_on);
        block_until(|| blocking.iter().all(|task| task.is_finished()) && waits.is_finished());
        block_until(|| metrics.num_blocked_workers() == 0);
    }
}

#[test]
fn a_rescue_and_who_has_made_it_necessary_are_counted() {
    let _watchdog = Watchdog::seconds("a rescue", 60);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let metrics = runtime.metrics();
    let line = line!() + 1;
    let blocks = runtime.spawn(async {
        let stranded = spawn(async {});
        block_until(|| stranded.is_finished());
        std::thread::sleep(Duration::from_millis(10));
    });
    block_until(|| blocks.is_finished() && metrics.blocked_polls_count() == 1);
    assert!(sum(&metrics, RuntimeMetrics::worker_rescue_count) >= 1);
    let last = metrics.last_blocked_polls();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].id(), Some(blocks.id()));
    assert_eq!(
        (last[0].spawned_at().file(), last[0].spawned_at().line()),
        (file!(), line)
    );
    assert!(last[0].duration() >= Duration::from_millis(10), "{last:?}");
}

#[test]
fn a_snapshot_has_what_the_functions_say_and_prints_a_row_per_worker() {
    on_every_kind("a snapshot", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            spawn_blocking(|| ()).await.unwrap();
            let tasks: Vec<_> = (0..20).map(|_| spawn(yield_now())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.workers.len(), kind.cores());
        assert_eq!(snapshot.spawned_tasks_count, 20);
        assert_eq!(snapshot.num_blocking_threads, 1);
        let polls: u64 = snapshot.workers.iter().map(|worker| worker.polls).sum();
        assert!(polls >= 40, "{snapshot:#?}");
        let text = snapshot.to_string();
        assert_eq!(text.lines().count(), 4 + kind.cores(), "{text}");
        assert!(text.contains("of 20 spawned"), "{text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
    });
}

#[test]
fn metrics_outlive_their_runtime() {
    on_every_kind("metrics outlive", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.spawn(pending::<()>());
        drop(runtime);
        assert_eq!(
            (metrics.num_alive_tasks(), metrics.spawned_tasks_count()),
            (0, 1)
        );
        assert_eq!(metrics.num_blocked_workers(), 0);
    });
}
