//! What travels on the connections of the load client.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// What is asked on each connection, and what must come back.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// Messages that come back as they are.
    Echo {
        /// The bytes of a message.
        size: usize,
        /// How many of them are under way at once on each connection.
        in_flight: usize,
    },
    /// The same request again and again, one at a time.
    Exchange(Arc<Exchange>),
}

impl Traffic {
    pub(super) fn check(&self) -> io::Result<()> {
        let is_possible = match self {
            Traffic::Echo { size, in_flight } => *size > 0 && *in_flight > 0,
            Traffic::Exchange(exchange) => {
                !exchange.request.is_empty() && !exchange.reply.is_empty()
            }
        };
        if is_possible {
            return Ok(());
        }
        let reason = "a load needs a byte per message and a message in flight";
        Err(io::Error::new(ErrorKind::InvalidInput, reason))
    }
}

/// A request, and the reply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// The bytes of its reply.
    pub reply: Vec<u8>,
    /// Which bytes of the reply may be others each time.
    pub changing: Range<usize>,
}

impl Exchange {
    /// Whether `received` is what stands in the reply from `at` on.
    pub(super) fn agrees(&self, at: usize, received: &[u8]) -> bool {
        let end = at + received.len();
        let is_same = |from: usize, to: usize| {
            from >= to || received[from - at..to - at] == self.reply[from..to]
        };
        end <= self.reply.len()
            && is_same(at, end.min(self.changing.start))
            && is_same(at.max(self.changing.end), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_may_differ() {
        let exchange = Exchange {
            request: b"?".to_vec(),
            reply: b"abcdef".to_vec(),
            changing: 2..4,
        };
        assert!(exchange.agrees(0, b"abcdef"));
        assert!(exchange.agrees(0, b"abXYef"));
        assert!(exchange.agrees(0, b"ab"));
        assert!(exchange.agrees(1, b"bX"));
        assert!(exchange.agrees(3, b"Ye"));
        assert!(exchange.agrees(5, b"f"));
        for wrong in [b"Xbcdef", b"aXcdef", b"abcdXf", b"abcdeX"] {
            assert!(!exchange.agrees(0, wrong), "{wrong:?}");
        }
        assert!(!exchange.agrees(3, b"YX"));
        assert!(!exchange.agrees(5, b"fg"), "more than the reply");
    }
}
