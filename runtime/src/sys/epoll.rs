//! epoll: edge-triggered, with an eventfd for wake-ups.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::syscall::{Call, syscall};
use super::{Event, Interest, Ready};

/// The token of wake-ups; no descriptor has it.
const WAKE: u64 = 0;

/// How many events one wait can bring. More stay in the kernel for the next.
const EVENTS: usize = 256;

/// An epoll instance.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// Edge-triggered, so that it is written to and never read.
    wake: OwnedFd,
    /// Cleared at the first refusal, on kernels before 5.11 or in a sandbox. Relaxed: who misses that asks
    /// once more.
    has_pwait2: AtomicBool,
}

/// The buffer that a wait fills.
pub(crate) struct Events {
    buffer: Box<[libc::epoll_event]>,
    len: usize,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: both calls return a new descriptor, which nobody else owns, or -1.
        let (epoll, wake) = unsafe {
            let flags = libc::EPOLL_CLOEXEC;
            let epoll = syscall(Call::EpollCreate, || libc::epoll_create1(flags))?;
            let epoll = OwnedFd::from_raw_fd(epoll);
            let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
            let wake = syscall(Call::EventFd, || libc::eventfd(0, flags))?;
            (epoll, OwnedFd::from_raw_fd(wake))
        };
        let poller = Self {
            epoll,
            wake,
            has_pwait2: AtomicBool::new(true),
        };
        let wake = poller.wake.as_raw_fd();
        poller.control_edges(Call::EpollAdd, wake, WAKE, libc::EPOLLIN)?;
        Ok(poller)
    }

    /// Starts to report a descriptor's edges. What is ready already counts as an edge.
    pub(crate) fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control_edges(Call::EpollAdd, fd, token, flags(interest))
    }

    /// Reports other edges of a descriptor from now on. What is ready already counts as an edge.
    pub(crate) fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control_edges(Call::EpollModify, fd, token, flags(interest))
    }

    /// Reports this token for as long as another poller has events.
    pub(crate) fn nest(&self, other: &Self, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        self.control(Call::EpollNest, other.epoll.as_raw_fd(), &mut event)
    }

    /// Ends [`nest`](Self::nest), if it was begun.
    pub(crate) fn unnest(&self, other: &Self) {
        let _ = self.delete(other.epoll.as_raw_fd());
    }

    /// Stops reporting a descriptor. Events on their way may still come.
    pub(crate) fn delete(&self, fd: RawFd) -> io::Result<()> {
        self.control_edges(Call::EpollDelete, fd, WAKE, 0)
    }

    /// Lets the current or the next wait return. The write can be interrupted, but not fail: the counter
    /// would be full after 2^64 wake-ups.
    pub(crate) fn wake(&self) {
        let one = 1_u64;
        let write = || {
            // SAFETY: the buffer is eight readable bytes.
            unsafe {
                libc::write(
                    self.wake.as_raw_fd(),
                    (&raw const one).cast(),
                    size_of::<u64>(),
                )
            }
        };
        while syscall(Call::Wake, write)
            .is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
        {}
    }

    /// Waits for events, for ever if there is no time-out. An interrupted wait brings none.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let result = match self.pwait2(events, timeout) {
            Some(result) => result,
            None => self.wait_milliseconds(events, timeout),
        };
        events.len = match result {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// `epoll_pwait2`, which counts in nanoseconds; `None` where the kernel does not have it.
    fn pwait2(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> Option<io::Result<libc::c_int>> {
        if !self.has_pwait2.load(Relaxed) {
            return None;
        }
        // The kernel's own timespec, seconds and nanoseconds, which has 64 bits where libc's may have 32.
        let time = timeout.map(|timeout| {
            let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
            [seconds, i64::from(timeout.subsec_nanos())]
        });
        // SAFETY: the buffer has room for the count given, and the time-out is null or a timespec.
        let result = syscall(Call::EpollPwait2, || unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                events.buffer.as_mut_ptr(),
                events.buffer.len() as libc::c_int,
                time.as_ref().map_or(ptr::null(), ptr::from_ref),
                ptr::null::<libc::sigset_t>(),
                0_usize,
            ) as libc::c_int
        });
        match result {
            // A sandbox may refuse with any error; `epoll_wait` tells if it means something else.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.has_pwait2.store(false, Relaxed);
                None
            }
            result => Some(result),
        }
    }

    /// `epoll_wait`, with the time-out rounded up, so that nothing comes too early.
    fn wait_milliseconds(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<libc::c_int> {
        let milliseconds = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000))
                .unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: the buffer has room for the count given.
        syscall(Call::EpollWait, || unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.buffer.as_mut_ptr(),
                events.buffer.len() as libc::c_int,
                milliseconds,
            )
        })
    }

    fn control_edges(
        &self,
        call: Call,
        fd: RawFd,
        token: u64,
        flags: libc::c_int,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: (flags | libc::EPOLLET) as u32,
            u64: token,
        };
        self.control(call, fd, &mut event)
    }

    fn control(&self, call: Call, fd: RawFd, event: &mut libc::epoll_event) -> io::Result<()> {
        let operation = match call {
            Call::EpollModify => libc::EPOLL_CTL_MOD,
            Call::EpollDelete => libc::EPOLL_CTL_DEL,
            _ => libc::EPOLL_CTL_ADD,
        };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: the event lives through the call; the kernel checks the descriptors.
        syscall(call, || unsafe {
            libc::epoll_ctl(epoll, operation, fd, event)
        })
        .map(drop)
    }
}

fn flags(interest: Interest) -> libc::c_int {
    let mut flags = 0;
    if interest.is_readable() {
        flags |= libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI;
    }
    if interest.is_writable() {
        flags |= libc::EPOLLOUT;
    }
    flags
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS].into(),
            len: 0,
        }
    }

    /// The descriptors' events of the last wait; wake-ups are left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        let events = self.buffer[..self.len].iter();
        events
            .map(|event| Event {
                token: event.u64,
                ready: ready(event.events as libc::c_int),
            })
            .filter(|event| event.token != WAKE)
    }

    /// Whether the last wait has taken a wake-up.
    pub(crate) fn has_wake_up(&self) -> bool {
        let mut events = self.buffer[..self.len].iter();
        events.any(|event| event.u64 == WAKE)
    }
}

/// An error makes both directions ready: the system call tells what it is.
fn ready(flags: libc::c_int) -> Ready {
    let mut ready = Ready::NONE;
    let mut add = |any: libc::c_int, bits: Ready| {
        if flags & any != 0 {
            ready = ready.union(bits);
        }
    };
    let (error, hang_up) = (libc::EPOLLERR, libc::EPOLLHUP);
    add(
        libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLRDHUP | hang_up | error,
        Ready::READ,
    );
    add(libc::EPOLLOUT | hang_up | error, Ready::WRITE);
    add(libc::EPOLLRDHUP | hang_up | error, Ready::READ_CLOSED);
    add(hang_up | error, Ready::WRITE_CLOSED);
    add(libc::EPOLLPRI, Ready::PRIORITY);
    ready
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn both_waits_keep_a_time_out_and_never_end_early() {
        let poller = Poller::new().unwrap();
        for has_pwait2 in [true, false] {
            poller.has_pwait2.store(has_pwait2, Relaxed);
            let started = Instant::now();
            let timeout = Duration::from_micros(1500);
            poller.wait(&mut Events::new(), Some(timeout)).unwrap();
            assert!(started.elapsed() >= timeout);
        }
    }
}
