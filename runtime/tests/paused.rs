//! The test clock: it stands until all wait, and then jumps to the next deadline.

mod support;

use std::future::{Future, pending};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

use mini_rt_runtime::io::{AsyncFd, Interest};
use mini_rt_runtime::runtime::{Builder, Runtime};
use mini_rt_runtime::time::{
    Duration, Instant, advance, interval, pause, resume, sleep, sleep_until, timeout,
};
use mini_rt_runtime::{block_on, spawn, spawn_blocking, spawn_local, yield_now};

use support::tasks::{on_thread, panic_of, settle};
use support::watchdog::Watchdog;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.start_paused(true).build().unwrap()
}

/// Runs a test of long times, which must end soon.
fn in_no_time<F: Future>(test: &str, future: F) -> F::Output {
    let _watchdog = Watchdog::seconds(test, 60);
    paused().block_on(future)
}

#[test]
fn a_day_ends_in_no_time_and_to_the_nanosecond() {
    in_no_time("a day", async {
        let begin = Instant::now();
        for _ in 0..24 {
            sleep(HOUR).await;
        }
        assert_eq!(begin.elapsed(), 24 * HOUR);
        let tasks: Vec<_> = (1..=100)
            .map(|number| {
                spawn(async move {
                    sleep(number * SECOND).await;
                    begin.elapsed()
                })
            })
            .collect();
        for (task, number) in tasks.into_iter().zip(1..) {
            assert_eq!(task.await.unwrap(), 24 * HOUR + number * SECOND);
        }
    });
}

