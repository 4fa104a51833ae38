//! Scenarios of connections over the loopback interface: every byte comes, in its place, whoever is late,
//! gives up and comes again, or breaks off.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use mini_rt::net::AsyncTcpStream;
use mini_rt::prelude::*;
use mini_rt::time::timeout;

use super::actor::Actor;
use super::support::sockets::{echo as echo_back, listen, reset, std_pair};

/// More than the buffers of a connection take at once, now and then.
const LARGEST: usize = 1 << 19;

impl Actor {
    /// Random bytes; small amounts are as likely as large ones.
    fn message(&mut self) -> Vec<u8> {
        let most = LARGEST >> self.random.below(20);
        self.random.some_bytes(most)
    }
}

/// Clients of a server that sends back what comes in, until they send no more.
pub async fn echo(mut actor: Actor) -> Option<()> {
    let (listener, addr) = listen().await;
    let count = actor.some(6);
    let server = actor.send(|other| async move {
        let mut total = 0;
        let mut connections = Vec::new();
        for _ in 0..count {
            let (stream, _) = other.done(listener.accept().await)?;
            connections.push(other.spawn(echo_back(stream)));
        }
        for connection in connections {
            total += other.done(other.output(connection.await)?)?;
        }
        Some(total)
    });
    let clients: Vec<_> = (0..count)
        .map(|_| {
            actor.send(|mut other| async move {
                let stream = other.done(AsyncTcpStream::connect(addr).await)?;
                let message = other.message();
                converse(&mut other, stream, message).await
            })
        })
        .collect();
    let mut sent = 0;
    for client in clients {
        sent += actor.output(client.await)??;
    }
    actor.same(actor.output(server.await)??, sent)
}

/// Sends a message in pieces, and meanwhile receives its echo. Returns how long it was.
async fn converse(actor: &mut Actor, stream: AsyncTcpStream, message: Vec<u8>) -> Option<usize> {
    let (mut read, mut write) = stream.into_split();
    let message = Arc::new(message);
    let to_send = message.clone();
    let sending = actor.send(|mut other| async move {
        let mut rest = &to_send[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(other.some(rest.len()));
            other.done(write.write_all(piece).await)?;
            other.rest().await;
            rest = behind;
        }
        other.done(write.close().await)
    });
    let mut echo = Vec::new();
    actor.done(read.read_to_end(&mut echo).await)?;
    actor.output(sending.await)??;
    actor.same_bytes(&echo, &message)?;
    Some(message.len())
}

/// A peer that knows nothing of runtimes.
pub async fn blocking_peer(mut actor: Actor) -> Option<()> {
    let (ours, theirs) = std_pair();
    let peer = actor.send(|mut other| async move {
        other
            .send_abroad(|mut other| {
                let echoed = echo_blocking(&mut other, theirs);
                other.done(echoed)
            })
            .await
    });
    let stream = actor.done(AsyncTcpStream::from_std(ours))?;
    let message = actor.message();
    let sent = converse(&mut actor, stream, message).await?;
    actor.same(actor.output(peer.await)??, sent)
}

