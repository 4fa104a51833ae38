//! The programs that count what a child does: valgrind and strace.
//!
//! What they say and what the child prints goes to files of their own, and whatever is waited for has a
//! deadline.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a file, or a process, is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// A program of the system that the arena cannot bring along.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name, and its package's.
    pub name: &'static str,
    /// Arguments with which it ends at once, and well if it works here.
    pub probe: &'static [&'static str],
}

impl Tool {
    /// Makes sure that it works here.
    ///
    /// # Errors
    /// When it does not, with what can be done about it.
    pub fn check(self) -> io::Result<()> {
        let Self { name, probe } = self;
        let output = Command::new(name).args(probe).output();
        let reason = match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "{name} does not work ({reason}); on Debian and Ubuntu: apt-get install {name}"
            ),
        ))
    }

    /// Starts the running program once more, under this tool.
    ///
    /// `log` makes the option by which the tool writes to a file, and `options` are its others.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        self,
        options: &[&str],
        log: impl FnOnce(&OsStr) -> Vec<OsString>,
        arguments: &[String],
        patience: Duration,
    ) -> io::Result<Watched> {
        let files = Files::new()?;
        let mut command = Command::new(self.name);
        command
            .args(options)
            .args(log(files.log().as_os_str()))
            .arg(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(fs::File::create(files.output())?);
        let child = command
            .spawn()
            .map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        Ok(Watched {
            child,
            command,
            files,
            deadline: Instant::now() + patience,
        })
    }
}

/// A child of the arena under a [`Tool`]; killed, unless it has ended, when this is dropped.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    command: Command,
    files: Files,
    deadline: Instant,
}

impl Watched {
    /// The first line that the child prints.
    ///
    /// # Errors
    /// When the deadline passes, or the tool ends, without one.
    pub fn first_line(&mut self) -> io::Result<String> {
        self.wait_until(|watched| {
            let output = fs::read_to_string(watched.files.output())?;
            if let Some((line, _)) = output.split_once('\n') {
                return Ok(Some(line.to_owned()));
            }
            match watched.child.try_wait()? {
                Some(status) => Err(watched.error(format_args!("{status}, nothing printed"))),
                None => Ok(None),
            }
        })
    }

    /// Asks the tool to end, as a user would.
    ///
    /// # Errors
    /// The system's.
    pub fn terminate(&self) -> io::Result<()> {
        let kill = format!("kill {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(self.error(format_args!("{kill}: {status}")))
        }
    }

    /// What the tool has written, once it has ended; whether it ended well is told as well.
    ///
    /// # Errors
    /// When the deadline passes before.
    pub fn log(mut self) -> io::Result<(String, bool)> {
        let status = self.wait_until(|watched| watched.child.try_wait())?;
        let log = fs::read_to_string(self.files.log())?;
        Ok((log, status.success()))
    }

    fn wait_until<T>(
        &mut self,
        mut done: impl FnMut(&mut Self) -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        loop {
            if let Some(value) = done(self)? {
                return Ok(value);
            }
            if Instant::now() > self.deadline {
                return Err(self.error("not done in time"));
            }
            thread::sleep(INTERVAL);
        }
    }

    fn error(&self, reason: impl std::fmt::Display) -> io::Error {
        io::Error::other(format!("{:?}: {reason}", self.command))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Both fail only for a child that was waited for already, and nobody else can wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("mini_rt-counts-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory)?;
        Ok(Self(directory))
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn output(&self) -> PathBuf {
        self.0.join("output")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left behind in the system's directory for such files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A shell that runs a script with the path of the log as its first parameter.
    fn shell(script: &str, patience: Duration) -> Watched {
        const SHELL: Tool = Tool {
            name: "sh",
            probe: &["-c", "exit 0"],
        };
        let log = |path: &OsStr| vec![script.into(), "sh".into(), path.to_owned()];
        SHELL.start(&["-c"], log, &[], patience).unwrap()
    }

    #[test]
    fn a_tool_that_is_missing_or_fails_is_an_error_that_says_what_to_install() {
        let check = |name, probe| Tool { name, probe }.check();
        check("sh", &["-c", "exit 0"]).unwrap();
        let error = check("sh", &["-c", "echo not permitted >&2; exit 1"]).unwrap_err();
        assert!(error.to_string().contains("not permitted"), "{error}");
        let error = check("no-such-tool", &[]).unwrap_err().to_string();
        assert!(error.contains("apt-get install no-such-tool"), "{error}");
    }

    #[test]
    fn the_log_of_a_tool_that_is_told_to_end() {
        let script =
            "trap 'echo counted >\"$1\"; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let mut watched = shell(script, LONG);
        assert_eq!(watched.first_line().unwrap(), "ready");
        watched.terminate().unwrap();
        assert_eq!(watched.log().unwrap(), ("counted\n".to_owned(), true));
    }

    #[test]
    fn a_tool_that_ends_or_takes_too_long_is_an_error() {
        let error = shell("exit 3", LONG).first_line().unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        let slow = shell("exec sleep 60", Duration::from_millis(50));
        let error = slow.log().unwrap_err();
        assert!(error.to_string().contains("not done in time"), "{error}");
    }
}
