//! Handles and the current runtime: several runtimes in one process and in one thread, and spawning from
//! wherever code runs.

mod support;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use mini_rt_runtime::runtime::{Handle, Runtime, RuntimeFlavor};
use mini_rt_runtime::{block_in_place, spawn, spawn_blocking, yield_now};

use support::kinds::{KINDS, Kind, on_every_kind};
use support::tasks::{Mailbox, OnDrop, block_until, panic_of, park_on, quiet_panic, until};

/// A runtime whose threads have this name.
fn named(kind: Kind, name: &'static str) -> Runtime {
    kind.builder().thread_name(name).build().unwrap()
}

/// The name of the current runtime's threads.
fn current_name() -> String {
    name_of(&Handle::current())
}

fn name_of(handle: &Handle) -> String {
    let closure = handle.spawn_blocking(|| thread::current().name().map(str::to_owned));
    park_on(closure).unwrap().expect("a thread with a name")
}

#[test]
fn a_handle_tells_the_flavor_of_its_runtime() {
    on_every_kind("a handle tells the flavor", 30, |kind| {
        let expected = match kind {
            Kind::CurrentThread => RuntimeFlavor::CurrentThread,
            Kind::MultiThread(_) => RuntimeFlavor::MultiThread,
        };
        let runtime = kind.build();
        assert_eq!(runtime.handle().runtime_flavor(), expected);
        runtime.block_on(async {
            assert_eq!(Handle::current().runtime_flavor(), expected);
        });
        let handle = runtime.handle().clone();
        drop(runtime);
        assert_eq!(handle.runtime_flavor(), expected);
        assert!(format!("{handle:?}").contains("Handle"));
    });
}

#[test]
fn a_handle_blocks_on_futures_from_any_thread_that_may_block() {
    on_every_kind("a handle blocks on futures", 30, |kind| {
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let sum = async || spawn(async { 1 }).await.unwrap() + spawn(async { 2 }).await.unwrap();
        assert_eq!(handle.block_on(sum()), 3);
        let elsewhere = thread::spawn(move || handle.block_on(sum()));
        assert_eq!(elsewhere.join().unwrap(), 3);
        let in_closure = runtime.spawn_blocking(move || Handle::current().block_on(sum()));
        assert_eq!(runtime.block_on(in_closure).unwrap(), 3);
        if kind != Kind::CurrentThread {
            let in_place =
                runtime.spawn(async move { block_in_place(|| Handle::current().block_on(sum())) });
            assert_eq!(park_on(in_place).unwrap(), 3);
        }
    });
}

