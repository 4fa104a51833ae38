//! The wheel's promises one at a time, and its bounds: work per turn, memory.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use super::{Stale, TimerKey, Wheel};

/// Wakers that write down who was woken.
#[derive(Clone, Default)]
pub(super) struct Bells(Arc<Mutex<Vec<u64>>>);

struct Bell {
    name: u64,
    rung: Bells,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.0.lock().unwrap().push(self.name);
    }
}

impl Bells {
    pub(super) fn bell(&self, name: u64) -> Waker {
        let rung = self.clone();
        Arc::new(Bell { name, rung }).into()
    }

    /// Turns the wheel once. Returns who fired, and whether there is more.
    pub(super) fn turn(&self, wheel: &mut Wheel, now: u64, limit: usize) -> (Vec<u64>, bool) {
        let mut due = Vec::new();
        let more = wheel.expire(now, limit, &mut due);
        due.into_iter().for_each(Waker::wake);
        (std::mem::take(&mut self.0.lock().unwrap()), more)
    }

    /// Who is due.
    fn due(&self, wheel: &mut Wheel, now: u64) -> Vec<u64> {
        let (rung, more) = self.turn(wheel, now, 100_000);
        assert!(!more, "nothing is left for another turn");
        rung
    }
}

/// A wheel with a timer for each deadline, which is also its name.
fn wheel_of(bells: &Bells, deadlines: impl IntoIterator<Item = u64>) -> (Wheel, Vec<TimerKey>) {
    let mut wheel = Wheel::new();
    let start = |deadline| wheel.insert(deadline, bells.bell(deadline));
    let keys = deadlines.into_iter().map(start).collect();
    (wheel, keys)
}

/// Starts timers that wake nobody.
fn start_many(wheel: &mut Wheel, count: u64) -> Vec<TimerKey> {
    let start = |n| wheel.insert(n << 20, Waker::noop().clone());
    (1..=count).map(start).collect()
}

