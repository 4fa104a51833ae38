//! What is an edge, for which direction, and under which token.

use super::*;

#[test]
fn an_edge_is_reported_once_and_the_next_again() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(ours.as_raw_fd(), 7, Interest::READABLE).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect_nothing(7);
    for _ in 0..3 {
        // What came before is still unread.
        theirs.write_all(b"x").unwrap();
        observer.expect(7, Ready::READ);
        observer.expect_nothing(7);
    }
}

#[test]
fn what_is_ready_when_it_is_added_is_an_edge() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"x").unwrap();
    poller.add(ours.as_raw_fd(), 7, BOTH).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(7, Ready::READ.union(Ready::WRITE));
}

#[test]
fn only_the_direction_of_interest_is_reported() {
    let poller = Poller::new().unwrap();
    let (reads, mut to_reads) = pair();
    let (writes, mut to_writes) = pair();
    poller
        .add(reads.as_raw_fd(), 1, Interest::READABLE)
        .unwrap();
    poller
        .add(writes.as_raw_fd(), 2, Interest::WRITABLE)
        .unwrap();
    to_reads.write_all(b"x").unwrap();
    to_writes.write_all(b"x").unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::READ);
    observer.expect(2, Ready::WRITE);
    assert!(!observer.ready(1).intersects(Ready::WRITE));
    assert!(!observer.ready(2).intersects(Ready::READ));
}

#[test]
fn room_to_write_is_an_edge() {
    let poller = Poller::new().unwrap();
    let (ours, theirs) = pair();
    fill(&ours);
    poller.add(ours.as_raw_fd(), 7, BOTH).unwrap();
    let mut observer = Observer::new(&poller);
    observer.look_again();
    assert!(!observer.ready(7).intersects(Ready::WRITE));
    for _ in 0..3 {
        drain(&theirs);
        observer.expect(7, Ready::WRITE);
        fill(&ours);
        observer.settle();
    }
}

#[test]
fn a_modified_registration_reports_what_is_ready_under_its_new_token() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    let fd = ours.as_raw_fd();
    poller.add(fd, 1, Interest::READABLE).unwrap();
    theirs.write_all(b"x").unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect(1, Ready::READ);
    poller.modify(fd, 2, BOTH).unwrap();
    observer.expect(2, Ready::READ.union(Ready::WRITE));
    // The same once more.
    poller.modify(fd, 3, BOTH).unwrap();
    observer.expect(3, Ready::READ.union(Ready::WRITE));
    // One direction less.
    poller.modify(fd, 4, Interest::READABLE).unwrap();
    observer.expect(4, Ready::READ);
    drain(&ours);
    observer.settle();
    theirs.write_all(b"y").unwrap();
    observer.expect(4, Ready::READ);
    assert!(observer.seen.iter().all(|event| event.token == 4));
    assert!(!observer.ready(4).intersects(Ready::WRITE));
    // And the other one.
    poller.modify(fd, 5, Interest::WRITABLE).unwrap();
    observer.expect(5, Ready::WRITE);
    assert!(!observer.ready(5).intersects(Ready::READ));
}

#[test]
fn a_deleted_registration_reports_nothing_until_it_is_added_again() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    let fd = ours.as_raw_fd();
    for token in 1..4 {
        poller.add(fd, token, BOTH).unwrap();
        let mut observer = Observer::new(&poller);
        observer.expect(token, Ready::WRITE);
        poller.delete(fd).unwrap();
        theirs.write_all(b"x").unwrap();
        observer.look_again();
        assert!(observer.seen.is_empty(), "{:?}", observer.seen);
    }
}

#[test]
fn an_event_that_was_pending_goes_with_its_registration() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    let fd = ours.as_raw_fd();
    poller.add(fd, 1, BOTH).unwrap();
    theirs.write_all(b"x").unwrap();
    poller.delete(fd).unwrap();
    let mut observer = Observer::new(&poller);
    observer.expect_nothing(1);
}

#[test]
fn a_number_that_is_used_again_has_nothing_of_its_last_registration() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    let (other, mut to_other) = pair();
    let fd = ours.as_raw_fd();
    poller.add(fd, 1, BOTH).unwrap();
    // A duplicate keeps the first socket alive, though its number goes to another.
    let _duplicate = ours.try_clone().unwrap();
    theirs.write_all(b"x").unwrap();
    poller.delete(fd).unwrap();
    // SAFETY: no memory is passed. `ours` owns its number before and after.
    let number = unsafe { libc::dup2(other.as_raw_fd(), fd) };
    assert_eq!(number, fd);
    poller.add(fd, 2, Interest::READABLE).unwrap();
    theirs.write_all(b"x").unwrap();
    let mut observer = Observer::new(&poller);
    observer.look_again();
    assert!(observer.seen.is_empty(), "{:?}", observer.seen);
    to_other.write_all(b"x").unwrap();
    observer.expect(2, Ready::READ);
    assert_eq!(observer.ready(1), Ready::NONE);
    poller.delete(fd).unwrap();
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let poller = Poller::new().unwrap();
    // Beyond what a process can have.
    let closed = i32::MAX;
    for interest in [Interest::READABLE, Interest::WRITABLE, BOTH] {
        let refused = poller.add(closed, 1, interest).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
        assert!(poller.modify(closed, 1, interest).is_err());
    }
}
