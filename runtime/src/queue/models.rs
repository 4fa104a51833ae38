//! Loom models of the ring and the slot: every item is seen exactly once, whoever takes it.
//!
//! Items are tracked, so loom reports one that is lost; one that is doubled is found by its number.

use std::ptr::NonNull;
use std::sync::Arc;

use loom::alloc::Track;
use loom::thread;

use super::{Injector, Local, Ring, Slot};
use crate::sync::UnsafeCell;
use crate::sync::model::check;

type Item = Track<u32>;

fn push(local: &Local<Item>, numbers: impl IntoIterator<Item = u32>, injector: &Injector<Item>) {
    for number in numbers {
        local.push(Track::new(number), injector);
    }
}

fn pop(local: &Local<Item>) -> Vec<u32> {
    local.pop().map(Track::into_inner).into_iter().collect()
}

/// Takes all that is left in a ring, and checks that it comes in the order in which it was pushed.
fn drain(local: &Local<Item>) -> Vec<u32> {
    let items: Vec<_> = std::iter::from_fn(|| local.pop())
        .map(Track::into_inner)
        .collect();
    assert!(items.is_sorted(), "{items:?}");
    items
}

/// Steals once, and returns all that it got.
fn steal(victim: &Ring<Item>) -> Vec<u32> {
    let own = Local::new();
    let mut items: Vec<_> = victim
        .steal_into(&own)
        .map(Track::into_inner)
        .into_iter()
        .collect();
    items.extend(drain(&own));
    assert!(items.is_sorted(), "{items:?}");
    items
}

fn drain_injector(injector: &Injector<Item>) -> Vec<u32> {
    std::iter::from_fn(|| injector.pop())
        .map(Track::into_inner)
        .collect()
}

fn assert_each_once(parts: impl IntoIterator<Item = Vec<u32>>, count: u32) {
    let mut seen: Vec<u32> = parts.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..count).collect::<Vec<_>>());
}

/// The owner pushes and pops while a thief takes half: nothing is lost or doubled, and a slot is not
/// written again before the thief has read it.
#[test]
fn owner_and_thief() {
    check(3, || {
        let injector = Injector::new();
        let local = Local::new();
        let ring = local.ring();
        push(&local, 0..2, &injector);
        let thief = thread::spawn(move || [steal(&ring), steal(&ring)].concat());
        let mut seen = pop(&local);
        push(&local, 2..5, &injector);
        seen.extend(pop(&local));
        push(&local, 5..6, &injector);
        seen.extend(drain(&local));
        assert_each_once([seen, drain_injector(&injector), thief.join().unwrap()], 6);
    });
}

/// Two thieves keep each other out, so that the owner does not reuse what either still copies.
#[test]
fn owner_and_two_thieves() {
    check(2, || {
        let injector = Injector::new();
        let local = Local::new();
        push(&local, 0..4, &injector);
        let thieves = [local.ring(), local.ring()].map(|ring| thread::spawn(move || steal(&ring)));
        push(&local, 4..7, &injector);
        let left = [drain(&local), drain_injector(&injector)];
        let stolen = thieves.map(|thief| thief.join().unwrap());
        assert_each_once(stolen.into_iter().chain(left), 7);
    });
}

/// A full ring overflows while a thief is at work: the two never move the same half.
#[test]
fn overflow_and_thief() {
    check(4, || {
        let injector = Injector::new();
        let local = Local::new();
        let ring = local.ring();
        push(&local, 0..3, &injector);
        let thief = thread::spawn(move || steal(&ring));
        push(&local, 3..6, &injector);
        let seen = drain(&local);
        assert_each_once([seen, drain_injector(&injector), thief.join().unwrap()], 6);
    });
}

/// A thief is robbed in turn: it does not put its loot where its own robber still copies.
#[test]
fn chained_thieves() {
    check(3, || {
        let injector = Injector::new();
        let (first, second) = (Local::new(), Local::new());
        let (first_ring, second_ring) = (first.ring(), second.ring());
        push(&first, 0..3, &injector);
        push(&second, 3..7, &injector);
        let middle = thread::spawn(move || {
            let own = drain(&second);
            let stolen = first_ring.steal_into(&second).map(Track::into_inner);
            [own, stolen.into_iter().collect(), drain(&second)].concat()
        });
        let last = thread::spawn(move || steal(&second_ring));
        let seen = drain(&first);
        assert_each_once([seen, middle.join().unwrap(), last.join().unwrap()], 7);
    });
}

