//! Ending a runtime without waiting for ever: what is done in time is waited for, what is not goes on by
//! itself and ends, and what has not begun is cancelled.
//!
//! What holds a thread up here waits for a gate that is opened only after the shutdown has returned. So
//! that it returns at all shows that it does not wait.

mod support;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use mini_rt::runtime::{Builder, Handle, Runtime};
use mini_rt::task::{JoinHandle, block_in_place, yield_now};

use support::kinds::{KINDS, Kind, on_every_kind};
use support::process::{in_own_process, open_fds, thread_ids, wait_for_only};
use support::tasks::{
    Census, Citizen, Mailbox, OnDrop, block_until, panic_of, park_on, until, waiting_tasks,
};
use support::watchdog::Watchdog;

const SHORT: Duration = Duration::from_millis(30);
/// Longer than any watchdog waits.
const LONG: Duration = Duration::from_secs(100_000);

/// Ways to end a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Drop,
    Timeout(Duration),
    Background,
}

const PATIENT: [End; 3] = [End::Drop, End::Timeout(LONG), End::Timeout(Duration::MAX)];
const IMPATIENT: [End; 3] = [
    End::Timeout(SHORT),
    End::Timeout(Duration::ZERO),
    End::Background,
];

impl End {
    fn end(self, runtime: Runtime) {
        match self {
            Self::Drop => drop(runtime),
            Self::Timeout(limit) => runtime.shutdown_timeout(limit),
            Self::Background => runtime.shutdown_background(),
        }
    }
}

/// Runs a scenario for each kind of runtime and each of these ways to end it.
fn for_each_end(test: &str, ends: [End; 3], mut scenario: impl FnMut(Kind, End)) {
    for end in ends {
        on_every_kind(&format!("{test}, {end:?}"), 30, |kind| scenario(kind, end));
    }
}

/// Something that holds its thread up until it is let go.
struct Hold {
    begin: Sender<()>,
    gate: Receiver<()>,
}

/// The other side of a [`Hold`].
struct Gate {
    begun: Receiver<()>,
    open: Sender<()>,
}

fn hold() -> (Hold, Gate) {
    let ((begin, begun), (open, gate)) = (channel(), channel());
    (Hold { begin, gate }, Gate { begun, open })
}

impl Hold {
    fn wait(&self) {
        self.begin.send(()).unwrap();
        self.gate.recv().expect("the gate is opened");
    }
}

impl Gate {
    fn wait_for_begin(&self) {
        self.begun.recv().expect("it begins");
    }

    fn open(&self) {
        self.open.send(()).expect("somebody is held up");
    }
}

/// A future that waits for ever, and whose drop is counted.
async fn waits(citizen: Citizen) {
    let _citizen = citizen;
    pending::<()>().await;
}

