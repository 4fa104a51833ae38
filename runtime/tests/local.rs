//! Local tasks: they run and end on the thread that spawned them, whatever other threads do to them.
//!
//! | file | one idea |
//! |---|---|
//! | `running.rs` | what runs where |
//! | `threads.rs` | other threads wake, abort and await |
//! | `end.rs` | the end of a set, and of a current-thread runtime |
//! | `trouble.rs` | panics, tasks that never rest, bad use |

#![allow(
    clippy::async_yields_async,
    reason = "tasks are spawned in one `block_on` and awaited later"
)]
#![allow(
    clippy::await_holding_refcell_ref,
    reason = "a set that is only looked at"
)]
#![allow(clippy::waker_clone_wake, reason = "both kinds of wake-ups are meant")]

mod support;

#[path = "local/end.rs"]
mod end;
#[path = "local/running.rs"]
mod running;
#[path = "local/threads.rs"]
mod threads;
#[path = "local/trouble.rs"]
mod trouble;

use std::future::{pending, poll_fn};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use mini_rt_runtime::LocalSet;

use support::kinds::{Kind, on_every_kind};
use support::tasks::{Census, Citizen, Mailbox};
use support::watchdog::Watchdog;

/// Where values that may not leave their threads end.
#[derive(Clone, Default)]
struct Homes {
    census: Census,
    astray: Arc<AtomicUsize>,
}

/// One of those values.
struct Resident {
    _citizen: Citizen,
    home: ThreadId,
    astray: Arc<AtomicUsize>,
    not_send: PhantomData<*const ()>,
}

impl Homes {
    fn resident(&self) -> Resident {
        Resident {
            _citizen: self.census.citizen(),
            home: thread::current().id(),
            astray: self.astray.clone(),
            not_send: PhantomData,
        }
    }

    /// Whether so many came, and all of them have ended where they belong.
    fn assert_ended(&self, born: usize) {
        let seen = (self.census.born(), self.census.alive());
        assert_eq!(seen, (born, 0), "(born, alive)");
        assert_eq!(self.astray.load(SeqCst), 0, "touched on other threads");
    }
}

impl Resident {
    fn is_used(&self) {
        if thread::current().id() != self.home {
            self.astray.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.is_used();
    }
}

/// Waits for ever, with a resident on board.
async fn wait_for_ever(resident: Resident) {
    resident.is_used();
    pending::<()>().await;
}

/// Takes values out of a mailbox until it is told to stop, and answers each.
async fn answer(resident: Resident, asked: Arc<Mailbox<usize>>, answered: Arc<Mailbox<usize>>) {
    loop {
        let value = asked.take().await;
        resident.is_used();
        answered.put(value + 1);
        if value == STOP {
            return;
        }
    }
}

const STOP: usize = usize::MAX / 2;

/// A task's waker, as soon as it has been polled.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<Option<Waker>>>);

impl Known {
    fn waker(&self) -> Option<Waker> {
        self.0.lock().unwrap().clone()
    }

    /// Lets its waker be known and waits, for ever.
    async fn wait(self, resident: Resident) {
        poll_fn(|cx| -> Poll<()> {
            resident.is_used();
            *self.0.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Runs a scenario where local tasks can be spawned: in a set on every kind of runtime, and in a
/// current-thread runtime as such.
fn wherever_local(test: &str, scenario: impl AsyncFn()) {
    on_every_kind(test, 60, |kind| {
        let set = LocalSet::new();
        set.block_on(&kind.build(), scenario());
    });
    let _watchdog = Watchdog::seconds(format!("{test} without a set"), 60);
    Kind::CurrentThread.build().block_on(scenario());
}
