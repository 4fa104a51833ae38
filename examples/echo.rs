//! A TCP server that sends back every byte it receives, and counts.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example echo
//! cargo run --release --example echo -- --addr 127.0.0.1:0 --workers 2
//! ```
//!
//! then type lines at `nc 127.0.0.1 7000`, or put load on it with
//!
//! ```text
//! cargo run --release --example echo_client -- --connections 1000 --seconds 10
//! ```

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lexopt::{Arg::Long, Arg::Short, Parser};
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::runtime::Builder;
use support::{accept::accept, cli, counter::Counter, limits};

mod support {
    pub mod accept;
    pub mod cli;
    pub mod counter;
    pub mod limits;
}

const USAGE: &str = "\
Usage: echo [--addr HOST:PORT] [--workers N]

  --addr HOST:PORT  where to listen (default: 127.0.0.1:7000; port 0: any free one)
  --workers N       number of worker threads (default: one per CPU)";

/// One read takes up to this much; each connection has a buffer of this size.
const BUFFER_BYTES: usize = 16 * 1024;

const REPORT_EVERY: Duration = Duration::from_secs(2);

static ACCEPTED: Counter = Counter::new();
static CLOSED: Counter = Counter::new();
static REQUESTS: Counter = Counter::new();
static BYTES: Counter = Counter::new();

struct Options {
    addr: String,
    workers: Option<NonZeroUsize>,
}

impl Options {
    fn read(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut options = Options {
            addr: "127.0.0.1:7000".into(),
            workers: None,
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Long("addr") => options.addr = cli::address(parser, "--addr")?,
                Long("workers") => options.workers = Some(cli::value(parser, "--workers")?),
                Long("help") | Short('h') => cli::help(USAGE),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    cli::finish(run(&cli::parse(USAGE, Options::read)))
}

fn run(options: &Options) -> io::Result<()> {
    limits::raise_open_files();
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = options.workers {
        builder.worker_threads(workers.get());
    }
    builder.build()?.block_on(serve(&options.addr))
}

async fn serve(addr: &str) -> io::Result<()> {
    let listener = AsyncTcpListener::bind(addr).await.map_err(cli::at(addr))?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    // `mini_rt` has no timers, so a thread does the periodic work.
    thread::Builder::new().name("report".into()).spawn(report)?;

    loop {
        let (stream, _peer) = accept(&listener).await;
        mini_rt::spawn(async {
            ACCEPTED.add(1);
            // An error here is a client that went away: nobody is left to be told.
            let _ = echo(stream).await;
            CLOSED.add(1);
        });
    }
}

async fn echo(mut stream: AsyncTcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
        REQUESTS.add(1);
        BYTES.add(received as u64);
    }
}

/// Prints a line of counters at regular times, unless nothing has happened since the last one.
/// Ends when the output is closed.
fn report() -> io::Result<()> {
    let mut before = Counts::take();
    loop {
        thread::sleep(REPORT_EVERY);
        let counts = Counts::take();
        if (counts.accepted, counts.requests) != (before.accepted, before.requests) {
            counts.print_since(&before)?;
        }
        before = counts;
    }
}

/// The counters at one time.
struct Counts {
    at: Instant,
    open: u64,
    accepted: u64,
    requests: u64,
    bytes: u64,
}

impl Counts {
    fn take() -> Self {
        // In this order: a connection that is seen closed must also be seen accepted.
        let closed = CLOSED.sum();
        let accepted = ACCEPTED.sum();
        Self {
            at: Instant::now(),
            open: accepted - closed,
            accepted,
            requests: REQUESTS.sum(),
            bytes: BYTES.sum(),
        }
    }

    fn print_since(&self, before: &Self) -> io::Result<()> {
        let seconds = (self.at - before.at).as_secs_f64();
        writeln!(
            io::stdout(),
            "{} open, {} accepted, {:.0} requests/s, {:.2} MB/s",
            self.open,
            self.accepted,
            (self.requests - before.requests) as f64 / seconds,
            (self.bytes - before.bytes) as f64 / seconds / 1e6,
        )
    }
}
