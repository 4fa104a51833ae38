//! Destructors that use a runtime, wherever they run: in tasks, in closures, and when a thread ends.

mod support;

use std::cell::RefCell;
use std::future::{pending, ready};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use mini_rt_runtime::runtime::{Handle, Runtime};
use mini_rt_runtime::spawn;

use support::kinds::{KINDS, Kind, on_every_kind};
use support::tasks::{OnDrop, park_on, quiet_panic, until};
use support::watchdog::Watchdog;

#[test]
fn destructors_spawn_wherever_they_run() {
    on_every_kind("destructors spawn", 30, |kind| {
        let runtime = kind.build();
        let results = Arc::new(Mutex::new(Vec::new()));
        let spawns = |value: &'static str| {
            let results = results.clone();
            OnDrop::new(move || {
                drop(spawn(async move { results.lock().unwrap().push(value) }));
            })
        };
        let count = || results.lock().unwrap().len();
        // Of a task that is aborted.
        let aborted = spawns("aborted");
        let task = runtime.spawn(async move {
            let _aborted = aborted;
            pending::<()>().await;
        });
        task.abort();
        // Of an output that nobody takes.
        let output = spawns("output");
        drop(runtime.spawn(async move { output }));
        // Of a blocking closure.
        let closure = spawns("closure");
        drop(runtime.spawn_blocking(move || drop(closure)));
        // Of a future that panics.
        let panicked = spawns("panicked");
        drop(runtime.spawn(async move {
            let _panicked = panicked;
            quiet_panic("in a task")
        }));
        // On another thread, in the runtime's scope.
        let (outside, handle) = (spawns("outside"), runtime.handle().clone());
        let thread = thread::spawn(move || {
            let _guard = handle.enter();
            drop(outside);
        });
        thread.join().unwrap();
        runtime.block_on(until(|| count() == 5));
        let mut results = results.lock().unwrap().clone();
        results.sort_unstable();
        assert_eq!(
            results,
            ["aborted", "closure", "output", "outside", "panicked"]
        );
    });
}

type AtTheEnd = OnDrop<Box<dyn FnOnce()>>;

thread_local! {
    /// Dropped when its thread ends.
    static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// Calls a closure when this thread ends. Some other thread-locals of the thread are gone by then.
fn at_the_end(closure: impl FnOnce() + 'static) {
    LAST.with(|last| *last.borrow_mut() = Some(OnDrop::new(Box::new(closure))));
}

#[test]
fn destructors_of_thread_locals_may_use_a_handle() {
    on_every_kind("destructors of thread-locals", 30, |kind| {
        let runtime = kind.build();
        // The thread's first thread-local is ours, or the runtime's.
        for early in [true, false] {
            let (handle, (send, receive)) = (runtime.handle().clone(), channel());
            let body = move || {
                let last = handle.clone();
                if !early {
                    drop(handle.enter());
                }
                at_the_end(move || {
                    assert!(Handle::try_current().is_err());
                    let task = last.spawn(async { "task" });
                    let closure = last.spawn_blocking(|| "closure");
                    drop(last.enter());
                    assert_eq!(last.block_on(ready("block_on")), "block_on");
                    send.send((task, closure)).unwrap();
                });
                if early {
                    drop(handle.enter());
                }
            };
            thread::spawn(body).join().unwrap();
            let (task, closure) = receive.recv().expect("the destructor has got so far");
            assert_eq!(runtime.block_on(task).unwrap(), "task");
            assert_eq!(runtime.block_on(closure).unwrap(), "closure");
        }
    });
}

#[test]
fn destructors_of_the_runtimes_own_thread_locals_may_use_a_handle() {
    for kind in KINDS {
        let _watchdog = Watchdog::seconds(format!("thread-locals of {kind:?}"), 30);
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let log = Arc::new(Mutex::new(Vec::new()));
        let done = log.clone();
        let plant = move |place: &'static str| {
            at_the_end(move || {
                // There may be none any more.
                drop(Handle::try_current());
                // If they came too late they are cancelled, so this is no wait for ever.
                let task = park_on(handle.spawn(async {}));
                let closure = park_on(handle.spawn_blocking(|| ()));
                for error in [task, closure].into_iter().filter_map(Result::err) {
                    assert!(error.is_cancelled());
                }
                done.lock().unwrap().push(place);
            });
        };
        let in_pool = plant.clone();
        park_on(runtime.spawn_blocking(move || in_pool("pool"))).unwrap();
        let mut expected = vec!["pool"];
        if kind != Kind::CurrentThread {
            park_on(runtime.spawn(async move { plant("worker") })).unwrap();
            expected.push("worker");
        }
        // This joins the threads.
        drop(runtime);
        let mut done = log.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, expected);
    }
}

#[test]
fn a_scope_may_end_with_its_thread() {
    on_every_kind("a scope ends with its thread", 30, |kind| {
        let runtime = Box::into_raw(Box::new(kind.build()));
        // SAFETY: the box is there until the end of the test.
        let shared: &'static Runtime = unsafe { &*runtime };
        thread::spawn(|| {
            let guard = shared.enter();
            at_the_end(move || drop(guard));
        })
        .join()
        .unwrap();
        assert!(shared.block_on(async { Handle::try_current().is_ok() }));
        // SAFETY: it came out of a box, and the guard went with its thread.
        drop(unsafe { Box::from_raw(runtime) });
    });
}
