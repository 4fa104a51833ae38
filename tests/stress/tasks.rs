//! Scenarios of tasks: they are awaited, aborted, forgotten and woken from everywhere.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Poll, Waker};
use std::thread;

use mini_rt::task::{JoinError, JoinSet};

use super::actor::{Actor, is_about_the_end};
use super::support::random::Random;
use super::support::tasks::{panic_text, quiet_panic};

/// Tasks with a number each, some of which are aborted, at once or by another task, and some are forgotten.
pub async fn crowd(mut actor: Actor) -> Option<()> {
    let mut tasks = Vec::new();
    for number in 0..actor.some(60) {
        let task = actor.send(|mut other| async move {
            other.rest().await;
            number
        });
        let mut is_aborted = true;
        match actor.random.below(8) {
            0 => continue,
            1 => task.abort(),
            2 => {
                let abort = task.abort_handle();
                drop(actor.send(|mut other| async move {
                    other.rest().await;
                    abort.abort();
                }));
            }
            _ => is_aborted = false,
        }
        tasks.push((number, is_aborted, task));
    }
    actor.random.shuffle(&mut tasks);
    for (number, is_aborted, task) in tasks {
        match task.await {
            Err(error) if is_aborted && error.is_cancelled() => {}
            result => actor.same(actor.output(result)?, number)?,
        }
    }
    Some(())
}

/// A set of tasks that is emptied, dropped, shut down or let go.
pub async fn set(mut actor: Actor) -> Option<()> {
    let mut set = JoinSet::new();
    let count = actor.some(40);
    let mut aborted = HashSet::new();
    for number in 0..count {
        let mut other = actor.branch();
        let task = set.spawn(async move {
            other.rest().await;
            number
        });
        if actor.random.one_in(6) {
            task.abort();
            aborted.insert(task.id());
        }
    }
    match actor.random.below(6) {
        0 => drop(set),
        1 => set.detach_all(),
        2 => {
            actor.rest().await;
            set.shutdown().await;
            assert!(set.is_empty());
        }
        _ => {
            let mut missing: HashSet<_> = (0..count).collect();
            let mut cancelled = 0;
            while let Some(result) = set.join_next().await {
                match result {
                    Err(error) if error.is_cancelled() && aborted.remove(&error.id()) => {
                        cancelled += 1;
                    }
                    result => assert!(missing.remove(&actor.output(result)?), "it came twice"),
                }
            }
            actor.same(missing.len(), cancelled)?;
        }
    }
    Some(())
}

/// Numbers pass through a narrow channel, from many to many.
pub async fn relay(mut actor: Actor) -> Option<()> {
    let (send, receive) = async_channel::bounded(actor.some(4));
    let (senders, each) = (actor.some(6), actor.some(50));
    let sending: Vec<_> = (0..senders)
        .map(|first| {
            let send = send.clone();
            actor.send(|mut other| async move {
                for step in 0..each {
                    other.done(send.send(first * each + step).await)?;
                    if other.random.one_in(10) {
                        other.rest().await;
                    }
                }
                Some(())
            })
        })
        .collect();
    drop(send);
    let receiving: Vec<_> = (0..actor.some(6))
        .map(|_| {
            let receive = receive.clone();
            actor.send(|mut other| async move {
                let mut numbers = Vec::new();
                while let Ok(number) = receive.recv().await {
                    numbers.push(number);
                    if other.random.one_in(10) {
                        other.rest().await;
                    }
                }
                numbers
            })
        })
        .collect();
    drop(receive);
    for task in sending {
        actor.output(task.await)??;
    }
    let mut numbers = Vec::new();
    for task in receiving {
        numbers.extend(actor.output(task.await)?);
    }
    numbers.sort_unstable();
    actor.same(numbers, (0..senders * each).collect())
}

/// What a task leaves with a thread that is to wake it: a flag to set first, and its waker.
type Errand = (Arc<AtomicBool>, Waker);

/// Tasks that are woken by a thread of no runtime, which is late, wakes twice, or wakes only with the second of
/// two equal wakers.
pub async fn wakers_abroad(mut actor: Actor) -> Option<()> {
    let (leave, errands) = channel();
    let random = actor.random.branch();
    drop(thread::spawn(move || run_errands(errands, random)));
    let tasks: Vec<_> = (0..actor.some(10))
        .map(|_| {
            let leave = leave.clone();
            actor.send(|mut other| async move {
                for _ in 0..other.some(10) {
                    wait_for_errand(&leave).await;
                }
            })
        })
        .collect();
    for task in tasks {
        actor.output(task.await)?;
    }
    Some(())
}

async fn wait_for_errand(leave: &Sender<Errand>) {
    let is_done = Arc::new(AtomicBool::new(false));
    poll_fn(|cx| {
        if is_done.load(SeqCst) {
            return Poll::Ready(());
        }
        let errand = (is_done.clone(), cx.waker().clone());
        leave
            .send(errand)
            .expect("the thread is there as long as somebody can send");
        Poll::Pending
    })
    .await;
}

fn run_errands(errands: Receiver<Errand>, mut random: Random) {
    for (is_done, waker) in errands {
        if random.one_in(4) {
            thread::sleep(std::time::Duration::from_micros(random.below(500) as u64));
        }
        is_done.store(true, SeqCst);
        match random.below(4) {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            2 => {
                let second = waker.clone();
                drop(waker);
                second.wake();
            }
            _ => {
                waker.wake_by_ref();
                thread::yield_now();
                waker.wake();
            }
        }
    }
}

/// Tasks that panic, whose panics come to those who await them and to nobody else.
pub async fn panics(mut actor: Actor) -> Option<()> {
    const TEXT: &str = "on purpose";
    let tasks: Vec<_> = (0..actor.some(10))
        .map(|_| {
            actor.send(|mut other| async move {
                other.rest().await;
                quiet_panic(TEXT)
            })
        })
        .collect();
    for task in tasks {
        let error: JoinError = match task.await {
            Ok(never) => never,
            Err(error) => error,
        };
        match error.try_into_panic() {
            Ok(panic) if is_about_the_end(panic_text(&*panic)) => {
                actor.same(panic_text(&*panic), TEXT)?;
            }
            Ok(panic) => assert_eq!(panic_text(&*panic), TEXT),
            Err(cancelled) => drop(actor.output::<()>(Err(cancelled))?),
        }
    }
    Some(())
}

/// Tasks that spawn tasks, and add up what those have counted.
pub async fn tree(mut actor: Actor) -> Option<()> {
    let depth = actor.some(7);
    let leaves = grow(actor.branch(), depth).await?;
    actor.same(leaves, 1 << depth)
}

fn grow(mut actor: Actor, depth: usize) -> Pin<Box<dyn Future<Output = Option<usize>> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return Some(1);
        }
        let halves = [(); 2].map(|()| actor.send(|other| grow(other, depth - 1)));
        let mut leaves = 0;
        for half in halves {
            leaves += actor.output(half.await)??;
        }
        Some(leaves)
    })
}
