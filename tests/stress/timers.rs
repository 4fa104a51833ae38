//! Scenarios of timers: none is early, none is forgotten, and those that are given up leave nothing.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use mini_rt::task::yield_now;
use mini_rt::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use super::actor::Actor;
use super::support::tasks::poll_once;

/// Below which sleeps last, in microseconds.
const SHORT: usize = 5_000;

/// Sleeps that are awaited, moved to another deadline, moved to another task, or given up.
pub async fn sleeps(mut actor: Actor) -> Option<()> {
    let tasks: Vec<_> = (0..actor.some(20))
        .map(|_| actor.send(sleep_once))
        .collect();
    for task in tasks {
        actor.output(task.await)??;
    }
    Some(())
}

async fn sleep_once(mut actor: Actor) -> Option<()> {
    let begin = Instant::now();
    let (first, second) = (actor.micros(SHORT), actor.micros(SHORT));
    let mut pause = sleep(first);
    match actor.random.below(5) {
        0 => {
            let _ = poll_once(&mut pause).await;
            return Some(());
        }
        1 => {
            let _ = poll_once(&mut pause).await;
            pause.reset(begin + second);
            (&mut pause).await;
            assert!(begin.elapsed() >= second);
        }
        2 => {
            let _ = poll_once(&mut pause).await;
            actor.output(actor.spawn(pause).await)?;
            assert!(begin.elapsed() >= first);
        }
        3 => {
            let deadline = begin + first + second;
            sleep_until(deadline).await;
            assert!(Instant::now() >= deadline);
        }
        _ => {
            pause.await;
            assert!(begin.elapsed() >= first);
        }
    }
    Some(())
}

/// Ticks come when they are due or later, and are a period apart at least.
pub async fn intervals(mut actor: Actor) -> Option<()> {
    let period = Duration::from_micros(50) + actor.micros(2_000);
    let start = Instant::now() + actor.micros(2_000);
    let behavior = [
        MissedTickBehavior::Burst,
        MissedTickBehavior::Delay,
        MissedTickBehavior::Skip,
    ][actor.random.below(3)];
    let mut ticks = interval_at(start, period);
    ticks.set_missed_tick_behavior(behavior);
    let mut last = None;
    for number in 0..actor.some(10) {
        if actor.random.one_in(4) {
            // A tick that nobody takes yet stays.
            let _ = timeout(actor.micros(500), pending::<()>()).await;
        }
        let due = ticks.tick().await;
        assert!(Instant::now() >= due);
        match behavior {
            MissedTickBehavior::Burst => assert_eq!(due, start + period * number as u32),
            MissedTickBehavior::Skip => {
                assert_eq!((due - start).as_nanos() % period.as_nanos(), 0);
            }
            MissedTickBehavior::Delay => {}
        }
        assert!(last.is_none_or(|last| due >= last + period));
        last = Some(due);
    }
    Some(())
}

/// Time limits around what is over in time, around what may be, and around what never is.
pub async fn time_limits(mut actor: Actor) -> Option<()> {
    for _ in 0..actor.some(10) {
        let (begin, limit) = (Instant::now(), actor.micros(SHORT));
        match actor.random.below(3) {
            0 => assert_eq!(timeout(limit, async { 1 }).await, Ok(1)),
            1 => {
                let owned = actor.branch();
                let never = async move {
                    let _owned = owned;
                    pending::<()>().await;
                };
                assert!(timeout(limit, never).await.is_err());
                assert!(begin.elapsed() >= limit);
            }
            _ => {
                let mut task = actor.send(|mut other| async move {
                    other.rest().await;
                    2
                });
                let result = match timeout(limit, &mut task).await {
                    Ok(result) => result,
                    Err(_) => {
                        assert!(begin.elapsed() >= limit);
                        task.await
                    }
                };
                assert_eq!(actor.output(result)?, 2);
            }
        }
    }
    Some(())
}

/// Two futures of which the slower one is dropped, at once or after the faster one's output was used.
pub async fn races(mut actor: Actor) -> Option<()> {
    for _ in 0..actor.some(20) {
        let (begin, most) = (Instant::now(), actor.micros(SHORT));
        let (send, receive) = async_channel::bounded(1);
        let sending = actor.send(|mut other| async move {
            other.rest().await;
            // Who has lost the patience does not receive.
            let _ = send.send(3).await;
        });
        let (pause, message) = (pin!(sleep(most)), pin!(receive.recv()));
        match select(pause, message).await {
            Either::Left((_, message)) => {
                assert!(begin.elapsed() >= most);
                if actor.random.one_in(2) {
                    actor.same(actor.done(message.await)?, 3)?;
                }
            }
            Either::Right((message, pause)) => {
                actor.same(actor.done(message)?, 3)?;
                if actor.random.one_in(2) {
                    pause.await;
                    assert!(begin.elapsed() >= most);
                }
            }
        }
        actor.output(sending.await)?;
        give_way(actor.random.below(3)).await;
    }
    Some(())
}

/// Lets others run so many times, the last time by a wake of its own.
async fn give_way(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
    let mut is_second_poll = false;
    poll_fn(|cx| match is_second_poll {
        true => Poll::Ready(()),
        false => {
            is_second_poll = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}
