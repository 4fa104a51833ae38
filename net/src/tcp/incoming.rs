//! The connections of a listener as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::{AsyncTcpListener, AsyncTcpStream};

/// The connections of a listener, made by [`AsyncTcpListener::incoming`] and
/// [`AsyncTcpListener::into_incoming`].
///
/// The stream never ends. An item is an error where [`accept`](AsyncTcpListener::accept) would give
/// one, and the stream goes on after it.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: Listener<'a>,
}

#[derive(Debug)]
enum Listener<'a> {
    Borrowed(&'a AsyncTcpListener),
    Owned(AsyncTcpListener),
}

impl<'a> Incoming<'a> {
    pub(super) fn borrowing(listener: &'a AsyncTcpListener) -> Self {
        Self {
            listener: Listener::Borrowed(listener),
        }
    }

    pub(super) fn owning(listener: AsyncTcpListener) -> Self {
        Self {
            listener: Listener::Owned(listener),
        }
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<AsyncTcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let listener = match &self.listener {
            Listener::Borrowed(listener) => listener,
            Listener::Owned(listener) => listener,
        };
        listener
            .poll_accept(cx)
            .map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
