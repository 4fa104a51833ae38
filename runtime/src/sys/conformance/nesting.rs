//! A poller that watches another, where there is that.

use super::*;

/// What a poller is watched as.
const CHILD: u64 = 99;

/// Lets one poller watch another; false, and a line that says so, where that does not exist.
fn nests(test: &str, parent: &Poller, child: &Poller) -> bool {
    match parent.nest(child, CHILD) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let skipped = format!("{test}: skipped, pollers do not nest here\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            // Nothing was begun, and ending that does no harm.
            parent.unnest(child);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_watched_poller_is_reported_for_as_long_as_it_has_events() {
    let [parent, child] = [(); 2].map(|()| Poller::new().unwrap());
    let (ours, mut theirs) = pair();
    child.add(ours.as_raw_fd(), 1, Interest::READABLE).unwrap();
    if !nests("a watched poller", &parent, &child) {
        return;
    }
    let mut of_parent = Observer::new(&parent);
    let mut of_child = Observer::new(&child);
    of_parent.expect_nothing(CHILD);
    theirs.write_all(b"x").unwrap();
    for _ in 0..3 {
        of_parent.seen.clear();
        of_parent.expect(CHILD, Ready::READ);
    }
    of_child.expect(1, Ready::READ);
    of_child.settle();
    of_parent.expect_nothing(CHILD);
    child.wake();
    of_parent.expect(CHILD, Ready::READ);
    parent.unnest(&child);
    parent.unnest(&child);
    theirs.write_all(b"x").unwrap();
    of_parent.expect_nothing(CHILD);
    of_child.expect(1, Ready::READ);
}

#[test]
fn what_a_watched_poller_has_already_is_reported() {
    let [parent, child] = [(); 2].map(|()| Poller::new().unwrap());
    child.wake();
    if nests("events before the watch", &parent, &child) {
        Observer::new(&parent).expect(CHILD, Ready::READ);
    }
}

#[test]
fn pollers_do_not_watch_each_other() {
    let [a, b] = [(); 2].map(|()| Poller::new().unwrap());
    if !nests("each other", &a, &b) {
        return;
    }
    assert!(b.nest(&a, CHILD).is_err());
    // As whoever was watched turns the tables.
    a.unnest(&b);
    b.nest(&a, CHILD).unwrap();
    a.wake();
    Observer::new(&b).expect(CHILD, Ready::READ);
}
