//! The sockets of mini_rt.
//!
//! [`AsyncTcpListener`] accepts connections, [`AsyncTcpStream`] is one, and [`AsyncTcpSocket`]
//! configures either before it comes to life. They are registered with the runtime only when an
//! operation would block for the first time, and speak the futures ecosystem's own [`AsyncRead`]
//! and [`AsyncWrite`].
//!
//! Everything here is built on the public API of `mini_rt_runtime`, first of all its `AsyncFd`:
//! what a kind of descriptor of your own needs is there too. Sockets are made inside a runtime;
//! making one elsewhere panics.
//!
//! [`AsyncRead`]: futures_util::io::AsyncRead
//! [`AsyncWrite`]: futures_util::io::AsyncWrite

mod addr;
#[cfg(test)]
mod faults;
mod sockaddr;
mod sys;
pub mod tcp;

pub use addr::{LookupHost, ToSocketAddrs, lookup_host};
pub use tcp::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream};
