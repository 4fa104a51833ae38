//! What runs where.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::thread;

use mini_rt_runtime::{LocalSet, spawn, spawn_local, yield_now};

use crate::support::kinds::{Kind, on_every_kind, on_every_runtime};
use crate::support::tasks::{Mailbox, on_thread, park_on, poll_once, settle, until};
use crate::support::watchdog::Watchdog;
use crate::{Homes, STOP, answer, wait_for_ever, wherever_local};

#[test]
fn local_tasks_share_what_is_not_send() {
    wherever_local("sharing what is not Send", async || {
        let log = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let log = log.clone();
                spawn_local(async move {
                    for _ in 0..n % 3 {
                        yield_now().await;
                    }
                    log.borrow_mut().push(n);
                    log
                })
            })
            .collect();
        for task in tasks {
            assert!(Rc::ptr_eq(&task.await.unwrap(), &log));
        }
        log.borrow_mut().sort_unstable();
        assert!(log.borrow().iter().copied().eq(0..200));
    });
}

#[test]
fn an_awaited_set_ends_with_its_last_task() {
    on_every_runtime("an awaited set", async |_| {
        let mut set = LocalSet::default();
        (&mut set).await;
        let ended = Rc::new(Cell::new(0));
        fn family(ended: Rc<Cell<usize>>, generations: usize) -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                yield_now().await;
                for _ in 0..generations {
                    // Nobody waits for it but the set.
                    drop(spawn_local(family(ended.clone(), generations - 1)));
                }
                ended.set(ended.get() + 1);
            })
        }
        let task = set.spawn_local(family(ended.clone(), 5));
        (&mut set).await;
        assert!(task.is_finished());
        assert_eq!(ended.get(), 1 + 5 + 5 * 4 + 5 * 4 * 3 + 5 * 4 * 3 * 2 * 2);
        set.spawn_local(async {});
        set.await;
    });
}

