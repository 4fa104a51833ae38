//! Scenarios of threads: those that block where tasks run, and those that come from outside.

use std::cell::RefCell;
use std::rc::Rc;

use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::task::{LocalSet, block_in_place, spawn_local};
use mini_rt::time::{Instant, sleep};

use super::actor::Actor;
use super::support::kinds::{KINDS, Kind};
use super::support::sockets::{echo, std_pair};

/// Tasks that announce that they block, some of which enter the runtime again there.
pub async fn in_place(mut actor: Actor) -> Option<()> {
    if actor.kind() == Kind::CurrentThread {
        return Some(());
    }
    let tasks: Vec<_> = (0..actor.some(6))
        .map(|_| {
            actor.send(|mut other| async move {
                other.rest().await;
                let again = other.random.one_in(3);
                let (handle, mut inner) = (other.handle().clone(), other.branch());
                let found = block_in_place(move || match again {
                    true => handle.block_on(async move {
                        let task = inner.send(|mut other| async move { other.rest().await });
                        inner.output(task.await)
                    }),
                    false => {
                        inner.block();
                        Some(())
                    }
                });
                other.rest().await;
                found
            })
        })
        .collect();
    for task in tasks {
        actor.output(task.await)??;
    }
    Some(())
}

/// Closures that block, more of them than there are threads; some enter the runtime again.
pub async fn closures(mut actor: Actor) -> Option<()> {
    let mut closures = Vec::new();
    for number in 0..actor.some(20) {
        let mut other = actor.branch();
        let again = actor.random.one_in(4);
        let handle = actor.handle().clone();
        let closure = actor.handle().spawn_blocking(move || {
            other.block();
            if again {
                handle.block_on(other.rest());
            }
            number
        });
        match actor.random.below(6) {
            0 => drop(closure),
            1 => {
                closure.abort();
                closures.push((number, true, closure));
            }
            _ => closures.push((number, false, closure)),
        }
    }
    for (number, is_aborted, closure) in closures {
        match closure.await {
            Err(error) if is_aborted && error.is_cancelled() => {}
            result => actor.same(actor.output(result)?, number)?,
        }
    }
    Some(())
}

/// Threads of no runtime that come and run a future here.
pub async fn visitors(mut actor: Actor) -> Option<()> {
    let visits: Vec<_> = (0..actor.some(4))
        .map(|_| {
            actor.send(|mut other| async move {
                other
                    .send_abroad(|mut visitor| {
                        visitor.block();
                        let handle = visitor.handle().clone();
                        handle.block_on(visit(&mut visitor))
                    })
                    .await
            })
        })
        .collect();
    for visit in visits {
        actor.output(visit.await)??;
    }
    Some(())
}

async fn visit(actor: &mut Actor) -> Option<()> {
    actor.rest().await;
    let (begin, pause) = (Instant::now(), actor.micros(2_000));
    sleep(pause).await;
    assert!(begin.elapsed() >= pause);
    let (ours, theirs) = std_pair();
    let mut stream = actor.done(AsyncTcpStream::from_std(ours))?;
    let peer = actor.done(AsyncTcpStream::from_std(theirs))?;
    let echoing = actor.spawn(echo(peer));
    let message = actor.random.some_bytes(3_000);
    actor.done(stream.write_all(&message).await)?;
    actor.done(stream.close().await)?;
    let mut answer = Vec::new();
    actor.done(stream.read_to_end(&mut answer).await)?;
    actor.same_bytes(&answer, &message)?;
    actor.same(actor.done(actor.output(echoing.await)?)?, message.len())
}

/// Tasks that stay on a thread of no runtime; their set is awaited, or dropped while they wait.
pub async fn local_tasks(mut actor: Actor) -> Option<()> {
    actor
        .send_abroad(|mut visitor| {
            let (set, handle) = (LocalSet::new(), visitor.handle().clone());
            let notes = Rc::new(RefCell::new(Vec::new()));
            let count = visitor.some(20);
            for number in 0..count {
                let (mut other, notes) = (visitor.branch(), notes.clone());
                drop(set.spawn_local(async move {
                    other.rest().await;
                    let output = other.output(spawn_local(async move { number }).await);
                    notes.borrow_mut().push(output);
                }));
            }
            if visitor.random.one_in(3) {
                handle.block_on(set.run_until(visitor.rest()));
                drop(set);
                assert_eq!(Rc::strong_count(&notes), 1);
                return Some(());
            }
            handle.block_on(set);
            let numbers: Option<Vec<_>> = notes.borrow_mut().drain(..).collect();
            let mut numbers = numbers?;
            numbers.sort_unstable();
            visitor.same(numbers, (0..count).collect())
        })
        .await
}

/// A runtime that is made on the side, awaits what happens on this one, and ends.
pub async fn another_runtime(mut actor: Actor) -> Option<()> {
    actor
        .send_abroad(|mut visitor| {
            let kind = KINDS[visitor.random.below(KINDS.len())];
            let runtime = kind.build();
            let there = visitor.branch();
            let found = runtime.block_on(runtime.spawn(async move {
                let mut there = there;
                let here = there.send(|mut other| async move {
                    other.rest().await;
                    5
                });
                // This pause is one of the other runtime.
                sleep(there.micros(1_000)).await;
                there.same(there.output(here.await)?, 5)
            }));
            match visitor.random.below(3) {
                0 => drop(runtime),
                1 => runtime.shutdown_timeout(visitor.micros(1_000)),
                _ => runtime.shutdown_background(),
            }
            found.expect("a task on a runtime that was there")
        })
        .await
}

/// Tasks that block their worker without a word, beside others.
pub async fn stuck_worker(mut actor: Actor) -> Option<()> {
    let tasks: Vec<_> = (0..actor.some(5))
        .map(|_| {
            actor.send(|mut other| async move {
                for _ in 0..other.some(4) {
                    other.block();
                    other.rest().await;
                }
            })
        })
        .collect();
    for task in tasks {
        actor.output(task.await)?;
    }
    Some(())
}
