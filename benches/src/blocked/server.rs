//! The server, one of whose tasks blocks when it is asked to.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded, unbounded};

use super::{LATER, Request, SOON, Variant};
use crate::messages::{MESSAGE_SIZE, Message};
use crate::network::{LOCALHOST, Network, receive};
use crate::on_network;
use crate::peer::Peer;
use crate::process::announce;

/// Serves a free port of 127.0.0.1 on `workers` worker threads of `peer`, and prints its address once
/// it listens. A request to block blocks as `variant` says, for as long as `block`.
///
/// # Errors
/// Returns only on an error: of the runtime's start, of `bind`, or of `accept`; at once for a peer
/// that is not a [`Network`].
pub fn serve(peer: Peer, workers: usize, variant: Variant, block: Duration) -> io::Result<()> {
    on_network!(peer, N => run::<N>(workers, variant, block))
}

fn run<N: Network>(workers: usize, variant: Variant, block: Duration) -> io::Result<()> {
    N::run(workers, accept_all::<N>(variant, block))?
}

/// What the tasks of the server share.
struct Server<N: Network> {
    variant: Variant,
    block: Duration,
    parked: Mutex<Vec<Parked<N>>>,
    /// To the task that blocks when it is told to, and tells when it has.
    second: Sender<Sender<()>>,
    /// To the task that answers what it is sent.
    answerer: Sender<Parked<N>>,
}

/// A connection that waits for its answer.
struct Parked<N: Network> {
    stream: N::Stream,
    answer: Message,
}

async fn accept_all<N: Network>(variant: Variant, block: Duration) -> io::Result<()> {
    let (second, orders) = unbounded();
    let (answerer, unanswered) = unbounded();
    N::detach(N::spawn(block_on_order(orders, block)));
    N::detach(N::spawn(answer_each::<N>(unanswered)));
    let server = Arc::new(Server::<N> {
        variant,
        block,
        parked: Mutex::new(Vec::new()),
        second,
        answerer,
    });

    let listener = N::bind(LOCALHOST).await?;
    announce(N::local_addr(&listener)?);
    loop {
        let stream = N::accept(&listener).await?;
        let server = server.clone();
        N::detach(N::spawn(async move {
            if let Err(error) = handle(stream, &server).await {
                eprintln!("a connection failed: {error}");
            }
        }));
    }
}

async fn block_on_order(orders: Receiver<Sender<()>>, block: Duration) {
    while let Ok(done) = orders.recv().await {
        thread::sleep(block);
        // Fails if the handler is gone, and then nobody wants to know.
        let _ = done.try_send(());
    }
}

async fn answer_each<N: Network>(unanswered: Receiver<Parked<N>>) {
    while let Ok(parked) = unanswered.recv().await {
        answer(parked).await;
    }
}

async fn answer<N: Network>(mut parked: Parked<N>) {
    if let Err(error) = N::write_all(&mut parked.stream, &parked.answer).await {
        eprintln!("an answer failed: {error}");
    }
}

async fn handle<N: Network>(mut stream: N::Stream, server: &Server<N>) -> io::Result<()> {
    let mut message = [0; MESSAGE_SIZE];
    while receive::<N>(&mut stream, &mut message).await? {
        match Request::of(&message)? {
            Request::Echo => {}
            Request::Park => {
                let answer = message;
                server.parked().push(Parked { stream, answer });
                return Ok(());
            }
            Request::Block => server.block().await?,
        }
        N::write_all(&mut stream, &message).await?;
    }
    Ok(())
}

impl<N: Network> Server<N> {
    fn parked(&self) -> MutexGuard<'_, Vec<Parked<N>>> {
        self.parked
            .lock()
            .expect("nothing panics while it holds the lock")
    }

    /// All connections that this variant parks, once the requests of all of them have been read.
    async fn take_parked(&self) -> Vec<Parked<N>> {
        while self.parked().len() < self.variant.parked_connections() {
            N::yield_now().await;
        }
        mem::take(&mut *self.parked())
    }

    /// Has a task block, after whatever comes before it in this variant.
    async fn block(&self) -> io::Result<()> {
        let parked = self.take_parked().await;
        match self.variant {
            Variant::Nothing => return Ok(()),
            Variant::Lifo => {
                let (done, is_done) = bounded(1);
                self.second.try_send(done).expect("the task never ends");
                return is_done.recv().await.map_err(io::Error::other);
            }
            Variant::Spawned => {
                let block = self.block;
                N::output(N::spawn(async move { thread::sleep(block) }).await);
                return Ok(());
            }
            Variant::Io | Variant::Fds => {}
            Variant::Foreign => woken_by_a_thread().await,
            Variant::Timer => N::sleep(SOON).await,
            Variant::Queued => {
                for parked in parked {
                    N::detach(N::spawn(answer(parked)));
                }
            }
            Variant::BehindLifo => {
                for parked in parked {
                    let sent = self.answerer.try_send(parked);
                    assert!(sent.is_ok(), "the task never ends");
                }
            }
            Variant::Timers => {
                for parked in parked {
                    N::detach(N::spawn(async {
                        N::sleep(LATER).await;
                        answer(parked).await;
                    }));
                }
                N::sleep(SOON).await;
            }
        }
        thread::sleep(self.block);
        Ok(())
    }
}

/// Waits for a thread of its own, which takes long enough that the task does wait.
async fn woken_by_a_thread() {
    let (sender, receiver) = bounded(1);
    thread::spawn(move || {
        thread::sleep(SOON);
        sender.send_blocking(())
    });
    receiver.recv().await.expect("the thread sends");
}
