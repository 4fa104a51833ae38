//! A load generator for the `echo` example that checks every byte and measures every reply.
//!
//! Start the server, then the clients:
//!
//! ```text
//! cargo run --release --example echo
//! cargo run --release --example echo_client -- --connections 1000 --seconds 10
//! cargo run --release --example echo_client -- --connections 8 --size 100000
//! ```
//!
//! Each connection sends a message, waits until all of it has come back, and starts again.
//! A progress line a second goes to stderr, the result to stdout. The exit code is 1 if any
//! connection failed, lost a byte or got a wrong one.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::try_join;
use hdrhistogram::Histogram;
use lexopt::{Arg::Long, Arg::Short, Parser};
use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::runtime::Builder;
use mini_rt::task::AbortHandle;
use support::{cli, counter::Counter, limits};

mod support {
    pub mod cli;
    pub mod counter;
    pub mod limits;
}

const USAGE: &str = "\
Usage: echo_client [OPTIONS]

  --addr HOST:PORT  the echo server (default: 127.0.0.1:7000)
  --connections N   number of connections (default: 64)
  --size BYTES      length of a message (default: 64)
  --seconds S       how long to go on (default: 10)
  --workers N       number of worker threads (default: one per CPU)";

/// How long after the end a missing reply is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Latencies are recorded in nanoseconds with three significant digits, up to an hour.
const MAX_LATENCY: Duration = Duration::from_secs(3600);

static CONNECTED: Counter = Counter::new();
static REQUESTS: Counter = Counter::new();
static TIME_IS_UP: AtomicBool = AtomicBool::new(false);

struct Options {
    addr: String,
    connections: NonZeroUsize,
    size: NonZeroUsize,
    seconds: u32,
    workers: Option<NonZeroUsize>,
}

impl Options {
    fn read(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut options = Options {
            addr: "127.0.0.1:7000".into(),
            connections: NonZeroUsize::new(64).unwrap(),
            size: NonZeroUsize::new(64).unwrap(),
            seconds: 10,
            workers: None,
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Long("addr") => options.addr = cli::address(parser, "--addr")?,
                Long("connections") => options.connections = cli::value(parser, "--connections")?,
                Long("size") => options.size = cli::value(parser, "--size")?,
                Long("seconds") => options.seconds = cli::value(parser, "--seconds")?,
                Long("workers") => options.workers = Some(cli::value(parser, "--workers")?),
                Long("help") | Short('h') => cli::help(USAGE),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    cli::finish(run(cli::parse(USAGE, Options::read)))
}

fn run(options: Options) -> io::Result<()> {
    limits::raise_open_files();
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = options.workers {
        builder.worker_threads(workers.get());
    }
    let options = Arc::new(options);
    let totals = builder.build()?.block_on(load(&options))?;
    totals.print(options.size.get());
    match totals.errors.values().sum() {
        0 => Ok(()),
        failed => Err(io::Error::other(format!(
            "{failed} of {} connections failed",
            options.connections
        ))),
    }
}

/// Runs all connections to their end.
async fn load(options: &Arc<Options>) -> io::Result<Totals> {
    let start = Instant::now();
    let connections: Vec<_> = (0..options.connections.get() as u64)
        .map(|seed| {
            let options = options.clone();
            mini_rt::spawn(async move {
                let mut latencies = new_histogram();
                let result = converse(seed, &options, &mut latencies).await;
                (result, latencies)
            })
        })
        .collect();

    // `mini_rt` has no timers, so a thread keeps the time.
    let clock = Clock {
        seconds: options.seconds,
        message_bytes: options.size.get(),
        connections: connections.iter().map(|task| task.abort_handle()).collect(),
    };
    thread::Builder::new()
        .name("clock".into())
        .spawn(move || clock.run(start))?;

    let mut latencies = new_histogram();
    let mut errors = BTreeMap::new();
    for connection in connections {
        let error = match connection.await {
            Ok((result, recorded)) => {
                latencies.add(&recorded).expect("the same bounds");
                result.err().map(|error| error.to_string())
            }
            Err(_aborted) => Some(format!("no reply {GRACE:?} after the end")),
        };
        if let Some(error) = error {
            *errors.entry(error).or_insert(0) += 1;
        }
    }
    Ok(Totals {
        elapsed: start.elapsed(),
        requests: REQUESTS.sum(),
        latencies,
        errors,
    })
}

/// One connection, from connecting to the server's end of stream.
async fn converse(seed: u64, options: &Options, latencies: &mut Histogram<u32>) -> io::Result<()> {
    let addr = &options.addr;
    let stream = AsyncTcpStream::connect(addr.as_str())
        .await
        .map_err(cli::at(addr))?;
    stream.set_nodelay(true)?;
    CONNECTED.add(1);

    let (mut reader, mut writer) = (&stream, &stream);
    let mut random = Random(seed);
    let mut message = vec![0; options.size.get()];
    let mut reply = message.clone();
    while !TIME_IS_UP.load(Relaxed) {
        random.fill(&mut message);
        let start = Instant::now();
        // Both at once: a message larger than the socket buffers would never be sent otherwise.
        try_join!(writer.write_all(&message), reader.read_exact(&mut reply))?;
        latencies.saturating_record(start.elapsed().as_nanos() as u64);
        if reply != message {
            return Err(io::Error::other("the reply differs from the message"));
        }
        REQUESTS.add(1);
    }

    writer.close().await?;
    match reader.read(&mut reply).await? {
        0 => Ok(()),
        _ => Err(io::Error::other("more bytes came back than were sent")),
    }
}

fn new_histogram() -> Histogram<u32> {
    Histogram::new_with_max(MAX_LATENCY.as_nanos() as u64, 3).expect("valid bounds")
}

/// The splitmix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_ne_bytes()[..chunk.len()]);
        }
    }
}

