//! Timers where there is no runtime, and when it ends.

mod support;

use std::future::pending;
use std::thread;

use mini_rt_runtime::runtime::Handle;
use mini_rt_runtime::time::{Duration, Instant, interval, sleep, timeout};

use support::kinds::{Kind, on_every_kind};
use support::tasks::{block_until, panic_of, park_on, poll_once, until};
use support::watchdog::Watchdog;

const LONG: Duration = Duration::from_secs(3_600);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn bad_use_says_what_to_do() {
    let outside = panic_of(|| park_on(sleep(MILLI)));
    assert!(
        outside.starts_with("there is no mini_rt runtime here"),
        "{outside}"
    );
    // Making one is no use of a runtime.
    drop((
        sleep(MILLI),
        timeout(MILLI, pending::<()>()),
        interval(MILLI),
    ));
    let zero = panic_of(|| drop(interval(Duration::ZERO)));
    assert!(zero.contains("must not be zero"), "{zero}");

    let runtime = Kind::CurrentThread.build();
    let mut orphan = sleep(LONG);
    runtime.block_on(async { assert!(poll_once(&mut orphan).await.is_pending()) });
    drop(runtime);
    assert!(orphan.is_elapsed());
    orphan.reset(Instant::now() + LONG);
    let ended = panic_of(|| {
        let handle = ended_handle();
        let _guard = handle.enter();
        park_on(&mut orphan);
    });
    assert!(ended.contains("after its runtime has ended"), "{ended}");
}

fn ended_handle() -> Handle {
    let runtime = Kind::CurrentThread.build();
    runtime.handle().clone()
}

#[test]
fn who_waits_for_a_timer_hears_of_the_end_of_its_runtime() {
    let _watchdog = Watchdog::seconds("the end", 60);
    let runtime = Kind::MultiThread(2).build();
    let handle = runtime.handle().clone();
    let waits = thread::spawn(move || {
        let _guard = handle.enter();
        panic_of(|| park_on(sleep(LONG)))
    });
    let metrics = runtime.metrics();
    block_until(|| metrics.num_timers() == 1);
    drop(runtime);
    let text = waits.join().unwrap();
    assert!(text.contains("after its runtime has ended"), "{text}");
}

#[test]
fn runtimes_end_with_sleeping_tasks_and_closures_that_sleep() {
    on_every_kind("the end of sleepers", 60, |kind| {
        let runtime = kind.build();
        let metrics = runtime.metrics();
        for _ in 0..1_000 {
            drop(runtime.spawn(async {
                let mut ticks = interval(LONG);
                ticks.tick().await;
                timeout(LONG, ticks.tick()).await
            }));
        }
        runtime.block_on(until(|| metrics.num_timers() >= 1_000));
        drop(runtime);
        assert_eq!((metrics.num_timers(), metrics.num_alive_tasks()), (0, 0));
    });
}
