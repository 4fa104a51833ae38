//! What wakes up a sleeper: a user event, or where there are none a pair of sockets.
//!
//! NetBSD has user events since release 10 and OpenBSD since 7.8, so whether there are any is asked at run
//! time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::abi::{self, EVFILT_USER, NOTE_TRIGGER};
use super::{ADD, Call, Changes, READ, WAKE, change, syscall};

const USER: i32 = EVFILT_USER as i32;

#[derive(Debug)]
pub(super) enum WakeUp {
    UserEvent,
    Pair {
        writer: UnixStream,
        reader: UnixStream,
    },
}

impl WakeUp {
    pub(super) fn new(kqueue: &OwnedFd) -> io::Result<Self> {
        let mut changes = Changes::default();
        changes.push(0, USER, ADD, WAKE);
        match changes.submit(Call::KqueueAdd, kqueue) {
            Ok(()) => Ok(Self::UserEvent),
            Err(error) if error.kind() == ErrorKind::InvalidInput => Self::pair(kqueue),
            Err(error) => Err(error),
        }
    }

    pub(super) fn pair(kqueue: &OwnedFd) -> io::Result<Self> {
        let (writer, reader) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        reader.set_nonblocking(true)?;
        let mut changes = Changes::default();
        changes.push(reader.as_raw_fd(), READ, ADD, WAKE);
        changes.submit(Call::KqueueAdd, kqueue)?;
        Ok(Self::Pair { writer, reader })
    }

    /// Lets a wait return. Cannot fail but in a pair that is full, which is an event already.
    pub(super) fn send(&self, kqueue: &OwnedFd) {
        let is_interrupted = |error: io::Error| error.kind() == ErrorKind::Interrupted;
        match self {
            Self::UserEvent => while trigger(kqueue).is_err_and(is_interrupted) {},
            Self::Pair { writer, .. } => {
                let mut writer: &UnixStream = writer;
                while writer.write(&[1]).is_err_and(is_interrupted) {}
            }
        }
    }

    /// Takes what was sent, for the wait that has returned with it. Whatever else was sent before this has had
    /// its effect as well: that wait ends now.
    pub(super) fn receive(&self) {
        if let Self::Pair { reader, .. } = self {
            let mut buffer = [0; 64];
            loop {
                match (&*reader).read(&mut buffer) {
                    Ok(len) if len == buffer.len() => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
        }
    }
}

/// Triggers the user event. Some systems take over the token that comes with it, so it is the same again.
fn trigger(kqueue: &OwnedFd) -> io::Result<libc::c_int> {
    let mut trigger = change(0, USER, 0, WAKE);
    trigger.fflags = NOTE_TRIGGER as _;
    // SAFETY: there is one change, and no room for events.
    syscall(Call::KqueueWake, || unsafe {
        abi::kevent(
            kqueue.as_raw_fd(),
            &trigger,
            1,
            ptr::null_mut(),
            0,
            ptr::null(),
        )
    })
}