/// Two cores steal from each other: neither waits for the other, and what both hold is still theirs.
#[test]
fn mutual_thieves() {
    check(3, || {
        let injector = Injector::new();
        let (here, there) = (Local::new(), Local::new());
        let (here_ring, there_ring) = (here.ring(), there.ring());
        push(&here, 0..2, &injector);
        push(&there, 2..4, &injector);
        let rob = |own: Local<Item>, victim: Arc<Ring<Item>>| {
            let stolen = victim.steal_into(&own).map(Track::into_inner);
            let left = std::iter::from_fn(|| own.pop()).map(Track::into_inner);
            stolen.into_iter().chain(left).collect::<Vec<_>>()
        };
        let sibling = thread::spawn(move || rob(there, here_ring));
        let seen = rob(here, there_ring);
        assert_each_once([seen, sibling.join().unwrap()], 4);
    });
}

/// The owner fills all the room there is while a thief makes more, and the thief sees what was filled in.
#[test]
fn extend_and_thief() {
    check(4, || {
        let injector = Injector::new();
        let local = Local::new();
        let ring = local.ring();
        push(&local, 0..2, &injector);
        let thief = thread::spawn(move || steal(&ring));
        let mut seen = pop(&local);
        let mut more = (2..7).map(Track::new);
        local.extend(&mut more);
        seen.extend(drain(&local));
        let rest = more.map(Track::into_inner).collect();
        assert_each_once([seen, rest, thief.join().unwrap()], 7);
    });
}

/// Whoever looks at a ring from outside never sees more than has been pushed.
#[test]
fn length_is_never_negative() {
    check(3, || {
        let injector = Injector::new();
        let local = Local::new();
        let (watched, robbed) = (local.ring(), local.ring());
        push(&local, 0..1, &injector);
        let watcher = thread::spawn(move || assert!(watched.len() <= 3));
        let thief = thread::spawn(move || steal(&robbed));
        let mut seen = pop(&local);
        push(&local, 1..3, &injector);
        seen.extend(drain(&local));
        watcher.join().unwrap();
        assert_each_once([seen, thief.join().unwrap()], 3);
    });
}

/// What stands in a slot, written without atomics before it is put there.
struct Boxed(UnsafeCell<u32>, #[expect(dead_code)] Track<()>);

fn boxed(number: u32) -> NonNull<Boxed> {
    let content = Boxed(UnsafeCell::new(0), Track::new(()));
    // SAFETY: nobody else has the cell yet.
    content.0.with_mut(|place| unsafe { *place = number });
    NonNull::from(Box::leak(Box::new(content)))
}

fn unboxed(item: NonNull<Boxed>) -> u32 {
    // SAFETY: the slot gave the item out once, and it came from `boxed`.
    let content = unsafe { Box::from_raw(item.as_ptr()) };
    // SAFETY: the box is this thread's.
    content.0.with(|place| unsafe { *place })
}

/// An item is displaced, taken or left, one of the three, and whoever gets it sees what it points to.
///
/// One taker only: a swap of nothing for nothing, as a second one may do, is not in loom's eyes bound to
/// come right after the write that it read, and a store of the owner's would seem to get in between.
#[test]
fn slot_with_owner_and_taker() {
    check(4, || {
        let slot = Arc::new(Slot::new());
        let taker = thread::spawn({
            let slot = slot.clone();
            move || [slot.take().map(unboxed), slot.take().map(unboxed)]
        });
        let displaced = (0..3).filter_map(|number| slot.put(boxed(number)));
        let seen = displaced.map(unboxed).collect();
        let taken = taker.join().unwrap().into_iter().flatten();
        let left = slot.take().map(unboxed);
        assert!(slot.is_empty());
        assert_each_once([seen, taken.chain(left).collect()], 3);
    });
}

/// Of several who take at once one gets the item.
#[test]
fn slot_with_many_takers() {
    check(4, || {
        let slot = Arc::new(Slot::new());
        let takers = [slot.clone(), slot.clone()]
            .map(|slot| thread::spawn(move || slot.take().map(unboxed)));
        let displaced = [0, 1].map(|number| slot.put(boxed(number)).map(unboxed));
        let left = slot.take().map(unboxed);
        let taken = takers.map(|taker| taker.join().unwrap());
        let seen = displaced.into_iter().chain(taken).chain([left]);
        assert_each_once([seen.flatten().collect()], 2);
    });
}

/// The owner displaces an item and takes one back while another takes: each item goes to one of the two.
///
/// It does not put one there after it has taken one, for the reason that `slot_with_owner_and_taker` gives.
#[test]
fn slot_with_owner_who_puts_and_takes() {
    check(4, || {
        let slot = Arc::new(Slot::new());
        assert!(slot.put(boxed(0)).is_none());
        let taker = thread::spawn({
            let slot = slot.clone();
            move || slot.take().map(unboxed)
        });
        let displaced = slot.put(boxed(1)).map(unboxed);
        let taken_back = slot.take().map(unboxed);
        let taken = taker.join().unwrap();
        assert!(slot.is_empty());
        let seen = [displaced, taken_back, taken].into_iter().flatten();
        assert_each_once([seen.collect()], 2);
    });
}
