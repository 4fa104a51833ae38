//! What outlives its runtime: wakers do nothing, handles say cancelled, and I/O gives an error.

mod support;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Waker;
use std::thread;

use mini_rt::io::{AsyncFd, Interest};
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::task::yield_now;

use support::kinds::{Kind, on_every_kind};
use support::process::{in_own_process, open_fds};
use support::sockets::{listen, std_pair, stream_and_peer};
use support::tasks::{Census, block_until, note_begun, park_on, poll_once, until, waiting_tasks};

#[test]
fn wakers_that_outlive_the_runtime_do_nothing() {
    in_own_process("wakers_that_outlive_the_runtime_do_nothing", || {
        let fds = open_fds();
        on_every_kind("wakers outlive the runtime", 30, |kind| {
            let census = Census::default();
            let runtime = kind.build();
            let wakers = waiting_tasks(&runtime, 10, &census);
            drop(runtime);
            assert_eq!(census.gone(), 10);
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            for waker in &wakers {
                waker.wake_by_ref();
                let copy = waker.clone();
                copy.wake();
                assert!(waker.will_wake(&waker.clone()));
            }
            let last = wakers[0].clone();
            thread::spawn(move || wakers.into_iter().for_each(Waker::wake))
                .join()
                .unwrap();
            drop(last);
            assert_eq!(open_fds(), fds, "{kind:?}");
        });
    });
}

#[test]
fn handles_of_a_dropped_runtime_say_cancelled() {
    on_every_kind("handles of a dropped runtime", 30, |kind| {
        let runtime = kind.build();
        let handle = runtime.handle().clone();
        let over = runtime.spawn(async { "in time" });
        runtime.block_on(until(|| over.is_finished()));
        let mut waiting = runtime.spawn(pending::<()>());
        assert!(runtime.block_on(poll_once(&mut waiting)).is_pending());
        let awaited = thread::spawn({
            let waits = runtime.spawn(pending::<()>());
            move || park_on(waits)
        });
        drop(runtime);
        assert!(waiting.is_finished());
        assert!(park_on(waiting).unwrap_err().is_cancelled());
        assert!(awaited.join().unwrap().unwrap_err().is_cancelled());
        assert_eq!(park_on(over).unwrap(), "in time");
        for _ in 0..10 {
            assert!(park_on(handle.spawn(async {})).unwrap_err().is_cancelled());
            assert!(
                park_on(handle.spawn_blocking(|| ()))
                    .unwrap_err()
                    .is_cancelled()
            );
        }
        // Somebody else's runtime may ask too.
        let late = handle.spawn(async {});
        assert!(mini_rt::block_on(late).unwrap_err().is_cancelled());
    });
}

/// The error that says that the runtime is gone.
fn assert_orphaned<T>(result: io::Result<T>) {
    let error = result.map(drop).unwrap_err();
    assert!(error.to_string().contains("has shut down"), "{error}");
}

#[test]
fn io_that_outlives_its_runtime_gives_an_error_and_does_not_hang() {
    on_every_kind("I/O outlives its runtime", 30, |kind| {
        let runtime = kind.build();
        let (mut known, mut unknown, listener, fd, _peers) = runtime.block_on(async {
            let ((mut known, first), (unknown, second)) = (stream_and_peer(), stream_and_peer());
            assert!(poll_once(&mut known.read(&mut [0; 8])).await.is_pending());
            let fd = AsyncFd::new(std_pair().0).unwrap();
            (known, unknown, listen().await.0, fd, (first, second))
        });
        drop(runtime);
        // On a runtime, and on none.
        for round in 0..2 {
            let check = async {
                for stream in [&mut known, &mut unknown] {
                    assert_orphaned(stream.read(&mut [0; 8]).await);
                    assert_orphaned(stream.readable().await);
                    assert_orphaned(stream.peek(&mut [0; 8]).await);
                }
                assert_orphaned(listener.accept().await);
                assert_orphaned(
                    fd.ready(Interest::READABLE | Interest::WRITABLE)
                        .await
                        .map(drop),
                );
                assert_orphaned(known.write(b"x").await);
            };
            if round == 0 {
                Kind::MultiThread(2).build().block_on(check);
            } else {
                park_on(check);
            }
        }
    });
}

/// Waits for readiness, which is a hint, until there is something to read.
async fn read_when_readable(stream: &AsyncTcpStream) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0; 8]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// Writes as long as the connection takes it.
async fn write_for_ever(mut stream: &AsyncTcpStream) -> io::Result<usize> {
    loop {
        stream.write_all(&[0; 256 * 1024]).await?;
    }
}

/// Waits on this thread for what the end of the runtime cuts off.
fn wait_in_vain(operation: impl Future<Output = io::Result<usize>>, begun: &AtomicUsize) {
    assert_orphaned(park_on(note_begun(operation, begun)));
}

#[test]
fn what_waits_elsewhere_is_woken_when_its_runtime_ends() {
    on_every_kind("waiting elsewhere", 30, |kind| {
        let runtime = kind.build();
        let (stream, _peer) = runtime.block_on(async { stream_and_peer() });
        let (stream, begun) = (Arc::new(stream), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let (stream, begun) = (stream.clone(), begun.clone());
                thread::spawn(move || match number % 3 {
                    0 => wait_in_vain((&*stream).read(&mut [0; 8]), &begun),
                    1 => wait_in_vain(write_for_ever(&stream), &begun),
                    _ => wait_in_vain(read_when_readable(&stream), &begun),
                })
            })
            .collect();
        block_until(|| begun.load(SeqCst) == 6);
        drop(runtime);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn what_a_dropped_runtime_bound_can_be_bound_again() {
    on_every_kind("bound again", 30, |kind| {
        let bind_again = || {
            let runtime = kind.build();
            let (listener, addr) = runtime.block_on(listen());
            drop(runtime.spawn(async move { listener.accept().await.map(drop) }));
            runtime.block_on(yield_now());
            drop(runtime);
            let bound = kind.build().block_on(AsyncTcpListener::bind(addr))?;
            assert_eq!(bound.local_addr()?, addr);
            io::Result::Ok(())
        };
        // Somebody else may be faster and take the port, but not each time.
        let attempts: Vec<_> = (0..5).map(|_| bind_again()).collect();
        assert!(attempts.iter().any(Result::is_ok), "{attempts:?}");
    });
}
