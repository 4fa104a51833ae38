//! What an operation costs that is done again and again in a task.

use std::any::Any;
use std::future::Future;
use std::io;

use crate::arena::child::{Moment, Outcome};

/// The share of the operations that are done once more before, to warm up.
const WARMUP: u64 = 10;

/// What a loop of operations has done.
pub(super) struct Done {
    operations: u64,
    /// Dropped when the measurement has ended.
    _kept: Option<Box<dyn Any + Send>>,
}

impl Done {
    /// So many operations, and what is not to be dropped within the measurement.
    pub(super) fn keeping(operations: u64, kept: impl Any + Send) -> Self {
        Self {
            operations,
            _kept: Some(Box::new(kept)),
        }
    }
}

impl From<u64> for Done {
    fn from(operations: u64) -> Self {
        Self {
            operations,
            _kept: None,
        }
    }
}

/// The cost of each of `operations` operations that `work` does, after some to warm up.
///
/// `work` is given a width, which divides the number of operations, and that number; it returns what
/// it has really done.
///
/// # Errors
/// When it has done more or less; [`io::ErrorKind::InvalidInput`] when the width does not divide the
/// number of operations, or that is zero.
pub(super) async fn measured<W, F>(width: u64, operations: u64, work: W) -> io::Result<Outcome>
where
    W: Fn(u64, u64) -> F,
    F: Future<Output: Into<Done>>,
{
    if operations == 0 || width == 0 || operations % width != 0 {
        let reason = format!("{operations} operations are no multiple of {width}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let warmup = (operations / WARMUP).next_multiple_of(width).max(width);
    expect(warmup, &work(width, warmup).await.into())?;
    let start = Moment::now()?;
    let done = work(width, operations).await.into();
    let end = Moment::now()?;
    expect(operations, &done)?;
    Ok(Outcome::of_operations(operations, &start, &end))
}

fn expect(operations: u64, done: &Done) -> io::Result<()> {
    if done.operations == operations {
        return Ok(());
    }
    let reason = format!("{} of {operations} operations were done", done.operations);
    Err(io::Error::other(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn measure<D: Into<Done>>(
        width: u64,
        operations: u64,
        work: impl Fn(u64) -> D,
    ) -> io::Result<Outcome> {
        let work = |_, operations| std::future::ready(work(operations));
        smol::future::block_on(measured(width, operations, work))
    }

    #[test]
    fn whole_rounds_are_done_first_to_warm_up_and_then_to_be_measured() {
        let asked = Mutex::new(Vec::new());
        let work = |operations| {
            asked.lock().unwrap().push(operations);
            Done::keeping(operations, "what lives longer")
        };
        measure(7, 210, work).unwrap();
        measure(7, 14, work).unwrap();
        assert_eq!(*asked.lock().unwrap(), [21, 210, 7, 14]);
    }

    #[test]
    fn an_operation_that_is_missing_is_an_error() {
        let error = measure(1, 10, |operations| operations - 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        for (width, operations) in [(0, 10), (3, 10), (1, 0)] {
            let error = measure(width, operations, |operations| operations).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
