//! The runtimes under comparison: their names, and behind one trait what they do.
//!
//! [`on_executor!`](crate::on_executor) chooses the implementation of the trait by name.

use std::fmt;
use std::io;
use std::str::FromStr;

mod executor;

pub use self::executor::{Executor, MiniRt, MiniRtCurrent, Nio, Smol, Tokio, TokioCurrent};

/// The name of something that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// This project's runtime, multi-thread flavour.
    MiniRt,
    /// This project's runtime, current-thread flavour.
    MiniRtCurrent,
    /// tokio, multi-thread flavour.
    Tokio,
    /// tokio, current-thread flavour.
    TokioCurrent,
    /// smol: an executor on as many threads, and its one reactor.
    Smol,
    /// nio, multi-thread flavour.
    Nio,
    /// No runtime: a loop over epoll written by hand, on each thread.
    Raw,
    /// No runtime: a thread of the system for each task or connection.
    Threads,
}

impl Peer {
    /// Every peer, in the order in which tables show them.
    pub const ALL: [Peer; 8] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
        Peer::Nio,
        Peer::Raw,
        Peer::Threads,
    ];

    /// Those that run tasks: they have an [`Executor`].
    pub const EXECUTORS: [Peer; 6] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
        Peer::Nio,
    ];

    /// Those whose connections and timers any task can use: they have a
    /// [`Network`](crate::network::Network).
    pub const NETWORKS: [Peer; 5] = [
        Peer::MiniRt,
        Peer::MiniRtCurrent,
        Peer::Tokio,
        Peer::TokioCurrent,
        Peer::Smol,
    ];

    /// The name used on command lines and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Peer::MiniRt => "mini_rt",
            Peer::MiniRtCurrent => "mini_rt-current",
            Peer::Tokio => "tokio",
            Peer::TokioCurrent => "tokio-current",
            Peer::Smol => "smol",
            Peer::Nio => "nio",
            Peer::Raw => "raw",
            Peer::Threads => "threads",
        }
    }

    /// Whether it has one thread only, whatever number of workers is asked for.
    pub fn is_single_threaded(self) -> bool {
        matches!(self, Peer::MiniRtCurrent | Peer::TokioCurrent)
    }
}

/// The error for a `peer` that cannot do what it is asked for.
pub fn unable(peer: Peer) -> io::Error {
    let reason = format!("{peer} cannot do that");
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

/// Evaluates an expression of type `io::Result` with a type name that stands for the
/// [`Executor`](crate::peer::Executor) of a peer; an error for a peer that has none.
#[macro_export]
macro_rules! on_executor {
    ($peer:expr, $executor:ident => $result:expr) => {
        match $peer {
            $crate::peer::Peer::Nio => {
                #[allow(unused_imports)]
                use $crate::peer::Executor as _;
                type $executor = $crate::peer::Nio;
                $result
            }
            peer => $crate::on_network!(peer, $executor => $result),
        }
    };
}

/// As [`on_executor`], for the [`Network`](crate::network::Network) of a peer.
#[macro_export]
macro_rules! on_network {
    ($peer:expr, $network:ident => $result:expr) => {{
        #[allow(unused_imports)]
        use $crate::peer::Executor as _;
        match $peer {
            $crate::peer::Peer::MiniRt => {
                type $network = $crate::peer::MiniRt;
                $result
            }
            $crate::peer::Peer::MiniRtCurrent => {
                type $network = $crate::peer::MiniRtCurrent;
                $result
            }
            $crate::peer::Peer::Tokio => {
                type $network = $crate::peer::Tokio;
                $result
            }
            $crate::peer::Peer::TokioCurrent => {
                type $network = $crate::peer::TokioCurrent;
                $result
            }
            $crate::peer::Peer::Smol => {
                type $network = $crate::peer::Smol;
                $result
            }
            peer => Err($crate::peer::unable(peer)),
        }
    }};
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Peer::ALL
            .into_iter()
            .find(|peer| peer.name() == name)
            .ok_or_else(|| format!("no runtime is called {name:?}"))
    }
}
