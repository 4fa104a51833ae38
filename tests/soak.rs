//! Thousands of connections come, talk, fall silent, break off and go, in wave after wave; afterwards the
//! process has what it had before, and no more.
//!
//! ```text
//! cargo test --release --test soak -- --ignored --nocapture                 ten minutes
//! MINI_RT_SOAK_SECONDS=180 cargo test --test soak -- --ignored --nocapture
//! ```
//!
//! Both ends of each connection are tasks of one runtime. After each wave tasks, timers, registered and open
//! descriptors and threads are what they were before the first. Memory is compared with what it was after
//! the first waves, when whatever grows with the number of connections has grown: it may be
//! [`MEMORY_MAY_GROW`] more.

// It reads what Linux tells of processes; and libkqueue loses events of so many connections.
#![cfg(all(target_os = "linux", not(mini_rt_kqueue)))]

mod support;

use std::env;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::runtime::{Handle, Runtime};
use mini_rt::task::{JoinSet, yield_now};
use mini_rt::time::{sleep, timeout};

use support::kinds::Kind;
use support::process::{affordable_connections, open_fds, resident_bytes, thread_ids};
use support::random::Random;
use support::watchdog::Watchdog;

const SECONDS: &str = "MINI_RT_SOAK_SECONDS";

const CONNECTIONS: usize = 5_000;
/// Of a wave: in it they connect. Much less, and the system drops some, whose attempts take seconds then.
const COMING: Duration = Duration::from_secs(2);
/// A connection's longest time between two messages.
const THINKING: Duration = Duration::from_millis(300);
/// How long the server waits for a client that is silent, or does not read.
const PATIENCE: Duration = Duration::from_secs(3);
const LARGEST_MESSAGE: usize = 2_000;

/// Addresses that the server listens on: the ports that rest after a connection are those of one address.
const LISTENERS: u8 = 4;

const WARM_UP_WAVES: usize = 3;
/// In bytes. In ten minutes there are some hundred thousand connections, so that is some tens of bytes for each.
const MEMORY_MAY_GROW: u64 = 16 << 20;
/// A wave takes some seconds.
const A_WAVE_HANGS_AFTER: Duration = Duration::from_secs(180);

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Fate {
    /// Says all it has to say, hears the answers, and closes.
    Talk,
    /// Says all, ends its direction, and then hears the answers.
    HalfClose,
    /// Falls silent, and waits until the server has no patience left.
    Stall,
    /// Breaks off, with a reset.
    Reset,
    /// Goes without a word, or without hearing the answer.
    Vanish,
}

impl Fate {
    fn draw(random: &mut Random) -> Self {
        match random.below(10) {
            0..4 => Self::Talk,
            4..6 => Self::HalfClose,
            6 => Self::Stall,
            7..9 => Self::Reset,
            _ => Self::Vanish,
        }
    }
}

/// What has happened, added up.
#[derive(Debug, Default)]
struct Figures {
    connections: usize,
    messages: usize,
    bytes: usize,
    half_closed: usize,
    reset: usize,
    vanished: usize,
    /// The server had no patience with them, as it should.
    stalled: usize,
    /// It had none with clients that the machine kept from talking.
    overdue: usize,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.half_closed += other.half_closed;
        self.reset += other.reset;
        self.vanished += other.vanished;
        self.stalled += other.stalled;
        self.overdue += other.overdue;
    }
}

/// Sends back what comes in, until the client ends the connection or the patience with it.
async fn serve(mut stream: AsyncTcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await??;
        if count == 0 {
            return Ok(());
        }
        timeout(PATIENCE, stream.write_all(&buffer[..count])).await??;
    }
}

async fn accept(listener: AsyncTcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        drop(mini_rt::spawn(async move {
            // What becomes of it the client checks.
            let _ = serve(stream).await;
        }));
    }
}

struct Client {
    stream: AsyncTcpStream,
    random: Random,
    figures: Figures,
    /// No later than the moment from which the server waits for the next message.
    silent_since: Instant,
}

impl Client {
    async fn live(server: SocketAddr, mut random: Random) -> Figures {
        sleep(part_of(COMING, &mut random)).await;
        let silent_since = Instant::now();
        let stream = AsyncTcpStream::connect(server).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut client = Self {
            stream,
            figures: Figures {
                connections: 1,
                ..Figures::default()
            },
            silent_since,
            random,
        };
        let fate = Fate::draw(&mut client.random);
        if let Err(error) = client.meet(fate).await {
            client.admit_overdue(error);
        }
        client.figures
    }

    async fn meet(&mut self, fate: Fate) -> io::Result<()> {
        match fate {
            Fate::Talk => {
                self.talk(12).await?;
                self.stream.close().await?;
                self.hear_the_end().await
            }
            Fate::HalfClose => {
                self.talk(3).await?;
                self.half_close().await
            }
            Fate::Stall => {
                self.talk(3).await?;
                self.stall().await
            }
            Fate::Reset => {
                self.talk(6).await?;
                self.figures.reset += 1;
                self.stream.set_linger(Some(Duration::ZERO))
            }
            Fate::Vanish => {
                self.figures.vanished += 1;
                if self.random.one_in(2) {
                    self.stream.write_all(b"never mind").await?;
                }
                Ok(())
            }
        }
    }

    /// Sends up to so many messages and compares the answers.
    async fn talk(&mut self, most: usize) -> io::Result<()> {
        for _ in 0..self.random.below(most + 1) {
            sleep(part_of(THINKING, &mut self.random)).await;
            let message = self.random.some_bytes(LARGEST_MESSAGE);
            let sent_at = Instant::now();
            self.stream.write_all(&message).await?;
            let mut answer = vec![0; message.len()];
            self.stream.read_exact(&mut answer).await?;
            assert!(answer == message, "not what was sent");
            self.silent_since = sent_at;
            self.figures.messages += 1;
            self.figures.bytes += message.len();
        }
        Ok(())
    }