#[test]
fn deadlines_that_are_close_come_one_by_one() {
    in_no_time("close deadlines", async {
        let begin = Instant::now();
        let tasks: Vec<_> = (0..1_000u64)
            .rev()
            .map(|nanos| {
                spawn(async move {
                    sleep_until(begin + HOUR + Duration::from_nanos(nanos)).await;
                    assert_eq!(begin.elapsed(), HOUR + Duration::from_nanos(nanos));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn time_stands_while_anything_is_ready() {
    in_no_time("ready tasks", async {
        let begin = Instant::now();
        let jumped = spawn(sleep(SECOND));
        for _ in 0..1_000 {
            yield_now().await;
        }
        spawn(async {
            for _ in 0..1_000 {
                yield_now().await;
            }
        })
        .await
        .unwrap();
        spawn_local(async {
            for _ in 0..1_000 {
                yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert!(!jumped.is_finished());
        jumped.await.unwrap();
        assert_eq!(begin.elapsed(), SECOND);
    });
}

#[test]
fn time_stands_while_a_closure_blocks() {
    in_no_time("a closure", async {
        let begin = Instant::now();
        // Whether or not somebody waits for it.
        for awaited in [true, false] {
            let limit = spawn(timeout(SECOND, pending::<()>()));
            settle().await;
            let before = begin.elapsed();
            let (sender, receiver) = mpsc::channel();
            let closure = spawn_blocking(move || {
                thread::sleep(Duration::from_millis(30));
                sender.send(()).unwrap();
            });
            if awaited {
                closure.await.unwrap();
                assert_eq!(begin.elapsed(), before);
                receiver.try_recv().unwrap();
                assert!(limit.await.unwrap().is_err());
            } else {
                drop(closure);
                assert!(limit.await.unwrap().is_err());
                // By then the closure was over.
                receiver.try_recv().unwrap();
            }
            assert_eq!(begin.elapsed(), before + SECOND);
        }
        // Also one that panics, and one that is cancelled.
        let panics = spawn_blocking(|| std::panic::resume_unwind(Box::new("a closure")));
        assert!(panics.await.unwrap_err().is_panic());
        sleep(SECOND).await;
        assert_eq!(begin.elapsed(), 3 * SECOND);
    });
}

#[test]
fn what_arrives_is_heard_before_time_jumps() {
    in_no_time("what arrives", async {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let fd = AsyncFd::new(ours).unwrap();
        let begin = Instant::now();
        for _ in 0..10 {
            peer.write_all(b"x").unwrap();
            let reads = fd.async_io(Interest::READABLE, |mut fd| fd.read(&mut [0; 8]));
            let read = timeout(SECOND, reads).await;
            assert_eq!(read.expect("it was there").unwrap(), 1);
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_wake_up_from_a_thread_is_heard_while_time_stands() {
    in_no_time("a thread", async {
        let held = spawn_blocking(|| thread::sleep(Duration::from_millis(50)));
        let begin = Instant::now();
        let told = on_thread(|| 7).await;
        assert_eq!((told, begin.elapsed()), (7, Duration::ZERO));
        held.await.unwrap();
    });
}

#[test]
fn advancing_fires_what_is_due_and_nothing_else() {
    in_no_time("advance", async {
        let begin = Instant::now();
        let done: Arc<[AtomicBool; 3]> = Arc::default();
        for number in 0..3 {
            let done = done.clone();
            drop(spawn(async move {
                sleep((number as u32 + 1) * SECOND).await;
                done[number].store(true, SeqCst);
            }));
        }
        settle().await;
        let seen = || done.each_ref().map(|done| done.load(SeqCst));
        advance(SECOND - Duration::from_nanos(1)).await;
        assert_eq!(seen(), [false, false, false]);
        advance(Duration::from_nanos(1)).await;
        assert_eq!(seen(), [true, false, false]);
        advance(HOUR).await;
        assert_eq!(seen(), [true, true, true]);
        assert_eq!(begin.elapsed(), HOUR + SECOND);
        advance(Duration::ZERO).await;
        assert_eq!(begin.elapsed(), HOUR + SECOND);
    });
}

#[test]
fn a_clock_that_is_resumed_goes_on_from_where_it_stood() {
    let _watchdog = Watchdog::seconds("resume", 60);
    block_on(async {
        pause();
        let begin = Instant::now();
        sleep(HOUR).await;
        resume();
        let resumed = begin.elapsed();
        assert!(resumed >= HOUR && resumed < 2 * HOUR);
        sleep(Duration::from_millis(5)).await;
        assert!(begin.elapsed() >= HOUR + Duration::from_millis(5));
        pause();
        let stopped = Instant::now();
        thread::sleep(Duration::from_millis(5));
        assert_eq!(Instant::now(), stopped);
    });
}

#[test]
fn an_interval_in_a_paused_test_ticks_exactly() {
    in_no_time("an interval", async {
        let mut ticks = interval(SECOND);
        let first = ticks.tick().await;
        for number in 1..1_000 {
            assert_eq!(ticks.tick().await, first + number * SECOND);
            assert_eq!(Instant::now(), first + number * SECOND);
        }
    });
}

#[test]
fn a_sleep_for_ever_is_not_jumped_to() {
    in_no_time("for ever", async {
        let for_ever = spawn(sleep(Duration::MAX));
        let begin = Instant::now();
        settle().await;
        sleep(HOUR).await;
        assert_eq!(begin.elapsed(), HOUR);
        assert!(!for_ever.is_finished());
        // Nothing else will happen: who waits for a thread waits.
        on_thread(|| thread::sleep(Duration::from_millis(20))).await;
        assert_eq!(begin.elapsed(), HOUR);
        assert!(!for_ever.is_finished());
    });
}

#[test]
fn many_timers_for_ever_are_not_jumped_to_either() {
    let _watchdog = Watchdog::seconds("many for ever", 60);
    let runtime = paused();
    let (told, begin) = runtime.block_on(async {
        let for_ever: Vec<_> = (0..20).map(|_| spawn(sleep(Duration::MAX))).collect();
        sleep(Duration::from_millis(1)).await;
        let begin = Instant::now();
        let told = on_thread(|| thread::sleep(Duration::from_millis(20))).await;
        assert!(for_ever.iter().all(|task| !task.is_finished()));
        (told, begin)
    });
    runtime.block_on(async {
        assert_eq!(((), begin.elapsed()), (told, Duration::ZERO));
        sleep(SECOND).await;
        assert_eq!(begin.elapsed(), SECOND);
    });
}

#[test]
fn a_closure_may_resume_the_clock_and_advance_it() {
    let _watchdog = Watchdog::seconds("a closure moves the clock", 60);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        pause();
        drop(spawn_blocking(|| {
            thread::sleep(Duration::from_millis(20));
            resume();
        }));
        sleep(Duration::from_millis(50)).await;
        pause();
        let (sender, receiver) = mpsc::channel();
        let begin = Instant::now();
        let task = spawn(async move {
            sleep(10 * SECOND).await;
            sender.send(()).unwrap();
        });
        settle().await;
        let closure = spawn_blocking(move || {
            mini_rt_runtime::runtime::Handle::current().block_on(advance(60 * SECOND));
            receiver.recv().unwrap();
        });
        closure.await.unwrap();
        task.await.unwrap();
        assert_eq!(begin.elapsed(), 60 * SECOND);
    });
}

#[test]
fn advancing_polls_every_task_that_was_due() {
    for local in [false, true] {
        in_no_time("many are due", async {
            let tasks: Vec<_> = (0..1_000)
                .map(|_| match local {
                    true => spawn_local(sleep(SECOND)),
                    false => spawn(sleep(SECOND)),
                })
                .collect();
            for _ in 0..50 {
                yield_now().await;
            }
            advance(SECOND).await;
            let ended = tasks.iter().filter(|task| task.is_finished()).count();
            assert_eq!(ended, 1_000, "local: {local}");
        });
    }
}

#[test]
fn jumps_make_nobody_busy() {
    let _watchdog = Watchdog::seconds("jumps", 60);
    let runtime = paused();
    runtime.block_on(async {
        sleep(HOUR).await;
        advance(HOUR).await;
        let snapshot = runtime.metrics().snapshot();
        assert!(snapshot.workers[0].busy < HOUR, "{snapshot}");
        assert_eq!(snapshot.workers[0].blocked, None, "{snapshot}");
    });
}

#[test]
fn a_clock_far_ahead_goes_on_forward() {
    let _watchdog = Watchdog::seconds("far ahead", 60);
    block_on(async {
        pause();
        advance(Duration::from_secs(300 * 365 * 24 * 3_600)).await;
        let before = Instant::now();
        resume();
        assert!(Instant::now() >= before);
    });
}

#[test]
fn bad_use_says_what_to_do() {
    let outside = panic_of(pause);
    assert!(
        outside.starts_with("there is no mini_rt runtime here"),
        "{outside}"
    );
    let error = Builder::new_multi_thread()
        .start_paused(true)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let workers = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let text = workers.block_on(async { panic_of(pause) });
    assert!(
        text.starts_with("only the clock of a current-thread runtime"),
        "{text}"
    );
    block_on(async {
        assert!(panic_of(resume).contains("not paused"));
        assert!(panic_of(|| support::tasks::park_on(advance(SECOND))).contains("not paused"));
        pause();
        assert!(panic_of(pause).contains("paused already"));
    });
}

/// The thread is awake, but about to sleep: it looks at the reactor first, and at the clock.
#[test]
fn a_task_from_outside_arrives_at_a_runtime_that_is_about_to_sleep() {
    let _watchdog = Watchdog::seconds("a task from outside", 60);
    let (ask, asked) = mpsc::sync_channel::<()>(1);
    let (tell, told) = mpsc::sync_channel::<()>(1);
    let told = std::sync::Mutex::new(told);
    let is_first = AtomicBool::new(true);
    let mut builder = Builder::new_current_thread();
    let runtime = builder
        .start_paused(true)
        .on_thread_park(move || {
            if is_first.swap(false, SeqCst) {
                ask.send(()).unwrap();
                told.lock().unwrap().recv().unwrap();
            }
        })
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (has_run, wakes) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(std::sync::Mutex::new(None)),
    );
    let outside = thread::spawn({
        let (has_run, wakes) = (has_run.clone(), wakes.clone());
        move || {
            asked.recv().unwrap();
            drop(handle.spawn(async move {
                has_run.store(true, SeqCst);
                let root: Option<std::task::Waker> = wakes.lock().unwrap().take();
                root.expect("the root waits").wake();
            }));
            tell.send(()).unwrap();
        }
    });
    runtime.block_on(std::future::poll_fn(|cx| {
        *wakes.lock().unwrap() = Some(cx.waker().clone());
        match has_run.load(SeqCst) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    }));
    outside.join().unwrap();
}
