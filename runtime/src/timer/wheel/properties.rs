//! The wheel against a sorted list, under whatever happens to timers.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

use proptest::prelude::*;

use super::slab::BATCH;
use super::tests::Bells;
use super::{TimerKey, Wheel};

#[derive(Clone, Copy, Debug)]
enum Deadline {
    After(u64),
    Before(u64),
    At(u64),
    /// The one of another timer.
    Like(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Deadline),
    Cancel(usize),
    Reset(usize, Deadline),
    SetWaker(usize),
    /// Time passes, and the wheel is turned once.
    Turn {
        passed: u64,
        limit: usize,
    },
    /// The wheel is turned as it asks for it, until so many have fired.
    Follow(usize),
}

/// Steps in time of any order of magnitude, each as likely.
fn duration() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        9 => (0u32..60, any::<u64>()).prop_map(|(bits, random)| random & ((2 << bits) - 1)),
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        12 => duration().prop_map(Deadline::After),
        2 => duration().prop_map(Deadline::Before),
        2 => any::<usize>().prop_map(Deadline::Like),
        1 => any::<u64>().prop_map(Deadline::At),
        1 => Just(Deadline::At(u64::MAX)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let limit = prop_oneof![1usize..4, 1usize..100];
    prop_oneof![
        8 => deadline().prop_map(Step::Insert),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), deadline()).prop_map(|(timer, deadline)| Step::Reset(timer, deadline)),
        1 => any::<usize>().prop_map(Step::SetWaker),
        4 => (duration(), limit).prop_map(|(passed, limit)| Step::Turn { passed, limit }),
        1 => (0usize..20).prop_map(Step::Follow),
    ]
}

struct Timer {
    deadline: u64,
    key: TimerKey,
}

/// The wheel and what it should be.
struct Pair {
    wheel: Wheel,
    bells: Bells,
    now: u64,
    timers: BTreeMap<u64, Timer>,
    /// By deadline; without those whose deadline had passed when they got it, for they have no place in
    /// the order.
    sorted: BTreeSet<(u64, u64)>,
    /// All keys there have been.
    keys: Vec<TimerKey>,
    last_name: u64,
    most_at_once: usize,
}

