//! kqueue: edges by `EV_CLEAR`, with a user event or a socket pair for wake-ups.
//!
//! Made for what is the same on macOS, on every BSD and in libkqueue. They differ in what they tell beside the
//! plain fact that something happened, and tell it too often or too early. So `data` and `fflags` of an event
//! are not looked at, an end is a hint, and a wait may bring nothing before its time.
//!
//! What always holds:
//! - A change is made when the call that asks for it returns. Each has a receipt, and there is room for
//!   receipts alone: who only changes takes no event away from those who wait.
//! - A descriptor's filters have the same token, and go together.
//! - Pollers never watch each other in a ring; see `nesting.rs`.
//!
//! Changes that ride along with the next wait were rejected, though `kevent` can take them. Anybody may turn a
//! reactor, and somebody may be asleep in it: an edge that is pending already must reach the sleeper. An error
//! belongs to whoever asked for the change. And a descriptor may be closed, and its number belong to another,
//! before anybody waits again. What could ride is the holder's own change of a source that nobody closes
//! meanwhile, for which there would be a lock on every poller; a source is changed once or twice in its life.

mod abi;
mod nesting;
mod wake_up;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use self::abi::{EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EV_ERROR, EV_RECEIPT, kevent};
use self::nesting::Role;
use self::wake_up::WakeUp;
use super::syscall::{Call, syscall};
use super::{Event, Interest, Ready};

/// The token of wake-ups; no descriptor has it.
const WAKE: u64 = 0;

/// How many events one wait can bring: two for a descriptor that is ready in both directions. libkqueue gives
/// no more at a time, and forgets those that find no room.
const EVENTS: usize = 512;

/// The longest time-out. Some systems refuse more than 10^8 seconds, others count milliseconds in 32 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const READ: i32 = abi::EVFILT_READ as i32;
const WRITE: i32 = abi::EVFILT_WRITE as i32;

/// Flags of every change, which has a receipt.
const ADD: u32 = (EV_ADD | EV_CLEAR | EV_RECEIPT) as u32;
const ADD_LEVEL: u32 = (EV_ADD | EV_RECEIPT) as u32;
const DELETE: u32 = (EV_DELETE | EV_RECEIPT) as u32;

// A token rides in `udata`.
const _: () = assert!(
    size_of::<*mut libc::c_void>() == size_of::<u64>(),
    "mini_rt needs a 64-bit system for kqueue"
);

/// A kqueue.
#[derive(Debug)]
pub(crate) struct Poller {
    kqueue: OwnedFd,
    wake_up: WakeUp,
    role: Role,
}

/// The buffer that a wait fills.
pub(crate) struct Events {
    buffer: Box<[kevent]>,
    len: usize,
}

