//! What every poller does, whatever the system: the same tests for epoll, kqueue and libkqueue.
//!
//! They know a poller by its methods alone, and hold it to what the reactor relies on. So they let it report
//! too much, and return from a wait too early, but never report too little, too late, or under a token that is
//! no longer meant.

mod edges;
mod ends;
mod many;
mod nesting;
mod time_outs;
pub(super) mod wake_ups;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::faults::watchdog::Watchdog;
use super::{Event, Events, Interest, Poller, Ready};

/// What takes longer will not happen.
const LIMIT: Duration = Duration::from_secs(60);

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn watchdog(what: &str) -> Watchdog {
    Watchdog::seconds(what, 120)
}

/// A poller whose events are kept.
struct Observer<'a> {
    poller: &'a Poller,
    events: Events,
    seen: Vec<Event>,
}

impl<'a> Observer<'a> {
    fn new(poller: &'a Poller) -> Self {
        Self {
            poller,
            events: Events::new(),
            seen: Vec::new(),
        }
    }

    /// Waits once, and keeps what that brings.
    fn wait(&mut self, timeout: Option<Duration>) {
        self.poller.wait(&mut self.events, timeout).unwrap();
        self.seen.extend(self.events.iter());
    }

    /// What has been reported under a token.
    fn ready(&self, token: u64) -> Ready {
        let events = self.seen.iter().filter(|event| event.token == token);
        events.fold(Ready::NONE, |ready, event| ready.union(event.ready))
    }

    fn has_seen(&self, token: u64, ready: Ready) -> bool {
        ready.without(self.ready(token)) == Ready::NONE
    }

    /// Waits until something has been reported, all of it.
    fn expect(&mut self, token: u64, ready: Ready) {
        self.wait_until(&format!("{ready:?} of {token}"), |observer| {
            observer.has_seen(token, ready)
        });
    }

    fn wait_until(&mut self, what: &str, is_seen: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_seen(self) {
            let rest = deadline.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "no {what}: {:?}", self.seen);
            self.wait(Some(rest));
        }
    }

    /// Forgets what was seen, and takes what there is.
    fn look_again(&mut self) {
        self.seen.clear();
        // Twice, for a look may be in vain.
        self.wait(Some(Duration::ZERO));
        self.wait(Some(Duration::ZERO));
    }

    /// Takes all events that there are and forgets them.
    fn settle(&mut self) {
        self.look_again();
        self.seen.clear();
    }

    /// Asserts that a token has nothing new. What is waited for happens at once, in the system call that causes
    /// it, so there is nothing to be waited for.
    fn expect_nothing(&mut self, token: u64) {
        self.look_again();
        assert_eq!(self.ready(token), Ready::NONE, "{:?}", self.seen);
    }
}

/// Two connected sockets that do not block.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// Writes until that would block.
fn fill(mut stream: &UnixStream) {
    loop {
        match stream.write(&[0; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until that would block.
fn drain(mut stream: &UnixStream) {
    loop {
        match stream.read(&mut [0; 65_536]) {
            Ok(len) => assert!(len > 0, "the end is not expected"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}
