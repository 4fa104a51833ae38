//! A poller for loom's models: a set of pending events and a condition variable.
//!
//! Descriptors are plain numbers. A model makes one readable with [`Poller::trigger`], and it stays so: like
//! the kernel, the poller also reports it when it is added or modified later.
//!
//! Loom has no clock. So it is the model that lets time pass, with [`Poller::let_time_pass`], once for each
//! time-out that is to run out; otherwise a wait with a time-out lasts for ever.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::{Event, Interest, Ready};
use crate::sync::monitor::{Condvar, Mutex};

#[derive(Default)]
pub(crate) struct Poller {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    registered: HashMap<RawFd, (u64, Interest)>,
    readable: HashSet<RawFd>,
    pending: Vec<Event>,
    woken: bool,
    /// What is to happen when the next time-outs run out.
    time_outs: VecDeque<Box<dyn FnOnce() + Send>>,
}

#[derive(Default)]
pub(crate) struct Events {
    events: Vec<Event>,
    has_wake_up: bool,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    pub(crate) fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut state = self.state.lock();
        state.registered.insert(fd, (token, interest));
        if state.readable.contains(&fd) {
            self.report(&mut state, fd);
        }
        Ok(())
    }

    pub(crate) fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    pub(crate) fn delete(&self, fd: RawFd) -> io::Result<()> {
        self.state.lock().registered.remove(&fd);
        Ok(())
    }

    /// Modelled pollers do not nest.
    pub(crate) fn nest(&self, _other: &Self, _token: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn unnest(&self, _other: &Self) {}

    pub(crate) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    /// Makes a descriptor readable.
    #[cfg(test)]
    pub(crate) fn trigger(&self, fd: RawFd) {
        let mut state = self.state.lock();
        state.readable.insert(fd);
        self.report(&mut state, fd);
    }

    /// Queues an event for a readable descriptor, if it is registered for reading.
    fn report(&self, state: &mut State, fd: RawFd) {
        let registered = state.registered.get(&fd);
        if let Some(&(token, _)) = registered.filter(|(_, interest)| interest.is_readable()) {
            state.pending.push(Event {
                token,
                ready: Ready::READ,
            });
            self.changed.notify_all();
        }
    }

    /// Ends a wait with a time-out, the one that is under way or else the next, and calls `then` as it ends.
    #[cfg(test)]
    pub(crate) fn let_time_pass(&self, then: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        state.time_outs.push_back(Box::new(then));
        self.changed.notify_all();
    }

    /// Waits for something to report; for ever if there is no time-out.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = self.state.lock();
        while timeout != Some(Duration::ZERO) && !state.woken && state.pending.is_empty() {
            let time_out = timeout.and_then(|_| state.time_outs.pop_front());
            if let Some(then) = time_out {
                then();
                break;
            }
            state = self.changed.wait(state);
        }
        events.has_wake_up = std::mem::take(&mut state.woken);
        events.events = std::mem::take(&mut state.pending);
        Ok(())
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.iter().copied()
    }

    pub(crate) fn has_wake_up(&self) -> bool {
        self.has_wake_up
    }
}