/// A nanosecond before and after each border between slots, on all levels.
fn borders() -> impl Iterator<Item = u64> {
    let around = |border: u64| [border - 1, border, border + 1];
    (0..64)
        .flat_map(move |bit| around(1 << bit))
        .chain([u64::MAX - 1, u64::MAX])
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_a_nanosecond_before() {
    let bells = Bells::default();
    for deadline in borders().filter(|deadline| *deadline > 0) {
        let (mut wheel, _) = wheel_of(&bells, [deadline]);
        assert_eq!(wheel.next_deadline(), Some(deadline));
        assert_eq!(bells.due(&mut wheel, deadline - 1), []);
        assert_eq!(wheel.next_deadline(), Some(deadline));
        assert_eq!(bells.due(&mut wheel, deadline), [deadline]);
        assert_eq!(wheel.next_deadline(), None);
    }
}

#[test]
fn the_earliest_timer_takes_one_step_from_any_level() {
    let bells = Bells::default();
    for deadline in borders() {
        let (mut wheel, _) = wheel_of(&bells, [deadline]);
        assert_eq!(bells.turn(&mut wheel, deadline, 1), (vec![deadline], false));
    }
}

#[test]
fn one_jump_fires_all_in_order() {
    let bells = Bells::default();
    let mut deadlines: Vec<_> = borders().collect();
    deadlines.sort_unstable();
    deadlines.dedup();
    let (mut wheel, _) = wheel_of(&bells, deadlines.iter().rev().copied());
    assert_eq!(wheel.len(), deadlines.len());
    assert_eq!(bells.due(&mut wheel, u64::MAX), deadlines);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn timers_of_one_deadline_fire_in_the_order_they_came() {
    const DEADLINE: u64 = 10_000_000_000;
    let bells = Bells::default();
    let mut wheel = Wheel::new();
    for name in 0..100 {
        bells.due(&mut wheel, name * DEADLINE / 100);
        wheel.insert(DEADLINE, bells.bell(name));
    }
    assert!(bells.due(&mut wheel, DEADLINE).into_iter().eq(0..100));
}

#[test]
fn a_deadline_in_the_past_is_due_in_the_next_turn() {
    let bells = Bells::default();
    let mut wheel = Wheel::new();
    assert_eq!(bells.due(&mut wheel, 1 << 40), []);
    wheel.insert(5, bells.bell(5));
    assert_eq!(wheel.next_deadline(), Some(1 << 40));
    assert_eq!(bells.due(&mut wheel, 1 << 40), [5]);
}

#[test]
fn a_now_from_before_the_last_one_counts_as_that() {
    let bells = Bells::default();
    let mut wheel = Wheel::new();
    assert_eq!(bells.due(&mut wheel, 1000), []);
    wheel.insert(900, bells.bell(900));
    wheel.insert(1001, bells.bell(1001));
    assert_eq!(bells.due(&mut wheel, 10), [900]);
    assert_eq!(bells.due(&mut wheel, 10), []);
    assert_eq!(bells.due(&mut wheel, 1001), [1001]);
}

#[test]
fn a_reset_timer_fires_at_its_new_deadline_only() {
    let bells = Bells::default();
    let (mut wheel, keys) = wheel_of(&bells, [1_000, 2_000]);
    assert!(wheel.reset(keys[0], 1 << 50));
    assert!(wheel.reset(keys[1], 10));
    assert_eq!(wheel.next_deadline(), Some(10));
    assert_eq!(bells.due(&mut wheel, 10), [2_000]);
    assert_eq!(bells.due(&mut wheel, (1 << 50) - 1), []);
    assert!(wheel.reset(keys[0], 0), "the past is due at once");
    assert_eq!(bells.due(&mut wheel, (1 << 50) - 1), [1_000]);
}

#[test]
fn a_key_is_stale_after_firing_and_after_cancelling() {
    let bells = Bells::default();
    let (mut wheel, keys) = wheel_of(&bells, [1, 2]);
    assert_eq!(bells.due(&mut wheel, 1), [1]);
    assert!(wheel.cancel(keys[1]).is_some());
    let assert_stale = |wheel: &mut Wheel| {
        for key in &keys {
            assert!(!wheel.is_live(*key));
            assert!(!wheel.reset(*key, 7));
            assert!(wheel.cancel(*key).is_none());
            assert_eq!(wheel.wakes(*key, Waker::noop()), Err(Stale));
            assert!(wheel.set_waker(*key, Waker::noop().clone()).is_err());
        }
    };
    assert_stale(&mut wheel);
    // Others live in the places.
    start_many(&mut wheel, 2000);
    assert_stale(&mut wheel);
    bells.due(&mut wheel, u64::MAX);
    assert_stale(&mut wheel);
    // Others live in new memory.
    assert!(wheel.take_spare().is_some());
    assert_stale(&mut wheel);
    start_many(&mut wheel, 10);
    assert_stale(&mut wheel);
    assert_eq!(wheel.len(), 10);
}

#[test]
fn wakers_come_back_instead_of_being_dropped_or_lost() {
    let bells = Bells::default();
    let (mut wheel, keys) = wheel_of(&bells, [1, 2]);
    let [same, other] = [bells.bell(10), bells.bell(11)];
    assert_eq!(wheel.wakes(keys[0], &same), Ok(false));
    let replaced = wheel.set_waker(keys[0], same.clone()).unwrap().unwrap();
    replaced.wake();
    assert_eq!(wheel.wakes(keys[0], &same), Ok(true));
    let replaced = wheel.set_waker(keys[1], other.clone()).unwrap();
    replaced.unwrap().wake();
    assert!(wheel.cancel(keys[1]).unwrap().will_wake(&other));
    assert_eq!(bells.due(&mut wheel, 2), [1, 2, 10]);
}

#[test]
fn a_turn_does_no_more_than_its_limit() {
    const TIMERS: u64 = 10_000;
    let bells = Bells::default();
    // Twelve to each deadline, an hour in all: slots of many sizes to pass through.
    let deadlines = (0..TIMERS).map(|n| n / 12 * 4_321_000_000);
    let (mut wheel, _) = wheel_of(&bells, deadlines.clone());
    let mut fired = Vec::new();
    let mut turns = 0;
    loop {
        let (some, more) = bells.turn(&mut wheel, u64::MAX, 100);
        assert!(some.len() <= 100);
        fired.extend(some);
        turns += 1;
        if !more {
            break;
        }
        assert!(turns < TIMERS * 11 / 100, "{turns} turns, {}", fired.len());
    }
    assert!(fired.into_iter().eq(deadlines));
    assert!(turns >= TIMERS / 100);
}

#[test]
fn a_turn_cut_short_goes_on_where_it_was() {
    let bells = Bells::default();
    // In one slot, so that a turn of three leaves it half empty.
    let base = 1 << 30;
    let (mut wheel, keys) = wheel_of(&bells, (0..6).map(|n| base + n * 1000));
    assert_eq!(bells.turn(&mut wheel, base + 10_000, 3), (vec![], true));
    assert!(wheel.next_deadline().unwrap() <= base);
    assert!(wheel.cancel(keys[5]).is_some());
    assert!(wheel.reset(keys[4], base + 500));
    wheel.insert(base + 1500, bells.bell(1));
    let expected = [base, base + 4000, base + 1000, 1, base + 2000, base + 3000];
    assert_eq!(bells.due(&mut wheel, base + 10_000), expected);
}

#[test]
fn many_timers_far_away_are_approached_in_steps_but_never_passed() {
    let bells = Bells::default();
    let deadlines = (0..1000).map(|n| 3_600_000_000_000 + n * 7919);
    let (mut wheel, _) = wheel_of(&bells, deadlines.clone().rev());
    let mut fired = Vec::new();
    let mut turns = 0;
    while let Some(next) = wheel.next_deadline() {
        for name in bells.due(&mut wheel, next) {
            assert_eq!(name, next, "fires at its deadline");
            fired.push(name);
        }
        turns += 1;
        assert!(turns < 1200, "few turns in which nobody is due");
    }
    assert!(fired.into_iter().eq(deadlines));
}

#[test]
fn timers_that_come_and_go_need_no_memory_beyond_the_most_at_once() {
    let bells = Bells::default();
    let (mut wheel, _) = wheel_of(&bells, [u64::MAX, 1 << 60, 1 << 40]);
    let places = wheel.timers.entries.capacity();
    for n in 0..10_000u64 {
        let key = wheel.insert(n * n * n, Waker::noop().clone());
        assert!(wheel.reset(key, n * 1000));
        if n % 3 > 0 {
            assert!(wheel.cancel(key).is_some());
        } else {
            bells.due(&mut wheel, n * 1000);
        }
        assert_eq!((wheel.len(), wheel.timers.entries.capacity()), (3, places));
    }
}

#[test]
fn memory_of_many_timers_can_be_had_back_once_they_are_gone() {
    let mut wheel = Wheel::new();
    let keys = start_many(&mut wheel, 100_000);
    for key in &keys[1..] {
        assert!(wheel.cancel(*key).is_some());
    }
    assert!(wheel.take_spare().is_none(), "one timer is left");
    assert!(wheel.cancel(keys[0]).is_some());
    assert!(wheel.take_spare().is_some());
    assert_eq!(wheel.timers.entries.capacity(), 0);
    assert!(wheel.take_spare().is_none(), "once");
    for key in start_many(&mut wheel, 100) {
        assert!(wheel.cancel(key).is_some());
    }
    assert!(wheel.take_spare().is_none(), "a little is kept");
}
