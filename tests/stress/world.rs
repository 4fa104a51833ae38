//! A runtime from its making to its end, and what must hold on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mini_rt::runtime::{Handle, Runtime};
use mini_rt::task::{JoinError, JoinHandle};
use mini_rt::time::sleep;

use super::actor::{Actor, is_about_the_end};
use super::scenarios::SCENARIOS;
use super::support::kinds::{KINDS, Kind};
use super::support::random::Random;
use super::support::tasks::{Census, block_until, panic_text, park_on, until};
use super::witness::Witness;

pub struct World {
    pub kind: Kind,
    pub handle: Handle,
    pub census: Census,
    end: End,
    /// Set before the end of the runtime begins.
    is_ending: AtomicBool,
    /// How many plays of each scenario are under way.
    under_way: Mutex<BTreeMap<&'static str, usize>>,
}

/// Ways to end a runtime.
#[derive(Clone, Copy, Debug)]
enum End {
    /// When all is done.
    Quiet,
    Drop,
    Timeout(Duration),
    Background,
}

impl End {
    fn draw(random: &mut Random) -> Self {
        match random.below(6) {
            0..3 => Self::Quiet,
            3 => Self::Drop,
            4 => Self::Timeout(Duration::from_micros(random.below(5_000) as u64)),
            _ => Self::Background,
        }
    }
}

/// Makes a runtime, lets scenarios play on it, and ends it.
pub fn live(mut random: Random, witness: &Witness) {
    let runtime = build(&mut random);
    let world = Arc::new(World {
        kind: runtime.1,
        handle: runtime.0.handle().clone(),
        census: Census::default(),
        end: End::draw(&mut random),
        is_ending: AtomicBool::new(false),
        under_way: Mutex::default(),
    });
    witness.watch(&world);
    let plays: Vec<_> = (0..1 + random.below(10))
        .map(|_| world.begin(&mut random))
        .collect();
    match world.end {
        End::Quiet => world.end_quietly(runtime.0, plays),
        _ => world.end_amid(runtime.0, plays, &mut random),
    }
    let metrics = world.handle.metrics();
    // Who is let go, or comes from outside, may still be on the way.
    block_until(|| world.census.alive() == 0 && metrics.num_alive_tasks() == 0);
    assert_eq!(world.census.born(), world.census.gone());
}

fn build(random: &mut Random) -> (Runtime, Kind) {
    let kind = KINDS[random.below(KINDS.len())];
    let mut builder = kind.builder();
    builder.max_blocking_threads(1 + random.below(8));
    if random.one_in(2) {
        builder.thread_keep_alive(Duration::from_micros(random.below(2_000) as u64));
    }
    (builder.build().expect("a runtime"), kind)
}

impl World {
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(SeqCst)
    }

    /// The output of a task that nobody has aborted: nothing if the end of the runtime came first.
    #[track_caller]
    pub fn output<T>(&self, result: Result<T, JoinError>) -> Option<T> {
        let error = match result {
            Ok(output) => return Some(output),
            Err(error) => error,
        };
        let by_the_end = match error.is_cancelled() {
            true => true,
            false => is_about_the_end(panic_text(&*error.into_panic())),
        };
        assert!(by_the_end, "a task has panicked");
        assert!(self.is_ending(), "a task was cancelled by nobody");
        None
    }

    /// Begins to play a scenario.
    fn begin(self: &Arc<Self>, random: &mut Random) -> JoinHandle<Option<()>> {
        let (name, scenario) = SCENARIOS[random.below(SCENARIOS.len())];
        let presence = Presence::new(self, name);
        let mut actor = Actor::new(self, random.branch());
        self.handle.spawn(async move {
            let _presence = presence;
            actor.rest().await;
            scenario(actor).await
        })
    }

    /// Waits for all plays, and looks at what is left.
    fn end_quietly(&self, runtime: Runtime, plays: Vec<JoinHandle<Option<()>>>) {
        let metrics = runtime.metrics();
        runtime.block_on(async {
            for play in plays {
                assert_eq!(self.output(play.await), Some(Some(())));
            }
            until(|| metrics.num_alive_tasks() == 0).await;
            until(|| (metrics.num_timers(), metrics.registered_fds()) == (0, 0)).await;
        });
        drop(runtime);
    }

    /// Ends the runtime while they play.
    fn end_amid(&self, runtime: Runtime, plays: Vec<JoinHandle<Option<()>>>, random: &mut Random) {
        let a_while = Duration::from_micros(random.below(20_000) as u64);
        match random.one_in(2) {
            true => runtime.block_on(sleep(a_while)),
            false => thread::sleep(a_while),
        }
        self.is_ending.store(true, SeqCst);
        match random.one_in(4) {
            true => thread::scope(|scope| drop(scope.spawn(|| self.end_now(runtime)))),
            false => self.end_now(runtime),
        }
        for play in plays {
            // Whether it came to its end or was cut short.
            let _ = self.output(park_on(play));
        }
    }

    fn end_now(&self, runtime: Runtime) {
        match self.end {
            End::Quiet | End::Drop => drop(runtime),
            End::Timeout(limit) => runtime.shutdown_timeout(limit),
            End::Background => runtime.shutdown_background(),
        }
    }
}

/// What goes on in it.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.is_ending() {
            true => "it is being ended",
            false => "it was not ended",
        };
        writeln!(f, "{:?}, end: {:?}, {state}", self.kind, self.end)?;
        writeln!(f, "under way: {:?}", self.under_way.lock().unwrap())?;
        writeln!(
            f,
            "{} things of futures are not dropped",
            self.census.alive()
        )?;
        writeln!(f, "{}\n{}", self.handle.dump(), self.handle.metrics())
    }
}

/// Counts a play as long as it is under way.
struct Presence {
    world: Arc<World>,
    name: &'static str,
}

impl Presence {
    fn new(world: &Arc<World>, name: &'static str) -> Self {
        *world.under_way.lock().unwrap().entry(name).or_default() += 1;
        Self {
            world: world.clone(),
            name,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut under_way = self.world.under_way.lock().unwrap();
        if let Some(count) = under_way.get_mut(self.name) {
            *count -= 1;
        }
    }
}
