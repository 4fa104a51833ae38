//! The pool for closures that block: it grows, keeps its limit, shrinks, and loses no closure.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use mini_rt_runtime::runtime::{Handle, Runtime};
use mini_rt_runtime::spawn_blocking;

use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{in_own_process, thread_ids, wait_for_only};
use support::random::Random;
use support::tasks::{Census, block_until, panic_text, quiet_panic};
use support::watchdog::Watchdog;

fn runtime(max_threads: usize, keep_alive: Duration) -> Runtime {
    let mut builder = Kind::CurrentThread.builder();
    builder
        .max_blocking_threads(max_threads)
        .thread_keep_alive(keep_alive);
    builder.build().unwrap()
}

const LONG: Duration = Duration::from_secs(100);

#[test]
fn a_closure_gives_its_result_or_its_panic() {
    on_every_kind("a closure gives its result", 30, |kind| {
        kind.build().block_on(async {
            assert_eq!(spawn_blocking(|| 6 * 7).await.unwrap(), 42);
            let error = spawn_blocking(|| quiet_panic("in a closure")).await;
            let error: mini_rt_runtime::task::JoinError = match error {
                Ok(()) => panic!("the closure panicked"),
                Err(error) => error,
            };
            assert_eq!(panic_text(&*error.into_panic()), "in a closure");
            assert_eq!(
                spawn_blocking(|| "still there").await.unwrap(),
                "still there"
            );
        });
    });
}

