//! Wakers over a task. One vtable serves all tasks, so that `Waker::will_wake` always tells.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::Runnable;
use super::cell::Header;
use super::state::Wake;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker for the time of a poll. It counts as no reference: the task being polled is alive.
#[inline]
pub(super) fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(task.as_ptr().cast_const().cast(), &VTABLE);
    // SAFETY: the functions below keep the contract. The waker is never dropped, so that the reference
    // which it did not count is not given up either.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

/// # Safety
///
/// `data` belongs to a waker of this vtable.
#[inline]
unsafe fn task(data: *const ()) -> NonNull<Header> {
    // SAFETY: it came from a `NonNull`.
    unsafe { NonNull::new_unchecked(data.cast::<Header>().cast_mut()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller is a waker, whose reference keeps the task alive.
    unsafe { task(data).as_ref() }.state.add_ref();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the caller is a waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference, given up here, kept the task alive.
    match unsafe { task.as_ref() }.state.wake_by_val() {
        // SAFETY: the state word just made this `Runnable`.
        Wake::Schedule => unsafe { Runnable::from_raw(task) }.schedule(),
        // SAFETY: that was the last reference.
        Wake::Dealloc => unsafe { (task.as_ref().vtable.dealloc)(task) },
        Wake::Nothing => {}
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller is a waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the task alive.
    if unsafe { task.as_ref() }.state.wake_by_ref() {
        // SAFETY: the state word just made this `Runnable`.
        unsafe { Runnable::from_raw(task) }.schedule();
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller is a waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference, given up here, kept the task alive.
    if unsafe { task.as_ref() }.state.drop_ref() {
        // SAFETY: that was the last reference.
        unsafe { (task.as_ref().vtable.dealloc)(task) };
    }
}
