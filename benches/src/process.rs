//! The server as a process of its own, and the CPU time that a process has used.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::echo::ANNOUNCEMENT;
use crate::peer::Peer;

/// A running `echo_server` that is killed when this is dropped.
#[derive(Debug)]
pub struct EchoServer {
    child: Child,
    addr: SocketAddr,
}

impl EchoServer {
    /// Starts the `echo_server` that stands beside the running program, on a free port of 127.0.0.1,
    /// and waits until it listens.
    ///
    /// # Errors
    /// When the program is missing or cannot start, or ends before it has printed its address.
    pub fn start(peer: Peer, workers: usize) -> io::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("echo_server");
        let mut child = Command::new(&program)
            .args(["--runtime", peer.name(), "--workers", &workers.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        match announced_addr(&mut child) {
            Ok(addr) => Ok(Self { child, addr }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // Both fail only for a child that was waited for already, and nobody else can wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn announced_addr(server: &mut Child) -> io::Result<SocketAddr> {
    let output = server.stdout.take().expect("the server's output is piped");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    line.trim_end()
        .strip_prefix(ANNOUNCEMENT)
        .and_then(|addr| addr.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the server said {line:?}, not where it listens")))
}

/// The CPU time of each thread of a process at one moment, from the kernel's `schedstat` files.
#[derive(Debug)]
pub struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Reads the CPU time of every live thread of the process `pid`.
    ///
    /// # Errors
    /// When there is no such process, or the system has no `schedstat` files.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::read(pid).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the CPU time of process {pid}: {error}"),
            )
        })
    }

    fn read(pid: u32) -> io::Result<Self> {
        let mut nanoseconds = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            let statistics = match fs::read_to_string(thread.path().join("schedstat")) {
                Err(error) if has_ended(&error) => continue,
                result => result?,
            };
            let on_cpu = statistics
                .split(' ')
                .next()
                .and_then(|field| field.parse().ok());
            let on_cpu = on_cpu.ok_or_else(|| io::Error::other("an unknown form of schedstat"))?;
            nanoseconds.insert(thread.file_name().to_string_lossy().into_owned(), on_cpu);
        }
        if nanoseconds.is_empty() {
            return Err(io::Error::other("no thread has a schedstat file"));
        }
        Ok(Self(nanoseconds))
    }

    /// What the threads have used since `earlier`. A thread that has ended counts nothing, one that
    /// has started counts whole.
    pub fn since(&self, earlier: &CpuTime) -> Duration {
        let used = |(thread, end): (&String, &u64)| end - earlier.0.get(thread).unwrap_or(&0);
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// Whether a thread's file could not be read because the thread has ended since it was listed.
fn has_ended(error: &io::Error) -> bool {
    const NO_SUCH_PROCESS: i32 = 3;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_PROCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::spin_loop;
    use std::time::Instant;

    #[test]
    fn cpu_time_is_at_most_the_time_of_all_cpus() {
        let pid = std::process::id();
        let cpus = std::thread::available_parallelism().unwrap().get() as u32;
        let start = Instant::now();
        let before = CpuTime::of(pid).unwrap();
        // Ends only if busy time is seen to grow.
        while CpuTime::of(pid).unwrap().since(&before) < Duration::from_millis(20) {
            spin_loop();
        }
        let used = CpuTime::of(pid).unwrap().since(&before);
        assert!(
            used <= start.elapsed() * cpus,
            "{used:?} of {:?}",
            start.elapsed()
        );
    }
}
