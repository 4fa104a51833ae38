//! A small and fast async runtime: a reactor per worker core, work stealing, futures-io traits.
//!
//! ```no_run
//! use mini_rt::net::AsyncTcpListener;
//! use mini_rt::prelude::*;
//!
//! #[mini_rt::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = AsyncTcpListener::bind("127.0.0.1:7000").await?;
//!     loop {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         mini_rt::spawn(async move {
//!             let mut buf = vec![0; 4096];
//!             while let Ok(n @ 1..) = stream.read(&mut buf).await {
//!                 if stream.write_all(&buf[..n]).await.is_err() { break }
//!             }
//!         });
//!     }
//! }
//! ```
//!
//! # What is where
//!
//! - [`#[mini_rt::main]`](macro@main) and [`#[mini_rt::test]`](macro@test) run an async function.
//! - [`spawn`] starts a task; [`spawn_blocking`] runs a closure where it may block.
//! - [`net`] has sockets, whose [`AsyncRead`](io::AsyncRead) and [`AsyncWrite`](io::AsyncWrite) are those
//!   of futures-io, so they fit hyper, rustls, tungstenite and other protocol crates of that ecosystem.
//! - [`time`] has sleeps, time limits and intervals.
//! - [`io::AsyncFd`] makes any other descriptor awaitable.
//! - [`runtime::Builder`] builds a runtime by hand.
//!
//! Names are tokio's where the thing is the same; [`what_differs_from_tokio`] says where it is not. Channels and locks are not part of a runtime:
//! `async-channel`, `async-lock` and `futures-channel` work here as anywhere.
//!
//! # Systems
//!
//! Linux, with epoll. macOS and the BSDs, with kqueue: it is type-checked for them, and its tests run on Linux with
//! libkqueue, but nobody has run it there yet. Elsewhere the crate does not compile, and says so.

pub use mini_rt_macros::{main, test};
pub use mini_rt_runtime::{block_on, runtime, spawn, spawn_blocking, spawn_local, task_local};

/// Tasks and their handles.
pub mod task {
    #[doc(inline)]
    pub use mini_rt_runtime::coop;
    #[doc(inline)]
    pub use mini_rt_runtime::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};
    #[doc(inline)]
    pub use mini_rt_runtime::{
        AccessError, JoinSet, LocalEnterGuard, LocalKey, LocalSet, TaskBuilder as Builder,
        TaskLocalFuture, block_in_place, spawn, spawn_blocking, spawn_local, yield_now,
    };

    /// What belongs to a [`JoinSet`].
    pub mod join_set {
        #[doc(inline)]
        pub use mini_rt_runtime::{JoinSet, JoinSetBuilder as Builder};
    }
}

/// Input and output: descriptors that can be awaited, and the traits of futures-io.
pub mod io {
    pub use futures_util::io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
        AsyncWrite, AsyncWriteExt, BufReader, BufWriter, copy, copy_buf,
    };
    #[doc(inline)]
    pub use mini_rt_runtime::io::{AsyncFd, Interest, Readiness, ReadyGuard, TryIoError};
}

/// Sockets and name resolution.
pub mod net {
    #[doc(inline)]
    pub use mini_rt_net::*;
}

/// Sleeping, time limits, intervals, and a clock that tests can hold.
pub mod time {
    #[doc(inline)]
    pub use mini_rt_runtime::time::*;
}

/// The traits that most programs need: `use mini_rt::prelude::*`.
pub mod prelude {
    pub use futures_util::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    pub use futures_util::stream::StreamExt;
}

/// What a program that comes from tokio will find different.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/what-differs-from-tokio.md")]
pub mod what_differs_from_tokio {}

/// The README's examples, so that they are compiled and kept right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
