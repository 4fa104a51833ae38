//! The connections of a load, from their opening to the report.

use std::fmt;
use std::io;
use std::time::Instant;

use super::connection::Connection;
use super::driver::{Driver, Plan};
use super::sampling::{CpuSample, on_threads};
use super::{Load, Report, Tally, Traffic};

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
            let tally = driver.play(Plan::once())?;
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
        let Self { load, drivers } = self;
        let before = CpuSample::take(load.server_pid)?;
        let plan = Plan::starting_now(load.amount);
        let works = drivers.into_iter().map(|driver| move || driver.run(plan));
        let (tallies, samples) = on_threads(works, plan.window(), load.server_pid)?;
        let mut tally = Tally::new();
        for each in tallies {
            tally.merge(each);
        }

        let elapsed = plan.end.unwrap_or_else(Instant::now) - plan.start;
        let (server_cpu, client_load) = match samples {
            Some([start, end]) => {
                let possible = elapsed * load.threads as u32;
                let busy = end.client_since(&start);
                (
                    end.server_since(&start),
                    Some(busy.div_duration_f64(possible)),
                )
            }
            None => (
                CpuSample::take(load.server_pid)?.server_since(&before),
                None,
            ),
        };
        Ok(Report {
            requests: tally.latency.len(),
            elapsed,
            latency: tally.latency,
            server_cpu,
            client_load,
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
