//! When the requests of an open loop are due.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::random::Random;

/// Requests that come whether or not earlier ones are answered, as those of many people do who know
/// nothing of each other: a Poisson process on each connection.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// Requests a second, on all connections together.
    pub per_second: u32,
    /// What makes the moments repeat from run to run.
    pub seed: u64,
}

impl Arrivals {
    pub(super) fn check(self) -> io::Result<()> {
        if self.per_second > 0 {
            return Ok(());
        }
        let reason = "an open loop needs a rate";
        Err(io::Error::new(ErrorKind::InvalidInput, reason))
    }

    /// The moments of each of so many connections, all of them after `origin`.
    pub(super) fn schedules(
        self,
        connections: usize,
        origin: Instant,
    ) -> impl Iterator<Item = Schedule> {
        let mean_gap = connections as f64 / f64::from(self.per_second);
        let mut seeds = Random::new(self.seed);
        (0..connections).map(move |_| {
            let mut schedule = Schedule {
                next: origin,
                mean_gap,
                random: Random::new(seeds.between(0, u64::MAX - 1)),
            };
            schedule.advance();
            schedule
        })
    }
}

/// The moments of one connection, one after the other.
#[derive(Clone)]
pub(super) struct Schedule {
    next: Instant,
    /// In seconds.
    mean_gap: f64,
    random: Random,
}

impl Schedule {
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn advance(&mut self) {
        const PARTS: u64 = 1 << 53;
        let share = self.random.between(1, PARTS) as f64 / PARTS as f64;
        self.next += Duration::from_secs_f64(-share.ln() * self.mean_gap);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// When requests are due on `connections` connections within `duration`, in order.
    pub(in super::super) fn moments(
        arrivals: Arrivals,
        connections: usize,
        duration: Duration,
    ) -> Vec<Duration> {
        let origin = Instant::now();
        let mut moments = Vec::new();
        for mut schedule in arrivals.schedules(connections, origin) {
            while schedule.next() < origin + duration {
                moments.push(schedule.next() - origin);
                schedule.advance();
            }
        }
        moments.sort();
        moments
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_seed_repeats_the_moments() {
        let of = |seed| {
            let per_second = 1_000;
            moments(Arrivals { per_second, seed }, 7, SECOND)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn the_rate_is_that_of_all_connections_and_gaps_are_exponential() {
        let arrivals = Arrivals {
            per_second: 10_000,
            seed: 3,
        };
        let moments = moments(arrivals, 64, 10 * SECOND);
        // Five standard deviations of a Poisson process.
        let off = (moments.len() as f64 - 100_000.0).abs();
        assert!(off < 5.0 * 100_000_f64.sqrt(), "{} requests", moments.len());
        let mean = 1.0 / 10_000.0;
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        let long = gaps.filter(|gap| gap.as_secs_f64() > mean).count();
        let share = long as f64 / moments.len() as f64;
        assert!((share - (-1_f64).exp()).abs() < 0.01, "{share} are long");
    }
}
