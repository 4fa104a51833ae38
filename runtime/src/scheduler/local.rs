//! Tasks that stay on one thread, because their futures are not `Send`.
//!
//! | file | one idea |
//! |---|---|
//! | `confined.rs` | values that only one thread reaches |
//! | `turn.rs` | a poll of a set |
//! | `pollers.rs` | who polls a set |
//! | `context.rs` | the set that the code on this thread spawns to |
//!
//! A local task is a task like any other; its scheduler is a [`Set`], which belongs to the thread that made
//! it. Whoever polls the set gives it a [`Turn`], in which its ready tasks run.
//!
//! What always holds:
//! - The `Runnable` of a local task is run, cancelled and dropped on the set's own thread, and so are its
//!   future and an output that nobody takes. Another thread that wakes or aborts the task makes a
//!   `Runnable` too, but does nothing with it except to leave it in the set's [`Remote`].
//! - A `Runnable` in a queue keeps its task alive, and the task its set. So a set that is freed, on whatever
//!   thread, has none.
//! - When the owner of a set lets go of it, every task is brought to its end before that returns. After
//!   that a wake makes no `Runnable` any more.
//! - If there is a `Runnable` in a queue, or one was there since the last turn, then every poller is in a
//!   turn or was woken.

mod confined;
mod context;
mod pollers;
#[cfg(all(test, not(loom)))]
mod tests;
mod turn;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use self::confined::Confined;
pub(crate) use self::context::{Beside, Entered, NO_SET, current, runtime_dropped};
use self::pollers::Pollers;
pub(crate) use self::turn::Poller;
use crate::coop;
use crate::sync::monitor::{Condvar, Mutex};
use crate::sync::thread;
use crate::task::{self, Header, JoinHandle, Origin, Owned, Place, Runnable, Schedule};

/// Local tasks, and where they wait.
pub(crate) struct Set {
    own: Confined<Own>,
    remote: Mutex<Remote>,
    /// Another thread has brought a task, after the set was closed.
    arrived: Condvar,
    tasks: Owned,
    /// Tasks that were ever spawned, here or in other sets that are counted together.
    spawned: Arc<AtomicU64>,
}

/// What the set's own thread alone touches.
#[derive(Default)]
struct Own {
    ready: RefCell<VecDeque<Runnable>>,
    /// Tasks that have given way. They are ready at the next turn, so that whoever polls the set does
    /// something else before.
    later: RefCell<VecDeque<Runnable>>,
    /// Spares a look at [`Remote::called`]: only if that is set, this is.
    called: Cell<bool>,
    /// Turns under way. They nest if a local task polls its own set.
    turns: Cell<u32>,
    /// Tasks that are not complete.
    alive: Cell<usize>,
    /// The last task has ended since the last turn.
    emptied: Cell<bool>,
    next_poller: Cell<u64>,
}

/// What every thread may touch.
#[derive(Default)]
struct Remote {
    /// Tasks that other threads have woken.
    ready: VecDeque<Runnable>,
    pollers: Pollers,
    /// Nobody has to be woken, because since the last turn everybody was, or because a turn is under way.
    called: bool,
    closed: bool,
}

/// A local task's way back to its set.
struct Home {
    set: Arc<Set>,
}

/// The claim to a set, whose tasks end when this is dropped. It stays on the set's own thread.
pub(crate) struct OwnedSet {
    set: Arc<Set>,
    not_send: PhantomData<*const ()>,
}

