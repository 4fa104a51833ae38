//! Hooks: each is called when and where the builder says, finds the runtime, and may panic.

mod support;

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use mini_rt_runtime::runtime::{BlockedTask, Builder, Handle, TaskMeta};
use mini_rt_runtime::task::Id;
use mini_rt_runtime::{TaskBuilder, block_in_place, spawn, spawn_blocking, yield_now};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{Mailbox, block_until, on_thread, park_on, quiet_panic, until};
use support::watchdog::Watchdog;

/// What hooks have written down.
#[derive(Debug)]
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Log<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn write(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    fn read(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Writes down which threads begin and end.
fn log_threads(builder: &mut Builder) -> (Log<ThreadId>, Log<ThreadId>) {
    let (started, stopped) = (Log::new(), Log::new());
    let (on_start, on_stop) = (started.clone(), stopped.clone());
    builder
        .on_thread_start(move || on_start.write(thread::current().id()))
        .on_thread_stop(move || on_stop.write(thread::current().id()));
    (started, stopped)
}

fn assert_same_threads(started: &Log<ThreadId>, stopped: &Log<ThreadId>) {
    let sorted = |log: &Log<ThreadId>| {
        let mut threads = log.read();
        threads.sort_by_key(|thread| format!("{thread:?}"));
        threads
    };
    let (started, stopped) = (sorted(started), sorted(stopped));
    assert_eq!(started, stopped);
    let mut distinct = started.clone();
    distinct.dedup();
    assert_eq!(started, distinct);
}

#[test]
fn each_thread_tells_of_its_start_and_its_end() {
    on_every_kind("threads tell of start and end", 30, |kind| {
        let mut builder = kind.builder();
        let (started, stopped) = log_threads(&mut builder);
        let runtime = builder.build().unwrap();
        let caller = thread::current().id();
        let known = started.clone();
        runtime.block_on(async {
            let knows = known.clone();
            let in_task = spawn(async move {
                let own = thread::current().id();
                knows.read().contains(&own) || own == caller
            });
            assert!(in_task.await.unwrap());
            let in_closure = spawn_blocking(move || known.read().contains(&thread::current().id()));
            assert!(in_closure.await.unwrap());
        });
        assert_eq!(stopped.len(), 0);
        drop(runtime);
        assert_eq!(started.len(), kind.workers() + 1, "{kind:?}");
        assert_same_threads(&started, &stopped);
    });
}

#[test]
fn a_thread_that_is_not_needed_any_more_tells_of_its_end() {
    on_every_kind("a thread not needed", 30, |kind| {
        let mut builder = kind.builder();
        builder.thread_keep_alive(Duration::from_millis(1));
        let (started, stopped) = log_threads(&mut builder);
        let runtime = builder.build().unwrap();
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        block_until(|| stopped.len() == 1);
        assert!(started.read().contains(&stopped.read()[0]));
    });
}

#[test]
fn threads_that_replace_others_tell_too() {
    let _watchdog = Watchdog::seconds("threads that replace others", 30);
    let mut builder = Kind::MultiThread(1).builder();
    let (started, stopped) = log_threads(&mut builder);
    let runtime = builder.build().unwrap();
    let blocked = runtime.spawn(async {
        let own = thread::current().id();
        let elsewhere = Handle::current().spawn(async { thread::current().id() });
        assert_ne!(block_in_place(|| park_on(elsewhere)).unwrap(), own);
    });
    park_on(blocked).unwrap();
    drop(runtime);
    assert_eq!(started.len(), 2);
    assert_same_threads(&started, &stopped);
}

#[test]
fn hooks_of_threads_find_the_runtime() {
    on_every_kind("hooks find the runtime", 30, |kind| {
        let (found, ran) = (Log::new(), Arc::new(AtomicUsize::new(0)));
        let look = |hook: &'static str| {
            let (found, ran) = (found.clone(), ran.clone());
            move || {
                let handle = Handle::try_current();
                found.write((hook, handle.is_ok()));
                let ran = ran.clone();
                drop(handle.map(|handle| {
                    handle.spawn(async move {
                        ran.fetch_add(1, SeqCst);
                    })
                }));
            }
        };
        let runtime = kind
            .builder()
            .on_thread_start(look("start"))
            .on_thread_stop(look("stop"))
            .build()
            .unwrap();
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        // Each worker's start has spawned a task, and so has the blocking thread's.
        runtime.block_on(until(|| ran.load(SeqCst) == kind.workers() + 1));
        drop(runtime);
        let found = found.read();
        assert_eq!(found.len(), 2 * (kind.workers() + 1), "{found:?}");
        assert!(found.iter().all(|(_, found)| *found), "{found:?}");
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Park,
    Unpark,
}

/// Writes down which threads go to sleep and wake up.
fn log_rests(builder: &mut Builder) -> Log<(ThreadId, Rest)> {
    let log = Log::new();
    let (on_park, on_unpark) = (log.clone(), log.clone());
    builder
        .on_thread_park(move || on_park.write((thread::current().id(), Rest::Park)))
        .on_thread_unpark(move || on_unpark.write((thread::current().id(), Rest::Unpark)));
    log
}

#[test]
fn a_thread_tells_when_it_goes_to_sleep_and_when_it_has_woken() {
    on_every_kind("sleeping and waking", 30, |kind| {
        let mut builder = kind.builder();
        let log = log_rests(&mut builder);
        let runtime = builder.build().unwrap();
        let gate = Arc::new(Mailbox::new());
        let waits = gate.clone();
        let seen = log.clone();
        let caller = thread::current().id();
        runtime.block_on(async {
            let task = spawn(async move { waits.take().await });
            let opened = on_thread(move || {
                // The thread that drives the future has nothing to do but to wait for this one.
                block_until(|| seen.read().contains(&(caller, Rest::Park)));
                gate.put(7);
            });
            opened.await;
            assert_eq!(task.await.unwrap(), 7);
        });
        drop(runtime);
        let mut states = HashMap::new();
        for (thread, rest) in log.read() {
            let before = states.insert(thread, rest).unwrap_or(Rest::Unpark);
            assert_ne!(before, rest, "{:?}", log.read());
        }
        assert_eq!(states[&caller], Rest::Unpark);
        assert!(
            states.values().all(|rest| *rest == Rest::Unpark),
            "{states:?}"
        );
    });
}

#[test]
fn a_worker_tells_when_it_goes_to_sleep() {
    let _watchdog = Watchdog::seconds("a worker sleeps", 30);
    let mut builder = Kind::MultiThread(1).builder();
    let log = log_rests(&mut builder);
    let runtime = builder.build().unwrap();
    for round in 1..=10 {
        let worker = park_on(runtime.spawn(async { thread::current().id() })).unwrap();
        let parks = || {
            let log = log.read();
            let parks = log.iter().filter(|entry| **entry == (worker, Rest::Park));
            parks.count()
        };
        block_until(|| parks() >= round);
    }
}

#[test]
fn what_is_spawned_before_a_sleep_runs() {
    on_every_kind("spawned before a sleep", 30, |kind| {
        let (first, done) = (AtomicBool::new(true), Arc::new(Mailbox::new()));
        let tells = done.clone();
        let runtime = kind
            .builder()
            .on_thread_park(move || {
                if first.swap(false, SeqCst) {
                    let tells = tells.clone();
                    drop(spawn(async move { tells.put(thread::current().id()) }));
                }
            })
            .build()
            .unwrap();
        // Nothing else ever wakes anybody.
        drop(runtime.spawn(async {}));
        runtime.block_on(done.take());
    });
}

/// A task, as a hook has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    id: Id,
    name: Option<String>,
    line: u32,
}

impl Seen {
    fn new(task: &TaskMeta<'_>) -> Self {
        assert_eq!(task.spawned_at().file(), file!());
        Self {
            id: task.id(),
            name: task.name().map(str::to_owned),
            line: task.spawned_at().line(),
        }
    }
}

/// Writes down which tasks begin and end.
fn log_tasks(builder: &mut Builder) -> (Log<Seen>, Log<Seen>) {
    let (spawned, over) = (Log::new(), Log::new());
    let (on_spawn, on_end) = (spawned.clone(), over.clone());
    builder
        .on_task_spawn(move |task| on_spawn.write(Seen::new(task)))
        .on_task_terminate(move |task| on_end.write(Seen::new(task)));
    (spawned, over)
}

#[test]
fn each_task_is_told_of_when_it_is_spawned_and_when_it_is_over() {
    on_every_kind("tasks are told of", 30, |kind| {
        let mut builder = kind.builder();
        let (spawned, over) = log_tasks(&mut builder);
        let runtime = builder.build().unwrap();
        let handle = runtime.handle().clone();
        let line = line!() + 1;
        let from_outside = runtime.spawn(async { 1 });
        let seen = spawned.read();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].id, seen[0].line), (from_outside.id(), line));
        runtime.block_on(async {
            assert_eq!(from_outside.await.unwrap(), 1);
            let panics = spawn(async { quiet_panic("in a task") });
            let mut ids = vec![panics.id()];
            assert!(panics.await.unwrap_err().is_panic());
            let aborted = TaskBuilder::new().name("waits").spawn(pending::<()>());
            ids.push(aborted.id());
            aborted.abort();
            assert!(aborted.await.unwrap_err().is_cancelled());
            let named = |seen: &Seen| seen.name.as_deref() == Some("waits");
            assert_eq!(spawned.read().iter().filter(|seen| named(seen)).count(), 1);
            until(|| {
                ids.iter()
                    .all(|id| over.read().iter().any(|seen| seen.id == *id))
            })
            .await;
            // These are no tasks.
            spawn_blocking(|| ()).await.unwrap();
            drop(spawn(pending::<()>()));
            yield_now().await;
        });
        assert_eq!((spawned.len(), over.len()), (4, 3));
        drop(runtime);
        // After the runtime's end too: a task that is cancelled at once.
        drop(handle.spawn(async {}));
        let (mut spawned, mut over) = (spawned.read(), over.read());
        spawned.sort_by_key(|seen| seen.id);
        over.sort_by_key(|seen| seen.id);
        assert_eq!(spawned, over);
        assert_eq!(spawned.len(), 5);
    });
}

