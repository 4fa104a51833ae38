//! Every system call of this crate fails in every way that makes sense, at several moments.
//!
//! What must come of it stands in [`answers`]. A call without an answer there does not compile, and one that
//! no scenario comes to fails the test.

mod scenarios;

use scenarios::{CLOSE, FIRST, LIFE};

use crate::sys::Call;
use crate::sys::faults::process::in_own_process;
use crate::sys::faults::{Row, Table, Verdict, Verdict::*};

const NO_MEMORY: &[i32] = &[libc::ENOMEM, libc::ENOBUFS];
const NO_DESCRIPTORS: &[i32] = &[libc::EMFILE, libc::ENFILE];
const INTERRUPTED: &[i32] = &[libc::EINTR];
const NOT_YET: &[i32] = &[libc::EAGAIN];
const BROKEN: &[i32] = &[libc::ECONNRESET, libc::ETIMEDOUT, libc::EHOSTUNREACH];

/// What a call can say, where, and what must come of it. That there is nothing to do is true only of the
/// first try: afterwards the system has promised to tell when there is.
type Answer = (&'static [i32], &'static str, Verdict);

fn answers(call: Call) -> &'static [Answer] {
    match call {
        Call::Socket => &[
            (NO_DESCRIPTORS, LIFE, Told),
            (NO_MEMORY, LIFE, Told),
            (&[libc::EAFNOSUPPORT, libc::EACCES], LIFE, Told),
        ],
        #[cfg(target_vendor = "apple")]
        Call::CloseOnExec => &[(&[libc::EBADF], LIFE, Told)],
        Call::Bind => &[
            (NO_MEMORY, LIFE, Told),
            (
                &[libc::EADDRINUSE, libc::EADDRNOTAVAIL, libc::EACCES],
                LIFE,
                Told,
            ),
        ],
        Call::Listen => &[(NO_MEMORY, LIFE, Told), (&[libc::EADDRINUSE], LIFE, Told)],
        Call::Connect => &[
            (NO_MEMORY, LIFE, Told),
            (&[libc::ECONNREFUSED, libc::ENETUNREACH], LIFE, Told),
            (
                &[libc::EADDRNOTAVAIL, libc::EAGAIN, libc::EPERM],
                LIFE,
                Told,
            ),
            (&[libc::EINTR, libc::EINPROGRESS], LIFE, DoneWithout),
        ],
        Call::TakeError | Call::PeerAddress => &[(NO_MEMORY, LIFE, Told)],
        Call::Accept => &[
            (INTERRUPTED, LIFE, Retried),
            (&[libc::ECONNABORTED], LIFE, Retried),
            (NOT_YET, FIRST, Retried),
            (NO_DESCRIPTORS, LIFE, Told),
            (NO_MEMORY, LIFE, Told),
            (&[libc::EPERM, libc::EPROTO, libc::ENETDOWN], LIFE, Told),
        ],
        Call::SetOption | Call::GetOption => &[
            (NO_MEMORY, LIFE, Told),
            (&[libc::EINVAL, libc::ENOPROTOOPT], LIFE, Told),
        ],
        Call::Receive | Call::ReceiveVectored | Call::Peek => &[
            (INTERRUPTED, LIFE, Retried),
            (NOT_YET, FIRST, Retried),
            (NO_MEMORY, LIFE, Told),
            (BROKEN, LIFE, Told),
        ],
        Call::Send | Call::SendVectored => &[
            (INTERRUPTED, LIFE, Retried),
            (NOT_YET, FIRST, Retried),
            (NO_MEMORY, LIFE, Told),
            (BROKEN, LIFE, Told),
            (&[libc::EPIPE], LIFE, Told),
        ],
        Call::Shutdown => &[
            (&[libc::ENOTCONN, libc::ENOBUFS], LIFE, Told),
            (&[libc::ENOTCONN], CLOSE, DoneWithout),
            (&[libc::ENOBUFS], CLOSE, Told),
        ],
    }
}

/// Whether a call that gives this error has done, or goes on to do, what it was made for.
fn is_made(call: Call, errno: i32) -> bool {
    match call {
        Call::Connect => matches!(errno, libc::EINTR | libc::EINPROGRESS),
        Call::Shutdown => errno == libc::ENOTCONN,
        _ => false,
    }
}

#[test]
fn whatever_call_fails_the_caller_is_told_or_nobody_hears_of_it() {
    const TEST: &str = "faults::whatever_call_fails_the_caller_is_told_or_nobody_hears_of_it";
    in_own_process(TEST, || {
        let mut table = Table::begin();
        for &call in Call::ALL {
            for &(errnos, place, verdict) in answers(call) {
                for &errno in errnos {
                    let row = Row {
                        call,
                        errno,
                        is_made: is_made(call, errno),
                        place,
                        verdict,
                    };
                    let (scenarios, run) = scenarios::at(place);
                    table.try_out(row, &[], scenarios, run);
                }
            }
        }
        table.finish(|_| true);
    });
}
