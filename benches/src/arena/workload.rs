//! What is measured, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::load::Amount;
use crate::peer::Peer;

/// Workloads that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Group {
    /// Spawning, waking, yielding, joining.
    Tasks,
    /// Timers.
    Time,
    /// Servers and clients over loopback.
    Sockets,
    /// What others wait for a task that takes its time.
    Isolation,
    /// Resident memory.
    Memory,
    /// Instructions and system calls.
    Counts,
}

impl Group {
    /// Every group, in the order in which reports show them.
    pub const ALL: [Group; 6] = [
        Group::Tasks,
        Group::Time,
        Group::Sockets,
        Group::Isolation,
        Group::Memory,
        Group::Counts,
    ];

    /// The name used on command lines and in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Group::Tasks => "tasks",
            Group::Time => "time",
            Group::Sockets => "sockets",
            Group::Isolation => "isolation",
            Group::Memory => "memory",
            Group::Counts => "counts",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Group::ALL
            .into_iter()
            .find(|group| group.name() == name)
            .ok_or_else(|| format!("no group is called {name:?}"))
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Nanoseconds for each operation.
    NanosPerOperation,
    /// Microseconds.
    Micros,
    /// Requests, or other operations, in a second.
    PerSecond,
    /// Bytes for each task, connection or timer.
    Bytes,
    /// Mebibytes in a second.
    MebibytesPerSecond,
    /// Instructions for each operation.
    Instructions,
    /// System calls for each request.
    SystemCalls,
}

impl Unit {
    /// What tables show.
    pub fn name(self) -> &'static str {
        match self {
            Unit::NanosPerOperation => "ns/op",
            Unit::Micros => "us",
            Unit::PerSecond => "1/s",
            Unit::Bytes => "bytes",
            Unit::MebibytesPerSecond => "MiB/s",
            Unit::Instructions => "instructions/op",
            Unit::SystemCalls => "system calls/request",
        }
    }

    /// Whether a larger figure is the better one.
    pub fn is_rate(self) -> bool {
        matches!(self, Unit::PerSecond | Unit::MebibytesPerSecond)
    }
}

/// How much a turn may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Whether a rough figure will do.
    pub is_quick: bool,
}

impl Effort {
    /// How long what is measured by time should be measured, without warm-up.
    pub fn measured(self) -> Duration {
        Duration::from_millis(if self.is_quick { 250 } else { 1_500 })
    }

    /// How long to warm up.
    pub fn warmup(self) -> Duration {
        self.measured() / 5
    }

    /// Both, for a load.
    pub fn window(self) -> Amount {
        Amount::Window {
            warmup: self.warmup(),
            measured: self.measured(),
        }
    }

    /// How many operations to do, of so many in a thorough turn.
    pub fn operations(self, thorough: u64) -> u64 {
        if self.is_quick {
            thorough / 5
        } else {
            thorough
        }
    }
}

/// A reason not to take the figures of a turn for what they seem. Its name in [`Figures::more`] has 1 if it
/// applies, and 0 if not.
#[derive(Clone, Copy, Debug)]
pub struct Caution {
    /// What it is called.
    pub name: &'static str,
    /// What readers are told.
    pub warning: &'static str,
}

/// The rate of an open loop was too much.
pub const RATE_MISSED: Caution = Caution {
    name: "rate missed",
    warning: "THE RATE WAS NOT KEPT: requests were due faster than they were answered",
};

/// The load client was as much of a limit as the server.
pub const CLIENT_LIMITED: Caution = Caution {
    name: "client limited",
    warning: "THE CLIENT FELL BEHIND: it was late, or hardly had time, so latencies are its own doing too",
};

/// Every caution.
pub const CAUTIONS: [Caution; 2] = [RATE_MISSED, CLIENT_LIMITED];

/// What a turn of one peer gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The figure that counts, in the workload's unit.
    pub value: f64,
    /// CPU time for each operation in nanoseconds, user and kernel, of the measured process.
    pub cpu_nanos: Option<f64>,
    /// More that is worth to be told, by name.
    pub more: BTreeMap<String, f64>,
}

impl Figures {
    /// Nothing but a value.
    pub fn of(value: f64) -> Self {
        Self {
            value,
            cpu_nanos: None,
            more: BTreeMap::new(),
        }
    }
}

/// Something that peers are compared by.
pub struct Workload {
    /// Where it is shown.
    pub group: Group,
    /// Its name, unique, without blanks: `echo-64B-512c-2w`.
    pub name: String,
    /// What its value is.
    pub unit: Unit,
    /// Who takes part, in the order in which tables show them.
    pub peers: Vec<Peer>,
    /// Whether it is among those of a quick run.
    pub is_quick: bool,
    /// Takes one turn, in a process of its own. Every loss and every failure is an error.
    pub turn: Box<Turn>,
}

/// A turn of a workload.
pub type Turn = dyn Fn(Peer, Effort) -> io::Result<Figures>;

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload")
            .field("name", &self.name)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}
