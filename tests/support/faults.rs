//! System calls that fail when a test wants them to, and what came of it.
//!
//! A crate includes this file beside its `Call`, the name of each system call that it makes, and passes all
//! of them through [`interpose`]. A test says with [`Table::try_out`] which call is to fail, when and how, and
//! what must come of it.
//!
//! What always holds: there is one plan, for the whole process, so a test that makes one runs in a process of
//! its own. In others nothing is counted and nothing fails.

#![allow(dead_code)] // each crate uses its part

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod process;
pub mod watchdog;

use self::process::{open_fds, thread_ids, wait_for_only};
use self::watchdog::Watchdog;
use super::Call;

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    pub errno: i32,
    pub when: When,
    /// Whether the call is made all the same, as one that the system goes on with in the background.
    pub is_made: bool,
}

/// Which of the calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The one with this number, beginning with 1.
    Nth(usize),
    /// The first, and then one of so many, until [`OFTEN`] have failed.
    Every(usize),
    Always,
}

const OFTEN: usize = 10;

/// Failures that end, and one that does not.
pub const WHENS: &[When] = &[
    When::Nth(1),
    When::Nth(2),
    When::Nth(5),
    When::Every(2),
    When::Every(3),
    When::Always,
];

/// What must come of a fault, where nothing hangs, panics or leaks in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The caller gets the error, once for each, and can try again.
    Told,
    /// The call is made again, and nobody hears of it. Only for failures that end.
    Retried,
    /// The call is made again, and the caller gets the error only if it lasts.
    RetriedOrTold,
    /// It works without, or in another way, and nobody hears of it.
    DoneWithout,
}

/// What is to be tried out.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub call: Call,
    pub errno: i32,
    pub is_made: bool,
    /// Where the runtime is in its life.
    pub place: &'static str,
    pub verdict: Verdict,
}

