//! Child processes: the servers, and measurements that print what they have found.
//!
//! Whatever a child is waited for has a deadline, and a child never outlives the value that holds it.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What stands before the address in the line that a server prints once it can be connected to.
pub const ANNOUNCEMENT: &str = "listening on ";

/// How long a server may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the process that started this one where it listens.
pub fn announce(addr: SocketAddr) {
    println!("{ANNOUNCEMENT}{addr}");
}

/// A running server that is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    addrs: Vec<SocketAddr>,
}

impl Server {
    /// Starts the running program once more, with other `arguments`, and waits until it has announced
    /// as many addresses as it has `listeners`.
    ///
    /// # Errors
    /// When it cannot start, or does not print its addresses.
    pub fn same_program(arguments: &[&str], listeners: usize) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::start(command, listeners)
    }

    fn start(command: Command, listeners: usize) -> io::Result<Self> {
        let mut process = Process::start(command, PATIENCE)?;
        let addrs = (0..listeners).map(|_| announced_addr(process.line()?));
        let addrs = addrs.collect::<io::Result<_>>()?;
        Ok(Self { process, addrs })
    }

    /// Where it listens, in the order in which it said so.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }
}

fn announced_addr(line: Option<String>) -> io::Result<SocketAddr> {
    line.as_deref()
        .and_then(|line| line.strip_prefix(ANNOUNCEMENT)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the server said {line:?}, not where it listens")))
}

/// Runs the running program once more, with other `arguments`, and gives the lines that it prints.
///
/// # Errors
/// When it cannot start, fails, or takes longer than `patience`.
pub fn lines_of_same_program(arguments: &[&str], patience: Duration) -> io::Result<Vec<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    lines_of(command, patience)
}

fn lines_of(command: Command, patience: Duration) -> io::Result<Vec<String>> {
    let mut process = Process::start(command, patience)?;
    let mut lines = Vec::new();
    while let Some(line) = process.line()? {
        lines.push(line);
    }
    let status = process.child.wait()?;
    if status.success() {
        Ok(lines)
    } else {
        Err(process.error(status))
    }
}

/// A child whose lines are read; killed, unless it has ended, when this is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    command: Command,
    lines: Receiver<io::Result<String>>,
    patience: Duration,
    deadline: Instant,
}

impl Process {
    fn start(mut command: Command, patience: Duration) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        let output = child.stdout.take().expect("the child's output is piped");
        let (sender, lines) = channel();
        // Ends with the child, whose end of the pipe is then closed.
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            command,
            lines,
            patience,
            deadline: Instant::now() + patience,
        })
    }

    /// The next line, or none at the end of the output.
    fn line(&mut self) -> io::Result<Option<String>> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(remaining) {
            Ok(line) => line.map(Some),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.error(format_args!("not done within {:?}", self.patience)))
            }
        }
    }

    fn error(&self, reason: impl std::fmt::Display) -> io::Error {
        io::Error::other(format!("{:?}: {reason}", self.command))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that was waited for already, and nobody else can wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_lines_of_a_child_that_succeeds() {
        let lines = lines_of(shell("echo one; echo two"), LONG).unwrap();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_child_that_fails_is_an_error_even_if_it_has_printed() {
        let error = lines_of(shell("echo one; exit 3"), LONG).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_child_that_takes_too_long_is_an_error() {
        let start = Instant::now();
        let error = lines_of(shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("not done within"), "{error}");
        assert!(start.elapsed() < LONG, "the child was waited for");
    }

    #[test]
    fn a_server_must_say_where_it_listens() {
        let script = "echo listening on 127.0.0.1:1; echo listening on 127.0.0.1:2; exec sleep 60";
        let server = Server::start(shell(script), 2).unwrap();
        let ports: Vec<u16> = server.addrs().iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [1, 2]);
        for script in ["echo listening on nothing", "true"] {
            let error = Server::start(shell(script), 1).unwrap_err();
            assert!(
                error.to_string().contains("not where it listens"),
                "{error}"
            );
        }
    }
}
