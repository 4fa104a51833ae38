//! One thread of the load client: an edge-triggered poll loop over its share of the connections.

use std::fmt;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use super::sampling::Window;
use super::{Amount, Tally};

/// With nothing from the server for so long, what is still missing is given up as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Large enough that a short read is the rule for every message size of interest.
const SCRATCH_SIZE: usize = 64 * 1024;

const EVENTS_PER_POLL: usize = 1024;

/// When a run counts and when it ends.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) start: Instant,
    pub(super) end: Option<Instant>,
    requests_per_connection: u64,
}

impl Plan {
    pub(super) fn starting_now(amount: Amount) -> Self {
        let now = Instant::now();
        match amount {
            Amount::Window { warmup, measured } => Self {
                start: now + warmup,
                end: Some(now + warmup + measured),
                requests_per_connection: u64::MAX,
            },
            Amount::RequestsPerConnection(requests) => Self {
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

    fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }

    fn is_measured(&self, now: Instant) -> bool {
        now >= self.start && !self.is_over(now)
    }
}

pub(super) struct Driver {
    poll: Poll,
    connections: Vec<Connection>,
    /// How many requests each connection may still begin.
    allowed: Vec<u64>,
    in_flight: usize,
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
            allowed: vec![0; connections.len()],
            connections,
            in_flight: 0,
            scratch: vec![0; SCRATCH_SIZE],
            tally: Tally::new(),
        })
    }

    /// Runs the plan, waits for the outstanding replies and sees every connection closed. Connections
    /// stay open until the last reply, so that every request meets the same number of them.
    pub(super) fn run(mut self, plan: Plan) -> io::Result<Tally> {
        let mut tally = self.play(plan)?;
        for connection in self.connections {
            if let Err(error) = connection.finish(PATIENCE) {
                tally.failures.add(0, error);
            }
        }
        Ok(tally)
    }

    /// Runs the plan and waits for the outstanding replies.
    pub(super) fn play(&mut self, plan: Plan) -> io::Result<Tally> {
        self.allowed.fill(plan.requests_per_connection);
        for index in 0..self.connections.len() {
            for _ in 0..self.connections[index].slots() {
                self.begin(index, Instant::now(), &plan);
            }
            self.write(index);
        }
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        while self.in_flight > 0 {
            match self.poll.poll(&mut events, Some(PATIENCE)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            if events.is_empty() {
                self.give_up();
            }
            for event in &events {
                self.advance(event.token().0, event.is_read_closed(), &plan);
            }
        }
        Ok(mem::replace(&mut self.tally, Tally::new()))
    }

    fn begin(&mut self, index: usize, now: Instant, plan: &Plan) {
        if self.allowed[index] > 0 && !plan.is_over(now) {
            self.allowed[index] -= 1;
            self.in_flight += 1;
            self.connections[index].begin(now);
        }
    }

    fn write(&mut self, index: usize) {
        if let Err(error) = self.connections[index].write() {
            self.fail(index, error);
        }
    }

    fn advance(&mut self, index: usize, has_closed: bool, plan: &Plan) {
        let connection = &mut self.connections[index];
        if connection.in_flight() == 0 {
            return;
        }
        if let Err(error) = connection.advance(&mut self.scratch, has_closed) {
            return self.fail(index, error);
        }
        let now = Instant::now();
        while let Some(begun_at) = self.connections[index].take_completed() {
            self.in_flight -= 1;
            if plan.is_measured(now) {
                self.tally.record(now - begun_at);
            }
            self.begin(index, now, plan);
        }
        self.write(index);
    }

    fn fail(&mut self, index: usize, reason: impl fmt::Display) {
        let connection = &mut self.connections[index];
        self.in_flight -= connection.in_flight();
        let lost_bytes = connection.abandon();
        self.tally.failures.add(lost_bytes, reason);
    }

    fn give_up(&mut self) {
        for index in 0..self.connections.len() {
            if self.connections[index].in_flight() > 0 {
                self.fail(index, format_args!("no reply within {PATIENCE:?}"));
            }
        }
    }
}
