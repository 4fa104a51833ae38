//! An HTTP server: hyper on `mini_rt`, with HTTP/1.1 and HTTP/2 on the same port.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example http
//! ```
//!
//! and ask it, or put load on it:
//!
//! ```text
//! curl -i http://127.0.0.1:8080/
//! curl -i --http2-prior-knowledge http://127.0.0.1:8080/metrics
//! wrk -t2 -c64 -d3 http://127.0.0.1:8080/
//! h2load -n 20000 -c 32 -m 10 http://127.0.0.1:8080/
//! ```
//!
//! HTTP/2 is spoken without TLS to clients that know beforehand that the server can do it
//! ("prior knowledge"): such a connection begins with a fixed preface.

mod adapter;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, http};
use lexopt::{Arg::Long, Arg::Short, Parser};
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use mini_rt::runtime::Builder;

use adapter::{Io, Spawner};
use support::{accept::accept, cli, counter::Counter, limits};

#[path = "../support"]
mod support {
    pub mod accept;
    pub mod cli;
    pub mod counter;
    pub mod limits;
}

const USAGE: &str = "\
Usage: http [--addr HOST:PORT] [--workers N]

  --addr HOST:PORT  where to listen (default: 127.0.0.1:8080; port 0: any free one)
  --workers N       number of worker threads (default: one per CPU)";

/// What every HTTP/2 connection begins with.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Enough for the whole of a usual first request.
const FIRST_READ_BYTES: usize = 4096;

static ACCEPTED: Counter = Counter::new();
static CLOSED: Counter = Counter::new();
static REQUESTS: Counter = Counter::new();

struct Options {
    addr: String,
    workers: Option<NonZeroUsize>,
}

impl Options {
    fn read(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut options = Options {
            addr: "127.0.0.1:8080".into(),
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

    loop {
        let (stream, peer) = accept(&listener).await;
        mini_rt::spawn(async move {
            ACCEPTED.add(1);
            if let Err(error) = serve_connection(stream).await {
                eprintln!("{peer}: {error}");
            }
            CLOSED.add(1);
        });
    }
}

async fn serve_connection(
    mut stream: AsyncTcpStream,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let first_bytes = read_first_bytes(&mut stream).await?;
    let is_http2 = first_bytes.starts_with(HTTP2_PREFACE);
    let io = Io::new(stream, first_bytes);
    let service = service_fn(answer);
    if is_http2 {
        let builder = http2::Builder::new(Spawner);
        builder.serve_connection(io, service).await?;
    } else {
        let builder = http1::Builder::new();
        builder.serve_connection(io, service).await?;
    }
    Ok(())
}

/// Reads until it is clear whether the connection begins with the HTTP/2 preface.
async fn read_first_bytes(stream: &mut AsyncTcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; FIRST_READ_BYTES];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut bytes[filled..]).await?;
        filled += read;
        let undecided = filled < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&bytes[..filled]);
        if read == 0 || !undecided {
            bytes.truncate(filled);
            return Ok(bytes);
        }
    }
}

async fn answer(request: Request<Incoming>) -> http::Result<Response<Full<Bytes>>> {
    REQUESTS.add(1);
    let response = Response::builder().header(CONTENT_TYPE, "text/plain; charset=utf-8");
    match request.uri().path() {
        "/" => response.body("Hello, World!\n".into()),
        "/metrics" => response.body(metrics().into()),
        _ => response
            .status(StatusCode::NOT_FOUND)
            .body("Not found\n".into()),
    }
}

/// The counters in Prometheus' text format.
fn metrics() -> String {
    let closed = CLOSED.sum();
    let accepted = ACCEPTED.sum();
    format!(
        "\
# HELP requests_total Requests received.
# TYPE requests_total counter
requests_total {}
# HELP connections_total Connections accepted.
# TYPE connections_total counter
connections_total {accepted}
# HELP connections_open Connections open at this moment.
# TYPE connections_open gauge
connections_open {}
",
        REQUESTS.sum(),
        accepted - closed,
    )
}
