//! A poller for loom's models: a set of pending events and a condition variable.
//!
//! Descriptors are plain numbers. A model makes one readable with [`Poller::trigger`], and it stays so: like
//! the kernel, the poller also reports it when it is added or modified later.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::{Event, Interest, Ready};
use crate::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Poller {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    registered: HashMap<RawFd, (u64, Interest)>,
    readable: HashSet<RawFd>,
    pending: Vec<Event>,
    woken: bool,
}

#[derive(Default)]
pub(crate) struct Events {
    events: Vec<Event>,
    has_wake_up: bool,
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

    /// A wait with a time-out lasts for ever, unless it is zero: loom has no clock, and nothing may rely on
    /// time alone.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = self.state.lock();
        while timeout != Some(Duration::ZERO) && !state.woken && state.pending.is_empty() {
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
