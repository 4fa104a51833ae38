//! `wrk`, a load client for HTTP that is widely known, where it is installed.
//!
//! It is a process of its own, so its CPU time is neither the server's nor the arena's. It has no
//! warm-up: all of its run counts. It looks at the status of replies, not at their bytes.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::usage::CpuTime;

/// Prints figures at the end of a run, as [`Summary::parse`] reads them.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/load/wrk.lua");

/// What stands before each of them.
const MARK: &str = "arena ";

/// How often its CPU time is read.
const INTERVAL: Duration = Duration::from_millis(20);

/// How much longer than its run it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// The replies.
    pub requests: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// Half of the latencies are not longer.
    pub p50: Duration,
    /// 99 % of them are not longer.
    pub p99: Duration,
    /// 99.9 % of them are not longer.
    pub p999: Duration,
    /// The server's CPU time within the run.
    pub server_cpu: Duration,
    /// The share of the time that wrk was busy.
    pub client_load: f64,
}

/// Whether it is installed.
pub fn is_installed() -> bool {
    static IS_INSTALLED: OnceLock<bool> = OnceLock::new();
    *IS_INSTALLED.get_or_init(|| {
        let mut version = Command::new("wrk");
        version.arg("--version").stdin(Stdio::null());
        version.output().is_ok()
    })
}

/// Asks the HTTP server at `addr`, which is the process `server_pid`, for `/` again and again, for
/// `duration` rounded up to whole seconds. One thread of wrk has one request under way on each
/// connection.
///
/// # Errors
/// When wrk cannot run, a connection fails, a status is none of success, nothing is answered, or the
/// server's CPU time cannot be read.
pub fn run(
    addr: SocketAddr,
    connections: usize,
    duration: Duration,
    server_pid: u32,
) -> io::Result<Summary> {
    let seconds = duration.as_secs_f64().ceil();
    let mut command = Command::new("wrk");
    command
        .args(["--threads=1", &format!("--connections={connections}")])
        .args([
            format!("--duration={seconds}"),
            format!("--script={SCRIPT}"),
        ])
        .arg(format!("http://{addr}/"));
    let before = CpuTime::of(server_pid)?;
    let patience = Duration::from_secs_f64(seconds) + PATIENCE;
    let (output, client_load) = Running::start(command)?.finish(patience)?;
    let server_cpu = CpuTime::of(server_pid)?.since(&before);
    Summary::parse(&output, server_cpu, client_load)
}

impl Summary {
    fn parse(output: &str, server_cpu: Duration, client_load: f64) -> io::Result<Self> {
        let wrong = || io::Error::other(format!("wrk said {output:?}"));
        let lines = output.lines().filter_map(|line| line.strip_prefix(MARK));
        let figures = lines.map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name, value.parse().ok()?))
        });
        let figures: HashMap<&str, u64> = figures.collect::<Option<_>>().ok_or_else(wrong)?;
        let figure = |name: &str| figures.get(name).copied().ok_or_else(wrong);
        let duration = |name: &str| figure(name).map(Duration::from_micros);
        if figure("errors")? > 0 || figure("requests")? == 0 {
            return Err(wrong());
        }
        Ok(Self {
            requests: figure("requests")?,
            elapsed: duration("elapsed_us")?,
            p50: duration("p50_us")?,
            p99: duration("p99_us")?,
            p999: duration("p999_us")?,
            server_cpu,
            client_load,
        })
    }
}

/// A process that is killed, unless it has ended, when this is dropped.
struct Running {
    child: Child,
    command: Command,
    start: Instant,
}

impl Running {
    fn start(mut command: Command) -> io::Result<Self> {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = spawned.map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        let start = Instant::now();
        Ok(Self {
            child,
            command,
            start,
        })
    }