fn assert_cancelled<T: std::fmt::Debug>(handle: JoinHandle<T>) {
    assert!(park_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn what_ends_in_time_is_waited_for() {
    for_each_end("what ends in time", PATIENT, |kind, end| {
        let (ended, census) = (Arc::new(AtomicBool::new(false)), Census::default());
        let stopped = ended.clone();
        let mut builder = kind.builder();
        let runtime = builder
            .on_thread_stop(move || assert!(stopped.load(SeqCst)))
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        let (begin, begun) = channel();
        let has_ended = ended.clone();
        let closure = runtime.spawn_blocking(move || {
            begin.send(()).unwrap();
            // Until the runtime is shut down.
            while !handle.spawn_blocking(|| ()).is_finished() {
                thread::yield_now();
            }
            has_ended.store(true, SeqCst);
            "to the end"
        });
        let tasks: Vec<_> = (0..10)
            .map(|_| runtime.spawn(waits(census.citizen())))
            .collect();
        begun.recv().unwrap();
        end.end(runtime);
        assert!(ended.load(SeqCst));
        assert_eq!(census.gone(), 10);
        assert_eq!(park_on(closure).unwrap(), "to the end");
        tasks.into_iter().for_each(assert_cancelled);
    });
}

#[test]
fn a_closure_that_has_begun_is_let_go_and_runs_to_its_end() {
    for_each_end("a closure that has begun", IMPATIENT, |kind, end| {
        let (census, (held, gate)) = (Census::default(), hold());
        let runtime = kind.build();
        let citizen = census.citizen();
        let closure = runtime.spawn_blocking(move || {
            let _citizen = citizen;
            held.wait();
            "to the end"
        });
        let task = runtime.spawn(waits(census.citizen()));
        gate.wait_for_begin();
        let begin = Instant::now();
        end.end(runtime);
        let took = begin.elapsed();
        if let End::Timeout(limit) = end {
            assert!(took >= limit, "{took:?} of {limit:?}");
        }
        // The task is dropped whatever the closure does.
        assert_cancelled(task);
        assert!(!closure.is_finished());
        assert_eq!(census.alive(), 1);
        gate.open();
        assert_eq!(park_on(closure).unwrap(), "to the end");
        block_until(|| census.alive() == 0);
    });
}

#[test]
fn closures_that_have_not_begun_are_cancelled_at_once() {
    for_each_end("closures that have not begun", IMPATIENT, |kind, end| {
        let (census, (held, gate)) = (Census::default(), hold());
        let runtime = kind.builder().max_blocking_threads(1).build().unwrap();
        let handle = runtime.handle().clone();
        let running = runtime.spawn_blocking(move || held.wait());
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let citizen = census.citizen();
                runtime.spawn_blocking(move || drop(citizen))
            })
            .collect();
        gate.wait_for_begin();
        end.end(runtime);
        waiting.into_iter().for_each(assert_cancelled);
        assert_eq!(census.gone(), 10);
        // So is what comes too late.
        assert_cancelled(handle.spawn_blocking(|| ()));
        assert_eq!(handle.metrics().blocking_queue_depth(), 0);
        gate.open();
        park_on(running).unwrap();
    });
}

#[test]
fn a_task_that_blocks_its_worker_is_let_go_and_the_end_comes_after_it() {
    in_own_process(
        "a_task_that_blocks_its_worker_is_let_go_and_the_end_comes_after_it",
        || {
            let (fds, threads) = (open_fds(), thread_ids());
            for_each_end("a blocked worker", IMPATIENT, |kind, end| {
                if kind == Kind::CurrentThread {
                    return;
                }
                let (census, (held, gate)) = (Census::default(), hold());
                let runtime = kind.build();
                drop(waiting_tasks(&runtime, 20, &census));
                let metrics = runtime.metrics();
                let citizen = census.citizen();
                let blocked = runtime.spawn(async move {
                    let _citizen = citizen;
                    held.wait();
                    loop {
                        yield_now().await;
                    }
                });
                gate.wait_for_begin();
                let begin = Instant::now();
                end.end(runtime);
                let took = begin.elapsed();
                if let End::Timeout(limit) = end {
                    assert!(took >= limit, "{took:?} of {limit:?}");
                }
                assert!(!blocked.is_finished());
                gate.open();
                let Err(error) = park_on(blocked);
                assert!(error.is_cancelled());
                block_until(|| census.alive() == 0 && metrics.num_alive_tasks() == 0);
                drop(metrics);
            });
            wait_for_only(&threads);
            assert_eq!(open_fds(), fds);
        },
    );
}

#[test]
fn a_task_in_block_in_place_is_let_go() {
    for_each_end("a task in block_in_place", IMPATIENT, |kind, end| {
        if kind == Kind::CurrentThread {
            return;
        }
        let (census, (held, gate)) = (Census::default(), hold());
        let runtime = kind.build();
        let citizen = census.citizen();
        let blocked = runtime.spawn(async move {
            let _citizen = citizen;
            block_in_place(|| held.wait());
            pending::<()>().await;
        });
        gate.wait_for_begin();
        end.end(runtime);
        assert!(!blocked.is_finished());
        gate.open();
        assert_cancelled(blocked);
        assert_eq!(census.gone(), 1);
    });
}