// SAFETY: the pointers in it are tokens, and nobody follows them.
unsafe impl Send for Events {}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let kqueue = kqueue()?;
        let wake_up = WakeUp::new(&kqueue)?;
        Ok(Self {
            kqueue,
            wake_up,
            role: Role::default(),
        })
    }

    /// A poller that is woken up as where there are no user events.
    #[cfg(test)]
    pub(crate) fn with_pair() -> io::Result<Self> {
        let kqueue = kqueue()?;
        let wake_up = WakeUp::pair(&kqueue)?;
        Ok(Self {
            kqueue,
            wake_up,
            role: Role::default(),
        })
    }

    /// Starts to report a descriptor's edges. What is ready already counts as an edge.
    pub(crate) fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut changes = Changes::default();
        changes.add(fd, token, interest);
        let added = changes.submit(Call::KqueueAdd, &self.kqueue);
        if added.is_err() {
            // One of two directions may have been accepted.
            let _ = self.delete(fd);
        }
        added
    }

    /// Reports other edges of a descriptor from now on. What is ready already counts as an edge, for which the
    /// filters begin anew: libkqueue does not look again when one is added twice.
    pub(crate) fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut changes = Changes::default();
        changes.delete(fd);
        changes.add(fd, token, interest);
        changes.submit(Call::KqueueModify, &self.kqueue)
    }

    /// Reports this token for as long as another poller has events.
    ///
    /// # Errors
    ///
    /// `Unsupported` in libkqueue, whose kqueues cannot be watched. `ELOOP` if this poller is watched or the
    /// other one watches.
    pub(crate) fn nest(&self, other: &Self, token: u64) -> io::Result<()> {
        if !abi::NESTS {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let watch = Role::begin(&self.role, &other.role)?;
        let fd = other.kqueue.as_raw_fd();
        let mut changes = Changes::default();
        changes.push(fd, READ, DELETE, WAKE);
        changes.push(fd, READ, ADD_LEVEL, token);
        changes.submit(Call::KqueueNest, &self.kqueue)?;
        if !changes.has_found(0) {
            watch.stays();
        }
        Ok(())
    }

    /// Ends [`nest`](Self::nest), if it was begun.
    pub(crate) fn unnest(&self, other: &Self) {
        let mut changes = Changes::default();
        changes.push(other.kqueue.as_raw_fd(), READ, DELETE, WAKE);
        let deleted = changes.submit(Call::KqueueDelete, &self.kqueue);
        if abi::NESTS && deleted.is_ok() && changes.has_found(0) {
            Role::end(&self.role, &other.role);
        }
    }

    /// Stops reporting a descriptor. Events on their way may still come.
    pub(crate) fn delete(&self, fd: RawFd) -> io::Result<()> {
        let mut changes = Changes::default();
        changes.delete(fd);
        changes.submit(Call::KqueueDelete, &self.kqueue)
    }

    /// Lets the current or the next wait return.
    pub(crate) fn wake(&self) {
        self.wake_up.send(&self.kqueue);
    }

    /// Waits for events, for ever if there is no time-out. An interrupted wait brings none.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let time = timeout.map(|timeout| {
            let timeout = timeout.min(LONGEST);
            libc::timespec {
                tv_sec: timeout.as_secs() as _,
                tv_nsec: timeout.subsec_nanos() as _,
            }
        });
        // SAFETY: the buffer has room for the count given, and the time-out is null or a timespec.
        let result = syscall(Call::KqueueWait, || unsafe {
            abi::kevent(
                self.kqueue.as_raw_fd(),
                ptr::null(),
                0,
                events.buffer.as_mut_ptr(),
                events.buffer.len() as _,
                time.as_ref().map_or(ptr::null(), ptr::from_ref),
            )
        });
        events.len = match result {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        if events.has_wake_up() {
            self.wake_up.receive();
        }
        Ok(())
    }
}

fn kqueue() -> io::Result<OwnedFd> {
    let kqueue = syscall(Call::KqueueCreate, || {
        // SAFETY: nothing is passed.
        unsafe { abi::kqueue() }
    })?;
    // SAFETY: the descriptor is new, and nobody else owns it.
    let kqueue = unsafe { OwnedFd::from_raw_fd(kqueue) };
    // A forked process has no kqueue: only one that this process itself becomes could inherit it.
    syscall(Call::CloseOnExec, || {
        // SAFETY: no memory is passed.
        unsafe { libc::fcntl(kqueue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }
    })?;
    Ok(kqueue)
}

fn change(ident: usize, filter: i32, flags: u32, token: u64) -> kevent {
    // SAFETY: zeroes are valid numbers, and a pointer that nobody follows.
    let mut change: kevent = unsafe { std::mem::zeroed() };
    change.ident = ident as _;
    change.filter = filter as _;
    change.flags = flags as _;
    change.udata = token as _;
    change
}

/// Changes to be made together, and their receipts afterwards.
struct Changes {
    list: [kevent; Self::ROOM],
    len: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            list: [change(0, READ, 0, WAKE); Self::ROOM],
            len: 0,
        }
    }
}

impl Changes {
    /// For each of two filters, to delete it and to add it.
    const ROOM: usize = 4;

    fn push(&mut self, fd: RawFd, filter: i32, flags: u32, token: u64) {
        self.list[self.len] = change(fd as usize, filter, flags, token);
        self.len += 1;
    }

    fn add(&mut self, fd: RawFd, token: u64, interest: Interest) {
        if interest.is_readable() {
            self.push(fd, READ, ADD, token);
        }
        if interest.is_writable() {
            self.push(fd, WRITE, ADD, token);
        }
    }

    fn delete(&mut self, fd: RawFd) {
        self.push(fd, READ, DELETE, WAKE);
        self.push(fd, WRITE, DELETE, WAKE);
    }

