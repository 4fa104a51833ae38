//! Values of tasks: seen in their scope, also in destructors, and nowhere else.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use mini_rt_runtime::{AccessError, JoinSet, LocalKey, spawn, task_local, yield_now};

use support::kinds::{on_every_kind, on_every_runtime};
use support::tasks::{Census, Mailbox, OnDrop, panic_of, poll_once, quiet_panic, settle, until};

task_local! {
    static NUMBER: u32;
    static NAME: String;
}

/// What has seen which values of `NUMBER`, `None` for an error.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Option<u32>>>>);

impl Log {
    fn look(&self) {
        self.0.lock().unwrap().push(NUMBER.try_get().ok());
    }

    /// Looks when it is dropped.
    fn at_drop(&self) -> OnDrop<impl FnOnce() + Send + use<>> {
        let log = self.clone();
        OnDrop::new(move || log.look())
    }

    fn take(&self) -> Vec<Option<u32>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn each_task_sees_its_own_value_wherever_it_runs() {
    on_every_runtime("each task sees its own value", async |_| {
        let mut set = JoinSet::new();
        for number in 0..100 {
            set.spawn(NUMBER.scope(number, async move {
                for _ in 0..50 {
                    assert_eq!(NUMBER.get(), number);
                    yield_now().await;
                }
                NUMBER.with(|seen| *seen == number)
            }));
        }
        assert!(set.join_all().await.into_iter().all(|seen| seen));
        assert!(NUMBER.try_get().is_err());
    });
}

#[test]
fn a_value_is_there_after_a_wake_from_a_thread() {
    on_every_runtime("a wake from a thread", async |_| {
        let mailbox = Arc::new(Mailbox::new());
        let sender = mailbox.clone();
        let task = spawn(NUMBER.scope(1, async move { (mailbox.take().await, NUMBER.get()) }));
        thread::spawn(move || sender.put(2));
        assert_eq!(task.await.unwrap(), (2, 1));
    });
}

#[test]
fn a_spawned_task_inherits_nothing() {
    on_every_runtime("inheriting", async |_| {
        let seen = NUMBER.scope(1, async {
            let task = spawn(async { NUMBER.try_get() });
            (task.await.unwrap(), NUMBER.get())
        });
        let (inherited, own) = seen.await;
        assert_eq!((inherited.is_err(), own), (true, 1));
    });
}

#[test]
fn an_inner_scope_hides_the_outer_one() {
    on_every_runtime("nested scopes", async |_| {
        let nested = NUMBER.scope(1, async {
            let inner = NUMBER.scope(2, async {
                yield_now().await;
                NAME.scope("inner".to_owned(), async {
                    yield_now().await;
                    (NUMBER.get(), NAME.get())
                })
                .await
            });
            let mut inner = Box::pin(inner);
            // Between its polls the outer value is back.
            assert!(poll_once(&mut inner).await.is_pending());
            assert_eq!((NUMBER.get(), NAME.try_get().is_err()), (1, true));
            yield_now().await;
            assert_eq!(inner.await, (2, "inner".to_owned()));
            NUMBER.sync_scope(3, || assert_eq!(NUMBER.get(), 3));
            NUMBER.get()
        });
        assert_eq!(nested.await, 1);
    });
}

#[test]
fn scopes_of_a_join_poll_in_turn() {
    // Two scopes of one task, polled by turns, do not mix.
    let number = |n| {
        Box::pin(NUMBER.scope(n, async {
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(NUMBER.get());
                yield_now().await;
            }
            seen
        }))
    };
    let (mut one, mut two) = (number(1), number(2));
    for _ in 0..3 {
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
    }
    assert_eq!(poll(two.as_mut()), Poll::Ready(vec![2; 3]));
    assert_eq!(poll(one.as_mut()), Poll::Ready(vec![1; 3]));
}

#[test]
fn outside_a_scope_there_is_an_error() {
    assert!(NUMBER.try_get().is_err());
    let error: AccessError = NAME.try_with(String::len).unwrap_err();
    assert_eq!(Err(error), NAME.try_with(|_| unreachable!()));
    assert!(error.to_string().contains("scope"));
    assert!(panic_of(|| NUMBER.get()).contains("scope"));
    assert!(panic_of(|| NAME.with(String::len)).contains("scope"));
    assert!(format!("{NUMBER:?}").starts_with("LocalKey"));
}

