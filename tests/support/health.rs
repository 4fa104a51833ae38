//! Whether a runtime still does everything, after what a test has done to it.

use std::sync::{Arc, Barrier};

use super::kinds::Kind;
use super::runtime::Runtime;
use super::sockets::{ask, connect, listen, serve_echo};
use super::tasks::{on_thread, park_on};

/// Tasks, sockets and threads of the runtime work as if nothing had happened.
pub fn assert_works(runtime: &Runtime, kind: Kind) {
    runtime.block_on(async {
        let (listener, addr) = listen().await;
        let server = mini_rt::spawn(serve_echo(listener));
        let tasks: Vec<_> = (0..20).map(|n| mini_rt::spawn(async move { n })).collect();
        on_thread(move || ask(&connect(addr), b"works?")).await;
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
        server.abort();
        assert_eq!(mini_rt::spawn_blocking(|| 1).await.unwrap(), 1);
    });
    // No worker is missing: all of them meet.
    let barrier = Arc::new(Barrier::new(kind.workers()));
    let meet = |_| {
        let barrier = barrier.clone();
        runtime.spawn(async move { barrier.wait() })
    };
    let meetings: Vec<_> = (0..kind.workers()).map(meet).collect();
    for meeting in meetings {
        park_on(meeting).unwrap();
    }
}
