//! The connections of a load, from their opening to the report.

use std::fmt;
use std::io;
use std::time::Instant;

use super::arrivals::{Arrivals, Schedule};
use super::connection::Connection;
use super::driver::Driver;
use super::plan::{Pace, Plan};
use super::report::Tally;
use super::sampling::{CpuSample, on_threads};
use super::{Load, Report, Traffic};

/// Open connections, for a load that is not an echo of one message at a time, or that is not to begin
/// at once.
pub struct Client {
    load: Load,
    drivers: Vec<Driver>,
}

impl Client {
    /// Connects. The size of the messages is that of the `traffic`, not the load's.
    ///
    /// # Errors
    /// When a connection cannot be made, or `load` and `traffic` ask for no bytes, no connections,
    /// fewer connections than threads, or nothing in flight.
    pub fn open(load: &Load, traffic: &Traffic) -> io::Result<Self> {
        traffic.check()?;
        if load.threads == 0 || load.connections < load.threads {
            let reason = "a load needs a connection per thread";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let mut shares: Vec<Vec<Connection>> = Vec::new();
        shares.resize_with(load.threads, Vec::new);
        for id in 0..load.connections {
            shares[id % load.threads].push(Connection::open(load.addr, id, traffic)?);
        }
        let drivers = shares.into_iter().map(Driver::new);
        Ok(Self {
            load: load.clone(),
            drivers: drivers.collect::<io::Result<_>>()?,
        })
    }

    /// Has one request answered on each connection, so that the server knows them all.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn greet(&mut self) -> io::Result<()> {
        for driver in &mut self.drivers {
            let tally = driver.play(Plan::once(), Pace::Closed)?;
            if let Some(reason) = tally.failures.first {
                return Err(io::Error::other(reason));
            }
        }
        Ok(())
    }

    /// Runs the load, waits for the outstanding replies and sees the server close its side.
    ///
    /// Failures of connections do not end the run; they are in the report.
    ///
    /// # Errors
    /// When the server's CPU time cannot be read.
    pub fn run(self) -> io::Result<Report> {
        let plan = Plan::starting_now(self.load.amount);
        let paces = self.drivers.iter().map(|_| Pace::Closed).collect();
        self.run_with(plan, paces)
    }

    /// As [`run`](Self::run), in an open loop: requests are due at their own moments, and wait for a slot
    /// if theirs are all taken. The client's threads need CPUs of their own, for they hardly sleep.
    ///
    /// # Errors
    /// When the server's CPU time cannot be read, or the rate is zero.
    pub fn run_at(self, arrivals: Arrivals) -> io::Result<Report> {
        arrivals.check()?;
        let plan = Plan::starting_now(self.load.amount);
        let Load {
            threads,
            connections,
            ..
        } = self.load;
        let mut shares: Vec<Vec<Schedule>> = vec![Vec::new(); threads];
        for (id, schedule) in arrivals.schedules(connections, plan.origin).enumerate() {
            shares[id % threads].push(schedule);
        }
        let paces = shares.into_iter().map(Pace::Open).collect();
        self.run_with(plan, paces)
    }

