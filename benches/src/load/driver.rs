//! One thread of the load client: an edge-triggered poll loop over its share of the connections.
//!
//! The poller's time-outs are whole milliseconds, and requests of an open loop come many to a
//! millisecond: when the next of them is near, or a reply is to come, the loop polls without waiting.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use super::plan::{Dues, Pace, Plan};
use super::report::Tally;

/// With nothing from the server for so long, what is still missing is given up as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Large enough that a short read is the rule for every message size of interest.
const SCRATCH_SIZE: usize = 64 * 1024;

const EVENTS_PER_POLL: usize = 1024;

/// How long before the next request is due the poller waits no more: a wait may end a millisecond late,
/// and as much again on a busy machine.
const NEAR: Duration = Duration::from_millis(2);

/// What a poll may take that does not wait. When it takes longer, the thread was kept from its CPU.
const INSTANT_POLL: Duration = Duration::from_micros(100);

pub(super) struct Driver {
    poll: Poll,
    connections: Vec<Connection>,
    in_flight: usize,
    /// When the next requests are due on connections with a free slot. An entry may be out of date:
    /// what it announces has then begun.
    upcoming: BTreeSet<(Instant, usize)>,
    /// When the server was last heard of, or last had nothing to do.
    heard_at: Instant,
    scratch: Vec<u8>,
    tally: Tally,
}

impl Driver {
    pub(super) fn new(mut connections: Vec<Connection>) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (index, connection) in connections.iter_mut().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(connection.stream(), Token(index), interest)?;
        }
        Ok(Self {
            poll,
            connections,
            in_flight: 0,
            upcoming: BTreeSet::new(),
            heard_at: Instant::now(),
            scratch: vec![0; SCRATCH_SIZE],
            tally: Tally::new(),
        })
    }

    /// Runs the plan, waits for the outstanding replies and sees every connection closed. Connections
    /// stay open until the last reply, so that every request meets the same number of them.
    pub(super) fn run(mut self, plan: Plan, pace: Pace) -> io::Result<Tally> {
        let mut tally = self.play(plan, pace)?;
        for connection in self.connections {
            if let Err(error) = connection.finish(PATIENCE) {
                tally.failures.add(0, error);
            }
        }
        Ok(tally)
    }

    /// Runs the plan and waits for the outstanding replies.
    pub(super) fn play(&mut self, plan: Plan, pace: Pace) -> io::Result<Tally> {
        let mut dues = Dues::new(plan, pace, self.connections.len());
        for index in 0..self.connections.len() {
            self.begin_due(index, Instant::now(), plan.origin, &mut dues);
        }
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        while self.in_flight > 0 || !self.upcoming.is_empty() {
            let timeout = self.begin_upcoming(&mut dues);
            self.poll(&mut events, timeout, &dues)?;
            if events.is_empty() && self.in_flight > 0 && self.heard_at.elapsed() >= PATIENCE {
                self.give_up(&mut dues);
            }
            for event in &events {
                self.advance(event.token().0, event.is_read_closed(), &mut dues);
            }
        }
        Ok(mem::replace(&mut self.tally, Tally::new()))
    }

    /// Begins the requests that have become due on connections with a free slot, and tells how long
    /// the poller may wait. In an open loop it does not while a reply is to come: to be woken takes time,
    /// and more of it on a busy machine, which would pass for the server's.
    fn begin_upcoming(&mut self, dues: &mut Dues) -> Duration {
        let mut timeout = PATIENCE;
        while let Some(&(due, index)) = self.upcoming.first() {
            let now = Instant::now();
            if now < due {
                timeout = (due - now).saturating_sub(NEAR).min(PATIENCE);
                break;
            }
            self.upcoming.pop_first();
            self.begin_due(index, now, dues.plan.origin, dues);
        }
        if dues.are_timed() && self.in_flight > 0 {
            Duration::ZERO
        } else {
            timeout
        }
    }

    /// Polls. In an open loop, the time is counted for which it has nothing to do.
    fn poll(&mut self, events: &mut Events, timeout: Duration, dues: &Dues) -> io::Result<()> {
        let start = dues.are_timed().then(Instant::now);
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            result => result?,
        }
        if let Some(start) = start.filter(|&start| dues.plan.is_measured(start)) {
            if events.is_empty() || !timeout.is_zero() {
                self.tally.idle += idle_within(start.elapsed(), timeout);
            }
        }
        Ok(())
    }

    /// Begins what is due by `now` on a connection, as far as it has slots free, the first of them since
    /// `free_since`. What is due later is kept in mind.
    fn begin_due(&mut self, index: usize, now: Instant, free_since: Instant, dues: &mut Dues) {
        while self.connections[index].has_free_slot() {
            let Some(due) = dues.next(index, now) else {
                break;
            };
            if due > now {
                self.upcoming.insert((due, index));
                break;
            }
            dues.take(index);
            if dues.are_timed() && dues.plan.is_measured(due) {
                self.tally.late += nanos(due.max(free_since).elapsed());
            }
            if self.in_flight == 0 {
                self.heard_at = now;
            }
            self.in_flight += 1;
            self.connections[index].begin(due);
        }
        if let Err(error) = self.connections[index].write() {
            self.fail(index, error, dues);
        }
    }

    fn advance(&mut self, index: usize, has_closed: bool, dues: &mut Dues) {
        let connection = &mut self.connections[index];
        if connection.in_flight() == 0 {
            return;
        }
        let had_free_slot = connection.has_free_slot();
        if let Err(error) = connection.advance(&mut self.scratch, has_closed) {
            return self.fail(index, error, dues);
        }
        let now = Instant::now();
        self.heard_at = now;
        while let Some(due) = self.connections[index].take_completed() {
            self.in_flight -= 1;
            self.tally.completed += u64::from(dues.plan.is_measured(now));
            if dues.count_latency(due, now) {
                self.tally.latency += nanos(now - due);
            }
        }
        let free_since = if had_free_slot { dues.plan.origin } else { now };
        self.begin_due(index, now, free_since, dues);
    }

    fn fail(&mut self, index: usize, reason: impl fmt::Display, dues: &mut Dues) {
        let connection = &mut self.connections[index];
        self.in_flight -= connection.in_flight();
        let lost_bytes = connection.abandon();
        dues.cancel(index);
        self.tally.failures.add(lost_bytes, reason);
    }

    fn give_up(&mut self, dues: &mut Dues) {
        for index in 0..self.connections.len() {
            if self.connections[index].in_flight() > 0 {
                self.fail(index, format_args!("no reply within {PATIENCE:?}"), dues);
            }
        }
    }
}

/// How much of what a poll has taken it was idle for, rather than kept from its CPU.
fn idle_within(taken: Duration, timeout: Duration) -> Duration {
    let most = if timeout.is_zero() {
        INSTANT_POLL
    } else {
        timeout + NEAR
    };
    taken.min(most)
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_that_takes_longer_than_it_may_is_not_idle_any_more() {
        const MILLI: Duration = Duration::from_millis(1);
        assert_eq!(idle_within(MILLI / 1_000, Duration::ZERO), MILLI / 1_000);
        assert_eq!(idle_within(50 * MILLI, Duration::ZERO), INSTANT_POLL);
        assert_eq!(idle_within(11 * MILLI, 10 * MILLI), 11 * MILLI);
        assert_eq!(idle_within(50 * MILLI, 10 * MILLI), 10 * MILLI + NEAR);
    }
}
