//! Who tells what was going on when a round hangs, and counts the panics that nobody else would hear of.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::actor::is_about_the_end;
use super::support::tasks::panic_text;
use super::world::World;

/// Knows the worlds of a round.
#[derive(Default)]
pub struct Witness(Mutex<Vec<Weak<World>>>);

/// Keeps the witness from speaking once it is dropped.
pub struct Testimony {
    thread: Option<thread::JoinHandle<()>>,
    call_off: Option<Sender<()>>,
}

impl Witness {
    pub fn watch(&self, world: &Arc<World>) {
        self.0.lock().unwrap().push(Arc::downgrade(world));
    }

    /// Writes what goes on in each world, past the capture of the test harness, unless it is called off
    /// before.
    pub fn speak_after(self: &Arc<Self>, patience: Duration, what: String) -> Testimony {
        let witness = self.clone();
        let (call_off, called_off) = channel();
        let speak = move || {
            if called_off.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(io::stderr(), "\n{what} takes more than {patience:?}");
                let worlds = witness.0.lock().unwrap().clone();
                for world in worlds.iter().filter_map(Weak::upgrade) {
                    let _ = writeln!(io::stderr(), "{world}");
                }
            }
        };
        let builder = thread::Builder::new().name("witness".to_owned());
        Testimony {
            thread: Some(builder.spawn(speak).expect("a thread for the witness")),
            call_off: Some(call_off),
        }
    }
}

impl Drop for Testimony {
    fn drop(&mut self) {
        drop(self.call_off.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How many panics there were.
pub struct Panics(Arc<AtomicUsize>);

impl Panics {
    pub fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Counts the panics of all threads from here on, but for those that tell of a runtime's end, and those that
/// tests raise without the panic hook.
pub fn count_panics() -> Panics {
    let panics = Arc::new(AtomicUsize::new(0));
    let counter = panics.clone();
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_about_the_end(panic_text(info.payload())) {
            counter.fetch_add(1, SeqCst);
            report(info);
        }
    }));
    Panics(panics)
}