#[test]
fn a_task_is_told_of_before_it_runs_and_after_it_was_dropped() {
    on_every_kind("before and after a task", 30, |kind| {
        struct Body(Log<&'static str>);
        impl Drop for Body {
            fn drop(&mut self) {
                self.0.write("dropped");
            }
        }
        let log = Log::new();
        let (on_spawn, on_end) = (log.clone(), log.clone());
        let runtime = kind
            .builder()
            .on_task_spawn(move |_| on_spawn.write("spawned"))
            .on_task_terminate(move |_| on_end.write("over"))
            .build()
            .unwrap();
        let body = Body(log.clone());
        let task = runtime.spawn(async move { body.0.write("runs") });
        runtime.block_on(task).unwrap();
        runtime.block_on(until(|| log.len() == 4));
        assert_eq!(log.read(), ["spawned", "runs", "dropped", "over"]);
    });
}

#[test]
fn a_hook_may_end_the_runtime_into_which_a_thread_outside_spawns() {
    let _watchdog = Watchdog::seconds("a hook ends the runtime", 30);
    let place = Arc::new(Mutex::new(None));
    let on_spawn = place.clone();
    let runtime = Builder::new_current_thread()
        .on_task_spawn(move |_| drop(on_spawn.lock().unwrap().take()))
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    *place.lock().unwrap() = Some(runtime);
    let task = thread::spawn(move || handle.spawn(async {}));
    assert!(park_on(task.join().unwrap()).unwrap_err().is_cancelled());
    assert!(place.lock().unwrap().is_none());
}

#[test]
fn hooks_that_panic_take_no_thread_down() {
    on_every_kind("hooks that panic", 30, |kind| {
        let calls = Arc::new(AtomicUsize::new(0));
        let panics = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, SeqCst);
                quiet_panic("in a hook")
            }
        };
        let (spawned, over) = (panics(), panics());
        let runtime = kind
            .builder()
            .on_thread_start(panics())
            .on_thread_stop(panics())
            .on_thread_park(panics())
            .on_thread_unpark(panics())
            .on_task_spawn(move |_| spawned())
            .on_task_terminate(move |_| over())
            .thread_keep_alive(Duration::ZERO)
            .build()
            .unwrap();
        for round in 0..20 {
            let sum = runtime.block_on(async {
                let task = spawn(async move { round });
                let closure = spawn_blocking(move || round);
                on_thread(|| ()).await;
                task.await.unwrap() + closure.await.unwrap()
            });
            assert_eq!(sum, 2 * round);
        }
        drop(runtime);
        // Each task begins and ends, and at least one thread for closures.
        let calls = calls.load(SeqCst);
        assert!(calls >= 20 * 2 + 2, "{calls} calls on {kind:?}");
    });
}

