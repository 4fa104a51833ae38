//! Sets of tasks through the facade: as streams, in `select!`, with sockets, and with values of tasks.

mod support;

use std::future::{pending, poll_fn, ready};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use futures_util::stream::{FusedStream, Stream};
use futures_util::{FutureExt, select};
use mini_rt::net::AsyncTcpListener;
use mini_rt::prelude::*;
use mini_rt::task::{AbortHandle, JoinError, JoinSet, join_set, yield_now};

use support::kinds::{on_every_kind, on_every_runtime};
use support::random::Random;
use support::sockets::{ask, ask_echo, connect, echo, listen, stream_and_peer};
use support::tasks::{Census, Mailbox, on_thread, quiet_panic, settle};
use support::watchdog::Watchdog;

async fn squares(count: u64) -> u64 {
    let set: JoinSet<_> = (0..count).map(|n| async move { n * n }).collect();
    set.map(Result::unwrap)
        .collect::<Vec<_>>()
        .await
        .iter()
        .sum()
}

#[mini_rt::test]
async fn a_set_in_a_test_on_one_thread() {
    let _watchdog = Watchdog::seconds("a set on one thread", 60);
    assert_eq!(squares(10).await, 285);
}

#[mini_rt::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_in_a_test_on_several_threads() {
    let _watchdog = Watchdog::seconds("a set on several threads", 60);
    assert_eq!(squares(10).await, 285);
}

#[test]
fn a_set_is_a_stream_that_goes_on_when_something_is_spawned() {
    on_every_runtime("a set as a stream", async |_| {
        let mut set = JoinSet::new();
        assert!(set.is_terminated() && set.next().await.is_none());
        for round in 1..4 {
            set.extend((0..10).map(|n| async move { n * round }));
            assert_eq!(
                (set.size_hint(), set.is_terminated()),
                ((10, Some(10)), false)
            );
            let first: Vec<_> = set.by_ref().take(4).collect().await;
            assert_eq!((first.len(), set.size_hint()), (4, (6, Some(6))));
            let all = set.by_ref().chain(futures_util::stream::iter(first));
            let sum = all.fold(0, |sum, next| ready(sum + next.unwrap())).await;
            assert_eq!(sum, 45 * round);
            assert!(set.is_terminated());
        }
        set.spawn(async { quiet_panic("a member") });
        set.spawn(pending()).abort();
        let errors: Vec<Result<_, JoinError>> = set.collect().await;
        let panics = errors.iter().flat_map(|error| error.as_ref().err());
        assert_eq!(panics.filter(|error| error.is_panic()).count(), 1);
    });
}

#[test]
fn select_passes_over_an_empty_set_and_loses_nothing_of_another() {
    on_every_runtime("a set in select!", async |_| {
        let (mut set, mut other) = (JoinSet::new(), JoinSet::new());
        let mailbox = Arc::new(Mailbox::new());
        let sender = mailbox.clone();
        let sending = thread::spawn(move || {
            for number in 0..100 {
                while sender.waker().is_none() {
                    thread::yield_now();
                }
                sender.put(number);
            }
        });
        let (mut spawned, mut joined) = (0, 0);
        while joined < 100 {
            select! {
                number = mailbox.take().fuse() => {
                    let member = async move {
                        for _ in 0..number % 3 {
                            yield_now().await;
                        }
                    };
                    if number % 2 == 0 { set.spawn(member) } else { other.spawn(member) };
                    spawned += 1;
                }
                result = set.select_next_some() => { result.unwrap(); joined += 1; }
                result = other.select_next_some() => { result.unwrap(); joined += 1; }
            }
            assert_eq!(set.len() + other.len(), spawned - joined);
        }
        sending.join().unwrap();
    });
}

/// Serves each connection as a member of a set, until it is told to stop. Then it closes those that are
/// left. Returns how many have ended before.
async fn serve(listener: AsyncTcpListener, stop: &Mailbox<()>) -> usize {
    let mut connections = JoinSet::new();
    let mut ended = 0;
    loop {
        select! {
            accepted = listener.accept().fuse() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(echo(stream));
            }
            result = connections.select_next_some() => {
                result.unwrap().unwrap();
                ended += 1;
            }
            () = stop.take().fuse() => break,
        }
    }
    connections.shutdown().await;
    ended
}