/// Prints a line a second, then ends the load.
struct Clock {
    seconds: u32,
    message_bytes: usize,
    connections: Vec<AbortHandle>,
}

impl Clock {
    fn run(self, start: Instant) {
        let mut requests_before = 0;
        for second in 1..=self.seconds {
            let next = start + Duration::from_secs(second.into());
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let requests = REQUESTS.sum();
            let rate = requests - requests_before;
            eprintln!(
                "{second:4} s  {} connected  {rate} requests/s  {:.2} MB/s",
                CONNECTED.sum(),
                megabytes(rate, self.message_bytes),
            );
            requests_before = requests;
        }
        TIME_IS_UP.store(true, Relaxed);

        thread::sleep(GRACE);
        for connection in &self.connections {
            connection.abort();
        }
    }
}

/// What all connections did together.
struct Totals {
    elapsed: Duration,
    requests: u64,
    latencies: Histogram<u32>,
    errors: BTreeMap<String, usize>,
}

impl Totals {
    fn print(&self, message_bytes: usize) {
        let seconds = self.elapsed.as_secs_f64();
        let quantile = |q| Duration::from_nanos(self.latencies.value_at_quantile(q));
        println!("requests    {}", self.requests);
        println!("requests/s  {:.0}", self.requests as f64 / seconds);
        println!(
            "MB/s        {:.2} each way",
            megabytes(self.requests, message_bytes) / seconds
        );
        if !self.latencies.is_empty() {
            println!(
                "latency     p50 {:.1?}  p99 {:.1?}  p99.9 {:.1?}  max {:.1?}",
                quantile(0.5),
                quantile(0.99),
                quantile(0.999),
                quantile(1.0),
            );
        }
        println!("errors      {}", self.errors.values().sum::<usize>());
        for (error, count) in &self.errors {
            println!("            {count} x {error}");
        }
    }
}

fn megabytes(messages: u64, message_bytes: usize) -> f64 {
    messages as f64 * message_bytes as f64 / 1e6
}
