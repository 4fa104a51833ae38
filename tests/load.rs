//! A thousand connections, each with two hundred messages of random sizes, and every byte checked.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use mini_rt::net::AsyncTcpListener;

use support::kinds::Kind;
use support::process::affordable_connections;
use support::random::Random;
use support::sockets::{connect, echo, listen};
use support::tasks::on_thread;
use support::watchdog::Watchdog;

const CONNECTIONS: usize = 1_000;
const CLIENT_THREADS: usize = 4;
const MESSAGES: usize = 200;
const LARGEST: usize = 64 * 1024;

/// Random bytes, of which every message is a part.
type Noise = Arc<Vec<u8>>;

/// A blocking client's connection, and the message that it waits for.
struct Client {
    stream: TcpStream,
    sent: usize,
    message: (usize, usize),
}

impl Client {
    fn new(addr: SocketAddr) -> Self {
        Self {
            stream: connect(addr),
            sent: 0,
            message: (0, 0),
        }
    }

    /// Sends a message, now and then in two pieces.
    fn send(&mut self, noise: &[u8], random: &mut Random) {
        let len = message_len(random);
        let start = random.below(noise.len() - len + 1);
        let message = &noise[start..start + len];
        let (first, second) = match random.one_in(4) {
            true => message.split_at(random.below(len)),
            false => (message, &message[len..]),
        };
        self.stream.write_all(first).unwrap();
        self.stream.write_all(second).unwrap();
        self.sent += len;
        self.message = (start, len);
    }

    /// Reads the message back and compares it.
    fn receive(&mut self, noise: &[u8], buffer: &mut [u8]) {
        let (start, len) = self.message;
        let answer = &mut buffer[..len];
        self.stream.read_exact(answer).unwrap();
        assert!(
            answer == &noise[start..start + len],
            "bytes {start} to {} of the noise",
            start + len
        );
    }

    /// Ends the connection, and checks that nothing comes but its end. Returns how much was sent.
    fn finish(mut self) -> usize {
        self.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
        self.sent
    }
}

/// Small lengths are as likely as large ones: each power of two has the same share.
fn message_len(random: &mut Random) -> usize {
    let bound = LARGEST >> random.below(LARGEST.ilog2() as usize + 1);
    bound - random.below(bound.div_ceil(2))
}

/// Drives many connections in turn. Returns how much was sent.
fn drive_clients(addr: SocketAddr, count: usize, noise: &[u8], random: &mut Random) -> usize {
    let mut clients: Vec<_> = (0..count).map(|_| Client::new(addr)).collect();
    let mut buffer = vec![0; LARGEST];
    for _ in 0..MESSAGES {
        random.shuffle(&mut clients);
        clients
            .iter_mut()
            .for_each(|client| client.send(noise, random));
        random.shuffle(&mut clients);
        clients
            .iter_mut()
            .for_each(|client| client.receive(noise, &mut buffer));
    }
    clients.into_iter().map(Client::finish).sum()
}

fn drive_all_clients(addr: SocketAddr, each: usize, noise: &Noise, random: &mut Random) -> usize {
    let threads: Vec<_> = (0..CLIENT_THREADS)
        .map(|_| {
            let (noise, mut random) = (noise.clone(), random.branch());
            thread::spawn(move || drive_clients(addr, each, &noise, &mut random))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

/// Serves so many connections to their end. Returns how much came back.
async fn serve(listener: AsyncTcpListener, count: usize) -> usize {
    let mut connections = Vec::new();
    for _ in 0..count {
        let (stream, _) = listener.accept().await.unwrap();
        connections.push(mini_rt::spawn(echo(stream)));
    }
    let mut total = 0;
    for connection in connections {
        total += connection.await.unwrap().unwrap();
    }
    total
}

fn every_byte_comes_back(test: &str, kind: Kind, seed: u64) {
    let _watchdog = Watchdog::seconds(test, 300);
    // Two tests have to share what there is.
    let each = affordable_connections(2 * CONNECTIONS) / 2 / CLIENT_THREADS;
    let count = each * CLIENT_THREADS;
    let mut random = Random::for_test(test, seed);
    let noise: Noise = Arc::new(random.bytes(4 * LARGEST));
    let runtime = kind.build();
    let (sent, echoed) = runtime.block_on(async {
        let (listener, addr) = listen().await;
        let server = mini_rt::spawn(serve(listener, count));
        let sent = on_thread(move || drive_all_clients(addr, each, &noise, &mut random)).await;
        (sent, server.await.unwrap())
    });
    assert_eq!(sent, echoed);
    assert!(sent > count * MESSAGES);
    assert_eq!(runtime.metrics().registered_fds(), 0);
}

#[test]
fn every_byte_comes_back_from_a_current_thread_runtime() {
    every_byte_comes_back("load on a current-thread runtime", Kind::CurrentThread, 21);
}

#[test]
fn every_byte_comes_back_from_a_multi_thread_runtime() {
    every_byte_comes_back("load on two workers", Kind::MultiThread(2), 22);
}

#[test]
fn lengths_of_messages_span_their_range() {
    let mut random = Random::for_test("lengths_of_messages_span_their_range", 23);
    let lens: Vec<_> = (0..100_000).map(|_| message_len(&mut random)).collect();
    assert_eq!(lens.iter().min(), Some(&1));
    assert!(*lens.iter().max().unwrap() > LARGEST - 64);
    assert!(lens.iter().all(|&len| len <= LARGEST));
}
