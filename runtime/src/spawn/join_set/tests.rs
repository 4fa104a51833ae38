//! Members that are over when they come in. Through `spawn` only a race gives such.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;

use super::*;
use crate::blocking;
use crate::task::Origin;

/// A set with a member that had this output before it came in.
fn set_with<T: Send + 'static>(output: T) -> (JoinSet<T>, Id) {
    let (job, handle) = blocking::new(move || output, || (), Origin::here());
    let (mut set, id) = (JoinSet::new(), handle.id());
    job.run();
    assert_eq!(set.insert(handle).id(), id);
    (set, id)
}

#[test]
fn a_member_that_was_over_is_joined_like_any_other() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut set, id) = set_with(1);
    assert_eq!(set.len(), 1);
    match set.poll_join_next_with_id(&mut cx) {
        Poll::Ready(Some(Ok(member))) => assert_eq!(member, (id, 1)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));

    let (mut set, id) = set_with(2);
    set.abort_all();
    assert_eq!(set.try_join_next_with_id().unwrap().unwrap(), (id, 2));
    assert!(set.try_join_next().is_none() && set.is_empty());
}

#[test]
fn a_member_that_was_over_is_let_go_of_like_any_other() {
    struct PanicsInDrop(Arc<AtomicUsize>);

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            resume_unwind(Box::new("an output's drop"));
        }
    }

    let drops = Arc::new(AtomicUsize::new(0));
    let (mut set, _) = set_with(PanicsInDrop(drops.clone()));
    set.detach_all();
    assert_eq!((set.len(), drops.load(SeqCst)), (0, 1));
    drop(set_with(PanicsInDrop(drops.clone())));
    assert_eq!(drops.load(SeqCst), 2);
}

/// A waker whose drop is the end of a member.
struct Ends(Mutex<Option<Waker>>);

impl Wake for Ends {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Ends {
    fn drop(&mut self) {
        let notice = self.0.lock().unwrap().take();
        notice.into_iter().for_each(Waker::wake);
    }
}

#[test]
fn a_member_ends_in_the_drop_of_the_waker_that_is_replaced() {
    let finished = Arc::<Finished>::default();
    let ends = Waker::from(Arc::new(Ends(Mutex::new(Some(finished.notice(7))))));
    let poll = |waker: &Waker| finished.poll_pop(&Context::from_waker(waker));
    assert!(poll(&ends).is_pending());
    drop(ends);
    assert!(poll(Waker::noop()).is_pending());
    assert_eq!(poll(Waker::noop()), Poll::Ready(7));
}
