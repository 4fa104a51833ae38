//! How registrations end: retired, moved to another core, or with the runtime.

use super::super::waiters::MOVE_AFTER;
use super::*;

/// A dispatch that is late, with the key of a source that is gone, does not touch the one that has its
/// slot by then.
#[test]
fn stale_key() {
    check(6, || {
        let old = Source::eager(1);
        old.arrive();
        let reactors = old.reactors.clone();
        let dispatcher = thread::spawn({
            let old = old.clone();
            move || old.turn(0)
        });
        old.registration.deregister(&reactors, FD);
        let registration = Registration::eager(&reactors, FD + 1, 0).unwrap();
        let new = Source::new(&reactors, registration, FD + 1);
        assert_eq!(reactors.sources(), 1);
        assert!(!new.is_ready());
        dispatcher.join().unwrap();
        assert!(!new.is_ready());
        new.arrive();
        new.turn(0);
        assert!(new.is_ready());
    });
}

/// Nor does it leave the new source's waiter asleep, though it may wake it.
#[test]
fn stale_key_beside_wait() {
    check(3, || {
        let old = Source::eager(1);
        old.arrive();
        let reactors = old.reactors.clone();
        let dispatcher = thread::spawn({
            let old = old.clone();
            move || old.turn(0)
        });
        old.registration.deregister(&reactors, FD);
        let registration = Registration::eager(&reactors, FD + 1, 0).unwrap();
        let new = Source::new(&reactors, registration, FD + 1);
        let kernel = thread::spawn({
            let new = new.clone();
            move || {
                new.arrive();
                new.turn(0);
            }
        });
        block_on(new.read(0)).unwrap();
        dispatcher.join().unwrap();
        kernel.join().unwrap();
    });
}

/// Waits from another core until the next wait there moves the source.
fn visit_until_it_moves(source: &Source, core: usize) -> impl Future<Output = ()> + use<'_> {
    poll_fn(move |cx| {
        for _ in 1..MOVE_AFTER {
            assert!(source.poll_ready(core, cx).is_pending());
        }
        Poll::Ready(())
    })
}

/// What arrives while a source moves to the core that polls it is reported by one poller or the other.
#[test]
fn event_beside_move() {
    check(5, || {
        let source = Source::eager(2);
        block_on_core(&source.reactors, 1, async {
            visit_until_it_moves(&source, 1).await;
            let kernel = thread::spawn({
                let source = source.clone();
                move || {
                    source.arrive();
                    source.turn(0);
                }
            });
            source.read(1).await.unwrap();
            kernel.join().unwrap();
        });
        assert_eq!(source.reactors.sources(), 1);
    });
}

/// Nor does it miss who waits elsewhere meanwhile: that keeps the source where it is, or comes along.
#[test]
fn waiter_beside_move() {
    check(2, || {
        let source = Source::eager(2);
        block_on_core(&source.reactors, 1, async {
            visit_until_it_moves(&source, 1).await;
            let waiter = thread::spawn({
                let source = source.clone();
                move || block_on(source.ready(0)).map(drop).unwrap()
            });
            let kernel = thread::spawn({
                let source = source.clone();
                move || {
                    source.arrive();
                    source.turn(0);
                }
            });
            source.read(1).await.unwrap();
            kernel.join().unwrap();
            source.turn(1);
            waiter.join().unwrap();
        });
    });
}

fn shut_down(source: &Source) -> thread::JoinHandle<()> {
    let reactors = source.reactors.clone();
    thread::spawn(move || reactors.shut_down())
}

/// Who waits for a source that nobody knows yet gets an error when the runtime ends, before or after the
/// registration.
#[test]
fn shutdown_beside_first_registration() {
    check(6, || {
        let source = Source::lazy(1);
        let shutting_down = shut_down(&source);
        assert!(block_on(source.read(0)).is_err());
        shutting_down.join().unwrap();
    });
}

/// So do a poller and one of many, at the same time.
#[test]
fn shutdown_beside_waits() {
    check(3, || {
        let source = Source::eager(1);
        let shutting_down = shut_down(&source);
        let waiter = thread::spawn({
            let source = source.clone();
            move || assert!(block_on(source.ready(0)).is_err())
        });
        assert!(block_on(source.read(0)).is_err());
        waiter.join().unwrap();
        shutting_down.join().unwrap();
    });
}

/// A source that moves while the runtime ends does not escape, in neither direction.
fn shutdown_beside_move(from: usize, to: usize) {
    check(4, move || {
        let reactors = Arc::new(Reactors::new(2).unwrap());
        let registration = Registration::eager(&reactors, FD, from).unwrap();
        let source = Source::new(&reactors, registration, FD);
        let result = block_on(async {
            visit_until_it_moves(&source, to).await;
            let shutting_down = shut_down(&source);
            let result = source.read(to).await;
            shutting_down.join().unwrap();
            result
        });
        assert!(result.is_err());
    });
}

/// Towards the reactor that ends first.
#[test]
fn shutdown_beside_move_down() {
    shutdown_beside_move(1, 0);
}

/// Away from it.
#[test]
fn shutdown_beside_move_up() {
    shutdown_beside_move(0, 1);
}

/// A source that is closed while the runtime ends leaves its slot once.
#[test]
fn shutdown_beside_close() {
    check(6, || {
        let source = Source::eager(1);
        let shutting_down = shut_down(&source);
        source.registration.deregister(&source.reactors, FD);
        shutting_down.join().unwrap();
        assert_eq!(source.reactors.sources(), 0);
    });
}
