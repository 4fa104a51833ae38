//! What can happen on a runtime.

use std::future::Future;
use std::pin::Pin;

use super::actor::Actor;
use super::{sockets, tasks, threads, timers};

/// A scenario that is played.
pub type Play = Pin<Box<dyn Future<Output = Option<()>> + Send>>;

/// What an actor can play. It gives nothing if the end of the runtime has cut it short.
pub type Scenario = fn(Actor) -> Play;

/// All of them, by their names.
pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("a crowd", |actor| Box::pin(tasks::crowd(actor))),
    ("a set", |actor| Box::pin(tasks::set(actor))),
    ("a relay", |actor| Box::pin(tasks::relay(actor))),
    ("wakers abroad", |actor| {
        Box::pin(tasks::wakers_abroad(actor))
    }),
    ("panics", |actor| Box::pin(tasks::panics(actor))),
    ("a tree", |actor| Box::pin(tasks::tree(actor))),
    ("sleeps", |actor| Box::pin(timers::sleeps(actor))),
    ("intervals", |actor| Box::pin(timers::intervals(actor))),
    ("time limits", |actor| Box::pin(timers::time_limits(actor))),
    ("races", |actor| Box::pin(timers::races(actor))),
    ("an echo", |actor| Box::pin(sockets::echo(actor))),
    ("a blocking peer", |actor| {
        Box::pin(sockets::blocking_peer(actor))
    }),
    ("impatience", |actor| Box::pin(sockets::impatience(actor))),
    ("resets", |actor| Box::pin(sockets::resets(actor))),
    ("a common listener", |actor| {
        Box::pin(sockets::common_listener(actor))
    }),
    ("a stream that moves", |actor| {
        Box::pin(sockets::moving(actor))
    }),
    ("blocking in place", |actor| {
        Box::pin(threads::in_place(actor))
    }),
    ("blocking closures", |actor| {
        Box::pin(threads::closures(actor))
    }),
    ("visitors", |actor| Box::pin(threads::visitors(actor))),
    ("local tasks", |actor| Box::pin(threads::local_tasks(actor))),
    ("another runtime", |actor| {
        Box::pin(threads::another_runtime(actor))
    }),
    ("a stuck worker", |actor| {
        Box::pin(threads::stuck_worker(actor))
    }),
];