#[test]
fn a_handle_blocks_on_futures_when_its_runtime_is_gone() {
    on_every_kind("a handle of a runtime that is gone", 30, |kind| {
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        drop(runtime);
        handle.block_on(async {
            yield_now().await;
            assert!(spawn(async {}).await.unwrap_err().is_cancelled());
            assert!(spawn_blocking(|| ()).await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_runtime_may_end_while_a_handle_blocks_on_a_future() {
    on_every_kind("a runtime ends meanwhile", 30, |kind| {
        let runtime = kind.build();
        let (handle, gate) = (runtime.handle().clone(), Arc::new(Mailbox::new()));
        let (waits, (begin, begun)) = (gate.clone(), channel());
        let caller = thread::spawn(move || {
            handle.block_on(async {
                begin.send(()).unwrap();
                let value: i32 = waits.take().await;
                // The caller may still have a core at first, to which this is a task like any other.
                while spawn(async {}).await.is_ok() {}
                value
            })
        });
        begun.recv().unwrap();
        drop(runtime);
        gate.put(5);
        assert_eq!(caller.join().unwrap(), 5);
    });
}

#[test]
fn scopes_of_several_runtimes_nest() {
    on_every_kind("scopes nest", 30, |kind| {
        let (first, second) = (named(kind, "first"), named(KINDS[2], "second"));
        let outer = first.enter();
        assert_eq!(current_name(), "first");
        {
            let _inner = second.enter();
            assert_eq!(current_name(), "second");
            let _innermost = first.handle().enter();
            assert_eq!(current_name(), "first");
            second.block_on(async { assert_eq!(current_name(), "second") });
            assert_eq!(current_name(), "first");
        }
        assert_eq!(current_name(), "first");
        drop(outer);
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn tasks_of_several_runtimes_wait_for_each_other() {
    on_every_kind("runtimes wait for each other", 60, |kind| {
        for other in KINDS {
            let (ours, theirs) = (kind.build(), other.build());
            let (ping, pong) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
            let (pinged, ponged) = (ping.clone(), pong.clone());
            let partner = thread::spawn(move || {
                theirs.block_on(async {
                    let echo = spawn(async move {
                        for _ in 0..100 {
                            ponged.put(pinged.take().await + 1);
                        }
                    });
                    echo.await.unwrap();
                });
            });
            let last = ours.block_on(async {
                let asks = spawn(async move {
                    let mut count = 0;
                    for _ in 0..100 {
                        ping.put(count);
                        count = pong.take().await;
                    }
                    count
                });
                asks.await.unwrap()
            });
            assert_eq!(last, 100);
            partner.join().unwrap();
        }
    });
}

#[test]
fn a_task_spawns_on_another_runtime() {
    on_every_kind("spawning on another runtime", 30, |kind| {
        let (ours, theirs) = (named(kind, "ours"), named(Kind::MultiThread(2), "theirs"));
        let handle = theirs.handle().clone();
        let name = ours.block_on(async move {
            let own = spawn(async move {
                let theirs = {
                    let _guard = handle.enter();
                    // The scope decides, not the thread.
                    spawn(async { thread::current().name().map(str::to_owned) })
                };
                theirs.await.unwrap()
            });
            own.await.unwrap()
        });
        assert_eq!(name.as_deref(), Some("theirs"));
    });
}

#[test]
fn a_blocking_closure_drives_another_runtime() {
    on_every_kind("a closure drives another runtime", 30, |kind| {
        let ours = named(kind, "ours");
        let name = ours.spawn_blocking(move || {
            let theirs = named(kind, "theirs");
            let name = theirs.block_on(async { current_name() });
            assert_eq!(current_name(), "ours");
            name
        });
        assert_eq!(ours.block_on(name).unwrap(), "theirs");
    });
}

fn assert_out_of_order(text: &str) {
    assert!(text.contains("out of order"), "{text}");
    assert!(text.contains("reverse order"), "{text}");
    assert!(!text.contains('\n') && !text.contains(". "), "{text}");
}

#[test]
fn guards_dropped_out_of_order_panic_and_say_why() {
    on_every_kind("guards out of order", 30, |kind| {
        let (first, second) = (named(kind, "first"), named(kind, "second"));
        let (outer, inner) = (first.enter(), second.enter());
        assert_out_of_order(&panic_of(|| drop(outer)));
        // The inner scope is as it was.
        assert_eq!(current_name(), "second");
        drop(inner);
        assert_eq!(current_name(), "first");
    });
    // Of the same runtime too. The guards that are never dropped properly leave the thread to its end.
    for kind in KINDS {
        let text = thread::spawn(move || {
            let runtime = kind.build();
            let (outer, _inner) = (runtime.enter(), runtime.enter());
            panic_of(|| drop(outer))
        });
        assert_out_of_order(&text.join().unwrap());
    }
}

#[test]
fn a_guard_from_outside_dropped_in_block_on_panics_and_says_why() {
    on_every_kind("a guard from outside", 30, |kind| {
        let runtime = named(kind, "the one");
        let outside = runtime.enter();
        let text = runtime.block_on(async {
            let text = panic_of(|| drop(outside));
            assert_eq!(current_name(), "the one");
            text
        });
        assert_out_of_order(&text);
        // A guard that gets out of a `block_on` is too late.
        let escaped = runtime.block_on(async { runtime.enter() });
        assert_out_of_order(&panic_of(|| drop(escaped)));
        // And one that is never dropped ends with the `block_on`.
        thread::spawn(move || {
            runtime.block_on(async {
                let guard = Box::leak(Box::new(runtime.enter()));
                LEAKED.lock().unwrap().push(&raw const *guard as usize);
            });
            assert!(Handle::try_current().is_err());
        })
        .join()
        .unwrap();
    });
}

/// Where leak detectors see what is leaked on purpose.
static LEAKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

#[test]
fn guards_dropped_out_of_order_in_a_panic_do_not_panic_again() {
    on_every_kind("guards in a panic", 30, |kind| {
        let runtime = kind.build();
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    let (outer, inner) = (runtime.enter(), runtime.enter());
                    // Fields are dropped in this order.
                    let _both = (outer, inner);
                    quiet_panic("with guards")
                }))
            });
            let Err(panic) = thread.join().expect("the panic was caught");
            assert_eq!(support::tasks::panic_text(&*panic), "with guards");
        });
    });
}

#[test]
fn foreign_threads_spawn_by_handle_and_by_scope() {
    on_every_kind("foreign threads spawn", 30, |kind| {
        let runtime = kind.build();
        let spawners: Vec<_> = (0..4)
            .map(|number| {
                let handle = runtime.handle().clone();
                thread::spawn(move || {
                    assert!(Handle::try_current().is_err());
                    let by_handle = handle.spawn(async move { number });
                    let _guard = handle.enter();
                    let by_scope = spawn(async move { 10 * number });
                    let closure = spawn_blocking(move || 100 * number);
                    [by_handle, by_scope, closure]
                })
            })
            .collect();
        for (number, spawner) in spawners.into_iter().enumerate() {
            let sum = runtime.block_on(async {
                let mut sum = 0;
                for task in spawner.join().unwrap() {
                    sum += task.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 111 * number);
        }
    });
}

#[test]
fn the_current_runtime_can_be_asked_for_anywhere() {
    on_every_kind("try_current anywhere", 30, |kind| {
        let found = Arc::new(Mutex::new(Vec::new()));
        let look = |place: &'static str| {
            let found = found.clone();
            move || {
                let is_there = Handle::try_current().is_ok();
                found.lock().unwrap().push((place, is_there));
            }
        };
        let spawned = look("task spawn");
        let ended = look("task end");
        let runtime = kind
            .builder()
            .on_thread_park(look("park"))
            .on_task_spawn(move |_| spawned())
            .on_task_terminate(move |_| ended())
            .build()
            .unwrap();
        runtime.block_on(async {
            look("block_on")();
            let in_task = look("task");
            spawn(async move { in_task() }).await.unwrap();
            spawn_blocking(look("closure")).await.unwrap();
        });
        let at_the_end = OnDrop::new(look("destructor"));
        let (begin, begun) = channel();
        drop(runtime.spawn(async move {
            let _at_the_end = at_the_end;
            begin.send(()).unwrap();
            pending::<()>().await;
        }));
        runtime.block_on(until(|| begun.try_recv().is_ok()));
        drop(runtime);
        look("outside")();
        let mut found = found.lock().unwrap().clone();
        // The last task was spawned from outside.
        found.retain(|(place, _)| *place != "task spawn");
        found.sort_unstable();
        found.dedup();
        let expected = [
            "block_on",
            "closure",
            "destructor",
            "outside",
            "task",
            "task end",
        ];
        let expected = expected.map(|place| (place, place != "outside"));
        found.retain(|(place, _)| *place != "park");
        assert_eq!(found, expected);
    });
}

#[test]
fn a_handle_does_not_keep_its_runtime() {
    on_every_kind("a handle keeps nothing", 30, |kind| {
        let gone = Arc::new(Mutex::new(false));
        let tells = gone.clone();
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let citizen = OnDrop::new(move || *tells.lock().unwrap() = true);
        drop(runtime.spawn(async move {
            let _citizen = citizen;
            pending::<()>().await;
        }));
        drop(runtime);
        block_until(|| *gone.lock().unwrap());
        assert!(park_on(handle.spawn(async {})).unwrap_err().is_cancelled());
    });
}