    /// Makes the changes, all that can be made. That there is nothing to delete is no error.
    fn submit(&mut self, call: Call, kqueue: &OwnedFd) -> io::Result<()> {
        let asked = self.list;
        let count = loop {
            let list = self.list.as_mut_ptr();
            // SAFETY: as many changes and places for receipts are there as is said. They may be the same:
            // a change is read before its receipt is written.
            let result = syscall(call, || unsafe {
                abi::kevent(
                    kqueue.as_raw_fd(),
                    asked.as_ptr(),
                    self.len as _,
                    list,
                    self.len as _,
                    ptr::null(),
                )
            });
            match result {
                Ok(count) => break count as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let receipts = asked.iter().zip(&self.list[..count]);
        let failed = receipts.filter_map(|(asked, receipt)| {
            let deletes = asked.flags as u32 == DELETE;
            error(receipt).filter(|&error| !(deletes && error == libc::ENOENT))
        });
        let mut failed = failed.map(io::Error::from_raw_os_error);
        failed.next().map_or(Ok(()), Err)
    }

    /// Whether a change that was made has found what it was about.
    fn has_found(&self, index: usize) -> bool {
        error(&self.list[index]).is_none()
    }
}

/// What a receipt complains of.
fn error(receipt: &kevent) -> Option<i32> {
    let failed = receipt.flags & EV_ERROR != 0 && receipt.data != 0;
    failed.then_some(receipt.data as i32)
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![change(0, READ, 0, WAKE); EVENTS].into(),
            len: 0,
        }
    }

    /// The descriptors' events of the last wait; wake-ups are left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        let events = self.buffer[..self.len].iter();
        events
            .map(|event| Event {
                token: event.udata as u64,
                ready: ready(event),
            })
            .filter(|event| event.token != WAKE)
    }

    /// Whether the last wait has taken a wake-up.
    pub(crate) fn has_wake_up(&self) -> bool {
        let mut events = self.buffer[..self.len].iter();
        events.any(|event| event.udata as u64 == WAKE)
    }
}

/// An end is an end in the event's own direction: a filter for the other one has its own event. No system says
/// in the same way as the others that urgent data is under way, so it always may be.
fn ready(event: &kevent) -> Ready {
    let ends = event.flags & EV_EOF != 0;
    let (ready, closed) = if event.filter as i32 == WRITE {
        (Ready::WRITE, Ready::WRITE_CLOSED)
    } else {
        (Ready::READ.union(Ready::PRIORITY), Ready::READ_CLOSED)
    };
    ready.union(if ends { closed } else { Ready::NONE })
}

#[cfg(test)]
mod tests {
    use super::super::conformance::wake_ups::check_wake_ups;
    use super::*;

    #[test]
    fn a_pair_of_sockets_wakes_up_as_a_user_event_does() {
        let poller = Poller::with_pair().unwrap();
        assert!(matches!(poller.wake_up, WakeUp::Pair { .. }));
        check_wake_ups(&poller);
    }

    #[test]
    fn a_pair_that_is_full_wakes_up_all_the_same() {
        let poller = Poller::with_pair().unwrap();
        let mut events = Events::new();
        for _ in 0..2 {
            for _ in 0..1_000_000 {
                poller.wake();
            }
            let limit = Duration::from_secs(60);
            poller.wait(&mut events, Some(limit)).unwrap();
            assert!(events.has_wake_up());
        }
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(!events.has_wake_up(), "all of it has been taken");
    }

    #[test]
    fn a_change_that_fails_is_told_and_the_others_are_made() {
        use std::io::Write;

        let poller = Poller::new().unwrap();
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut changes = Changes::default();
        changes.add(ours.as_raw_fd(), 1, Interest::READABLE);
        changes.add(RawFd::MAX, 1, Interest::WRITABLE);
        let failed = changes.submit(Call::KqueueAdd, &poller.kqueue).unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(libc::EBADF));
        assert!(changes.has_found(0) && !changes.has_found(1));
        theirs.write_all(b"x").unwrap();
        let mut events = Events::new();
        poller
            .wait(&mut events, Some(Duration::from_secs(60)))
            .unwrap();
        assert_eq!(events.iter().next().map(|event| event.token), Some(1));
    }
}
