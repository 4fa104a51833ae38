//! Blocking operations that clients do again and again, each client on a thread of its own.
//!
//! As in the rest of the load client, what ends within the measured time counts, and the server's CPU
//! time is read at its two ends.

use std::io;
use std::time::{Duration, Instant};

use super::sampling::{Window, on_threads};

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub struct Repetitions {
    /// The operations that ended within the measured time.
    pub operations: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// The server's CPU time within the measured time.
    pub server_cpu: Duration,
    /// The share of the measured time that the client's threads were busy.
    pub client_load: f64,
}

impl Repetitions {
    /// Operations a second.
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time for each operation, in nanoseconds.
    pub fn server_nanos(&self) -> f64 {
        self.server_cpu.as_nanos() as f64 / self.operations as f64
    }
}

/// Has every client do its operation until the time is over: `warmup`, which does not count, and then
/// `measured`. An operation must end by itself.
///
/// # Errors
/// The first of an operation, which ends its client; when no operation ended within the measured time,
/// or the CPU time of the process `server_pid` cannot be read.
pub fn repeat<F>(
    clients: Vec<F>,
    warmup: Duration,
    measured: Duration,
    server_pid: u32,
) -> io::Result<Repetitions>
where
    F: FnMut() -> io::Result<()> + Send,
{
    let possible = measured * clients.len() as u32;
    let start = Instant::now() + warmup;
    let end = start + measured;
    let works = clients
        .into_iter()
        .map(|client| move || count(client, start, end));
    let (counts, samples) = on_threads(works, Some(Window { start, end }), Some(server_pid))?;
    let operations = counts.iter().sum();
    let samples = samples.filter(|_| operations > 0);
    let [first, last] =
        samples.ok_or_else(|| io::Error::other("nothing was done within the time"))?;
    Ok(Repetitions {
        operations,
        elapsed: measured,
        server_cpu: last.server_since(&first).unwrap_or_default(),
        client_load: last.client_since(&first).div_duration_f64(possible),
    })
}

fn count(
    mut operation: impl FnMut() -> io::Result<()>,
    start: Instant,
    end: Instant,
) -> io::Result<u64> {
    let mut ended = 0;
    loop {
        operation()?;
        let now = Instant::now();
        if now >= end {
            return Ok(ended);
        }
        if now >= start {
            ended += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn only_what_ends_within_the_measured_time_counts() {
        let mut done = 0;
        let operation = || {
            sleep(TICK);
            done += 1;
            Ok(())
        };
        let pid = std::process::id();
        // Long enough that no other load of the machine takes all of it.
        let repetitions = repeat(vec![operation], 10 * TICK, 200 * TICK, pid).unwrap();
        assert!(repetitions.operations < done, "{repetitions:?} of {done}");
        assert!(repetitions.operations <= 200, "{repetitions:?}");
        assert!(repetitions.per_second() <= 100.0, "{repetitions:?}");
    }

    #[test]
    fn an_operation_that_fails_is_an_error() {
        let clients: Vec<_> = [true, false]
            .map(|works| {
                move || {
                    sleep(TICK);
                    let result = works.then_some(());
                    result.ok_or_else(|| io::Error::other("broken"))
                }
            })
            .into();
        let error = repeat(clients, TICK, TICK, std::process::id()).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }

    #[test]
    fn nothing_done_in_time_is_an_error() {
        let operation = || {
            sleep(20 * TICK);
            Ok(())
        };
        let error = repeat(vec![operation], TICK, TICK, std::process::id()).unwrap_err();
        assert!(error.to_string().contains("nothing"), "{error}");
    }
}
