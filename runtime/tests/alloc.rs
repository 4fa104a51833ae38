//! What tasks cost in memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use mini_rt_runtime::runtime::Builder;
use mini_rt_runtime::spawn;

/// Notes what the current thread allocates and frees.
struct Counting;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    allocated: usize,
    freed: usize,
    /// Bytes that were asked for last.
    last_size: usize,
}

thread_local! {
    static TRAFFIC: Cell<Traffic> = const { Cell::new(Traffic { allocated: 0, freed: 0, last_size: 0 }) };
}

fn note(change: impl FnOnce(&mut Traffic)) {
    // Fails when the thread is ending, and then nobody counts.
    let _ = TRAFFIC.try_with(|traffic| {
        let mut now = traffic.get();
        change(&mut now);
        traffic.set(now);
    });
}

// SAFETY: it is the system's allocator; noting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(|traffic| {
            traffic.allocated += 1;
            traffic.last_size = layout.size();
        });
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(|traffic| traffic.freed += 1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `f` does: its result, how often it allocated and freed, and the size of its last allocation.
fn traffic<R>(f: impl FnOnce() -> R) -> (R, Traffic) {
    let before = TRAFFIC.get();
    let result = f();
    let after = TRAFFIC.get();
    let traffic = Traffic {
        allocated: after.allocated - before.allocated,
        freed: after.freed - before.freed,
        last_size: after.last_size,
    };
    (result, traffic)
}

#[test]
fn a_task_is_one_allocation() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let state = 42_u64;
        let (handle, spawned) = traffic(|| spawn(async move { state }));
        assert_eq!((spawned.allocated, spawned.freed), (1, 0));

        // Running and joining it allocate nothing, and its memory goes with its last handle.
        let before = TRAFFIC.get();
        mini_rt_runtime::yield_now().await;
        assert!(handle.is_finished());
        assert_eq!(TRAFFIC.get(), before);
        assert_eq!(handle.await.unwrap(), state);
        let joined = TRAFFIC.get();
        assert_eq!(joined.allocated, before.allocated);
        assert_eq!(joined.freed, before.freed + 1);
    });
}

/// The allocator's own word before each block makes 128 bytes of 120.
#[test]
fn an_idle_task_is_small() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let state = 42_u64;
        let (handle, spawned) = traffic(|| {
            spawn(poll_fn(move |_| {
                std::hint::black_box(state);
                Poll::<()>::Pending
            }))
        });
        assert_eq!(spawned.allocated, 1);
        assert!(spawned.last_size <= 120, "{} bytes", spawned.last_size);
        handle.abort();
    });
}

#[test]
fn wakers_and_aborts_allocate_nothing() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let handle = spawn(poll_fn(|cx| {
            let (waker, traffic) = traffic(|| {
                let waker = cx.waker().clone();
                waker.wake_by_ref();
                waker
            });
            assert_eq!((traffic.allocated, traffic.freed), (0, 0));
            drop::<Waker>(waker);
            Poll::<()>::Pending
        }));
        mini_rt_runtime::yield_now().await;
        let ((), traffic) = traffic(|| {
            let aborter = handle.abort_handle();
            aborter.clone().abort();
        });
        assert_eq!((traffic.allocated, traffic.freed), (0, 0));
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}