#[test]
fn a_panic_leaves_its_scopes() {
    NUMBER.sync_scope(1, || {
        let text = panic_of(|| {
            NUMBER.sync_scope(2, || NUMBER.sync_scope(3, || quiet_panic("in two scopes")))
        });
        assert_eq!((text.as_str(), NUMBER.get()), ("in two scopes", 1));
        let text = panic_of(|| NUMBER.with(|_| quiet_panic("in with")));
        assert_eq!((text.as_str(), NUMBER.get()), ("in with", 1));
        NUMBER.sync_scope(4, || assert_eq!(NUMBER.get(), 4));
    });
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn a_future_that_panicked_is_dropped_in_its_scope() {
    on_every_runtime("a future that panicked", async |_| {
        let log = Log::default();
        let looks = log.at_drop();
        let task = spawn(NUMBER.scope(1, async move {
            let _looks = looks;
            yield_now().await;
            poll_fn(|_| -> Poll<()> { quiet_panic("in a scope") }).await;
        }));
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(log.take(), [Some(1)]);
        // The thread's place is as it was, whichever thread that is.
        let tasks: Vec<_> = (0..10).map(|_| spawn(async { NUMBER.try_get() })).collect();
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
    });
}

#[test]
fn destructors_see_the_value() {
    let log = Log::default();
    let future = || {
        let looks = log.at_drop();
        async move {
            let _looks = looks;
            yield_now().await;
        }
    };
    // Before the first poll, between polls, and at the end.
    drop(NUMBER.scope(1, future()));
    let mut polled = Box::pin(NUMBER.scope(2, future()));
    assert!(poll(polled.as_mut()).is_pending());
    drop(polled);
    let mut ready = Box::pin(NUMBER.scope(3, future()));
    assert!(poll(ready.as_mut()).is_pending() && poll(ready.as_mut()).is_ready());
    assert_eq!(log.take(), [Some(1), Some(2), Some(3)]);
    drop(ready);
    // What hides the scope of a drop is not seen, and comes back.
    NUMBER.sync_scope(4, || {
        drop(NUMBER.scope(5, future()));
        log.look();
    });
    assert_eq!(log.take(), [Some(5), Some(4)]);
}

#[test]
fn destructors_of_aborted_tasks_see_the_value() {
    on_every_kind("destructors of aborted tasks", 60, |kind| {
        let (runtime, log) = (kind.build(), Log::default());
        let waits = |number| {
            let looks = log.at_drop();
            NUMBER.scope(number, async {
                let _looks = looks;
                pending::<()>().await;
            })
        };
        let (unpolled, polled) = (runtime.spawn(waits(1)), runtime.spawn(waits(1)));
        unpolled.abort();
        runtime.block_on(async {
            settle().await;
            polled.abort();
            until(|| polled.is_finished() && unpolled.is_finished()).await;
        });
        assert_eq!(log.take(), [Some(1), Some(1)]);
        drop(runtime.spawn(waits(2)));
        runtime.block_on(settle());
        drop(runtime);
        assert_eq!(log.take(), [Some(2)]);
    });
}

#[test]
fn a_destructor_that_panics_leaves_its_scope() {
    let future = async {
        let _panics = OnDrop::new(|| quiet_panic("a drop"));
        pending::<()>().await;
    };
    let mut scope = Box::pin(NUMBER.scope(2, future));
    NUMBER.sync_scope(1, || {
        assert!(poll(scope.as_mut()).is_pending());
        assert_eq!(panic_of(|| drop(scope)), "a drop");
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_scope_inside_with_of_its_key_says_what_to_do() {
    let log = Log::default();
    NUMBER.sync_scope(1, || {
        let text = panic_of(|| NUMBER.with(|_| NUMBER.sync_scope(2, || ())));
        assert!(text.contains("clone the value"), "{text}");
        let text = panic_of(|| NUMBER.with(|_| poll(pin!(NUMBER.scope(2, ready(()))))));
        assert!(text.contains("clone the value"), "{text}");
        // A future that is dropped there must do without its value.
        NUMBER.with(|_| {
            let looks = log.at_drop();
            drop(NUMBER.scope(2, async move { drop(looks) }));
        });
        assert_eq!(log.take(), [Some(1)]);
        // Reading does not exclude reading, nor scopes of other keys.
        let name = NUMBER.with(|_| NAME.sync_scope("other".to_owned(), || NAME.get()));
        assert_eq!(
            (name.as_str(), NUMBER.with(|one| *one + NUMBER.get())),
            ("other", 2)
        );
    });
}

#[test]
fn a_value_can_be_taken_out_of_its_future() {
    let mut untouched = Box::pin(NUMBER.scope(1, async { NUMBER.try_get() }));
    assert!(format!("{untouched:?}").contains("Some(1)"));
    assert_eq!(untouched.as_mut().take_value(), Some(1));
    assert_eq!(untouched.as_mut().take_value(), None);
    // Nor is there the value of a scope around it.
    NUMBER.sync_scope(2, || match poll(untouched.as_mut()) {
        Poll::Ready(seen) => assert!(seen.is_err()),
        Poll::Pending => panic!("it does not wait"),
    });

    let log = Log::default();
    let looks = log.at_drop();
    let mut over = Box::pin(NUMBER.scope(3, async move { drop(looks) }));
    assert!(poll(over.as_mut()).is_ready());
    assert_eq!(over.as_mut().take_value(), Some(3));
    assert_eq!(log.take(), [Some(3)]);
}

#[test]
fn a_scope_that_is_over_is_not_polled() {
    let mut scope = pin!(NUMBER.scope(1, ready(())));
    assert!(poll(scope.as_mut()).is_ready());
    assert!(panic_of(|| poll(scope.as_mut())).contains("after its end"));
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn values_are_dropped_with_their_scopes() {
    task_local!(static CITIZEN: support::tasks::Citizen);

    on_every_runtime("values are dropped", async |_| {
        let census = Census::default();
        CITIZEN.sync_scope(census.citizen(), || assert_eq!(census.gone(), 0));
        assert_eq!(census.gone(), 1);
        let ends = spawn(CITIZEN.scope(census.citizen(), yield_now()));
        let aborted = spawn(CITIZEN.scope(census.citizen(), pending::<()>()));
        ends.await.unwrap();
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        let panics = spawn(CITIZEN.scope(census.citizen(), async { quiet_panic("in a scope") }));
        assert!(panics.await.unwrap_err().is_panic());
        assert_eq!((census.gone(), census.alive()), (4, 0));
    });
}

/// Looks for a value, and drops a future with one, when its thread ends.
struct AtThreadEnd(Option<Pin<Box<dyn Future<Output = ()>>>>, Log);

impl Drop for AtThreadEnd {
    fn drop(&mut self) {
        self.1.look();
        drop(self.0.take());
        let entered = catch_unwind(AssertUnwindSafe(|| NAME.sync_scope(String::new(), || ())));
        drop(entered);
    }
}

#[test]
fn scopes_outlive_the_thread_s_places_without_harm() {
    thread_local!(static AT_END: RefCell<Option<AtThreadEnd>> = const { RefCell::new(None) });

    // The order in which a thread's locals go depends on which was used first.
    for key_first in [true, false] {
        let (log, ended) = (Log::default(), Log::default());
        let at_end = (log.clone(), ended.clone());
        let thread = thread::spawn(move || {
            let (log, ended) = at_end;
            let use_key = || NAME.sync_scope("used".to_owned(), || ());
            if key_first {
                use_key();
            }
            let looks = log.at_drop();
            let scope = NUMBER.scope(1, NAME.scope("kept".to_owned(), async move { drop(looks) }));
            AT_END.set(Some(AtThreadEnd(Some(Box::pin(scope)), ended)));
            if !key_first {
                use_key();
            }
        });
        thread.join().unwrap();
        assert_eq!(ended.take(), [None]);
        // A number needs no destructor, so its place is there to the last.
        assert_eq!(log.take(), [Some(1)]);
    }
}

mod declared {
    use super::*;

    task_local! {
        /// With documentation, and seen by all.
        pub static DOCUMENTED: Option<&'static str>;

        pub(super) static NEVER_SENT: Rc<Cell<usize>>;
        #[allow(non_upper_case_globals)]
        pub(crate) static lower_case: Result<Vec<u8>, Box<dyn std::error::Error>>
    }

    task_local!();
}

#[test]
fn keys_have_the_visibility_attributes_and_types_they_are_declared_with() {
    let key: &'static LocalKey<Option<&str>> = &declared::DOCUMENTED;
    assert_eq!(
        key.sync_scope(Some("text"), || declared::DOCUMENTED.get()),
        Some("text")
    );
    let counter = Rc::new(Cell::new(0));
    let mut counting = pin!(declared::NEVER_SENT.scope(counter.clone(), async {
        declared::NEVER_SENT.with(|count| count.set(7));
    }));
    assert!(poll(counting.as_mut()).is_ready());
    assert_eq!(counter.get(), 7);
    let len = |bytes: &Result<Vec<u8>, _>| bytes.as_ref().unwrap().len();
    assert_eq!(
        declared::lower_case.sync_scope(Ok(vec![1, 2]), || declared::lower_case.with(len)),
        2
    );
}

#[test]
fn a_scope_goes_where_its_value_and_future_go() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_unpin<T: Unpin>(_: &T) {}
    assert_send(&NUMBER.scope(1, async {}));
    assert_unpin(&NUMBER.scope(1, ready(())));
    assert_send(&&declared::NEVER_SENT);
}