    /// What it prints, which must be little, and the share of its life for which it was on a CPU.
    fn finish(mut self, patience: Duration) -> io::Result<(String, f64)> {
        let (status, load) = self.wait(patience)?;
        if !status.success() {
            return Err(self.error(status));
        }
        let mut output = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut output)?;
        }
        Ok((output, load))
    }

    fn wait(&mut self, patience: Duration) -> io::Result<(ExitStatus, f64)> {
        let pid = self.child.id();
        let first = CpuTime::of(pid)?;
        // The CPU time of a thread is gone once it ends, so the most that was seen is what counts.
        let (mut busy, mut busy_at) = (Duration::ZERO, INTERVAL);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, busy.div_duration_f64(busy_at)));
            }
            match CpuTime::of(pid).map(|latest| latest.since(&first)) {
                Ok(latest) if latest > busy => (busy, busy_at) = (latest, self.start.elapsed()),
                _ => {}
            }
            if self.start.elapsed() > patience {
                return Err(self.error(format_args!("not done within {patience:?}")));
            }
            thread::sleep(INTERVAL);
        }
    }

    fn error(&self, reason: impl std::fmt::Display) -> io::Error {
        io::Error::other(format!("{:?}: {reason}", self.command))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that was waited for already, and nobody else can wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    const CONNECTIONS: usize = 3;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start(command).unwrap()
    }

    #[test]
    fn figures_are_found_among_what_else_is_printed() {
        let figures = "Running 1s test\narena requests 12\narena elapsed_us 1000000\n\
                       arena p50_us 40\narena p99_us 50\narena p999_us 60\narena errors 0\nbye\n";
        let parse = |output: &str| Summary::parse(output, Duration::ZERO, 0.5);
        let summary = parse(figures).unwrap();
        assert_eq!((summary.requests, summary.elapsed.as_secs()), (12, 1));
        let latencies = [summary.p50, summary.p99, summary.p999];
        assert_eq!(latencies.map(|latency| latency.as_micros()), [40, 50, 60]);
        for (right, wrong) in [
            ("requests 12", "requests 0"),
            ("errors 0", "errors 1"),
            ("p50_us 40", "p50_us fast"),
            ("p99_us 50", "p98_us 50"),
        ] {
            assert!(parse(&figures.replace(right, wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_client_that_fails_or_takes_too_long_is_an_error() {
        let error = shell("exit 3").finish(PATIENCE).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        let error = shell("exec sleep 60").finish(INTERVAL).unwrap_err();
        assert!(error.to_string().contains("not done within"), "{error}");
    }

    #[test]
    fn the_load_is_that_of_the_child() {
        let (output, idle) = shell("sleep 0.3; echo done").finish(PATIENCE).unwrap();
        assert_eq!(output, "done\n");
        assert!(idle < 1.0, "{idle}");
    }

    /// Answers every request with a status, and counts the answers.
    fn serve(status: &'static str) -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answered);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let count = Arc::clone(&count);
                thread::spawn(move || answer(stream?, status, &count));
            }
        });
        (addr, answered)
    }

    fn answer(mut stream: TcpStream, status: &str, count: &AtomicU64) -> io::Result<()> {
        let mut request = Vec::new();
        let mut part = [0; 1024];
        loop {
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Ok(());
            }
            request.extend_from_slice(&part[..read]);
            if request.ends_with(b"\r\n\r\n") {
                request.clear();
                count.fetch_add(1, Ordering::Relaxed);
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi")?;
            }
        }
    }

    #[test]
    fn where_it_is_installed_it_counts_what_is_answered() {
        if !is_installed() {
            eprintln!("SKIPPED: wrk is not installed");
            return;
        }
        let pid = std::process::id();
        let ask = |addr| run(addr, CONNECTIONS, INTERVAL, pid);
        let (addr, answered) = serve("200 OK");
        let summary = ask(addr).unwrap();
        assert!(
            summary.requests <= answered.load(Ordering::Relaxed),
            "{summary:?}"
        );
        assert!(summary.elapsed >= Duration::from_secs(1), "{summary:?}");
        assert!(
            summary.p50 <= summary.p99 && summary.p99 <= summary.p999,
            "{summary:?}"
        );

        let (addr, _answered) = serve("500 Internal Server Error");
        let error = ask(addr).unwrap_err();
        assert!(error.to_string().contains("wrk said"), "{error}");
    }
}
