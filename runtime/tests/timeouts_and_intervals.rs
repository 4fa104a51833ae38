//! What is made of sleeps: time limits race with what they limit, and intervals tick when they should.

mod support;

use std::error::Error;
use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::StreamExt;
use mini_rt_runtime::time::{
    Duration, Instant, MissedTickBehavior, interval, interval_at, sleep, timeout, timeout_at,
};
use mini_rt_runtime::{block_on, coop, spawn};

use support::kinds::{on_every_kind, on_every_runtime};
use support::random::Random;
use support::tasks::OnDrop;

const LONG: Duration = Duration::from_secs(3_600);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn what_is_ready_in_time_is_had_and_what_is_not_is_dropped() {
    on_every_runtime("time limits", async |_| {
        assert_eq!(timeout(LONG, ready(1)).await, Ok(1));
        assert_eq!(timeout(Duration::ZERO, ready(2)).await, Ok(2));
        assert_eq!(timeout_at(Instant::now() - MILLI, ready(3)).await, Ok(3));
        let dropped = Arc::new(AtomicUsize::new(0));
        let counts = dropped.clone();
        let begin = Instant::now();
        let elapsed = timeout(2 * MILLI, async move {
            let _on_drop = OnDrop::new(move || {
                counts.fetch_add(1, SeqCst);
            });
            pending::<()>().await;
        })
        .await
        .unwrap_err();
        assert!(begin.elapsed() >= 2 * MILLI);
        assert_eq!(dropped.load(SeqCst), 1);
        let error = io::Error::from(elapsed);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.source().is_some() || error.get_ref().is_some());
        // A future that uses up every budget has a limit too.
        let floods = async {
            loop {
                coop::consume_budget().await;
            }
        };
        assert!(timeout(2 * MILLI, floods).await.is_err());
    });
}

#[test]
fn limits_race_with_what_they_limit() {
    let mut random = Random::for_test("racing limits", 20);
    on_every_kind("racing limits", 60, |kind| {
        let runtime = kind.build();
        let (mut late, mut in_time) = (0, 0);
        runtime.block_on(async {
            let rounds: Vec<_> = (0..2_000)
                .map(|_| {
                    let (limit, takes) = (random.below(4_000), random.below(4_000));
                    spawn(async move {
                        let limit = Duration::from_micros(limit as u64);
                        let takes = sleep(Duration::from_micros(takes as u64));
                        timeout(limit, takes).await.is_ok()
                    })
                })
                .collect();
            for round in rounds {
                match round.await.unwrap() {
                    true => in_time += 1,
                    false => late += 1,
                }
            }
        });
        assert!(late > 0 && in_time > 0, "{late} late, {in_time} in time");
        assert_eq!(runtime.metrics().num_timers(), 0);
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_after_each_period() {
    on_every_runtime("intervals", async |_| {
        let begin = Instant::now();
        let mut ticks = interval(2 * MILLI);
        let first = ticks.tick().await;
        assert!(first >= begin);
        for number in 1..5 {
            assert_eq!(ticks.tick().await, first + number * 2 * MILLI);
            assert!(Instant::now() >= first + number * 2 * MILLI);
        }
        let start = Instant::now() + 3 * MILLI;
        let ticks: Vec<_> = interval_at(start, MILLI).take(3).collect().await;
        assert_eq!(ticks, [start, start + MILLI, start + 2 * MILLI]);
    });
}

#[test]
fn missed_ticks_are_made_up_for_as_asked() {
    for (behavior, expected) in [
        // After the late tick, in tenths of a second from the start.
        (MissedTickBehavior::Burst, [10, 20, 30, 40]),
        (MissedTickBehavior::Delay, [10, 45, 55, 65]),
        (MissedTickBehavior::Skip, [10, 40, 50, 60]),
    ] {
        block_on(async {
            mini_rt_runtime::time::pause();
            let tenth = Duration::from_millis(100);
            let start = Instant::now();
            let mut ticks = interval(10 * tenth);
            ticks.set_missed_tick_behavior(behavior);
            assert_eq!(ticks.tick().await, start);
            mini_rt_runtime::time::advance(35 * tenth).await;
            for expected in expected {
                assert_eq!(ticks.tick().await, start + expected * tenth, "{behavior:?}");
            }
            assert_eq!(
                (ticks.period(), ticks.missed_tick_behavior()),
                (10 * tenth, behavior)
            );
        });
    }
}

#[test]
fn the_next_tick_can_be_moved() {
    block_on(async {
        mini_rt_runtime::time::pause();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut ticks = interval(10 * second);
        ticks.tick().await;
        sleep(3 * second).await;
        ticks.reset();
        assert_eq!(ticks.tick().await, start + 13 * second);
        ticks.reset_immediately();
        assert_eq!(ticks.tick().await, start + 13 * second);
        ticks.reset_after(2 * second);
        assert_eq!(ticks.tick().await, start + 15 * second);
        ticks.reset_at(start + 30 * second);
        assert_eq!(ticks.tick().await, start + 30 * second);
        assert_eq!(ticks.tick().await, start + 40 * second);
    });
}