    async fn half_close(&mut self) -> io::Result<()> {
        let message = self.random.some_bytes(10 * LARGEST_MESSAGE);
        self.stream.write_all(&message).await?;
        self.stream.close().await?;
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await?;
        if answer != message {
            let text = format!("{} bytes of {}", answer.len(), message.len());
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.figures.half_closed += 1;
        self.figures.bytes += message.len();
        Ok(())
    }

    async fn stall(&mut self) -> io::Result<()> {
        self.hear_the_end().await?;
        let waited = self.silent_since.elapsed();
        assert!(waited >= PATIENCE, "given up after {waited:?}");
        self.figures.stalled += 1;
        Ok(())
    }

    /// Nothing comes any more but the end.
    async fn hear_the_end(&mut self) -> io::Result<()> {
        let count = self.stream.read(&mut [0]).await?;
        assert_eq!(count, 0, "more than was sent");
        Ok(())
    }

    /// An error is right if the server had reason to lose its patience, which happens on a machine that is
    /// busy elsewhere.
    fn admit_overdue(&mut self, error: io::Error) {
        const BROKEN_OFF: [ErrorKind; 3] = [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
        ];
        let waited = self.silent_since.elapsed();
        assert!(
            BROKEN_OFF.contains(&error.kind()) && waited >= PATIENCE,
            "{error} after {waited:?}"
        );
        self.figures.overdue += 1;
    }
}

fn part_of(whole: Duration, random: &mut Random) -> Duration {
    whole.mul_f64(random.below(1_000) as f64 / 1_000.0)
}

/// What a process has when nothing goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Holdings {
    tasks: usize,
    timers: usize,
    registered_fds: usize,
    open_fds: usize,
    threads: usize,
}

impl Holdings {
    fn now(handle: &Handle) -> Self {
        let metrics = handle.metrics();
        Self {
            tasks: metrics.num_alive_tasks(),
            timers: metrics.num_timers(),
            registered_fds: metrics.registered_fds(),
            open_fds: open_fds(),
            threads: thread_ids().len(),
        }
    }
}

/// Waits until the process has what it should.
async fn come_down_to(holdings: Holdings) {
    const LIMIT: Duration = Duration::from_secs(60);
    let begin = Instant::now();
    loop {
        let found = Holdings::now(&Handle::current());
        if found == holdings {
            return;
        }
        assert!(
            begin.elapsed() < LIMIT,
            "still {found:?}, before {holdings:?}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

async fn listen() -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for host in 1..=LISTENERS {
        let addr = (Ipv4Addr::new(127, 0, 0, host), 0);
        let listener = AsyncTcpListener::bind(addr).await.expect("a listener");
        servers.push(listener.local_addr().expect("an address"));
        drop(mini_rt::spawn(accept(listener)));
    }
    // Each listener waits for its first connection.
    while Handle::current().metrics().registered_fds() < servers.len() {
        yield_now().await;
    }
    servers
}

/// So many clients, each with its fate.
async fn wave(servers: &[SocketAddr], count: usize, random: &mut Random) -> Figures {
    let mut clients = JoinSet::new();
    for number in 0..count {
        let server = servers[number % servers.len()];
        clients.spawn(Client::live(server, random.branch()));
    }
    let mut figures = Figures::default();
    while let Some(client) = clients.join_next().await {
        figures += client.expect("a client without a complaint");
    }
    figures
}

/// Wave after wave, for so long. Panics if anything is left of one.
async fn soak(length: Duration, count: usize, random: &mut Random) {
    let servers = listen().await;
    let before = Holdings::now(&Handle::current());
    println!("before: {before:?}, {} KiB", resident_bytes() / 1024);
    let (begin, mut total) = (Instant::now(), Figures::default());
    let (mut warm, mut waves) = (0, 0);
    while waves <= WARM_UP_WAVES || begin.elapsed() < length {
        total += wave(&servers, count, random).await;
        come_down_to(before).await;
        waves += 1;
        let resident = resident_bytes();
        if waves <= WARM_UP_WAVES {
            warm = resident.max(warm);
        }
        println!(
            "{:>6.1} s: {waves} waves, {} KiB, {total:?}",
            begin.elapsed().as_secs_f64(),
            resident / 1024
        );
        assert!(
            resident <= warm + MEMORY_MAY_GROW,
            "{resident} bytes are resident, {warm} were after {WARM_UP_WAVES} waves"
        );
    }
    assert_eq!(total.connections, waves * count);
    assert!(total.half_closed > 0 && total.reset > 0 && total.vanished > 0 && total.stalled > 0);
    assert!(
        total.overdue < total.connections / 10,
        "the machine is busy elsewhere"
    );
}

#[test]
#[ignore = "takes ten minutes"]
fn connections_that_come_and_go_leave_nothing() {
    let seconds = env::var(SECONDS).map_or(600, |text| text.parse().expect("so many seconds"));
    let length = Duration::from_secs(seconds);
    let _watchdog = Watchdog::new("the soak", length + A_WAVE_HANGS_AFTER);
    let mut random = Random::for_test("soak", 61);
    let count = affordable_connections(CONNECTIONS);
    if count < CONNECTIONS {
        let _ = writeln!(
            io::stderr(),
            "only {count} connections at a time instead of {CONNECTIONS}: the hard limit on descriptors is \
             too low"
        );
    }
    let runtime: Runtime = Kind::MultiThread(2).build();
    runtime.block_on(soak(length, count, &mut random));
}
