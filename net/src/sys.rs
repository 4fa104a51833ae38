//! The system calls that `std::net` does not offer in the form needed here, and every difference
//! between the systems.
//!
//! Every socket made here is non-blocking and close-on-exec, and writing to it never raises
//! `SIGPIPE`. Where the system can, this takes the one call that makes the socket.

mod syscall;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::{self, MaybeUninit};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, sockaddr, sockaddr_storage, socklen_t};

use crate::sockaddr::{as_sockaddr, from_storage, to_storage};

pub(crate) use platform::{SO_LINGER_SECONDS, adopt, tcp_socket};
#[cfg(test)]
pub(crate) use syscall::faults;

pub(crate) use syscall::Call;
use syscall::{interpose, syscall};

/// The most buffers one vectored call takes.
pub(crate) const MAX_BUFFERS: usize = 1024;

/// Makes a call through std, again and again for as long as a signal interrupts it.
#[inline]
fn retry<R>(call: Call, mut make: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match interpose(call, &mut make) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(crate) fn bind(fd: BorrowedFd<'_>, addr: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_storage(addr);
    // SAFETY: `storage` outlives the call and holds an address of `len` bytes.
    let bind = || unsafe { libc::bind(fd.as_raw_fd(), as_sockaddr(&storage), len) };
    syscall(Call::Bind, bind).map(drop)
}

pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = c_int::try_from(backlog).unwrap_or(c_int::MAX);
    // SAFETY: no memory is passed.
    let listen = || unsafe { libc::listen(fd.as_raw_fd(), backlog) };
    syscall(Call::Listen, listen).map(drop)
}

/// Starts to connect. [`finish_connect`] tells how that went, also when this returns `Ok`.
pub(crate) fn start_connect(fd: BorrowedFd<'_>, addr: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_storage(addr);
    // SAFETY: `storage` outlives the call and holds an address of `len` bytes.
    let connect = || unsafe { libc::connect(fd.as_raw_fd(), as_sockaddr(&storage), len) };
    match syscall(Call::Connect, connect) {
        // An interrupted connect goes on in the background, exactly like one in progress; a second
        // call would fail.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
            Ok(())
        }
        result => result.map(drop),
    }
}

/// `Ok` once the socket is connected, the reason if that failed, `WouldBlock` while it is
/// undecided.
pub(crate) fn finish_connect(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = interpose(Call::TakeError, || stream.take_error())? {
        return Err(error);
    }
    match interpose(Call::PeerAddress, || stream.peer_addr()) {
        // Undecided, or failed and the reason has gone to somebody else who asked for it. Reading
        // tells: it would block, or is at the end.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            peek(stream, &mut [0])?;
            stream.peer_addr().map(drop)
        }
        result => result.map(drop),
    }
}

/// Takes one connection from the queue of `listener`.
///
/// A connection that its client gave up while it was queued is passed over.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        let mut storage = MaybeUninit::<sockaddr_storage>::zeroed();
        let mut len = size_of::<sockaddr_storage>() as socklen_t;
        // SAFETY: `storage` has room for `len` bytes.
        match unsafe { platform::accept(listener, storage.as_mut_ptr().cast(), &mut len) } {
            Ok(stream) => {
                // SAFETY: zero, then overwritten by the system: valid for plain data either way.
                let addr = from_storage(unsafe { storage.assume_init_ref() })?;
                return Ok((stream, addr));
            }
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ECONNABORTED)) => {}
            Err(error) => return Err(error),
        }
    }
}

#[inline]
pub(crate) fn receive(mut stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    retry(Call::Receive, || stream.read(buf))
}

#[inline]
pub(crate) fn receive_vectored(
    mut stream: &TcpStream,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    retry(Call::ReceiveVectored, || stream.read_vectored(bufs))
}

#[inline]
pub(crate) fn peek(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    retry(Call::Peek, || stream.peek(buf))
}

#[inline]
pub(crate) fn send(mut stream: &TcpStream, buf: &[u8]) -> io::Result<usize> {
    retry(Call::Send, || stream.write(buf))
}

/// `writev` that never raises `SIGPIPE`. At most [`MAX_BUFFERS`] buffers.
pub(crate) fn send_vectored(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    debug_assert!(bufs.len() <= MAX_BUFFERS);
    // SAFETY: a `msghdr` is plain data for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // `IoSlice` has the layout of `iovec`; the system does not write through it.
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len() as _;
    retry(Call::SendVectored, || {
        // SAFETY: `message` names only `bufs`, which outlive the call.
        let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &message, platform::SEND_FLAGS) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    })
}

pub(crate) fn shutdown(stream: &TcpStream, how: Shutdown) -> io::Result<()> {
    interpose(Call::Shutdown, || stream.shutdown(how))
}

