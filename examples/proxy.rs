//! A TCP forwarder: each connection to it becomes a connection to another address.
//!
//! Run it in front of the `echo` example, say, and talk to that through it:
//!
//! ```text
//! cargo run --release --example echo
//! cargo run --release --example proxy -- --listen 127.0.0.1:7001 --to 127.0.0.1:7000
//! nc 127.0.0.1 7001
//! cargo run --release --example echo_client -- --addr 127.0.0.1:7001
//! ```
//!
//! Both directions flow at once. The end of one is passed on while the other goes on, as in
//! `echo hello | nc -N 127.0.0.1 7001`; an error in one ends both. Each finished connection
//! prints how many bytes went which way.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::try_join;
use lexopt::{Arg::Long, Arg::Short, Parser};
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use support::{accept::accept, cli, limits};

mod support {
    pub mod accept;
    pub mod cli;
    pub mod limits;
}

const USAGE: &str = "\
Usage: proxy [--listen HOST:PORT] --to HOST:PORT

  --listen HOST:PORT  where to listen (default: 127.0.0.1:7001; port 0: any free one)
  --to HOST:PORT      where to forward connections to";

const BUFFER_BYTES: usize = 16 * 1024;

struct Options {
    listen: String,
    to: String,
}

impl Options {
    fn read(parser: &mut Parser) -> Result<Self, lexopt::Error> {
        let mut listen = "127.0.0.1:7001".into();
        let mut to = None;
        while let Some(arg) = parser.next()? {
            match arg {
                Long("listen") => listen = cli::address(parser, "--listen")?,
                Long("to") => to = Some(cli::address(parser, "--to")?),
                Long("help") | Short('h') => cli::help(USAGE),
                _ => return Err(arg.unexpected()),
            }
        }
        let to = to.ok_or("--to is missing")?;
        Ok(Options { listen, to })
    }
}

#[mini_rt::main]
async fn main() -> ExitCode {
    cli::finish(serve(cli::parse(USAGE, Options::read)).await)
}

async fn serve(Options { listen, to }: Options) -> io::Result<()> {
    limits::raise_open_files();
    let listener = AsyncTcpListener::bind(listen.as_str())
        .await
        .map_err(cli::at(&listen))?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;

    let to: Arc<str> = to.into();
    loop {
        let (client, peer) = accept(&listener).await;
        let to = to.clone();
        mini_rt::spawn(async move {
            let mut bytes = Transferred::default();
            let end = match forward(&client, &to, &mut bytes).await {
                Ok(()) => String::new(),
                Err(error) => format!(", ended by: {error}"),
            };
            println!(
                "{peer}: {} bytes there, {} back{end}",
                bytes.there, bytes.back
            );
        });
    }
}

/// How many bytes of one connection were delivered.
#[derive(Default)]
struct Transferred {
    there: u64,
    back: u64,
}

/// Forwards one connection until both directions have ended or one has failed.
async fn forward(client: &AsyncTcpStream, to: &str, bytes: &mut Transferred) -> io::Result<()> {
    let server = &AsyncTcpStream::connect(to).await.map_err(cli::at(to))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let both = try_join!(
        pump(client, server, &mut bytes.there),
        pump(server, client, &mut bytes.back),
    );
    if both.is_err() {
        // Close with a reset: an orderly end would make what was cut off look complete.
        client.set_linger(Some(Duration::ZERO))?;
        server.set_linger(Some(Duration::ZERO))?;
    }
    both.map(drop)
}

/// Copies one direction up to its end, passes the end on, and counts into `bytes`.
async fn pump(
    mut from: &AsyncTcpStream,
    mut to: &AsyncTcpStream,
    bytes: &mut u64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let received = from.read(&mut buffer).await?;
        if received == 0 {
            return to.close().await;
        }
        to.write_all(&buffer[..received]).await?;
        *bytes += received as u64;
    }
}
