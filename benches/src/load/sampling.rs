//! The CPU time of both sides, read at the two moments between which a run counts.

use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::usage::CpuTime;

/// The CPU time of both sides at one moment.
pub(super) struct CpuSample {
    server: Option<CpuTime>,
    client: CpuTime,
}

impl CpuSample {
    pub(super) fn take(server_pid: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            server: server_pid.map(CpuTime::of).transpose()?,
            client: CpuTime::of(std::process::id())?,
        })
    }

    pub(super) fn server_since(&self, earlier: &CpuSample) -> Option<Duration> {
        Some(self.server.as_ref()?.since(earlier.server.as_ref()?))
    }

    pub(super) fn client_since(&self, earlier: &CpuSample) -> Duration {
        self.client.since(&earlier.client)
    }
}

/// The moments between which a run counts.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// Does each of `works` on a thread of its own. With a window, the CPU time at both of its ends comes
/// with what they return.
pub(super) fn on_threads<T, F>(
    works: impl IntoIterator<Item = F>,
    window: Option<Window>,
    server_pid: Option<u32>,
) -> io::Result<(Vec<T>, Option<[CpuSample; 2]>)>
where
    T: Send,
    F: FnOnce() -> io::Result<T> + Send,
{
    // Held until the samples are taken, because the CPU time of a thread is gone once it ends.
    let sampling = &Mutex::new(());
    thread::scope(|scope| {
        let unfinished_samples = sampling.lock();
        let start = |work: F| {
            scope.spawn(move || {
                let result = work();
                drop(sampling.lock());
                result
            })
        };
        let threads: Vec<_> = works.into_iter().map(start).collect();

        let mut samples = None;
        if let Some(Window { start, end }) = window {
            sleep_until(start);
            let at_start = CpuSample::take(server_pid)?;
            sleep_until(end);
            samples = Some([at_start, CpuSample::take(server_pid)?]);
        }
        drop(unfinished_samples);

        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<T>>| {
            thread.join().expect("no client thread panics")
        };
        let results = threads.into_iter().map(join).collect::<io::Result<_>>()?;
        Ok((results, samples))
    })
}

fn sleep_until(deadline: Instant) {
    thread::sleep(deadline.saturating_duration_since(Instant::now()));
}
