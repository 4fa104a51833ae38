//! A set as a stream of outputs.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::JoinSet;
use crate::task::JoinError;

/// Gives the outputs as [`join_next`](JoinSet::join_next) does.
impl<T> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> FusedStream for JoinSet<T> {
    /// Whether the set is empty. So a `select!` passes over a set without tasks until there is one.
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}