#[test]
fn a_future_whose_drop_blocks_is_let_go_too() {
    for_each_end("a drop that blocks", IMPATIENT, |kind, end| {
        if kind == Kind::CurrentThread {
            // There the caller drops the futures.
            return;
        }
        let (held, gate) = hold();
        let runtime = kind.build();
        let blocks = OnDrop::new(move || held.wait());
        let task = runtime.spawn(async move {
            let _blocks = blocks;
            pending::<()>().await;
        });
        runtime.block_on(yield_now());
        end.end(runtime);
        gate.wait_for_begin();
        gate.open();
        assert_cancelled(task);
    });
}

#[test]
fn a_runtime_ended_in_the_background_leaves_nothing() {
    in_own_process("a_runtime_ended_in_the_background_leaves_nothing", || {
        let (fds, threads) = (open_fds(), thread_ids());
        for_each_end("leaves nothing", IMPATIENT, |kind, end| {
            for round in 0..30 {
                let census = Census::default();
                let runtime = kind.build();
                if round % 2 == 0 {
                    drop(runtime.spawn(waits(census.citizen())));
                    drop(runtime.spawn_blocking(|| ()));
                    runtime.block_on(yield_now());
                }
                end.end(runtime);
                block_until(|| census.alive() == 0);
            }
        });
        wait_for_only(&threads);
        block_until(|| open_fds() == fds);
    });
}

#[test]
fn async_code_may_end_another_runtime_in_the_background() {
    let ends = [
        End::Background,
        End::Timeout(Duration::ZERO),
        End::Background,
    ];
    for_each_end("ended by async code", ends, |kind, end| {
        for outer in KINDS {
            let (census, (held, gate)) = (Census::default(), hold());
            let inner = kind.build();
            let task = inner.spawn(waits(census.citizen()));
            let closure = inner.spawn_blocking(move || held.wait());
            gate.wait_for_begin();
            let outer = outer.build();
            outer.block_on(async move {
                let ends = mini_rt::spawn(async move {
                    end.end(inner);
                    // The current runtime is still this one.
                    mini_rt::spawn(async { 3 }).await.unwrap()
                });
                assert_eq!(ends.await.unwrap(), 3);
            });
            assert_cancelled(task);
            assert!(!closure.is_finished());
            gate.open();
            park_on(closure).unwrap();
        }
    });
}

#[test]
fn a_task_may_end_its_own_runtime_in_the_background() {
    on_every_kind("a task ends its own runtime", 30, |kind| {
        let (census, bring) = (Census::default(), Arc::new(Mailbox::<Runtime>::new()));
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let other = runtime.spawn(waits(census.citizen()));
        let brought = bring.clone();
        let ends = handle.spawn(async move {
            brought.take().await.shutdown_background();
            // Its thread hears of it between tasks.
            loop {
                drop(mini_rt::spawn(async {}).await);
            }
        });
        bring.put(runtime);
        let result = match kind {
            // Somebody must run the task.
            Kind::CurrentThread => handle.block_on(ends),
            Kind::MultiThread(_) => park_on(ends),
        };
        let Err(error) = result;
        assert!(error.is_cancelled());
        assert_cancelled(other);
        assert_eq!(census.gone(), 1);
    });
}

