//! The future of `block_on`: polled by the calling thread, which otherwise runs tasks like any worker.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::worker::Holder;
use super::{Shared, context};
use crate::coop;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use crate::sync::thread::{self, Thread};

/// What a worker drives besides tasks.
pub(super) trait Root {
    /// Polls the root if it was woken; true if it is ready.
    fn poll_if_woken(&mut self) -> bool;

    fn is_woken(&self) -> bool;

    /// Where `block_on` was called.
    fn location(&self) -> &'static Location<'static>;

    /// On whose behalf the core is held.
    fn holder(&self) -> Holder;
}

/// A worker thread drives only tasks.
pub(super) struct NoRoot;

impl Root for NoRoot {
    #[inline]
    fn poll_if_woken(&mut self) -> bool {
        false
    }

    fn is_woken(&self) -> bool {
        false
    }

    fn location(&self) -> &'static Location<'static> {
        unreachable!("there is no root")
    }

    fn holder(&self) -> Holder {
        Holder::Thread
    }
}

/// The future of a `block_on` and its output.
pub(super) struct RootFuture<'a, F: Future> {
    future: Pin<&'a mut F>,
    output: Option<F::Output>,
    waker: Waker,
    seat: Arc<Seat>,
    location: &'static Location<'static>,
}

/// Where the thread of a `block_on` can be found.
pub(super) struct Seat {
    woken: AtomicBool,
    /// The core that it holds, or [`NO_CORE`].
    core: AtomicUsize,
    thread: Thread,
    shared: Arc<Shared>,
}

const NO_CORE: usize = usize::MAX;

impl<'a, F: Future> RootFuture<'a, F> {
    #[track_caller]
    pub(super) fn new(future: Pin<&'a mut F>, shared: &Arc<Shared>) -> Self {
        let seat = Arc::new(Seat {
            woken: AtomicBool::new(true),
            core: AtomicUsize::new(NO_CORE),
            thread: thread::current(),
            shared: shared.clone(),
        });
        Self {
            future,
            output: None,
            waker: Waker::from(seat.clone()),
            seat,
            location: Location::caller(),
        }
    }

    pub(super) fn into_output(self) -> F::Output {
        self.output.expect("the root was polled until it was ready")
    }

    /// Notes where the thread sleeps from now on, so that wakes go there. The caller looks whether the
    /// root was woken after this and before it sleeps.
    pub(super) fn sit_at(&self, core: Option<usize>) {
        self.seat.core.store(core.unwrap_or(NO_CORE), SeqCst);
    }
}

impl<F: Future> Root for RootFuture<'_, F> {
    #[inline]
    fn poll_if_woken(&mut self) -> bool {
        // *Ordering:* the swap's acquire shows what the waker did before. The plain load spares the swap
        // for the tasks in between.
        if !self.is_woken() || !self.seat.woken.swap(false, SeqCst) {
            return false;
        }
        let mut cx = Context::from_waker(&self.waker);
        coop::renew();
        match self.future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => {
                self.output = Some(output);
                true
            }
            Poll::Pending => false,
        }
    }

    fn is_woken(&self) -> bool {
        self.seat.woken.load(SeqCst)
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }

    fn holder(&self) -> Holder {
        Holder::Caller
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// *Ordering:* sequentially consistent, as in [`RootFuture::sit_at`]: either the look at the seat
    /// finds the new one, or the thread, having sat down, finds that it was woken.
    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, SeqCst) {
            return;
        }
        match self.core.load(SeqCst) {
            NO_CORE => self.thread.unpark(),
            core => {
                let own = context::with_worker(&self.shared, |worker| {
                    worker.is_some_and(|worker| worker.core_index() == core)
                });
                if !own {
                    self.shared.reactors.get(core).notify();
                }
            }
        }
    }
}
