//! The connections of a listener as a stream.
//!
//! Each stream waits in a future of its own, kept in one allocation for its whole life, rather than
//! by `poll_accept`: that is for one task, and the tasks of two streams on one listener would wake
//! each other without end.

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::stream::unfold;

use super::{AsyncTcpListener, AsyncTcpStream};

/// The connections of a listener, made by [`AsyncTcpListener::incoming`] and
/// [`AsyncTcpListener::into_incoming`].
///
/// The stream never ends. An item is an error where [`accept`](AsyncTcpListener::accept) would give
/// one, and the stream goes on after it.
pub struct Incoming<'a> {
    connections: Pin<Box<dyn Stream<Item = io::Result<AsyncTcpStream>> + Send + 'a>>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(listener: impl Borrow<AsyncTcpListener> + Send + Sync + 'a) -> Incoming<'a> {
        let connections = unfold(listener, async |listener| {
            let accepted = listener.borrow().accept().await;
            Some((accepted.map(|(stream, _)| stream), listener))
        });
        Incoming {
            connections: Box::pin(connections),
        }
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<AsyncTcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.as_mut().poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