#[test]
fn an_awaited_set_hears_of_an_end_that_another_poller_brings() {
    on_every_runtime("an end that another poller brings", async |_| {
        let set = RefCell::new(LocalSet::new());
        let gate = Arc::new(Mailbox::new());
        let inside = gate.clone();
        set.borrow().spawn_local(async move { inside.take().await });
        let awaiting = poll_fn(|cx| Pin::new(&mut *set.borrow_mut()).poll(cx));
        let mut awaiting = pin!(awaiting);
        let signal = Arc::new(CountWakes::default());
        let waker = Waker::from(signal.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(awaiting.as_mut().poll(&mut cx).is_pending());
        gate.put(());
        assert_eq!(signal.0.swap(0, SeqCst), 1);
        assert!(
            poll_once(&mut pin!(set.borrow().run_until(pending::<()>())))
                .await
                .is_pending()
        );
        assert_eq!(signal.0.load(SeqCst), 0);
        assert!(awaiting.as_mut().poll(&mut cx).is_ready());
    });
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn tasks_left_behind_go_on_when_the_set_is_polled_again() {
    on_every_kind("tasks left behind", 60, |kind| {
        let (set, rounds) = (LocalSet::new(), Rc::new(Cell::new(0)));
        let counter = rounds.clone();
        set.spawn_local(async move {
            loop {
                counter.set(counter.get() + 1);
                yield_now().await;
            }
        });
        for runtime in [kind.build(), Kind::CurrentThread.build()] {
            for _ in 0..3 {
                let before = rounds.get();
                set.block_on(&runtime, until(|| rounds.get() > before + 100));
            }
        }
    });
}

#[test]
fn spawn_local_goes_to_the_set_that_is_entered() {
    on_every_runtime("the set that is entered", async |_| {
        let (outer, inner) = (LocalSet::new(), LocalSet::new());
        let guard = outer.enter();
        let in_outer = spawn_local(async {
            // A local task spawns to its own set.
            spawn_local(async {}).await.unwrap();
        });
        let in_inner = {
            let _guard = inner.enter();
            spawn_local(async {})
        };
        let also_in_outer = spawn_local(async {});
        drop(guard);
        inner.await;
        assert!(in_inner.is_finished());
        assert!(!in_outer.is_finished() && !also_in_outer.is_finished());
        {
            let other = LocalSet::new();
            let _guard = other.enter();
            outer.await;
        }
        assert!(in_outer.is_finished() && also_in_outer.is_finished());
    });
}

#[test]
fn a_guard_that_outlives_its_set_gives_cancelled_tasks() {
    let homes = Homes::default();
    let set = LocalSet::new();
    let guard = set.enter();
    let task = spawn_local(wait_for_ever(homes.resident()));
    drop(set);
    homes.assert_ended(1);
    assert!(park_on(task).unwrap_err().is_cancelled());
    let task = spawn_local(wait_for_ever(homes.resident()));
    homes.assert_ended(2);
    assert!(park_on(task).unwrap_err().is_cancelled());
    drop(guard);
}

#[test]
fn a_current_thread_runtime_runs_local_tasks_wherever_they_are_spawned() {
    let _watchdog = Watchdog::seconds("a current-thread runtime", 60);
    let runtime = Kind::CurrentThread.build();
    let home = thread::current().id();
    let here = move || assert_eq!(thread::current().id(), home);
    // By a task that runs before and after the future of `block_on` has heard of local tasks.
    let task = runtime.spawn(async move {
        for _ in 0..3 {
            spawn_local(async move { here() }).await.unwrap();
        }
        7
    });
    assert_eq!(runtime.block_on(task).unwrap(), 7);
    let nested = runtime.block_on(async {
        let outer = spawn_local(async move {
            let rc = Rc::new(5);
            let inner = spawn_local({
                let rc = rc.clone();
                async move { *rc }
            });
            inner.await.unwrap() + *rc
        });
        outer.await.unwrap()
    });
    assert_eq!(nested, 10);
}

#[test]
fn what_a_current_thread_runtime_leaves_goes_on_in_the_next_block_on() {
    let _watchdog = Watchdog::seconds("what block_on leaves", 60);
    let homes = Homes::default();
    let [one, other] = [(); 2].map(|()| Kind::CurrentThread.build());
    let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
    let task = one.block_on(async {
        let task = spawn_local(answer(homes.resident(), asked.clone(), answered.clone()));
        settle().await;
        task
    });
    // Meanwhile it rests, whatever runs here.
    asked.put(1);
    other.block_on(async {
        spawn_local(async {}).await.unwrap();
        settle().await;
        assert!(poll_once(&mut pin!(answered.take())).await.is_pending());
    });
    for n in [1, 2, 3] {
        assert_eq!(one.block_on(answered.take()), n + 1);
        asked.put(n + 1);
    }
    assert_eq!(one.block_on(answered.take()), 5);
    asked.put(STOP);
    one.block_on(task).unwrap();
    homes.assert_ended(1);
}

#[test]
fn each_caller_of_one_runtime_runs_its_own_local_tasks() {
    let _watchdog = Watchdog::seconds("callers of one runtime", 60);
    let (runtime, homes) = (Kind::CurrentThread.build(), Homes::default());
    thread::scope(|scope| {
        for caller in 0..4 {
            let (runtime, homes) = (&runtime, homes.clone());
            scope.spawn(move || {
                for round in 0..50 {
                    runtime.block_on(async {
                        let tasks: Vec<_> = (0..10)
                            .map(|n| {
                                let resident = homes.resident();
                                spawn_local(async move {
                                    for _ in 0..(n + caller + round) % 4 {
                                        yield_now().await;
                                        resident.is_used();
                                    }
                                })
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                }
            });
        }
    });
    homes.assert_ended(4 * 50 * 10);
}

#[test]
fn a_set_inside_a_local_task_and_local_tasks_inside_that() {
    wherever_local("a set inside a local task", async || {
        let depths = Rc::new(RefCell::new(Vec::new()));
        fn nest(
            depth: usize,
            depths: Rc<RefCell<Vec<usize>>>,
        ) -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                yield_now().await;
                if depth > 0 {
                    let set = LocalSet::new();
                    let task =
                        set.run_until(async { spawn_local(nest(depth - 1, depths.clone())).await });
                    task.await.unwrap();
                }
                depths.borrow_mut().push(depth);
            })
        }
        spawn_local(nest(8, depths.clone())).await.unwrap();
        assert!(depths.borrow().iter().copied().eq(0..=8));
    });
}

#[test]
fn a_local_task_may_poll_its_own_set() {
    on_every_runtime("a task that polls its own set", async |_| {
        let set = Rc::new(LocalSet::new());
        let (asked, answered) = (Arc::new(Mailbox::new()), Arc::new(Mailbox::new()));
        let homes = Homes::default();
        let server = set.spawn_local(answer(homes.resident(), asked.clone(), answered.clone()));
        let inside = set.clone();
        let client = set.spawn_local(async move {
            inside
                .run_until(async {
                    for n in 0..100 {
                        asked.put(n);
                        assert_eq!(answered.take().await, n + 1);
                    }
                    let asked_elsewhere = asked.clone();
                    on_thread(move || asked_elsewhere.put(STOP)).await;
                    assert_eq!(answered.take().await, STOP + 1);
                })
                .await;
        });
        set.run_until(async {
            client.await.unwrap();
            server.await.unwrap();
        })
        .await;
        homes.assert_ended(1);
    });
}

#[test]
fn two_futures_may_poll_one_set_with_different_wakers() {
    on_every_runtime("two pollers of one set", async |kind| {
        let outer = LocalSet::new();
        let set = Rc::new(LocalSet::new());
        // Each is a task of its own, hence has its own waker; the one that ends leaves the other awake.
        let pollers: Vec<_> = (1..=3)
            .map(|rounds| {
                let set = set.clone();
                outer.spawn_local(async move {
                    set.run_until(async {
                        for _ in 0..rounds * 20 {
                            let gate = Arc::new(Mailbox::new());
                            let inside = gate.clone();
                            let task = spawn_local(async move { inside.take().await });
                            match rounds {
                                1 => gate.put(()),
                                2 => drop(spawn(async move { gate.put(()) })),
                                _ => on_thread(move || gate.put(())).await,
                            }
                            task.await.unwrap();
                        }
                    })
                    .await;
                })
            })
            .collect();
        outer.await;
        for poller in pollers {
            poller
                .await
                .unwrap_or_else(|error| panic!("{error} on {kind:?}"));
        }
    });
}
