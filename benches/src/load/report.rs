//! What came of a run.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Busy for more than this share of the time, a client is as much of a limit as the server.
const BUSY: f64 = 0.9;

/// A rate is kept if this share of what is due is answered in time; what is under way when the time ends
/// cannot be.
const KEPT: f64 = 0.95;

/// By so much of the latency at the same quantile the client may begin its requests late, before
/// latencies are its own doing.
const LATE: f64 = 0.5;

/// Where both are looked at.
const TAIL: f64 = 0.99;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The replies that were complete within the measured time.
    pub requests: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// From the start of a message to the last byte of its reply, in nanoseconds. In an open loop from
    /// when the message was due, for all that were due within the measured time.
    pub latency: Histogram<u64>,
    /// Of an open loop: by how many nanoseconds the client itself was late to begin these messages,
    /// counted from when they were due and their connections were free.
    pub late: Option<Histogram<u64>>,
    /// The server's CPU time within the measured time, if its process was given.
    pub server_cpu: Option<Duration>,
    /// The share of the measured time that the client's threads were busy, in a run by time or of an open
    /// loop, in which time counts as well for which they were kept from their CPUs. Near 1 the client is
    /// as much of a limit as the server.
    pub client_load: Option<f64>,
    /// What went wrong at any time of the run.
    pub failures: Failures,
}

impl Report {
    /// Replies a second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time per request in nanoseconds, if its process was given and there was a
    /// request.
    pub fn server_ns_per_request(&self) -> Option<f64> {
        let cpu = self.server_cpu.filter(|_| self.requests > 0)?;
        Some(cpu.as_nanos() as f64 / self.requests as f64)
    }

    /// In an open loop, the replies within the measured time as a share of the requests that were due
    /// within it.
    pub fn answered(&self) -> Option<f64> {
        self.late.as_ref()?;
        Some(self.requests as f64 / self.latency.len() as f64)
    }

    /// Whether the rate of an open loop was too much for the server, the client or the machine: latencies
    /// are then those of a queue that grows, and say how long the run was.
    pub fn has_missed_rate(&self) -> bool {
        self.answered().is_some_and(|share| share < KEPT)
    }

    /// Whether latencies of an open loop are the client's doing as much as the server's: it had hardly any
    /// time left, or began requests late.
    pub fn is_limited_by_client(&self) -> bool {
        let Some(late) = &self.late else {
            return false;
        };
        let latency = self.latency.value_at_quantile(TAIL) as f64;
        let is_late = late.value_at_quantile(TAIL) as f64 > LATE * latency;
        is_late || self.client_load.is_some_and(|load| load > BUSY)
    }
}

/// Broken connections, altered replies and missing bytes.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// Connections that failed: closed or reset by the server, or with a reply that is not the message.
    pub errors: u64,
    /// Bytes that were sent and did not come back.
    pub lost_bytes: u64,
    /// The first failure in words.
    pub first: Option<String>,
}

impl Failures {
    pub(super) fn add(&mut self, lost_bytes: u64, reason: impl fmt::Display) {
        self.errors += 1;
        self.lost_bytes += lost_bytes;
        self.first.get_or_insert_with(|| reason.to_string());
    }
}

/// The requests and failures of one thread, or of all. Those of an open loop have `late` and `idle`.
pub(super) struct Tally {
    /// The replies that were complete within the measured time.
    pub(super) completed: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) late: Histogram<u64>,
    /// The time without anything to do.
    pub(super) idle: Duration,
    pub(super) failures: Failures,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new(3).expect("three significant digits are within bounds");
        Self {
            completed: 0,
            latency: histogram(),
            late: histogram(),
            idle: Duration::ZERO,
            failures: Failures::default(),
        }
    }

    pub(super) fn merge(&mut self, other: Tally) {
        let same_precision = "all histograms have the same precision";
        self.latency.add(other.latency).expect(same_precision);
        self.late.add(other.late).expect(same_precision);
        self.completed += other.completed;
        self.idle += other.idle;
        self.failures.errors += other.failures.errors;
        self.failures.lost_bytes += other.failures.lost_bytes;
        self.failures.first = self.failures.first.take().or(other.failures.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report of 100 requests that took 1,000 ns each and of which so many were answered in time.
    fn report(requests: u64, late: Option<u64>, client_load: f64) -> Report {
        let mut tally = Tally::new();
        for _ in 0..100 {
            tally.latency += 1_000;
            tally.late += late.unwrap_or_default();
        }
        Report {
            requests,
            elapsed: Duration::from_secs(1),
            latency: tally.latency,
            late: late.map(|_| tally.late),
            server_cpu: None,
            client_load: Some(client_load),
            failures: tally.failures,
        }
    }

    #[test]
    fn a_client_of_an_open_loop_is_a_limit_if_it_is_late_or_has_no_time_left() {
        let is_limited = |late, client_load| report(100, late, client_load).is_limited_by_client();
        assert!(!is_limited(Some(400), 0.8));
        assert!(is_limited(Some(600), 0.8));
        assert!(is_limited(Some(400), 0.96));
        assert!(!is_limited(None, 0.96), "a closed loop has no rate to keep");
    }

    #[test]
    fn a_rate_is_missed_if_replies_are_missing_at_the_end() {
        assert!(!report(96, Some(0), 0.5).has_missed_rate());
        assert!(report(94, Some(0), 0.5).has_missed_rate());
        assert!(!report(94, None, 0.5).has_missed_rate());
    }
}