/// What a socket option can be made of.
///
/// # Safety
///
/// Every bit pattern is a valid value, and there is no padding.
pub(crate) unsafe trait OptionValue: Copy {}
// SAFETY: an integer.
unsafe impl OptionValue for c_int {}
// SAFETY: two integers of the same size.
unsafe impl OptionValue for libc::linger {}

pub(crate) fn set_option<V: OptionValue>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: V,
) -> io::Result<()> {
    let len = size_of::<V>() as socklen_t;
    // SAFETY: `value` outlives the call and has `len` bytes.
    let set =
        || unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    syscall(Call::SetOption, set).map(drop)
}

pub(crate) fn option<V: OptionValue>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
) -> io::Result<V> {
    let mut value = MaybeUninit::<V>::zeroed();
    let mut len = size_of::<V>() as socklen_t;
    // SAFETY: `value` outlives the call and has room for `len` bytes.
    syscall(Call::GetOption, || unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &mut len,
        )
    })?;
    // SAFETY: every byte is zero or written by the system, and every bit pattern is valid.
    Ok(unsafe { value.assume_init() })
}

/// A socket that is not connected; a `TcpStream` for its methods and because it closes the
/// descriptor.
///
/// # Safety
///
/// `fd` has just been made, so that nobody else owns it.
unsafe fn own(fd: c_int) -> TcpStream {
    // SAFETY: the caller's promise.
    TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Systems where one call makes a socket with all its properties.
#[cfg(not(target_vendor = "apple"))]
mod platform {
    use super::*;

    pub(crate) const SO_LINGER_SECONDS: c_int = libc::SO_LINGER;
    pub(super) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;
    const FLAGS: c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

    pub(crate) fn tcp_socket(domain: c_int) -> io::Result<TcpStream> {
        // SAFETY: no memory is passed.
        let socket = || unsafe { libc::socket(domain, libc::SOCK_STREAM | FLAGS, 0) };
        // SAFETY: the descriptor is new.
        syscall(Call::Socket, socket).map(|fd| unsafe { own(fd) })
    }

    /// Gives a stream made elsewhere the properties of one made here.
    pub(crate) fn adopt(stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)
    }

    /// # Safety
    ///
    /// `addr` has room for `len` bytes.
    pub(super) unsafe fn accept(
        listener: BorrowedFd<'_>,
        addr: *mut sockaddr,
        len: &mut socklen_t,
    ) -> io::Result<TcpStream> {
        // SAFETY: the caller's promise.
        let accept = || unsafe { libc::accept4(listener.as_raw_fd(), addr, len, FLAGS) };
        // SAFETY: the descriptor is new.
        syscall(Call::Accept, accept).map(|fd| unsafe { own(fd) })
    }
}

/// macOS and its relatives know neither `accept4` nor flags to `socket`, and std does not use their
/// `MSG_NOSIGNAL`: an option of the socket does its work.
#[cfg(target_vendor = "apple")]
mod platform {
    use super::*;
    use std::os::fd::AsFd;

    pub(crate) const SO_LINGER_SECONDS: c_int = libc::SO_LINGER_SEC;
    pub(super) const SEND_FLAGS: c_int = 0;

    pub(crate) fn tcp_socket(domain: c_int) -> io::Result<TcpStream> {
        // SAFETY: no memory is passed.
        let socket = || unsafe { libc::socket(domain, libc::SOCK_STREAM, 0) };
        // SAFETY: the descriptor is new.
        let stream = syscall(Call::Socket, socket).map(|fd| unsafe { own(fd) })?;
        set_close_on_exec(&stream)?;
        adopt(&stream)?;
        Ok(stream)
    }

    /// Gives a stream made elsewhere the properties of one made here.
    pub(crate) fn adopt(stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        set_option(
            stream.as_fd(),
            libc::SOL_SOCKET,
            libc::SO_NOSIGPIPE,
            1 as c_int,
        )
    }

    /// A connection that has died in the queue comes without an address, or refuses its options.
    ///
    /// # Safety
    ///
    /// `addr` has room for `len` bytes.
    pub(super) unsafe fn accept(
        listener: BorrowedFd<'_>,
        addr: *mut sockaddr,
        len: &mut socklen_t,
    ) -> io::Result<TcpStream> {
        // SAFETY: the caller's promise.
        let accept = || unsafe { libc::accept(listener.as_raw_fd(), addr, &mut *len) };
        // SAFETY: the descriptor is new.
        let stream = syscall(Call::Accept, accept).map(|fd| unsafe { own(fd) })?;
        set_close_on_exec(&stream)?;
        if *len == 0 || adopt(&stream).is_err() {
            return Err(io::Error::from_raw_os_error(libc::ECONNABORTED));
        }
        Ok(stream)
    }

    fn set_close_on_exec(stream: &TcpStream) -> io::Result<()> {
        // SAFETY: no memory is passed.
        let set = || unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        syscall(Call::CloseOnExec, set).map(drop)
    }
}