#[test]
fn the_pool_grows_as_closures_block() {
    let _watchdog = Watchdog::seconds("the pool grows", 30);
    let runtime = runtime(512, LONG);
    let barrier = Arc::new(Barrier::new(64));
    // Each waits for all others, so that all must run at the same time.
    let closures: Vec<_> = (0..64)
        .map(|_| {
            let barrier = barrier.clone();
            runtime.spawn_blocking(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = runtime.block_on(async {
        let mut leaders = 0;
        for closure in closures {
            leaders += usize::from(closure.await.unwrap());
        }
        leaders
    });
    assert_eq!(leaders, 1);
    assert_eq!(runtime.metrics().num_blocking_threads(), 64);
}

#[test]
fn the_pool_shrinks_when_there_is_nothing_to_do() {
    in_own_process("the_pool_shrinks_when_there_is_nothing_to_do", || {
        let _watchdog = Watchdog::seconds("the pool shrinks", 30);
        let before = thread_ids();
        let runtime = runtime(512, Duration::from_millis(50));
        let barrier = Arc::new(Barrier::new(9));
        for _ in 0..8 {
            let barrier = barrier.clone();
            drop(runtime.spawn_blocking(move || barrier.wait()));
        }
        block_until(|| runtime.metrics().num_blocking_threads() == 8);
        // A thread counts from the moment at which it is asked for.
        #[cfg(target_os = "linux")]
        block_until(|| thread_ids().len() == before.len() + 8);
        barrier.wait();
        block_until(|| runtime.metrics().num_blocking_threads() == 0);
        wait_for_only(&before);
        // And it grows again.
        let closure = runtime.spawn_blocking(|| "again");
        assert_eq!(runtime.block_on(closure).unwrap(), "again");
    });
}

#[test]
fn a_thread_serves_many_closures() {
    let _watchdog = Watchdog::seconds("a thread serves many closures", 30);
    let runtime = runtime(512, LONG);
    let mut served = HashMap::new();
    // A thread that is slow to come back for more costs another, so some may serve few.
    let mut serve_one = || {
        let closure = runtime.spawn_blocking(|| thread::current().id());
        let count: &mut usize = served
            .entry(runtime.block_on(closure).unwrap())
            .or_default();
        *count += 1;
        *count
    };
    let one_serves_many = (0..500).any(|_| serve_one() == 20);
    assert!(one_serves_many, "{served:?}");
}

#[test]
fn no_more_closures_run_than_allowed() {
    let _watchdog = Watchdog::seconds("no more closures run than allowed", 30);
    let runtime = runtime(3, LONG);
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let barrier = Arc::new(Barrier::new(4));
    let closures: Vec<_> = (0..20)
        .map(|number| {
            let (running, peak, barrier) = (running.clone(), peak.clone(), barrier.clone());
            runtime.spawn_blocking(move || {
                peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                if number < 3 {
                    barrier.wait();
                }
                running.fetch_sub(1, SeqCst);
            })
        })
        .collect();
    block_until(|| running.load(SeqCst) == 3);
    let metrics = runtime.metrics();
    assert_eq!(
        (
            metrics.num_blocking_threads(),
            metrics.blocking_queue_depth()
        ),
        (3, 17)
    );
    barrier.wait();
    runtime.block_on(async {
        for closure in closures {
            closure.await.unwrap();
        }
    });
    assert_eq!(peak.load(SeqCst), 3);
    assert_eq!(
        (
            metrics.num_blocking_threads(),
            metrics.blocking_queue_depth()
        ),
        (3, 0)
    );
}

#[test]
fn closures_that_wait_run_in_the_order_they_came() {
    let _watchdog = Watchdog::seconds("closures run in order", 30);
    let runtime = runtime(1, LONG);
    let (log, (open, gate)) = (Arc::new(Mutex::new(Vec::new())), channel::<()>());
    let mut closures = vec![runtime.spawn_blocking(move || gate.recv().unwrap())];
    closures.extend((0..50).map(|number| {
        let log = log.clone();
        runtime.spawn_blocking(move || log.lock().unwrap().push(number))
    }));
    open.send(()).unwrap();
    runtime.block_on(async {
        for closure in closures {
            closure.await.unwrap();
        }
    });
    assert_eq!(*log.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_closure_can_be_aborted_only_before_it_begins() {
    let _watchdog = Watchdog::seconds("aborting closures", 30);
    let runtime = runtime(1, LONG);
    let (census, (begin, begun), (open, gate)) = (Census::default(), channel(), channel::<()>());
    let running = runtime.spawn_blocking(move || {
        begin.send(()).unwrap();
        gate.recv().unwrap();
        "ran on"
    });
    let citizen = census.citizen();
    let waiting = runtime.spawn_blocking(move || {
        drop(citizen);
        panic!("this closure was aborted before it began");
    });
    begun.recv().unwrap();
    running.abort();
    waiting.abort();
    open.send(()).unwrap();
    runtime.block_on(async {
        assert_eq!(running.await.unwrap(), "ran on");
        assert!(waiting.await.unwrap_err().is_cancelled());
    });
    assert_eq!(census.gone(), 1);
}

#[test]
fn the_end_of_the_runtime_waits_for_what_has_begun_and_cancels_the_rest() {
    for kind in KINDS {
        let _watchdog = Watchdog::seconds(format!("the end of {kind:?} and its closures"), 30);
        let runtime = kind.builder().max_blocking_threads(1).build().unwrap();
        let (census, (begin, begun)) = (Census::default(), channel());
        let ended = Arc::new(AtomicUsize::new(0));
        let has_ended = ended.clone();
        let handle = runtime.handle().clone();
        let running = runtime.spawn_blocking(move || {
            begin.send(()).unwrap();
            // Until the runtime is shut down.
            block_until(|| handle.spawn_blocking(|| ()).is_finished());
            has_ended.fetch_add(1, SeqCst);
        });
        let citizen = census.citizen();
        let waiting = runtime.spawn_blocking(move || drop(citizen));
        begun.recv().unwrap();
        drop(runtime);
        assert_eq!(ended.load(SeqCst), 1);
        assert_eq!(census.gone(), 1);
        support::tasks::park_on(running).unwrap();
        assert!(support::tasks::park_on(waiting).unwrap_err().is_cancelled());
    }
}

#[test]
fn threads_are_made_as_the_builder_says() {
    let _watchdog = Watchdog::seconds("threads are made as the builder says", 30);
    let numbers = AtomicUsize::new(0);
    let runtime = Kind::CurrentThread
        .builder()
        .thread_name_fn(move || format!("pool-{}", numbers.fetch_add(1, SeqCst)))
        .thread_stack_size(64 << 20)
        .build()
        .unwrap();
    let closure = runtime.spawn_blocking(|| {
        // More than the default stack of 2 MiB has room for.
        let large = std::hint::black_box([1_u8; 4 << 20]);
        assert_eq!(
            large.iter().map(|&byte| usize::from(byte)).sum::<usize>(),
            4 << 20
        );
        thread::current().name().map(str::to_owned)
    });
    assert_eq!(
        runtime.block_on(closure).unwrap().as_deref(),
        Some("pool-0")
    );
}

#[test]
fn closures_from_many_threads_are_never_lost() {
    // Threads of the pool end all the time, also while a closure comes for them.
    let mut random = Random::for_test("closures_from_many_threads", 6);
    for (max_threads, keep_alive) in [(1, 0), (2, 0), (3, 50), (512, 20)] {
        let _watchdog = Watchdog::seconds("closures from many threads", 60);
        let runtime = runtime(max_threads, Duration::from_micros(keep_alive));
        let ran = Arc::new(AtomicUsize::new(0));
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let (handle, ran) = (runtime.handle().clone(), ran.clone());
                let mut random = random.branch();
                thread::spawn(move || spawn_and_wait(&handle, &ran, &mut random))
            })
            .collect();
        spawners
            .into_iter()
            .for_each(|spawner| spawner.join().unwrap());
        assert_eq!(ran.load(SeqCst), 4 * 500);
        block_until(|| runtime.metrics().num_blocking_threads() == 0);
    }
}

fn spawn_and_wait(handle: &Handle, ran: &Arc<AtomicUsize>, random: &mut Random) {
    let mut left = 500;
    while left > 0 {
        let batch = (1 + random.below(3)).min(left);
        let closures: Vec<_> = (0..batch)
            .map(|_| {
                let ran = ran.clone();
                handle.spawn_blocking(move || ran.fetch_add(1, SeqCst))
            })
            .collect();
        for closure in closures {
            support::tasks::park_on(closure).unwrap();
        }
        left -= batch;
        if random.one_in(4) {
            thread::sleep(Duration::from_micros(random.below(100) as u64));
        }
    }
}
