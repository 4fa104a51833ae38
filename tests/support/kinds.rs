//! The runtimes that each scenario runs on.

use super::runtime::{Builder, Runtime};
use super::watchdog::Watchdog;

/// A kind of runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CurrentThread,
    MultiThread(usize),
}

pub const KINDS: [Kind; 4] = [
    Kind::CurrentThread,
    Kind::MultiThread(1),
    Kind::MultiThread(2),
    Kind::MultiThread(4),
];

impl Kind {
    pub fn builder(self) -> Builder {
        match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread(workers) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        }
    }

    pub fn build(self) -> Runtime {
        self.builder().build().expect("a runtime")
    }

    /// Threads that the runtime has besides its callers'.
    pub fn workers(self) -> usize {
        match self {
            Self::CurrentThread => 0,
            Self::MultiThread(workers) => workers,
        }
    }

    pub fn cores(self) -> usize {
        self.workers().max(1)
    }
}

/// Runs a scenario once per kind of runtime, each time under a watchdog.
pub fn on_every_kind(test: &str, seconds: u64, mut scenario: impl FnMut(Kind)) {
    for kind in KINDS {
        let _watchdog = Watchdog::seconds(format!("{test} on {kind:?}"), seconds);
        scenario(kind);
    }
}

/// Runs an async scenario in `block_on` once per kind of runtime, each time under a watchdog.
pub fn on_every_runtime(test: &str, scenario: impl AsyncFn(Kind)) {
    on_every_kind(test, 60, |kind| kind.build().block_on(scenario(kind)));
}
