//! A test that hangs ends the process and says where.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Aborts the process if it is not dropped in time.
#[must_use = "dropping the watchdog calls it off"]
pub struct Watchdog {
    thread: Option<thread::JoinHandle<()>>,
    call_off: Option<Sender<()>>,
}

impl Watchdog {
    pub fn new(what: impl Into<String>, limit: Duration) -> Self {
        let what = what.into();
        let (call_off, called_off) = channel();
        let (begin, has_begun) = channel();
        let watch = move || {
            drop(begin);
            if called_off.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                bark(&what, limit);
            }
        };
        let builder = thread::Builder::new().name("watchdog".to_owned());
        let thread = builder.spawn(watch).expect("a thread for the watchdog");
        // What the thread takes of the process it has by then, whatever the test does to limits.
        let _: Result<(), _> = has_begun.recv();
        Self {
            thread: Some(thread),
            call_off: Some(call_off),
        }
    }

    pub fn seconds(what: impl Into<String>, limit: u64) -> Self {
        Self::new(what, Duration::from_secs(limit))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.call_off.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes past the capture of the test harness, which would be lost with the process.
fn bark(what: &str, limit: Duration) {
    let _ = writeln!(
        io::stderr(),
        "\nwatchdog: {what} was not done after {limit:?}"
    );
    process::abort();
}