    /// Runs the plan with the pace of each driver.
    fn run_with(self, plan: Plan, paces: Vec<Pace>) -> io::Result<Report> {
        let Self { load, drivers } = self;
        let is_open = paces.iter().all(|pace| matches!(pace, Pace::Open(_)));
        let before = CpuSample::take(load.server_pid)?;
        let works = drivers.into_iter().zip(paces);
        let works = works.map(|(driver, pace)| move || driver.run(plan, pace));
        let (tallies, samples) = on_threads(works, plan.window(), load.server_pid)?;
        let mut tally = Tally::new();
        for each in tallies {
            tally.merge(each);
        }

        let elapsed = plan.end.unwrap_or_else(Instant::now) - plan.start;
        let possible = elapsed * load.threads as u32;
        let (server_cpu, client_cpu) = match samples {
            Some([start, end]) => (end.server_since(&start), Some(end.client_since(&start))),
            None => (
                CpuSample::take(load.server_pid)?.server_since(&before),
                None,
            ),
        };
        // A client of an open loop polls when it has nothing to do, which takes CPU time all the same.
        let busy = if is_open {
            Some(possible.saturating_sub(tally.idle))
        } else {
            client_cpu
        };
        Ok(Report {
            requests: tally.completed,
            elapsed,
            latency: tally.latency,
            late: is_open.then_some(tally.late),
            server_cpu,
            client_load: busy.map(|busy| busy.div_duration_f64(possible)),
            failures: tally.failures,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Amount;
    use crate::load::arrivals::tests::moments;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    const SIZE: usize = 16;

    const ARRIVALS: Arrivals = Arrivals {
        per_second: 1_000,
        seed: 5,
    };

    /// The report of an open loop, on a server that treats each connection so.
    fn report_against<F>(connections: usize, arrivals: Arrivals, amount: Amount, serve: F) -> Report
    where
        F: Fn(TcpStream) -> io::Result<()> + Copy + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load {
            addr: listener.local_addr().unwrap(),
            connections,
            size: SIZE,
            threads: 2.min(connections),
            amount,
            server_pid: None,
        };
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                thread::spawn(move || serve(stream?));
            }
            io::Result::Ok(())
        });
        let traffic = Traffic::Echo {
            size: SIZE,
            in_flight: 1,
        };
        let client = Client::open(&load, &traffic).unwrap();
        let report = client.run_at(arrivals).unwrap();
        assert_eq!(report.failures.first, None);
        report
    }

    fn echo(mut stream: TcpStream) -> io::Result<()> {
        let mut message = [0; SIZE];
        loop {
            if stream.read(&mut message[..1])? == 0 {
                return Ok(());
            }
            stream.read_exact(&mut message[1..])?;
            stream.write_all(&message)?;
        }
    }

    #[test]
    fn every_request_that_is_due_within_the_measured_time_counts() {
        const CONNECTIONS: usize = 3;
        let (warmup, measured) = (Duration::from_millis(50), Duration::from_millis(300));
        let window = Amount::Window { warmup, measured };
        let report = report_against(CONNECTIONS, ARRIVALS, window, echo);
        let due = |duration| moments(ARRIVALS, CONNECTIONS, duration).len();
        let expected = due(warmup + measured) - due(warmup);
        assert!(expected > 0);
        assert_eq!(report.latency.len(), expected as u64);
        assert_eq!(report.late.map(|late| late.len()), Some(expected as u64));
        let load = report.client_load.unwrap();
        assert!((0.0..=1.0).contains(&load), "{load}");
    }

    #[test]
    fn requests_that_are_due_while_the_server_stalls_wait_for_it_and_are_not_skipped() {
        const STALL: Duration = Duration::from_millis(300);
        const WAITED: Duration = Duration::from_millis(100);
        const REQUESTS: u64 = 500;
        let amount = Amount::RequestsPerConnection(REQUESTS);
        let report = report_against(1, ARRIVALS, amount, |mut stream| {
            let mut message = [0; SIZE];
            stream.read_exact(&mut message)?;
            thread::sleep(STALL);
            stream.write_all(&message)?;
            echo(stream)
        });
        assert_eq!(report.requests, REQUESTS);
        let moments = moments(ARRIVALS, 1, 2 * STALL);
        let has_waited = |&&moment: &&Duration| moment < moments[0] + STALL - WAITED;
        let at_least = moments.iter().filter(has_waited).count();
        assert!((1..REQUESTS as usize).contains(&at_least));
        let long = WAITED.as_nanos() as u64..=u64::MAX;
        let waited = report.latency.count_between(*long.start(), *long.end());
        assert!(waited >= at_least as u64, "{waited} of {at_least}");
    }

    #[test]
    fn a_client_that_cannot_begin_all_that_is_due_is_seen_to_be_late() {
        let arrivals = Arrivals {
            per_second: u32::MAX,
            seed: 1,
        };
        let amount = Amount::RequestsPerConnection(1);
        let report = report_against(100, arrivals, amount, echo);
        assert_eq!(report.requests, 100);
        let late = report.late.unwrap();
        assert_eq!(late.len(), 100);
        // Each connection has its turn after others are written to, which takes the system's time.
        assert!(late.max() > late.min(), "{}", late.max());
        assert!(late.max() > 1_000, "{} ns", late.max());
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load {
            addr: listener.local_addr().unwrap(),
            connections: 1,
            size: SIZE,
            threads: 1,
            amount: Amount::RequestsPerConnection(1),
            server_pid: None,
        };
        let traffic = Traffic::Echo {
            size: SIZE,
            in_flight: 1,
        };
        let client = Client::open(&load, &traffic).unwrap();
        let none = Arrivals {
            per_second: 0,
            ..ARRIVALS
        };
        let error = client.run_at(none).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