fn echo_blocking(actor: &mut Actor, mut stream: TcpStream) -> io::Result<usize> {
    let mut buffer = vec![0; 16 * 1024];
    let mut total = 0;
    loop {
        let most = actor.some(buffer.len());
        match stream.read(&mut buffer[..most])? {
            0 => break,
            count => {
                stream.write_all(&buffer[..count])?;
                total += count;
            }
        }
        if actor.random.one_in(16) {
            actor.block();
        }
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(total)
}

/// Two tasks that give up each read and each write after a moment, and try again.
pub async fn impatience(mut actor: Actor) -> Option<()> {
    let (ours, theirs) = std_pair();
    let mut reader = actor.done(AsyncTcpStream::from_std(ours))?;
    let mut writer = actor.done(AsyncTcpStream::from_std(theirs))?;
    let message = Arc::new(actor.message());
    let to_send = message.clone();
    let writing = actor.send(|mut other| async move {
        let mut rest = &to_send[..];
        while !rest.is_empty() {
            let piece = &rest[..other.some(rest.len())];
            if let Ok(result) = timeout(other.micros(400), writer.write(piece)).await {
                rest = &rest[other.done(result)?..];
            }
            if other.random.one_in(8) {
                other.rest().await;
            }
        }
        Some(())
    });
    let (mut received, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let most = actor.some(buffer.len());
        match timeout(actor.micros(400), reader.read(&mut buffer[..most])).await {
            Ok(result) => match actor.done(result)? {
                0 => break,
                count => received.extend_from_slice(&buffer[..count]),
            },
            Err(_) => actor.rest().await,
        }
    }
    actor.output(writing.await)??;
    actor.same_bytes(&received, &message)
}

/// A peer that sends something and breaks off. What comes before that is what it has sent.
pub async fn resets(mut actor: Actor) -> Option<()> {
    for _ in 0..actor.some(5) {
        let (ours, theirs) = std_pair();
        let mut stream = actor.done(AsyncTcpStream::from_std(ours))?;
        let message = Arc::new(actor.random.some_bytes(2_000));
        let to_send = message.clone();
        let mut peer = actor.branch();
        let breaking_off = actor.spawn(async move {
            peer.rest().await;
            let sent = (&theirs).write_all(&to_send);
            peer.rest().await;
            reset(theirs);
            peer.done(sent)
        });
        let mut received = Vec::new();
        let mut buffer = [0; 700];
        loop {
            let result = stream.read(&mut buffer).await;
            match actor.unless_broken_off(result) {
                Some(count @ 1..) => received.extend_from_slice(&buffer[..count]),
                Some(0) | None => break,
            }
            if actor.random.one_in(2) {
                let _ = actor.unless_broken_off(stream.write(b"is anybody there?").await);
            }
        }
        actor.output(breaking_off.await)??;
        actor.same_bytes(&received, message.get(..received.len())?)?;
    }
    Some(())
}

/// Many tasks that accept connections of one listener, each of which is served once.
pub async fn common_listener(mut actor: Actor) -> Option<()> {
    let (listener, addr) = listen().await;
    let listener = Arc::new(listener);
    let (numbers, next) = async_channel::unbounded();
    let servers: Vec<_> = (0..actor.some(8))
        .map(|_| {
            let (listener, next) = (listener.clone(), next.clone());
            actor.send(|other| async move {
                loop {
                    let (mut stream, _) = other.done(listener.accept().await)?;
                    let number: u8 = other.done(next.recv().await)?;
                    other.done(stream.write_all(&[number]).await)?;
                }
                #[expect(unreachable_code, reason = "it gives the type of what `?` returns")]
                Some(())
            })
        })
        .collect();
    let count = actor.some(30) as u8;
    for number in 0..count {
        actor.done(numbers.try_send(number))?;
    }
    let served = actor
        .send_abroad(move |mut other| {
            // The port is not let go while there are clients of it: they would get to who has it then.
            let _listener = listener;
            let mut served = HashSet::new();
            let mut left = count as usize;
            while left > 0 {
                let batch = other.some(left);
                let clients: Vec<_> = (0..batch).map(|_| TcpStream::connect(addr)).collect();
                for client in clients {
                    let number = be_served(&other, other.done(client)?);
                    assert!(served.insert(other.done(number)?), "served twice");
                }
                left -= batch;
            }
            Some(served.len())
        })
        .await?;
    servers.iter().for_each(|server| server.abort());
    actor.same(served, count as usize)
}

/// Receives a number, unless the end of the runtime comes before somebody has accepted the client.
fn be_served(actor: &Actor, mut client: TcpStream) -> io::Result<u8> {
    client.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut number = [0];
    loop {
        match client.read_exact(&mut number) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !actor.is_cut_short() => {}
            result => return result.map(|()| number[0]),
        }
    }
}

/// A stream that passes from task to task, each of which reads a piece.
pub async fn moving(mut actor: Actor) -> Option<()> {
    let (ours, mut theirs) = std_pair();
    let mut stream = actor.done(AsyncTcpStream::from_std(ours))?;
    let (piece, count) = (actor.some(200), actor.some(60));
    let message = Arc::new(actor.random.bytes(piece * count));
    let to_send = message.clone();
    let sending = actor.send(|mut other| async move {
        for part in to_send.chunks(piece) {
            other.done(theirs.write_all(part))?;
            other.rest().await;
        }
        // The connection stays until all is read.
        Some(theirs)
    });
    for part in message.chunks(piece) {
        let reading = actor.send(|other| async move {
            let mut buffer = vec![0; piece];
            other.done(stream.read_exact(&mut buffer).await)?;
            Some((stream, buffer))
        });
        let (back, buffer) = actor.output(reading.await)??;
        actor.same_bytes(&buffer, part)?;
        stream = back;
    }
    actor.output(sending.await)?.map(drop)
}
