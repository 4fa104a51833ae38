//! Panics, tasks that never rest, and bad use.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use mini_rt_runtime::{LocalSet, spawn, spawn_blocking, spawn_local, yield_now};

use crate::support::kinds::{Kind, on_every_kind, on_every_runtime};
use crate::support::tasks::{
    Mailbox, OnDrop, on_thread, panic_of, panic_text, park_on, quiet_panic, settle,
};
use crate::support::watchdog::Watchdog;
use crate::{Homes, STOP, answer, wherever_local};

#[test]
fn a_panic_reaches_the_handle_and_nobody_else() {
    let homes = Homes::default();
    let scenario = async || {
        let fine = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let (fine, resident) = (fine.clone(), homes.resident());
                spawn_local(async move {
                    for _ in 0..n % 3 {
                        yield_now().await;
                    }
                    resident.is_used();
                    if n % 2 == 0 {
                        quiet_panic("one of fifty");
                    }
                    fine.set(fine.get() + 1);
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await {
                Ok(()) => assert_eq!(n % 2, 1),
                Err(error) => assert_eq!(panic_text(&*error.into_panic()), "one of fifty"),
            }
        }
        assert_eq!(fine.get(), 50);
    };
    wherever_local("panics of local tasks", scenario);
    homes.assert_ended(5 * 100);
}

#[test]
fn a_set_survives_the_panic_of_a_future_beside_it() {
    on_every_kind("a panic beside a set", 60, |kind| {
        let (runtime, homes) = (kind.build(), Homes::default());
        let set = LocalSet::new();
        let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
        set.spawn_local(answer(homes.resident(), asked.clone(), answered.clone()));
        for n in 0..3 {
            let text = panic_of(|| {
                set.block_on(&runtime, async {
                    asked.put(n);
                    assert_eq!(answered.take().await, n + 1);
                    asked.put(n);
                    quiet_panic("beside the set");
                });
            });
            assert_eq!(text, "beside the set");
            // It is no longer entered, and what was put before the panic is answered now.
            assert!(panic_of(|| spawn_local(async {})).contains("spawn_local"));
            assert_eq!(set.block_on(&runtime, answered.take()), n + 1);
        }
        drop(set);
        homes.assert_ended(1);
    });
}

#[test]
fn destructors_that_panic_leave_none_out() {
    on_every_runtime("destructors that panic", async |_| {
        let homes = Homes::default();
        let set = LocalSet::new();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let resident = homes.resident();
                let on_drop = OnDrop::new(|| quiet_panic("a destructor"));
                set.spawn_local(async move {
                    let _both = (on_drop, resident);
                    pending::<()>().await;
                })
            })
            .collect();
        set.run_until(settle()).await;
        drop(set);
        homes.assert_ended(10);
        for task in tasks {
            assert_eq!(
                panic_text(&*task.await.unwrap_err().into_panic()),
                "a destructor"
            );
        }
    });
}

#[test]
fn tasks_that_never_rest_leave_turns_to_all_others() {
    wherever_local("tasks that never rest", async || {
        let busy = Rc::new(Cell::new(0));
        for _ in 0..200 {
            let busy = busy.clone();
            drop(spawn_local(async move {
                loop {
                    busy.set(busy.get() + 1);
                    yield_now().await;
                }
            }));
        }
        // The future beside them, the runtime's tasks, and what other threads wake.
        for _ in 0..20 {
            yield_now().await;
            spawn(async { yield_now().await }).await.unwrap();
            spawn_local(async { yield_now().await }).await.unwrap();
            let asked = Arc::new(Mailbox::new());
            let inside = asked.clone();
            let late = spawn_local(async move { inside.take().await });
            on_thread(move || asked.put(())).await;
            late.await.unwrap();
        }
        assert!(busy.get() > 0);
    });
}

#[test]
fn a_busy_set_in_a_local_task_leaves_turns_to_its_siblings() {
    wherever_local("a busy set in a task", async || {
        let others = Rc::new(Cell::new(0));
        drop(spawn_local(async {
            let set = LocalSet::new();
            for _ in 0..100 {
                set.spawn_local(async {
                    loop {
                        yield_now().await;
                    }
                });
            }
            set.await;
        }));
        let counter = others.clone();
        let sibling = spawn_local(async move {
            for _ in 0..100 {
                yield_now().await;
                counter.set(counter.get() + 1);
            }
        });
        sibling.await.unwrap();
        assert_eq!(others.get(), 100);
    });
}

/// Checks that a panic's text is one sentence that names the ways out.
fn assert_needs_a_set<R>(use_it: impl FnOnce() -> R) {
    let text = panic_of(use_it);
    assert!(!text.contains('\n') && !text.contains(". "), "{text:?}");
    for word in [
        "`spawn_local`",
        "`LocalSet::run_until`",
        "current-thread runtime",
    ] {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

#[test]
fn spawn_local_where_nothing_runs_local_tasks_panics_and_names_the_way_out() {
    fn bad_use() {
        assert_needs_a_set(|| spawn_local(async {}));
    }
    let _watchdog = Watchdog::seconds("spawn_local where it cannot be", 60);
    bad_use();
    for kind in [Kind::CurrentThread, Kind::MultiThread(2)] {
        let runtime = kind.build();
        {
            let _guard = runtime.enter();
            bad_use();
        }
        runtime.block_on(async {
            spawn_blocking(bad_use).await.unwrap();
            on_thread(bad_use).await;
        });
        bad_use();
    }
    let runtime = Kind::MultiThread(2).build();
    runtime.block_on(async {
        bad_use();
        spawn(async { bad_use() }).await.unwrap();
        let set = LocalSet::new();
        set.run_until(async {
            spawn_local(spawn(async { bad_use() }))
                .await
                .unwrap()
                .unwrap();
        })
        .await;
        bad_use();
    });
}

#[test]
fn a_set_outside_of_any_runtime_runs_too() {
    let _watchdog = Watchdog::seconds("a set without a runtime", 60);
    let homes = Homes::default();
    let set = LocalSet::new();
    let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
    let server = set.spawn_local(answer(homes.resident(), asked.clone(), answered.clone()));
    let client = thread::spawn(move || {
        for n in (0..500).chain([STOP]) {
            asked.put(n);
            assert_eq!(park_on(answered.take()), n + 1);
        }
    });
    park_on(set.run_until(server)).unwrap();
    client.join().unwrap();
    park_on(set);
    homes.assert_ended(1);
}
