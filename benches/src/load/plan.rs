//! When a run counts, when it ends, and when its requests are due.

use std::time::Instant;

use super::Amount;
use super::arrivals::Schedule;
use super::sampling::Window;

/// When a run counts and when it ends.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// When its first requests may begin.
    pub(super) origin: Instant,
    pub(super) start: Instant,
    pub(super) end: Option<Instant>,
    requests_per_connection: u64,
}

impl Plan {
    pub(super) fn starting_now(amount: Amount) -> Self {
        let now = Instant::now();
        match amount {
            Amount::Window { warmup, measured } => Self {
                origin: now,
                start: now + warmup,
                end: Some(now + warmup + measured),
                requests_per_connection: u64::MAX,
            },
            Amount::RequestsPerConnection(requests) => Self {
                origin: now,
                start: now,
                end: None,
                requests_per_connection: requests,
            },
        }
    }

    /// One request on each connection, from now on.
    pub(super) fn once() -> Self {
        Self::starting_now(Amount::RequestsPerConnection(1))
    }

    /// The measured time, if it is known beforehand.
    pub(super) fn window(&self) -> Option<Window> {
        let start = self.start;
        self.end.map(|end| Window { start, end })
    }

    pub(super) fn is_measured(&self, now: Instant) -> bool {
        now >= self.start && !self.is_over(now)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }
}

/// What makes a request due.
pub(super) enum Pace {
    /// The reply to an earlier one: in a closed loop no slot stays free.
    Closed,
    /// Its moment, on each connection: in an open loop a request that finds no slot free waits for one,
    /// and is not skipped.
    Open(Vec<Schedule>),
}

/// The requests of a run that have not begun.
pub(super) struct Dues {
    pub(super) plan: Plan,
    pace: Pace,
    /// How many requests each connection may still begin.
    allowed: Vec<u64>,
}

impl Dues {
    pub(super) fn new(plan: Plan, pace: Pace, connections: usize) -> Self {
        Self {
            plan,
            pace,
            allowed: vec![plan.requests_per_connection; connections],
        }
    }

    pub(super) fn are_timed(&self) -> bool {
        matches!(self.pace, Pace::Open(_))
    }

    /// When the next request of a connection with a free slot is due, if there is one to come.
    pub(super) fn next(&self, index: usize, now: Instant) -> Option<Instant> {
        let due = match &self.pace {
            Pace::Closed => now,
            Pace::Open(schedules) => schedules[index].next(),
        };
        let is_to_come = self.allowed[index] > 0 && !self.plan.is_over(due);
        is_to_come.then_some(due)
    }

    /// Takes the next request of a connection.
    pub(super) fn take(&mut self, index: usize) {
        self.allowed[index] -= 1;
        if let Pace::Open(schedules) = &mut self.pace {
            schedules[index].advance();
        }
    }

    /// Whether the reply to a request counts that was `due` and is complete `now`. In a timed run those
    /// count that were due within the measured time, however late their replies are: to leave these
    /// out would be to leave out the longest waits.
    pub(super) fn count_latency(&self, due: Instant, now: Instant) -> bool {
        self.plan
            .is_measured(if self.are_timed() { due } else { now })
    }

    /// Gives up the requests of a connection.
    pub(super) fn cancel(&mut self, index: usize) {
        self.allowed[index] = 0;
    }
}
