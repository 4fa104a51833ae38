//! The memory that idle tasks take: tasks that have been polled once and are never woken.

use std::fmt;
use std::future::{Future, pending};
use std::io;

use crate::on_executor;
use crate::peer::{Executor, Peer};
use crate::usage::resident_bytes;

/// After so many spawned tasks comes a pause of as many yields, in which all of them are polled even
/// where a task that yields goes before some of them. So no queue grows.
const BATCH: usize = 100;

/// What becomes of a task's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handles {
    /// It is dropped, and the task runs on without it.
    Dropped,
    /// It is kept in a vector, whose memory counts.
    Kept,
}

impl Handles {
    /// Both, in the order in which tables show them.
    pub const ALL: [Handles; 2] = [Handles::Dropped, Handles::Kept];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Handles::Dropped => "dropped",
            Handles::Kept => "kept",
        }
    }
}

impl fmt::Display for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Spawns `tasks` tasks that wait for ever, on one worker of `peer`, and returns by how many bytes the
/// resident memory of this process has grown then.
///
/// # Errors
/// The runtime's when it cannot start; the system's when it does not tell the memory.
pub fn idle_tasks(peer: Peer, handles: Handles, tasks: usize) -> io::Result<u64> {
    on_executor!(peer, E => E::run(1, grow::<E, _>(handles, tasks, pending::<()>))?)
}

async fn grow<E, F>(
    handles: Handles,
    tasks: usize,
    idle: impl Fn() -> F + Send + 'static,
) -> io::Result<u64>
where
    E: Executor,
    F: Future<Output = ()> + Send + 'static,
{
    // Room for more handles takes address space; it is resident only once it is used.
    let mut kept = match handles {
        Handles::Dropped => Vec::new(),
        Handles::Kept => Vec::with_capacity(tasks),
    };
    let before = resident_bytes(std::process::id())?;
    for spawned in 1..=tasks {
        let handle = E::spawn(idle());
        match handles {
            Handles::Dropped => E::detach(handle),
            Handles::Kept => kept.push(handle),
        }
        if spawned % BATCH == 0 || spawned == tasks {
            for _ in 0..BATCH {
                E::yield_now().await;
            }
        }
    }
    let after = resident_bytes(std::process::id())?;
    drop(kept);
    Ok(after.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    /// Without smol: its one executor is shared by all tests of this process, so others may have taken
    /// a task and not polled it yet.
    #[test]
    fn the_tasks_have_been_polled_once_when_memory_is_read() {
        fn polls<E: Executor>(handles: Handles, tasks: usize) -> usize {
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let idle = move || {
                let polls = polls.clone();
                poll_fn(move |_| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    Poll::Pending
                })
            };
            E::run(1, async move {
                grow::<E, _>(handles, tasks, idle).await.unwrap();
                counted.load(Ordering::Relaxed)
            })
            .unwrap()
        }
        const TASKS: usize = 3 * BATCH + 7;
        for handles in Handles::ALL {
            for peer in Peer::EXECUTORS
                .into_iter()
                .filter(|&peer| peer != Peer::Smol)
            {
                let polled = on_executor!(peer, E => Ok(polls::<E>(handles, TASKS)));
                assert_eq!(polled.unwrap(), TASKS, "{peer}");
            }
        }
    }
}