impl Pair {
    fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            bells: Bells::default(),
            now: 0,
            timers: BTreeMap::new(),
            sorted: BTreeSet::new(),
            keys: Vec::new(),
            last_name: 0,
            most_at_once: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Insert(deadline) => self.insert(deadline),
            Step::Cancel(any) => self.cancel(any),
            Step::Reset(any, deadline) => self.reset(any, deadline),
            Step::SetWaker(any) => self.set_waker(any),
            Step::Turn { passed, limit } => {
                self.now = self.now.saturating_add(passed);
                self.turn(limit);
            }
            Step::Follow(count) => self.follow(count),
        }
        self.check();
    }

    fn moment(&self, deadline: Deadline) -> u64 {
        match deadline {
            Deadline::After(duration) => self.now.saturating_add(duration),
            Deadline::Before(duration) => self.now.saturating_sub(duration),
            Deadline::At(moment) => moment,
            Deadline::Like(any) => self
                .pick(any)
                .map_or(self.now, |name| self.timers[&name].deadline),
        }
    }

    /// One of the timers, if there are any.
    fn pick(&self, any: usize) -> Option<u64> {
        let count = self.timers.len().max(1);
        self.timers.keys().nth(any % count).copied()
    }

    /// One of all keys that there have been, most of which are stale, and whose it is.
    fn pick_key(&self, any: usize) -> Option<(TimerKey, Option<u64>)> {
        let key = *self.keys.get(any % self.keys.len().max(1))?;
        let of_key = self.timers.iter().find(|(_, timer)| timer.key == key);
        Some((key, of_key.map(|(name, _)| *name)))
    }

    fn insert(&mut self, deadline: Deadline) {
        let deadline = self.moment(deadline);
        self.last_name += 1;
        let name = self.last_name;
        let key = self.wheel.insert(deadline, self.bells.bell(name));
        self.keys.push(key);
        self.note(name, Timer { deadline, key });
    }

    fn note(&mut self, name: u64, timer: Timer) {
        if timer.deadline >= self.now {
            self.sorted.insert((timer.deadline, name));
        }
        self.timers.insert(name, timer);
        self.most_at_once = self.most_at_once.max(self.timers.len());
    }

    fn forget(&mut self, name: u64) -> Timer {
        let timer = self.timers.remove(&name).expect("fires once");
        self.sorted.remove(&(timer.deadline, name));
        timer
    }

    fn is_on_time(&self, name: u64) -> bool {
        let known = self.timers.get(&name);
        known.is_some_and(|timer| self.sorted.contains(&(timer.deadline, name)))
    }

    fn cancel(&mut self, any: usize) {
        let Some((key, name)) = self.pick_key(any) else {
            return;
        };
        assert_eq!(self.wheel.cancel(key).is_some(), name.is_some());
        name.map(|name| self.forget(name));
    }

    fn reset(&mut self, any: usize, deadline: Deadline) {
        let Some((key, name)) = self.pick_key(any) else {
            return;
        };
        let deadline = self.moment(deadline);
        assert_eq!(self.wheel.reset(key, deadline), name.is_some());
        if let Some(name) = name {
            self.forget(name);
            self.note(name, Timer { deadline, key });
        }
    }

    fn set_waker(&mut self, any: usize) {
        let Some((key, name)) = self.pick_key(any) else {
            return;
        };
        let waker = name.map_or(Waker::noop().clone(), |name| self.bells.bell(name));
        match self.wheel.set_waker(key, waker) {
            Ok(replaced) => assert!(replaced.is_some() && name.is_some()),
            Err(_waker) => assert!(name.is_none()),
        }
    }

    /// Turns the wheel once, and returns how many fired and whether there is more.
    fn turn(&mut self, limit: usize) -> (usize, bool) {
        let (fired, more) = self.bells.turn(&mut self.wheel, self.now, limit);
        assert!(fired.len() <= limit);
        for name in fired.iter().copied() {
            let first = self.sorted.first().map(|(deadline, _)| *deadline);
            let on_time = self.is_on_time(name);
            let Timer { deadline, key } = self.forget(name);
            assert!(deadline <= self.now, "early");
            assert!(!on_time || Some(deadline) == first, "out of order");
            assert!(!self.wheel.is_live(key));
        }
        let due = self.timers.values().any(|timer| timer.deadline <= self.now);
        assert!(more || !due, "somebody is left behind");
        (fired.len(), more)
    }

    /// Turns the wheel until nobody is due.
    fn drain(&mut self, limit: usize) {
        let most = self.timers.len() * 12 / limit + 1;
        let turns = (0..most).take_while(|_| self.turn(limit).1).count();
        assert!(turns < most, "{turns} turns, {} timers", self.timers.len());
    }

    fn follow(&mut self, count: usize) {
        let until = self.timers.len().saturating_sub(count);
        self.drain(7);
        while self.timers.len() > until {
            let next = self.wheel.next_deadline().expect("there are timers");
            assert!(next > self.now, "nobody is due");
            self.now = next;
            let earliest = self.timers.values().map(|timer| timer.deadline).min();
            assert!(Some(next) <= earliest, "too late");
            self.drain(7);
        }
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.timers.len());
        let places = self.wheel.timers.entries.len();
        assert_eq!(places, self.most_at_once.next_multiple_of(BATCH as usize));
        for timer in self.timers.values() {
            assert!(self.wheel.is_live(timer.key));
        }
        let earliest = self.timers.values().map(|timer| timer.deadline).min();
        let next = self.wheel.next_deadline();
        assert_eq!(next.is_some(), earliest.is_some());
        assert!(next <= earliest.max(Some(self.now)), "would wake too late");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn it_does_what_a_sorted_list_does(steps in prop::collection::vec(step(), 1..200), limit in 1usize..100) {
        let mut pair = Pair::new();
        steps.iter().for_each(|step| pair.apply(step));
        pair.now = u64::MAX;
        pair.drain(limit);
        prop_assert_eq!(pair.wheel.len(), 0);
        prop_assert_eq!(pair.wheel.next_deadline(), None);
    }

    #[test]
    fn few_timers_are_known_to_the_nanosecond(durations in prop::collection::vec(duration(), 1..9)) {
        let mut pair = Pair::new();
        durations.iter().for_each(|duration| pair.insert(Deadline::After(*duration)));
        while let Some((earliest, _)) = pair.sorted.first().copied() {
            prop_assert_eq!(pair.wheel.next_deadline(), Some(earliest));
            pair.now = earliest;
            pair.drain(100);
        }
        prop_assert_eq!(pair.wheel.len(), 0);
    }
}
