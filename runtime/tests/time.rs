//! Time: nothing ends early, everything ends, and nothing is left behind.

mod support;

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_util::FutureExt;
use futures_util::future::{join_all, select};
use mini_rt_runtime::runtime::Builder;
use mini_rt_runtime::time::{
    Duration, Instant, Interval, Sleep, Timeout, sleep, sleep_until, timeout,
};
use mini_rt_runtime::{block_in_place, block_on, coop, spawn, yield_now};

use support::kinds::{Kind, on_every_kind, on_every_runtime};
use support::random::Random;
use support::tasks::{block_until, on_thread, park_on, poll_once, settle, until};
use support::watchdog::Watchdog;

const LONG: Duration = Duration::from_secs(3_600);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_goes_anywhere() {
    fn is_free<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    is_free::<Sleep>();
    is_free::<Interval>();
    is_free::<Timeout<std::future::Ready<()>>>();
    assert!(size_of::<Sleep>() <= 48, "{}", size_of::<Sleep>());
}

#[test]
fn no_sleep_ends_early_and_all_end() {
    const SLEEPS: usize = 5_000;
    let mut random = Random::for_test("no sleep ends early", 50);
    on_every_kind("no sleep ends early", 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(async {
            let base = Instant::now();
            let tasks: Vec<_> = (0..SLEEPS)
                .map(|_| {
                    let deadline = base + Duration::from_micros(random.below(100_000) as u64);
                    spawn(async move {
                        sleep_until(deadline).await;
                        assert!(Instant::now() >= deadline);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(runtime.metrics().num_timers(), 0);
    });
}

/// Notes in which order timers wake.
struct Bell {
    deadline: Instant,
    rung: Arc<Mutex<Vec<Instant>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.lock().unwrap().push(self.deadline);
    }
}

#[test]
fn timers_of_a_core_fire_in_the_order_of_their_deadlines() {
    const SLEEPS: usize = 100_000;
    let _watchdog = Watchdog::seconds("in order", 60);
    let mut random = Random::for_test("in order", 50);
    block_on(async {
        let mut until_then = Duration::from_millis(500);
        let (rung, sleeps) = loop {
            let (base, rung) = (Instant::now() + until_then, Arc::default());
            let sleeps: Vec<_> = (0..SLEEPS)
                .map(|_| {
                    let deadline = base + Duration::from_nanos(random.below(200_000_000) as u64);
                    let bell = Waker::from(Arc::new(Bell {
                        deadline,
                        rung: Arc::clone(&rung),
                    }));
                    let mut sleep = sleep_until(deadline);
                    // Each is its own task, without the budget of this one.
                    let _ = coop::unconstrained(poll_fn(|_| {
                        Pin::new(&mut sleep).poll(&mut Context::from_waker(&bell))
                    }))
                    .now_or_never();
                    sleep
                })
                .collect();
            if Instant::now() < base {
                break (rung, sleeps);
            }
            // The machine is slow.
            until_then *= 2;
        };
        until(|| rung.lock().unwrap().len() == SLEEPS).await;
        assert!(rung.lock().unwrap().is_sorted());
        assert!(sleeps.iter().all(Sleep::is_elapsed));
    });
}

#[test]
fn a_hundred_thousand_sleeps_at_once_all_end() {
    on_every_kind("many sleeps", 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_millis(50);
            let sleeps = (0..100_000).map(|_| sleep_until(deadline));
            join_all(sleeps).await;
            assert!(Instant::now() >= deadline);
        });
        assert_eq!(runtime.metrics().num_timers(), 0);
    });
}

#[test]
fn timers_that_are_due_together_leave_turns_to_others() {
    let _watchdog = Watchdog::seconds("due together", 60);
    let runtime = Kind::CurrentThread.build();
    let fired = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut until_then = Duration::from_millis(100);
        let (tasks, deadline) = loop {
            let deadline = Instant::now() + until_then;
            let tasks: Vec<_> = (0..20_000)
                .map(|_| {
                    let fired = fired.clone();
                    spawn(async move {
                        sleep_until(deadline).await;
                        fired.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            settle().await;
            if Instant::now() < deadline {
                break (tasks, deadline);
            }
            // The machine is slow.
            for task in tasks {
                task.await.unwrap();
            }
            fired.store(0, SeqCst);
            until_then *= 2;
        };
        // Late, so that all are due in the same moment.
        thread::sleep(deadline - Instant::now() + Duration::from_millis(5));
        let mut seen = Vec::new();
        while fired.load(SeqCst) < 20_000 {
            seen.push(fired.load(SeqCst));
            yield_now().await;
        }
        assert!(seen.len() > 20, "{seen:?}");
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_sleep_of_no_time_ends_and_one_for_ever_does_not() {
    on_every_runtime("no time and for ever", async |_| {
        sleep(Duration::ZERO).await;
        sleep_until(Instant::now() - MILLI).await;
        for duration in [
            Duration::MAX,
            Duration::from_secs(u64::MAX / 2),
            LONG * 10_000,
        ] {
            let mut sleep = sleep(duration);
            assert!(poll_once(&mut sleep).await.is_pending());
            assert!(sleep.deadline() > Instant::now() + LONG);
            assert!(!sleep.is_elapsed());
        }
        assert!(timeout(Duration::MAX, ready(())).await.is_ok());
    });
}

#[test]
fn a_sleep_can_be_put_off_and_brought_forward_and_used_again() {
    on_every_runtime("reset", async |_| {
        let mut sleep = sleep(LONG);
        assert!(poll_once(&mut sleep).await.is_pending());
        let soon = Instant::now() + 2 * MILLI;
        sleep.reset(soon);
        assert_eq!(sleep.deadline(), soon);
        (&mut sleep).await;
        assert!(Instant::now() >= soon && sleep.is_elapsed());
        // It is over until it gets another deadline.
        (&mut sleep).await;
        let later = Instant::now() + 2 * MILLI;
        sleep.reset(later);
        assert!(!sleep.is_elapsed());
        assert!(poll_once(&mut sleep).await.is_pending() || Instant::now() >= later);
        // Whoever waits goes on waiting, for the new deadline.
        let latest = Instant::now() + 10 * MILLI;
        sleep.reset(latest);
        sleep.await;
        assert!(Instant::now() >= latest);
    });
}

#[test]
fn a_reset_reaches_whoever_waits_elsewhere() {
    /// A sleep that one task awaits and another moves.
    struct Shared(Arc<Mutex<Sleep>>);
    impl Future for Shared {
        type Output = ();
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            Pin::new(&mut *self.0.lock().unwrap()).poll(cx)
        }
    }
    on_every_kind("a reset from elsewhere", 60, |kind| {
        let runtime = kind.build();
        for _ in 0..20 {
            let sleep = Arc::new(Mutex::new(sleep(LONG)));
            let waits = runtime.spawn(Shared(sleep.clone()));
            let metrics = runtime.metrics();
            let moved = thread::spawn({
                let sleep = sleep.clone();
                move || {
                    block_until(|| metrics.num_timers() == 1);
                    // A thread that has nothing to do with the runtime.
                    sleep.lock().unwrap().reset(Instant::now() + MILLI);
                }
            });
            runtime.block_on(async {
                waits.await.unwrap();
            });
            moved.join().unwrap();
        }
    });
}

#[test]
fn a_sleep_may_move_between_tasks_and_threads() {
    let _watchdog = Watchdog::seconds("moving sleeps", 60);
    let runtime = Kind::MultiThread(2).build();
    let handle = runtime.handle().clone();
    let mut random = Random::for_test("moving sleeps", 20);
    runtime.block_on(async {
        for _ in 0..200 {
            let deadline = Instant::now() + Duration::from_micros(random.below(3_000) as u64);
            let mut sleep = sleep_until(deadline);
            if random.one_in(2) {
                let _ = poll_once(&mut sleep).await;
            }
            let polled = spawn(async move {
                let _ = poll_once(&mut sleep).await;
                [sleep]
            });
            let [mut sleep] = polled.await.unwrap();
            if random.one_in(2) {
                let handle = handle.clone();
                sleep = on_thread(move || {
                    let _guard = handle.enter();
                    let _ = Pin::new(&mut sleep).poll(&mut Context::from_waker(Waker::noop()));
                    sleep
                })
                .await;
            }
            match random.below(3) {
                0 => sleep.await,
                1 => spawn(sleep).await.unwrap(),
                _ => drop(thread::spawn(move || drop(sleep))),
            }
        }
        until(|| handle.metrics().num_timers() == 0).await;
    });
}

#[test]
fn sleeps_of_threads_without_a_core_end() {
    let _watchdog = Watchdog::seconds("without a core", 60);
    for kind in [
        Kind::CurrentThread,
        Kind::MultiThread(1),
        Kind::MultiThread(2),
    ] {
        let runtime = kind.build();
        // More callers than cores, and threads that only have the runtime's scope.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        runtime.block_on(sleep(MILLI));
                    }
                });
            }
        });
        if kind.workers() > 0 {
            let _guard = runtime.enter();
            for _ in 0..20 {
                park_on(sleep(MILLI));
            }
            // After a task has lent its core.
            let task = spawn(async {
                block_in_place(|| thread::sleep(5 * MILLI));
                sleep(MILLI).await;
                block_in_place(|| park_on(sleep(MILLI)));
            });
            park_on(task).unwrap();
        }
    }
}