impl Row {
    fn whens(&self) -> impl Iterator<Item = When> {
        let may_last = self.verdict != Verdict::Retried;
        let whens = WHENS.iter().copied();
        whens.filter(move |&when| may_last || when != When::Always)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ahead,
    Under,
    Over,
}

/// A fault of the plan and its past.
struct Planned {
    fault: Fault,
    calls: usize,
    injected: usize,
}

struct Plan {
    /// The first is the one that is tried out; others set the scene.
    faults: Vec<Planned>,
    stage: Stage,
    /// Errors of the first fault that callers were given.
    told: usize,
    /// All calls that were made.
    calls: BTreeMap<Call, usize>,
}

static IN_USE: AtomicBool = AtomicBool::new(false);
static PANICS: AtomicUsize = AtomicUsize::new(0);
static PLAN: Mutex<Plan> = Mutex::new(Plan {
    faults: Vec::new(),
    stage: Stage::Over,
    told: 0,
    calls: BTreeMap::new(),
});

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a call, unless it is to fail.
pub fn interpose<R>(call: Call, make: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    if !IN_USE.load(SeqCst) {
        return make();
    }
    let fault = plan().next(call);
    match fault {
        None => make(),
        Some(fault) => {
            if fault.is_made {
                drop(make());
            }
            Err(io::Error::from_raw_os_error(fault.errno))
        }
    }
}

/// From here on calls fail, unless it is over.
pub fn begin() {
    let stage = &mut plan().stage;
    if *stage == Stage::Ahead {
        *stage = Stage::Under;
    }
}

/// From here on none does.
pub fn end() {
    plan().stage = Stage::Over;
}

/// Takes an error that an operation has given to its caller. `Ok` if the caller should try again, as one does
/// after a failure that ends.
pub fn told(error: io::Error) -> io::Result<()> {
    let mut plan = plan();
    let Some(first) = plan.faults.first().map(|planned| planned.fault) else {
        return Err(error);
    };
    if error.raw_os_error() != Some(first.errno) {
        return Err(error);
    }
    plan.told += 1;
    if first.when == When::Always {
        Err(error)
    } else {
        Ok(())
    }
}

/// Tries an operation as [`told`] says.
macro_rules! attempt {
    ($operation:expr) => {
        loop {
            match $operation {
                Ok(value) => break Ok(value),
                Err(error) => {
                    if let Err(error) = $crate::sys::faults::told(error) {
                        break Err(error);
                    }
                }
            }
        }
    };
}
pub(crate) use attempt;

impl Plan {
    /// Counts a call; gives the fault if it is to fail.
    fn next(&mut self, call: Call) -> Option<Fault> {
        *self.calls.entry(call).or_default() += 1;
        if self.stage != Stage::Under {
            return None;
        }
        let planned = self
            .faults
            .iter_mut()
            .find(|planned| planned.fault.call == call)?;
        planned.calls += 1;
        let fails = match planned.fault.when {
            When::Nth(number) => planned.calls == number,
            When::Every(number) => planned.calls % number == 1 && planned.injected < OFTEN,
            When::Always => true,
        };
        planned.injected += usize::from(fails);
        fails.then_some(planned.fault)
    }
}

/// What has come of all faults.
#[derive(Default)]
pub struct Table {
    lines: BTreeMap<(Call, &'static str, Verdict, i32), Counts>,
    /// Trials that did not end as they should.
    wrong: Vec<String>,
}

#[derive(Default)]
struct Counts {
    trials: usize,
    injected: usize,
    told: usize,
}

impl Table {
    /// For a process of its own: panics count from here on, whoever catches them.
    pub fn begin() -> Self {
        IN_USE.store(true, SeqCst);
        let report = take_hook();
        set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            report(info);
        }));
        Self::default()
    }

    /// Tries out a row: each of [`WHENS`] that makes sense, in each of the scenarios. One of them must come to
    /// the call. `scene` is what fails beside. A scenario calls [`begin`] when what is being tried out starts,
    /// and [`end`] when it is over.
    pub fn try_out<S: Debug + Copy>(
        &mut self,
        row: Row,
        scene: &[Fault],
        scenarios: &[S],
        run: impl Fn(S) -> io::Result<()>,
    ) {
        let mut injected = 0;
        // Whether a scenario comes to a call can depend on who is faster.
        for _ in 0..20 {
            for (&scenario, when) in scenarios
                .iter()
                .flat_map(|scenario| row.whens().map(move |when| (scenario, when)))
            {
                let what = format!("{row:?}, {when:?}, {scenario:?}");
                let _watchdog = Watchdog::seconds(what.clone(), 60);
                injected += self.try_once(&what, row, when, scene, || run(scenario));
            }
            if injected > 0 {
                return;
            }
        }
        self.wrong.push(format!("{row:?}: no such call is made"));
    }

    /// Gives how many calls have failed.
    fn try_once(
        &mut self,
        what: &str,
        row: Row,
        when: When,
        scene: &[Fault],
        run: impl FnOnce() -> io::Result<()>,
    ) -> usize {
        let first = Fault {
            call: row.call,
            errno: row.errno,
            when,
            is_made: row.is_made,
        };
        let (fds, threads, panics) = (open_fds(), thread_ids(), PANICS.load(SeqCst));
        set_plan(std::iter::once(&first).chain(scene).copied());
        let result = catch_unwind(AssertUnwindSafe(run));
        let (injected, told) = take_plan();
        wait_for_only(&threads);

        let line = self
            .lines
            .entry((row.call, row.place, row.verdict, row.errno))
            .or_default();
        line.trials += usize::from(injected > 0);
        line.injected += injected;
        line.told += told;

        let lasts = when == When::Always;
        let told_as_due = match row.verdict {
            Verdict::Told | Verdict::RetriedOrTold if lasts => told > 0 || injected == 0,
            Verdict::Told => told == injected,
            Verdict::Retried | Verdict::RetriedOrTold | Verdict::DoneWithout => told == 0,
        };
        let result = result.unwrap_or_else(|_| Err(io::Error::other("a panic")));
        let ended_as_due = match &result {
            Ok(()) => told == 0 || !lasts,
            Err(error) => told > 0 && error.raw_os_error() == Some(row.errno),
        };
        let panics = PANICS.load(SeqCst) - panics;
        let left = open_fds();
        if !(told_as_due && ended_as_due && panics == 0 && left == fds) {
            self.wrong.push(format!(
                "{what}: {injected} injected, {told} told, {panics} panics, {fds} descriptors before and \
                 {left} after, {result:?}"
            ));
        }
        injected
    }

    /// Prints the table.
    ///
    /// # Panics
    ///
    /// If a trial did not end as it should; and if one of the calls was not made, or one that this system is
    /// said not to have was.
    pub fn finish(mut self, has: impl Fn(Call) -> bool) {
        let (mut injected, mut told, mut trials) = (0, 0, 0);
        println!();
        for ((call, place, verdict, errno), counts) in &self.lines {
            let name = io::Error::from_raw_os_error(*errno);
            println!(
                "{:<15} {place:<7} {:>5} injected {:>5} told  {verdict:<13} {name}",
                format!("{call:?}"),
                counts.injected,
                counts.told,
                verdict = format!("{verdict:?}"),
            );
            injected += counts.injected;
            told += counts.told;
            trials += counts.trials;
        }
        println!(
            "{} rows, {trials} trials, {injected} faults injected: {told} told, {} retried or done without",
            self.lines.len(),
            injected - told
        );
        let calls = std::mem::take(&mut plan().calls);
        for &call in Call::ALL {
            let made = calls.get(&call).copied().unwrap_or_default();
            if has(call) != (made > 0) {
                self.wrong.push(format!("{call:?} was made {made} times"));
            }
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

fn set_plan(faults: impl Iterator<Item = Fault>) {
    let faults = faults.map(|fault| Planned {
        fault,
        calls: 0,
        injected: 0,
    });
    let mut plan = plan();
    plan.faults = faults.collect();
    plan.stage = Stage::Ahead;
    plan.told = 0;
}

/// Ends the plan. Gives how many faults of the first kind there were, and of how many callers were told.
fn take_plan() -> (usize, usize) {
    let mut plan = plan();
    let first = plan.faults.first().map_or(0, |planned| planned.injected);
    plan.faults.clear();
    plan.stage = Stage::Over;
    (first, plan.told)
}