fn assert_sentence(text: &str, words: &[&str]) {
    assert!(!text.contains('\n') && !text.contains(". "), "{text:?}");
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

#[test]
fn waiting_for_the_end_inside_async_code_panics_and_names_the_way_out() {
    on_every_kind("waiting inside async code", 30, |kind| {
        let census = Census::default();
        let words = ["inside async code", "`shutdown_background`"];
        let inner = kind.build();
        let task = inner.spawn(waits(census.citizen()));
        Kind::CurrentThread.build().block_on(async {
            let text = panic_of(|| inner.shutdown_timeout(SHORT));
            assert_sentence(&text, &["`shutdown_timeout`"]);
            assert_sentence(&text, &words);
            let inner = kind.build();
            assert_sentence(&panic_of(|| drop(inner)), &words);
        });
        // It has ended all the same.
        assert_cancelled(task);
        assert_eq!(census.gone(), 1);
    });
}

#[test]
fn a_worker_that_would_wait_for_itself_panics_instead() {
    for_each_end("a worker ends its runtime", PATIENT, |kind, end| {
        if kind == Kind::CurrentThread {
            return;
        }
        let (runtime, (tell, told)) = (kind.build(), channel());
        let handle = runtime.handle().clone();
        let task = handle.spawn(async move {
            // The thread may block here, but the runtime's end would wait for this very task.
            let text = block_in_place(|| panic_of(|| end.end(runtime)));
            tell.send(text).unwrap();
            pending::<()>().await;
        });
        let text = told.recv().expect("the call comes back");
        assert_sentence(&text, &["inside async code", "`shutdown_background`"]);
        assert_cancelled(task);
    });
}

#[test]
fn a_blocking_closure_may_end_its_own_runtime() {
    let ends = [End::Drop, End::Timeout(LONG), End::Background];
    for_each_end("ended by its own closure", ends, |kind, end| {
        let census = Census::default();
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let task = runtime.spawn(waits(census.citizen()));
        let other = handle.spawn_blocking(|| ());
        let closure = handle.spawn_blocking(move || {
            end.end(runtime);
            Handle::current().spawn_blocking(|| ())
        });
        assert_cancelled(park_on(closure).unwrap());
        assert_cancelled(task);
        assert_eq!(census.gone(), 1);
        // It was brought before, but may not have begun.
        drop(park_on(other));
    });
}

#[test]
fn hooks_of_threads_that_were_let_go_are_called_at_their_end() {
    on_every_kind("hooks of threads let go", 30, |kind| {
        let (stopped, (held, gate)) = (Census::default(), hold());
        let stop = stopped.clone();
        let runtime = kind
            .builder()
            .on_thread_stop(move || drop(stop.citizen()))
            .build()
            .unwrap();
        let closure = runtime.spawn_blocking(move || held.wait());
        gate.wait_for_begin();
        runtime.shutdown_timeout(SHORT);
        // Workers may still be on their way, but not the closure's thread.
        assert!(stopped.gone() <= kind.workers());
        gate.open();
        park_on(closure).unwrap();
        block_until(|| stopped.gone() == kind.workers() + 1);
    });
}

#[test]
fn a_failed_build_waits_for_the_threads_it_has_started() {
    in_own_process(
        "a_failed_build_waits_for_the_threads_it_has_started",
        || {
            let _watchdog = Watchdog::seconds("a failed build", 30);
            let before = thread_ids();
            let names = AtomicUsize::new(0);
            let stopped = Census::default();
            let stop = stopped.clone();
            let error = Builder::new_multi_thread()
                .worker_threads(4)
                .thread_name_fn(move || {
                    assert!(names.fetch_add(1, SeqCst) < 2, "no third name");
                    "named".to_owned()
                })
                .on_thread_stop(move || drop(stop.citizen()))
                .build()
                .map(drop)
                .unwrap_err();
            assert!(error.to_string().contains("names"), "{error}");
            assert_eq!(stopped.gone(), 2);
            wait_for_only(&before);
            // Inside async code it is an error as well, not a panic.
            mini_rt::block_on(async {
                let panics = || -> String { panic!("no name") };
                let result = Builder::new_multi_thread()
                    .worker_threads(2)
                    .thread_name_fn(panics)
                    .build();
                assert!(result.map(drop).is_err());
                until(|| thread_ids() == before).await;
            });
        },
    );
}
