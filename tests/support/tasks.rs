//! Threads, wakers and drops that a test can watch.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::runtime::{Handle, Runtime};
use super::task::{JoinHandle, yield_now};

/// Runs a closure that may block on a thread, and waits for it as a task does. Its panic goes on here.
pub async fn on_thread<T: Send + 'static>(closure: impl FnOnce() -> T + Send + 'static) -> T {
    let result = Arc::new(Mailbox::new());
    let to_send = result.clone();
    let thread = thread::spawn(move || to_send.put(catch_unwind(AssertUnwindSafe(closure))));
    let result = result.take().await;
    thread.join().expect("the thread caught its panic");
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Holds one value until the task that waits for it takes it.
pub struct Mailbox<T>(Mutex<Contents<T>>);

struct Contents<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Mailbox<T> {
    pub fn new() -> Self {
        Self(Mutex::new(Contents {
            value: None,
            waker: None,
        }))
    }

    /// Puts a value in. The one before must have been taken.
    pub fn put(&self, value: T) {
        let waker = {
            let mut contents = self.0.lock().unwrap();
            assert!(contents.value.replace(value).is_none());
            contents.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Waits for a value.
    pub async fn take(&self) -> T {
        poll_fn(|cx| {
            let mut contents = self.0.lock().unwrap();
            match contents.value.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    contents.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The waker of the task that waits.
    pub fn waker(&self) -> Option<Waker> {
        self.0.lock().unwrap().waker.clone()
    }
}

/// Runs a future on this thread without any runtime.
pub fn park_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Polls a future once, for the current task.
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Counts values that exist.
#[derive(Clone, Default)]
pub struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    born: AtomicUsize,
    gone: AtomicUsize,
}

/// One of those that a [`Census`] counts.
pub struct Citizen(Arc<Counts>);

impl Census {
    pub fn citizen(&self) -> Citizen {
        self.0.born.fetch_add(1, SeqCst);
        Citizen(self.0.clone())
    }

    pub fn born(&self) -> usize {
        self.0.born.load(SeqCst)
    }

    pub fn gone(&self) -> usize {
        self.0.gone.load(SeqCst)
    }

    pub fn alive(&self) -> usize {
        // Read first, it is never more than the other.
        let gone = self.gone();
        self.born() - gone
    }
}

impl Drop for Citizen {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}

/// Calls a closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub fn new(closure: F) -> Self {
        Self(Some(closure))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(closure) = self.0.take() {
            closure();
        }
    }
}

/// Panics without the report on standard error that the panic hook would write.
pub fn quiet_panic(message: &'static str) -> ! {
    resume_unwind(Box::new(message))
}

/// The text that a panic carries.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let string = panic.downcast_ref::<String>().map(String::as_str);
    let text = string.or_else(|| panic.downcast_ref::<&str>().copied());
    text.expect("a panic with text")
}

/// Calls a closure that must panic, and gives the panic's text.
pub fn panic_of<R>(closure: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(closure)) {
        Ok(_) => panic!("that should have panicked"),
        Err(panic) => panic_text(&*panic).to_owned(),
    }
}

/// Lets other tasks run until a condition holds.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Blocks this thread until a condition holds.
pub fn block_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Awaits a future, and counts it after its first poll: if it has to wait, it waits by then.
pub async fn note_begun<F: Future>(future: F, begun: &AtomicUsize) -> F::Output {
    let mut future = pin!(future);
    let mut has_begun = false;
    poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        if !std::mem::replace(&mut has_begun, true) {
            begun.fetch_add(1, SeqCst);
        }
        poll
    })
    .await
}

/// Spawns a task, and comes back after its first poll.
pub async fn spawn_begun<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = begun.clone();
    let task = Handle::current().spawn(async move { note_begun(future, &counter).await });
    until(|| begun.load(SeqCst) == 1).await;
    task
}

/// Lets other tasks run for a while. On other cores they may not have got on, though.
pub async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// Tasks that wait to be woken, over and over, and their wakers.
pub fn waiting_tasks(runtime: &Runtime, count: usize, census: &Census) -> Arc<Mutex<Vec<Waker>>> {
    let wakers = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..count {
        let (citizen, wakers) = (census.citizen(), wakers.clone());
        let mut known = false;
        drop(runtime.spawn(poll_fn(move |cx| -> Poll<()> {
            let _citizen = &citizen;
            if !known {
                known = true;
                wakers.lock().unwrap().push(cx.waker().clone());
            }
            Poll::Pending
        })));
    }
    runtime.block_on(until(|| wakers.lock().unwrap().len() == count));
    wakers
}
