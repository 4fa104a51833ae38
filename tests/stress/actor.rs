//! One who plays a scenario on a runtime: what it may do, and how it judges results.
//!
//! What always holds: as long as nobody ends the runtime, each result is the one that was expected, or the
//! actor panics. From the moment at which somebody begins to end it, a result may also say so, and the
//! scenario is cut short: the judging functions give `None` then.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mini_rt::runtime::Handle;
use mini_rt::task::{JoinError, JoinHandle, yield_now};
use mini_rt::time::sleep;

use super::support::kinds::Kind;
use super::support::random::Random;
use super::support::tasks::{Citizen, on_thread, panic_text};
use super::world::World;

/// Whether a panic says that a runtime has ended, as timers do.
pub fn is_about_the_end(panic: &str) -> bool {
    panic.contains("after its runtime has ended")
}

pub struct Actor {
    pub random: Random,
    world: Arc<World>,
    _citizen: Citizen,
}

impl Actor {
    pub fn new(world: &Arc<World>, random: Random) -> Self {
        Self {
            random,
            _citizen: world.census.citizen(),
            world: world.clone(),
        }
    }

    /// Another one, on the same runtime.
    pub fn branch(&mut self) -> Self {
        Self::new(&self.world, self.random.branch())
    }

    pub fn kind(&self) -> Kind {
        self.world.kind
    }

    pub fn handle(&self) -> &Handle {
        &self.world.handle
    }

    pub fn is_cut_short(&self) -> bool {
        self.world.is_ending()
    }

    /// From one to `most`.
    pub fn some(&mut self, most: usize) -> usize {
        1 + self.random.below(most)
    }

    pub fn micros(&mut self, below: usize) -> Duration {
        Duration::from_micros(self.random.below(below) as u64)
    }

    /// Starts a task, which owns something that is counted.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let citizen = self.world.census.citizen();
        self.world.handle.spawn(async move {
            let _citizen = citizen;
            future.await
        })
    }

    /// Starts a task that another actor plays.
    #[track_caller]
    pub fn send<F>(&mut self, play: impl FnOnce(Self) -> F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let other = self.branch();
        self.spawn(play(other))
    }

    /// Sends another actor to a thread of no runtime, and waits for what it brings back: nothing if there it
    /// met with the end of the runtime.
    pub async fn send_abroad<T: Send + 'static>(
        &mut self,
        play: impl FnOnce(Self) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (other, world) = (self.branch(), self.world.clone());
        on_thread(
            move || match catch_unwind(AssertUnwindSafe(|| play(other))) {
                Ok(outcome) => outcome,
                Err(panic) if world.is_ending() && is_about_the_end(panic_text(&*panic)) => None,
                Err(panic) => resume_unwind(panic),
            },
        )
        .await
    }

    /// Does nothing for a while, in one of the ways that there are.
    pub async fn rest(&mut self) {
        match self.random.below(8) {
            0..4 => {}
            4..6 => {
                for _ in 0..self.some(4) {
                    yield_now().await;
                }
            }
            6 => sleep(self.micros(300)).await,
            _ => sleep(self.micros(3_000)).await,
        }
    }

    /// As [`rest`](Self::rest), on a thread that may block.
    pub fn block(&mut self) {
        match self.random.below(4) {
            0 => {}
            1 => thread::yield_now(),
            2 => thread::sleep(self.micros(300)),
            _ => thread::sleep(self.micros(3_000)),
        }
    }

    /// The output of a task that nobody has aborted.
    #[track_caller]
    pub fn output<T>(&self, result: Result<T, JoinError>) -> Option<T> {
        self.world.output(result)
    }

    /// What an operation gave that cannot fail as long as its runtime is there.
    #[track_caller]
    pub fn done<T, E: Debug>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(_) if self.is_cut_short() => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// What an operation on a socket gave to which somebody else does what he likes.
    pub fn unless_broken_off<T>(&self, result: io::Result<T>) -> Option<T> {
        const BROKEN_OFF: [io::ErrorKind; 2] =
            [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        match result {
            Err(error) if BROKEN_OFF.contains(&error.kind()) => None,
            result => self.done(result),
        }
    }

    /// What two that should be equal say about those who made them.
    #[track_caller]
    pub fn same<T: PartialEq + Debug>(&self, found: T, expected: T) -> Option<()> {
        if found == expected {
            return Some(());
        }
        assert!(
            self.is_cut_short(),
            "found {found:?}, expected {expected:?}"
        );
        None
    }

    /// As [`same`](Self::same), for data that is too long to be shown.
    #[track_caller]
    pub fn same_bytes(&self, found: &[u8], expected: &[u8]) -> Option<()> {
        if found == expected {
            return Some(());
        }
        let differ = found
            .iter()
            .zip(expected)
            .position(|(one, other)| one != other);
        assert!(
            self.is_cut_short(),
            "{} bytes of {}, the first that differs at {differ:?}",
            found.len(),
            expected.len()
        );
        None
    }
}