#[test]
fn timers_of_a_blocked_worker_fire() {
    let _watchdog = Watchdog::seconds("timers of a blocked worker", 60);
    for workers in [2, 4] {
        for _ in 0..10 {
            let runtime = Builder::new_multi_thread()
                .worker_threads(workers)
                .build()
                .unwrap();
            let (sender, receiver) = mpsc::channel();
            let task = runtime.spawn(async move {
                // Both timers are those of one core, most of the time.
                spawn(async move {
                    sleep(2 * MILLI).await;
                    sender.send(()).unwrap();
                });
                yield_now().await;
                // Until the other has run.
                receiver.recv().unwrap();
            });
            block_until(|| task.is_finished());
        }
    }
}

#[test]
fn sleeps_end_beside_tasks_that_never_rest() {
    on_every_kind("beside busy tasks", 60, |kind| {
        let runtime = kind.build();
        runtime.block_on(async {
            let busy: Vec<_> = (0..2 * kind.cores())
                .map(|_| {
                    spawn(async {
                        loop {
                            coop::consume_budget().await;
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for _ in 0..10 {
                sleep(MILLI).await;
                spawn(sleep(MILLI)).await.unwrap();
            }
            busy.iter().for_each(|task| task.abort());
        });
    });
}

#[test]
fn a_loop_that_makes_and_drops_sleeps_leaves_none() {
    on_every_kind("making and dropping", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            for _ in 0..5_000 {
                let first = pin!(yield_now());
                select(first, sleep(LONG)).await;
                assert!(metrics.num_timers() <= 1);
            }
            // Sleeps that many tasks have begun and other threads drop.
            let sleeps: Vec<_> = (0..1_000).map(|_| sleep(LONG)).collect();
            let mut begun = Vec::new();
            for mut sleep in sleeps {
                assert!(poll_once(&mut sleep).await.is_pending());
                begun.push(sleep);
            }
            assert_eq!(metrics.num_timers(), 1_000);
            on_thread(move || drop(begun)).await;
            assert_eq!(metrics.num_timers(), 0);
        });
    });
}

#[test]
fn instants_count_as_stds_do() {
    let now = Instant::now();
    let std = now.into_std();
    assert_eq!(Instant::from_std(std), now);
    assert_eq!(Instant::from(std), now);
    let later = now + 3 * MILLI;
    assert_eq!(later - now, 3 * MILLI);
    assert_eq!(now - later, Duration::ZERO);
    assert_eq!(now.checked_duration_since(later), None);
    assert_eq!(later.checked_duration_since(now), Some(3 * MILLI));
    assert_eq!(now.checked_add(Duration::MAX), None);
    assert_eq!(now.checked_sub(Duration::MAX), None);
    let mut moved = now;
    moved += MILLI;
    moved -= MILLI;
    assert_eq!(moved, now);
    assert!(now.elapsed() <= now.elapsed() + MILLI);
}