/// A client that stays after its question was answered.
fn stay(addr: SocketAddr) -> TcpStream {
    let stream = connect(addr);
    ask(&stream, b"here?");
    stream
}

#[test]
fn connections_are_members_of_a_servers_set() {
    const GUESTS: usize = 30;
    let mut random = Random::for_test("connections_are_members", 1);
    on_every_kind("connections as members", 60, |kind| {
        let (runtime, stop) = (kind.build(), Arc::new(Mailbox::new()));
        let (listener, addr) = runtime.block_on(listen());
        let told = stop.clone();
        let server = runtime.spawn(async move { serve(listener, &told).await });
        let clients = async {
            let mut guests = JoinSet::new();
            for _ in 0..GUESTS {
                let mut random = random.branch();
                guests.spawn(async move { ask_echo(addr, 20, &mut random).await });
            }
            let stayers = on_thread(move || [stay(addr), stay(addr), stay(addr)]).await;
            guests.join_all().await;
            stop.put(());
            stayers
        };
        let stayers = runtime.block_on(clients);
        let ended = runtime.block_on(server).unwrap();
        assert!(ended <= GUESTS, "{ended} connections ended by themselves");
        for mut stayer in stayers {
            // The end of the stream, or a reset.
            assert_eq!(stayer.read(&mut [0]).unwrap_or(0), 0);
        }
    });
}

#[test]
fn dropping_a_set_closes_the_connections_of_its_members() {
    on_every_runtime("connections of a set that is dropped", async |_| {
        let mut set = JoinSet::new();
        let mut peers = Vec::new();
        for _ in 0..10 {
            let (stream, peer) = stream_and_peer();
            set.spawn(echo(stream));
            peers.push(peer);
        }
        settle().await;
        drop(set);
        let read = on_thread(move || {
            peers
                .iter_mut()
                .map(|peer| peer.read(&mut [0]).unwrap())
                .sum()
        });
        let read: usize = read.await;
        assert_eq!(read, 0);
    });
}

mini_rt::task_local! {
    static REQUEST: usize;
}

/// Gives the request's number, from wherever it runs after a while.
async fn answer(census: Census) -> (usize, usize) {
    let _citizen = census.citizen();
    let before = REQUEST.get();
    yield_now().await;
    (before, REQUEST.get())
}

#[test]
fn members_have_values_of_their_own() {
    on_every_runtime("values of members", async |_| {
        let (mut set, census) = (JoinSet::new(), Census::default());
        let members: Vec<AbortHandle> = (0..50)
            .map(|number| set.spawn(REQUEST.scope(number, answer(census.clone()))))
            .collect();
        let mut sum = 0;
        while let Some(next) = set.join_next_with_id().await {
            let (id, (before, after)) = next.unwrap();
            assert_eq!(members[before].id(), id);
            assert_eq!(before, after);
            sum += after;
        }
        assert_eq!((sum, census.alive()), (50 * 49 / 2, 0));
        assert!(REQUEST.try_get().is_err());
    });
}

/// Only what can be said by the facade's names.
fn name(builder: join_set::Builder<'_, u32>, name: &str) -> AbortHandle {
    builder.name(name).spawn(ready(1))
}

#[test]
fn the_facade_has_all_names() {
    on_every_runtime("the facade's names", async |_| {
        let mut set = JoinSet::default();
        let member = name(set.build_task(), "a member");
        let first = poll_fn(|cx| match set.poll_join_next_with_id(cx) {
            Poll::Ready(next) => Poll::Ready(next.unwrap()),
            Poll::Pending => Poll::Pending,
        });
        assert_eq!(first.await.unwrap(), (member.id(), 1));
        let key: &mini_rt::task::LocalKey<usize> = &REQUEST;
        let error: mini_rt::task::AccessError = key.try_get().unwrap_err();
        assert!(!error.to_string().is_empty());
    });
}