impl Set {
    /// Makes a task of a future. If the set is closed it is cancelled at once.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let own = self.own("used");
        let home = Home { set: self.clone() };
        // SAFETY: this is the set's own thread, for `own` checks it. The `Runnable` goes into the set's
        // queues, those made later go there by `Home`, and what takes them out asks for `own` as well: it is
        // this thread that polls the future and drops it, and the output if no handle does. A handle leaves
        // this thread only if the output may. Whoever frees the task later finds neither in it.
        let (task, handle) = unsafe { task::new_unchecked(future, home, origin) };
        own.alive.set(own.alive.get() + 1);
        self.spawned.fetch_add(1, Relaxed);
        if self.tasks.insert(&task) {
            self.push(own, task);
        } else {
            task.cancel();
        }
        handle
    }

    pub(in crate::scheduler) fn tasks(&self) -> &Owned {
        &self.tasks
    }

    /// Tasks that are not complete.
    pub(crate) fn len(&self) -> usize {
        self.own("used").alive.get()
    }

    /// What the set's own thread touches.
    ///
    /// # Panics
    ///
    /// On any other thread, to which code without `unsafe` cannot bring a set.
    #[inline]
    fn own(&self, what: &str) -> &Own {
        self.own.get().unwrap_or_else(|| {
            panic!(
                "`LocalSet` {what} on another thread than the one that made it: it has to stay there, so \
                 reach its tasks from elsewhere through channels"
            )
        })
    }

    /// Takes a task that was woken on the set's own thread.
    #[inline]
    fn push(self: &Arc<Self>, own: &Own, task: Runnable) {
        if own.called.replace(true) {
            return own.ready.borrow_mut().push_back(task);
        }
        // Who is woken may run the task to its end at once, and so free its `Home`.
        let set = self.clone();
        own.ready.borrow_mut().push_back(task);
        let pollers = set.remote.lock().call();
        pollers.wake();
    }

    /// Takes a task that was woken on another thread.
    fn deliver(&self, task: Runnable) {
        let pollers = {
            let mut remote = self.remote.lock();
            remote.ready.push_back(task);
            if remote.closed {
                self.arrived.notify_one();
            }
            remote.call()
        };
        pollers.wake();
    }

    /// Brings every task to its end, with the set as the current one, so that destructors may spawn.
    ///
    /// Another thread may have a `Runnable` that it is about to deliver. Its task does not end before, so
    /// this waits until no task is left.
    fn close(self: &Arc<Self>, own: &Own) {
        let _entered = Entered::new(self.clone());
        let _unconstrained = coop::Scope::unconstrained();
        self.remote.lock().closed = true;
        self.tasks.close();
        own.gather(&mut self.remote.lock());
        loop {
            while let Some(task) = own.next() {
                task.cancel();
            }
            if own.alive.get() == 0 {
                return;
            }
            let mut remote = self.remote.lock();
            while remote.ready.is_empty() {
                remote = self.arrived.wait(remote);
            }
            own.gather(&mut remote);
        }
    }
}

impl Own {
    /// Makes ready what other threads have woken, and what has given way.
    fn gather(&self, remote: &mut Remote) {
        let mut ready = self.ready.borrow_mut();
        ready.append(&mut remote.ready);
        ready.append(&mut self.later.borrow_mut());
    }

    fn has_work(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.later.borrow().is_empty()
    }

    #[inline]
    fn next(&self) -> Option<Runnable> {
        self.ready.borrow_mut().pop_front()
    }
}

impl Remote {
    /// Those who have to be woken for something new.
    fn call(&mut self) -> Pollers {
        if mem::replace(&mut self.called, true) {
            return Pollers::default();
        }
        mem::take(&mut self.pollers)
    }
}

impl Schedule for Home {
    #[inline]
    unsafe fn schedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: the task is alive until it is passed on, and with it its scheduler.
        let set = unsafe { &this.as_ref().set };
        match set.own.get() {
            Some(own) => set.push(own, task),
            None => {
                // The set's thread may end the task, and the set, as soon as it finds it.
                let set = set.clone();
                set.deliver(task);
            }
        }
    }

    unsafe fn reschedule(this: NonNull<Self>, task: Runnable) {
        // SAFETY: as above.
        let own = unsafe { this.as_ref().set.own("used") };
        // The task has just run, so a turn is under way, whose end finds it.
        own.later.borrow_mut().push_back(task);
    }

    fn release(&self, task: &Header) {
        let own = self.set.own("used");
        if task.place() != Place::Unlisted {
            self.set.tasks.remove(task);
        }
        own.alive.set(own.alive.get() - 1);
        own.emptied.set(own.alive.get() == 0);
    }
}

impl OwnedSet {
    pub(crate) fn new(spawned: Arc<AtomicU64>) -> Self {
        let set = Set {
            own: Confined::new(Own::default()),
            remote: Mutex::default(),
            arrived: Condvar::default(),
            tasks: Owned::default(),
            spawned,
        };
        Self {
            set: Arc::new(set),
            not_send: PhantomData,
        }
    }

    pub(crate) fn set(&self) -> &Arc<Set> {
        &self.set
    }

    /// Runs a future, and the set's tasks beside it until it is ready.
    pub(crate) async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let poller = self.set.poller();
        poll_fn(|cx| {
            let turn = poller.turn(cx);
            let _entered = Entered::new(self.set.clone());
            let poll = future.as_mut().poll(cx);
            if poll.is_pending() {
                turn.run();
            }
            poll
        })
        .await
    }

    /// Ends the tasks, also those that are spawned from now on.
    fn close(&self) {
        match self.set.own.get() {
            Some(own) => self.set.close(own),
            // The tasks are leaked, because this thread may not drop them.
            None if thread::panicking() => {}
            None => {
                self.set.own("dropped");
            }
        }
    }
}

impl Drop for OwnedSet {
    fn drop(&mut self) {
        self.close();
    }
}
