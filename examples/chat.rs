//! A chat: what one connection says in a line, all others hear.
//!
//! Run it, and talk to it from two or more terminals:
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7002
//! ```
//!
//! The first line is your name, every other line goes to everybody else.
//!
//! A guest who reads too slowly loses lines and delays nobody: each guest has a bounded queue, and
//! speaking never waits for a full one. In the place of a gap the guest is told how many are lost.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};

use async_channel::{Receiver, Sender};
use futures_util::try_join;
use lexopt::{Arg::Long, Arg::Short, Parser};
use mini_rt::io::BufReader;
use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};
use mini_rt::prelude::*;
use support::{accept::accept, cli};

mod support {
    pub mod accept;
    pub mod cli;
}

const USAGE: &str = "\
Usage: chat [--addr HOST:PORT]

  --addr HOST:PORT  where to listen (default: 127.0.0.1:7002; port 0: any free one)";

/// How many lines wait for a slow guest.
const QUEUE_LINES: usize = 100;

/// A guest who sends a longer line is disconnected.
const MAX_LINE_BYTES: u64 = 1000;

const MAX_NAME_CHARS: usize = 20;

fn read_addr(parser: &mut Parser) -> Result<String, lexopt::Error> {
    let mut addr = "127.0.0.1:7002".into();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("addr") => addr = cli::address(parser, "--addr")?,
            Long("help") | Short('h') => cli::help(USAGE),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(addr)
}

#[mini_rt::main]
async fn main() -> ExitCode {
    cli::finish(serve(&cli::parse(USAGE, read_addr)).await)
}

async fn serve(addr: &str) -> io::Result<()> {
    let listener = AsyncTcpListener::bind(addr).await.map_err(cli::at(addr))?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;

    let room = Arc::new(Room::default());
    loop {
        let (stream, peer) = accept(&listener).await;
        let room = room.clone();
        mini_rt::spawn(async move {
            if let Err(error) = welcome(stream, &room).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// One connection, from its first line to its last.
async fn welcome(stream: AsyncTcpStream, room: &Room) -> io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (seat, inbox) = loop {
        (&stream).write_all(b"Your name? ").await?;
        let Some(name) = read_line(&mut reader).await? else {
            return Ok(());
        };
        match room.enter(&name) {
            Ok(seat) => break seat,
            Err(reason) => (&stream).write_all(reason.as_bytes()).await?,
        }
    };
    // The guest leaves when `speak` ends; then `hear` ends too, once it has sent what is queued.
    try_join!(speak(reader, seat), hear(inbox, &stream)).map(drop)
}

/// Tells the room what the guest says.
async fn speak(mut reader: BufReader<&AsyncTcpStream>, seat: Seat<'_>) -> io::Result<()> {
    while let Some(line) = read_line(&mut reader).await? {
        if !line.is_empty() {
            seat.say(&line);
            // Lets the queues empty before the next line goes into them.
            mini_rt::task::yield_now().await;
        }
    }
    Ok(())
}

/// Sends the guest what the room says.
async fn hear(inbox: Receiver<Arc<str>>, mut stream: &AsyncTcpStream) -> io::Result<()> {
    while let Ok(line) = inbox.recv().await {
        stream.write_all(line.as_bytes()).await?;
    }
    stream.close().await
}

/// Reads a line without its end and without control characters; `None` at the end of the stream.
async fn read_line(reader: &mut BufReader<&AsyncTcpStream>) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = reader
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut bytes)
        .await?;
    if read as u64 == MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
        return Err(io::Error::other("sent a line that is too long"));
    }
    let line = String::from_utf8_lossy(&bytes);
    let printable = line.chars().filter(|c| !c.is_control());
    Ok((read > 0).then(|| printable.collect()))
}

/// Everybody who has given a name.
#[derive(Default)]
struct Room {
    guests: Mutex<BTreeMap<Arc<str>, Guest>>,
}

struct Guest {
    queue: Sender<Arc<str>>,
    lost_lines: usize,
}

impl Room {
    /// Lets a guest in who says and hears lines from then on, or says why not.
    fn enter(&self, name: &str) -> Result<(Seat<'_>, Receiver<Arc<str>>), String> {
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            return Err(format!("A name has 1 to {MAX_NAME_CHARS} characters.\n"));
        }
        let name: Arc<str> = name.into();
        let mut guests = self.guests();
        if guests.contains_key(&name) {
            return Err(format!("{name} is here already.\n"));
        }
        let names: Vec<&str> = guests.keys().map(|name| &**name).collect();
        let greeting = format!("* here with you: [{}]\n", names.join(", "));
        tell_all(guests.values_mut(), &format!("* {name} has joined\n"));

        let (queue, inbox) = async_channel::bounded(QUEUE_LINES);
        let mut guest = Guest {
            queue,
            lost_lines: 0,
        };
        guest.tell(&greeting.into());
        guests.insert(name.clone(), guest);
        Ok((Seat { room: self, name }, inbox))
    }

    fn guests(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Guest>> {
        self.guests.lock().unwrap()
    }
}

fn tell_all<'a>(guests: impl IntoIterator<Item = &'a mut Guest>, line: &str) {
    let line = line.into();
    for guest in guests {
        guest.tell(&line);
    }
}

impl Guest {
    /// Queues a line, or counts it as lost if the queue is full.
    fn tell(&mut self, line: &Arc<str>) {
        if !self.tell_of_gap() || self.queue.try_send(line.clone()).is_err() {
            self.lost_lines += 1;
        }
    }

    /// Queues a notice if lines have been lost; false if the queue is full.
    fn tell_of_gap(&mut self) -> bool {
        if self.lost_lines > 0 {
            let notice = format!("* you have lost {} lines\n", self.lost_lines);
            if self.queue.try_send(notice.into()).is_err() {
                return false;
            }
            self.lost_lines = 0;
        }
        true
    }
}

/// A guest's place in the room, given up when dropped.
struct Seat<'a> {
    room: &'a Room,
    name: Arc<str>,
}

impl Seat<'_> {
    fn say(&self, line: &str) {
        let mut guests = self.room.guests();
        let others = guests.iter_mut().filter(|(name, _)| **name != self.name);
        let line = format!("{}: {line}\n", self.name);
        tell_all(others.map(|(_, guest)| guest), &line);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut guests = self.room.guests();
        guests.remove(&self.name);
        tell_all(guests.values_mut(), &format!("* {} has left\n", self.name));
    }
}
