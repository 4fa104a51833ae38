//! Panics in polls, drops and wakers come to whom they concern, and to nobody else.

use super::*;

#[test]
fn panic_in_poll() {
    let dropped = Dropped::quietly();
    let value = dropped.value();
    let (queue, task, handle) = task(async move {
        let _owned = value;
        panic!("polled");
    });
    task.run();
    assert_eq!(dropped.count(), 1);
    assert_eq!(message::<()>(join(handle)), "polled");
    assert_eq!(queue.tasks(), 0);
}

/// A future with a field that outlives a panic of `poll`, unlike the locals of an `async` block.
fn panics_in_poll_and_drop(dropped: &Dropped) -> impl Future<Output = ()> + Send + use<> {
    let value = dropped.value();
    poll_fn(move |_| {
        let _owned = &value;
        panic!("polled")
    })
}

#[test]
fn first_panic_is_reported() {
    let dropped = Dropped::with_a_panic();
    let (queue, task, handle) = task(panics_in_poll_and_drop(&dropped));
    task.run();
    assert_eq!(dropped.count(), 1);
    assert_eq!(message(join(handle)), "polled");
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn panic_in_drop_of_a_ready_future() {
    let (future, output) = (Dropped::with_a_panic(), Dropped::quietly());
    let (in_future, mut in_output) = (future.value(), Some(output.value()));
    let (queue, task, handle) = task(poll_fn(move |_| {
        let _owned = &in_future;
        Poll::Ready(in_output.take().unwrap())
    }));
    task.run();
    assert_eq!((future.count(), output.count()), (1, 1));
    assert_eq!(message(join(handle)), "dropped");
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn panic_in_drop_of_a_cancelled_future() {
    let dropped = Dropped::with_a_panic();
    let value = dropped.value();
    let (queue, task, handle) = task(async move {
        let _owned = value;
        pending::<()>().await
    });
    task.cancel();
    assert_eq!(dropped.count(), 1);
    assert_eq!(message(join(handle)), "dropped");
    assert_eq!(queue.tasks(), 0);
}

#[test]
fn panic_in_drop_of_an_output() {
    for late in [false, true] {
        let dropped = Dropped::with_a_panic();
        let value = dropped.value();
        let (queue, task, handle) = task(ready(value));
        if late {
            task.run();
            assert_eq!(dropped.count(), 0);
            drop(handle);
        } else {
            drop(handle);
            task.run();
        }
        assert_eq!((dropped.count(), queue.tasks()), (1, 0));
    }
}

#[test]
fn panic_in_join_waker() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }
    let (queue, task, mut handle) = task(async { 42 });
    let waker = Waker::from(Arc::new(Panics));
    let poll = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    task.run();
    assert_eq!(join(handle).unwrap(), 42);
    assert_eq!(queue.tasks(), 0);
}
