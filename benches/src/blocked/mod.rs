//! What other connections wait for while one task blocks its worker thread.
//!
//! A [server](mod@server) with two workers gets a request that makes one of its tasks sleep, in a way
//! that the runtime is not told of. [Clients](mod@client) on other connections do a round trip every
//! millisecond, before, during and after, and note how long each takes. The [`Variant`] says which
//! task blocks, and what waits for the core that it blocks.
//!
//! Everything on the server runs in spawned tasks, the accept loop too; the root future only waits.

pub mod client;
pub mod server;

use std::fmt;
use std::io;
use std::time::Duration;

use crate::messages::{self, Message, request_of};

/// Which task blocks, or what the blocked core has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// No task blocks: what the machine itself makes clients wait.
    Nothing,
    /// A handler that was woken by I/O, for it has just read the request.
    Io,
    /// A handler that was woken by another thread, through a channel.
    Foreign,
    /// A task that was in the LIFO slot: the handler has woken it and then waits.
    Lifo,
    /// A task that has just been spawned.
    Spawned,
    /// A handler that was woken by a timer.
    Timer,
    /// A handler woken by I/O; there are so many client connections that both cores have some.
    Fds,
    /// A handler that has first spawned tasks, each of which answers a client.
    Queued,
    /// A handler that has first woken another task, which answers a client.
    BehindLifo,
    /// A handler on whose core timers come due meanwhile, each of which answers a client.
    Timers,
}

impl Variant {
    /// Every variant, in the order in which tables show them.
    pub const ALL: [Variant; 10] = [
        Variant::Nothing,
        Variant::Io,
        Variant::Foreign,
        Variant::Lifo,
        Variant::Spawned,
        Variant::Timer,
        Variant::Fds,
        Variant::Queued,
        Variant::BehindLifo,
        Variant::Timers,
    ];

    /// The name used on command lines and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Nothing => "nothing",
            Variant::Io => "io",
            Variant::Foreign => "foreign",
            Variant::Lifo => "lifo",
            Variant::Spawned => "spawned",
            Variant::Timer => "timer",
            Variant::Fds => "fds",
            Variant::Queued => "queued",
            Variant::BehindLifo => "behind-lifo",
            Variant::Timers => "timers",
        }
    }

    /// How many connections do round trips, in turn, so that together they do one a millisecond.
    fn pulsing_connections(self) -> u32 {
        match self {
            Variant::Fds => 16,
            _ => 1,
        }
    }

    /// How many connections wait for an answer that is given because a task is about to block.
    fn parked_connections(self) -> usize {
        match self {
            Variant::Queued | Variant::Timers => 50,
            Variant::BehindLifo => 1,
            _ => 0,
        }
    }

    /// How long after the blocking request a parked connection's answer is due.
    fn answers_after(self) -> Duration {
        match self {
            Variant::Timers => LATER,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How long the wait is that ends in the block, where a task waits before it blocks.
const SOON: Duration = Duration::from_millis(5);

/// When timers come due that shall do so while a task blocks.
const LATER: Duration = Duration::from_millis(20);

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// An answer at once.
    Echo,
    /// An answer, and the end of the connection, when a task is about to block.
    Park,
    /// That a task blocks; the answer comes when it no longer does.
    Block,
}

impl Request {
    const ALL: [Request; 3] = [Request::Echo, Request::Park, Request::Block];

    fn of(message: &Message) -> io::Result<Self> {
        let request = request_of(message);
        let kind = Request::ALL
            .into_iter()
            .find(|&kind| messages::Request::from(kind) == request);
        kind.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unknown request"))
    }
}

impl From<Request> for messages::Request {
    fn from(request: Request) -> Self {
        (request as u64).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::MESSAGE_SIZE;

    #[test]
    fn every_variant_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = Variant::ALL.map(Variant::name).into();
        assert_eq!(names.len(), Variant::ALL.len());
    }

    #[test]
    fn a_message_tells_its_request() {
        for request in Request::ALL {
            let mut message = [u8::MAX; MESSAGE_SIZE];
            assert!(Request::of(&message).is_err());
            message[..8].copy_from_slice(&messages::Request::from(request));
            assert_eq!(Request::of(&message).unwrap(), request);
        }
    }
}