#[test]
fn a_task_that_blocks_its_worker_is_told_of() {
    const THRESHOLD: Duration = Duration::from_millis(100);
    for kind in [Kind::MultiThread(2), Kind::MultiThread(4)] {
        let _watchdog = Watchdog::seconds(format!("a blocking task on {kind:?}"), 60);
        let log: Log<BlockedTask> = Log::new();
        let hook = log.clone();
        let runtime = kind
            .builder()
            .on_blocked(THRESHOLD, move |task| hook.write(task.clone()))
            .build()
            .unwrap();
        let (mut lines, mut ids) = (Vec::new(), Vec::new());
        // A sibling must come to notice it, which on a loaded machine it may not in time.
        while log.len() < 2 {
            for duration in [THRESHOLD / 5, 2 * THRESHOLD] {
                lines.push(line!() + 1);
                let task = runtime.spawn(async move { thread::sleep(duration) });
                ids.push(task.id());
                park_on(task).unwrap();
                // The end of the poll is noticed when the next one begins.
                for _ in 0..kind.workers() {
                    park_on(runtime.spawn(yield_now())).unwrap();
                }
            }
        }
        drop(runtime);
        for task in log.read() {
            assert!(task.duration() >= THRESHOLD, "{task:?}");
            assert!(task.worker() < kind.workers(), "{task:?}");
            let id = task.id().expect("it was no `block_on`");
            assert!(ids.contains(&id), "{task:?} is none of {ids:?}");
            assert_eq!(task.spawned_at().file(), file!());
            assert!(lines.contains(&task.spawned_at().line()), "{task:?}");
        }
    }
}
