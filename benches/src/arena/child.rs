//! The processes in which peers are measured: this program once more, with a job.
//!
//! A child is started with `--child JOB PEER NUMBER...`. A job that measures itself prints its
//! [`Outcome`]; one that serves announces where it listens, and serves until it is killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

use super::workload::Figures;
use crate::peer::Peer;
use crate::process::{Server, lines_of_same_program};
use crate::usage::CpuTime;

/// The argument that makes this program a child.
pub const CHILD: &str = "--child";

/// Far more than the slowest job takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a child can be told to do.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Does it, with the numbers from the command line.
    pub run: fn(Peer, &[u64]) -> io::Result<Outcome>,
}

/// What a job found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome(BTreeMap<String, f64>);

const VALUE: &str = "value";
const CPU_NANOS: &str = "cpu_nanos";

impl Outcome {
    /// A figure.
    pub fn of(value: f64) -> Self {
        Self::default().and(VALUE, value)
    }

    /// What `operations` operations took that were done between two moments.
    pub fn of_operations(operations: u64, start: &Moment, end: &Moment) -> Self {
        let each = |duration: Duration| duration.as_nanos() as f64 / operations as f64;
        Self::of(each(end.wall - start.wall)).and(CPU_NANOS, each(end.cpu.since(&start.cpu)))
    }

    /// More that is worth to be told.
    #[must_use]
    pub fn and(mut self, name: &str, value: f64) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The figure that counts, if there is one.
    pub fn value(&self) -> Option<f64> {
        self.0.get(VALUE).copied()
    }

    fn print(&self) {
        for (name, value) in &self.0 {
            println!("{name} {value}");
        }
    }

    fn parse(lines: &[String]) -> Option<Figures> {
        let fields = lines.iter().map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        let mut fields: BTreeMap<String, f64> = fields.collect::<Option<_>>()?;
        Some(Figures {
            value: fields.remove(VALUE)?,
            cpu_nanos: fields.remove(CPU_NANOS),
            more: fields,
        })
    }
}

/// A moment in the life of this process, and the CPU time that its threads have used by then.
#[derive(Debug)]
pub struct Moment {
    wall: Instant,
    cpu: CpuTime,
}

impl Moment {
    /// This one.
    ///
    /// # Errors
    /// When the system does not tell the CPU time.
    pub fn now() -> io::Result<Self> {
        let cpu = CpuTime::of(std::process::id())?;
        Ok(Self {
            wall: Instant::now(),
            cpu,
        })
    }
}

/// Does one of `jobs`, as the command line `arguments` after [`CHILD`] say.
///
/// # Errors
/// The job's own, and when the arguments make no sense.
pub fn run(jobs: &[Job], arguments: &[OsString]) -> io::Result<()> {
    let texts = arguments.iter().map(|argument| argument.to_str());
    let texts: Vec<&str> = texts.collect::<Option<_>>().ok_or_else(nonsense)?;
    let [name, peer, numbers @ ..] = &texts[..] else {
        return Err(nonsense());
    };
    let job = jobs.iter().find(|job| job.name == *name);
    let job = job.ok_or_else(nonsense)?;
    let peer = peer.parse().map_err(|_| nonsense())?;
    let numbers = numbers.iter().map(|number| number.parse().ok());
    let numbers: Vec<u64> = numbers.collect::<Option<_>>().ok_or_else(nonsense)?;
    (job.run)(peer, &numbers)?.print();
    Ok(())
}

fn nonsense() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("usage: {CHILD} JOB PEER NUMBER..."),
    )
}

/// What a child finds that does this job.
///
/// # Errors
/// When it cannot start, fails, does not tell what it found, or takes far too long.
pub fn measure(job: &Job, peer: Peer, numbers: &[u64]) -> io::Result<Figures> {
    let arguments = arguments(job, peer, numbers);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines = lines_of_same_program(&arguments, PATIENCE)?;
    Outcome::parse(&lines).ok_or_else(|| io::Error::other(format!("{arguments:?}: {lines:?}")))
}

/// A child that serves on so many addresses.
///
/// # Errors
/// When it cannot start, or does not say where it listens.
pub fn serve(job: &Job, peer: Peer, numbers: &[u64], listeners: usize) -> io::Result<Server> {
    let arguments = arguments(job, peer, numbers);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::same_program(&arguments, listeners)
}

/// The command line of a child, without the program.
pub fn arguments(job: &Job, peer: Peer, numbers: &[u64]) -> Vec<String> {
    let words = [CHILD, job.name, peer.name()].map(str::to_owned);
    words
        .into_iter()
        .chain(numbers.iter().map(u64::to_string))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_prints_is_read_back() {
        let lines = ["cpu_nanos 12.5", "p99 us 3", "value 100.25"].map(str::to_owned);
        let figures = Outcome::parse(&lines).unwrap();
        assert_eq!((figures.value, figures.cpu_nanos), (100.25, Some(12.5)));
        assert_eq!(figures.more, BTreeMap::from([("p99 us".to_owned(), 3.0)]));
        for wrong in ["p99 us 3", "value", "value much"] {
            assert_eq!(Outcome::parse(&[wrong.to_owned()]), None, "{wrong}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        const JOB: Job = Job {
            name: "count",
            run: |_, numbers| Ok(Outcome::of(numbers.len() as f64)),
        };
        let run = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            run(&[JOB], &words)
        };
        run("count tokio 1 2").unwrap();
        for wrong in ["", "count", "count tokyo", "sum tokio", "count tokio one"] {
            let error = run(wrong).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong}");
        }
    }
}
