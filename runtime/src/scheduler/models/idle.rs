//! No work is left behind by cores that fall asleep.
//!
//! Here work is a number in an atomic, not tasks behind a lock, so that the fences alone order pushing and
//! looking; and a core is a thread that falls asleep as a worker does.

use super::*;
use crate::reactor::{Events, Reactors};
use crate::scheduler::idle::{Claim, Idle};
use crate::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence,
};

struct Cores {
    idle: Idle,
    reactors: Reactors,
    work: AtomicU64,
    /// Work that is not done yet, pushed or not. Whoever does the last of it wakes everybody up.
    left: AtomicUsize,
    over: AtomicBool,
}

impl Cores {
    fn new(cores: usize, work: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(cores),
            reactors: Reactors::new(cores).expect("a modelled poller can always be made"),
            work: AtomicU64::new(0),
            left: AtomicUsize::new(work),
            over: AtomicBool::new(false),
        })
    }

    fn push(&self) {
        self.work.fetch_add(1, Release);
        fence(SeqCst);
        self.wake_searcher();
    }

    fn wake_searcher(&self) {
        if let Some(core) = self.idle.claim_searcher() {
            self.reactors.get(core).notify();
        }
    }

    fn look_for_work(&self) {
        if self.sees_work() {
            self.wake_searcher();
        }
    }

    fn sees_work(&self) -> bool {
        fence(SeqCst);
        self.work.load(Acquire) > 0
    }

    fn take(&self) -> bool {
        let taken = self
            .work
            .fetch_update(AcqRel, Acquire, |work| work.checked_sub(1));
        taken.is_ok()
    }

    fn done(&self, cores: usize) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.over.store(true, Release);
            (0..cores).for_each(|core| self.reactors.get(core).notify());
        }
    }

    /// The life of a core until all work is done; true if it ends with a searcher's token.
    fn run(&self, me: usize, cores: usize) -> bool {
        let mut searching = !self.idle.leave(me);
        loop {
            if self.over.load(Acquire) {
                return searching;
            }
            if self.take() {
                if std::mem::take(&mut searching) && self.idle.stop_searching() {
                    self.look_for_work();
                }
                self.done(cores);
            } else {
                searching = searching || self.idle.start_searching();
                searching = self.rest(me, searching);
            }
        }
    }

    fn rest(&self, me: usize, searching: bool) -> bool {
        self.idle.enter(me);
        let last = if searching {
            self.idle.stop_searching()
        } else {
            !self.idle.is_searched()
        };
        if last && self.sees_work() {
            self.idle.claim(me);
            return true;
        }
        let reactor = self.reactors.get(me);
        if reactor.fall_asleep() {
            reactor.turn(&mut Events::new(), None);
        }
        reactor.wake_up();
        !self.idle.leave(me)
    }
}

/// Lets cores run beside pushers, until everything is done; then no token may be left but those that the
/// cores have.
fn explore(preemptions: usize, cores: usize, pushers: usize) {
    check(preemptions, move || {
        let shared = Cores::new(cores, pushers);
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                let shared = shared.clone();
                thread::spawn(move || shared.run(core, cores))
            })
            .collect();
        let others: Vec<_> = (1..pushers)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || shared.push())
            })
            .collect();
        shared.push();
        others.into_iter().for_each(|other| other.join().unwrap());
        let tokens = threads.into_iter().filter_map(|core| core.join().ok());
        let tokens = tokens.filter(|&token| token).count();
        assert_eq!(shared.idle.searchers(), tokens);
    });
}

/// What is pushed while the only core falls asleep is found by it.
#[test]
fn one_pusher_and_one_core() {
    explore(3, 1, 1);
}

/// Of two pushers one may rely on the other's waking of the only core, however late that is.
#[test]
fn two_pushers_and_one_core() {
    explore(3, 1, 2);
}

/// Two cores that fall asleep at once do not rely on each other to look.
#[test]
fn one_pusher_and_two_cores() {
    explore(2, 2, 1);
}

/// All of that at once.
#[test]
fn two_pushers_and_two_cores() {
    explore(1, 2, 2);
}

/// Claiming one particular core looks like a search to a pusher, who then must not be let down.
#[test]
fn a_claim_is_no_search() {
    check(3, || {
        let shared = Cores::new(1, 1);
        let core = thread::spawn({
            let shared = shared.clone();
            move || shared.run(0, 1)
        });
        let claimer = thread::spawn({
            let shared = shared.clone();
            move || match shared.idle.claim(0) {
                Claim::Claimed => shared.reactors.get(0).notify(),
                Claim::Busy => {}
                Claim::LookForWork => shared.look_for_work(),
            }
        });
        shared.push();
        claimer.join().unwrap();
        let token = core.join().unwrap();
        assert_eq!(shared.idle.searchers(), usize::from(token));
    });
}

/// Whoever asks a sleeper for attention gets it, and the sleeper sees why it was asked.
#[test]
fn attention_is_never_missed() {
    check(3, || {
        let reactors = Arc::new(Reactors::new(1).expect("a modelled poller can always be made"));
        let reasons = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let askers = [0, 1].map(|asker| {
            let (reactors, reasons) = (reactors.clone(), reasons.clone());
            thread::spawn(move || {
                reasons[asker].store(1, Relaxed);
                reactors.get(0).notify();
            })
        });
        let reactor = reactors.get(0);
        while reasons.iter().any(|reason| reason.load(Relaxed) == 0) {
            if reactor.fall_asleep() {
                reactor.turn(&mut Events::new(), None);
            }
            reactor.wake_up();
        }
        for asker in askers {
            asker.join().unwrap();
        }
    });
}
