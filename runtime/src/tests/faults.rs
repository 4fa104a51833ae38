//! Every system call of the runtime fails in every way that makes sense, at several moments.
//!
//! What must come of it stands in [`answers`]. A call without an answer there does not compile, and one that
//! no scenario comes to fails the test.

mod scenarios;

use scenarios::{BUILD, LIFE, MOVING, PINS, RESCUE};

use crate::sys::Call;
use crate::sys::faults::process::in_own_process;
use crate::sys::faults::{Fault, Row, Table, Verdict, Verdict::*, When};

const NO_DESCRIPTORS: &[i32] = &[libc::EMFILE, libc::ENFILE, libc::ENOMEM];
const NO_WATCHES: &[i32] = &[libc::ENOMEM, libc::ENOSPC];
const FORBIDDEN: &[i32] = &[libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EINVAL];
const INTERRUPTED: &[i32] = &[libc::EINTR];

/// What a call can say, where, and what must come of it.
type Answer = (&'static [i32], &'static str, Verdict);

fn answers(call: Call) -> &'static [Answer] {
    match call {
        Call::EpollCreate => &[(NO_DESCRIPTORS, BUILD, Told)],
        Call::EventFd => &[
            (NO_DESCRIPTORS, BUILD, Told),
            (&[libc::ENODEV], BUILD, Told),
        ],
        Call::EpollAdd => &[
            (NO_WATCHES, BUILD, Told),
            (NO_WATCHES, LIFE, Told),
            (&[libc::EPERM], LIFE, Told),
            (NO_WATCHES, MOVING, DoneWithout),
        ],
        Call::EpollModify => &[(&[libc::ENOMEM, libc::ENOENT], LIFE, Told)],
        // It is gone already.
        Call::EpollDelete => &[
            (&[libc::ENOENT, libc::EBADF], BUILD, DoneWithout),
            (&[libc::ENOENT, libc::EBADF], LIFE, DoneWithout),
            (&[libc::ENOENT, libc::EBADF], MOVING, DoneWithout),
            (&[libc::ENOENT, libc::EBADF], RESCUE, DoneWithout),
        ],
        Call::EpollNest => &[
            (NO_WATCHES, RESCUE, DoneWithout),
            (&[libc::ELOOP, libc::EINVAL], RESCUE, DoneWithout),
        ],
        Call::EpollPwait2 => &[
            (INTERRUPTED, BUILD, Retried),
            (INTERRUPTED, LIFE, Retried),
            (INTERRUPTED, MOVING, Retried),
            (INTERRUPTED, RESCUE, Retried),
            (FORBIDDEN, BUILD, DoneWithout),
            (FORBIDDEN, LIFE, DoneWithout),
            (FORBIDDEN, MOVING, DoneWithout),
            (FORBIDDEN, RESCUE, DoneWithout),
        ],
        Call::EpollWait => &[(INTERRUPTED, LIFE, Retried), (INTERRUPTED, RESCUE, Retried)],
        Call::Wake => &[
            (INTERRUPTED, BUILD, Retried),
            (INTERRUPTED, LIFE, Retried),
            (INTERRUPTED, RESCUE, Retried),
        ],
        Call::KqueueCreate => &[(NO_DESCRIPTORS, BUILD, Told)],
        Call::KqueueAdd => &[
            (&[libc::ENOMEM], BUILD, Told),
            (&[libc::ENOMEM, libc::EPERM], LIFE, Told),
            (&[libc::ENOMEM], MOVING, DoneWithout),
            (INTERRUPTED, LIFE, Retried),
        ],
        Call::KqueueModify => &[
            (&[libc::ENOMEM, libc::EBADF], LIFE, Told),
            (INTERRUPTED, LIFE, Retried),
        ],
        // It is gone already.
        Call::KqueueDelete => &[
            (&[libc::EBADF], LIFE, DoneWithout),
            (&[libc::EBADF], MOVING, DoneWithout),
            (&[libc::EBADF], RESCUE, DoneWithout),
            (INTERRUPTED, LIFE, Retried),
        ],
        Call::KqueueWait | Call::KqueueWake => &[
            (INTERRUPTED, BUILD, Retried),
            (INTERRUPTED, LIFE, Retried),
            (INTERRUPTED, RESCUE, Retried),
        ],
        Call::KqueueNest => &[(&[libc::ENOMEM], RESCUE, DoneWithout)],
        Call::GetAffinity => &[
            // There are more CPUs than there was room for.
            (&[libc::EINVAL], BUILD, RetriedOrTold),
            (&[libc::EPERM, libc::ENOSYS], BUILD, Told),
        ],
        Call::SetAffinity => &[(FORBIDDEN, BUILD, Told), (FORBIDDEN, LIFE, DoneWithout)],
        Call::GetTimerSlack | Call::SetTimerSlack => &[(FORBIDDEN, LIFE, DoneWithout)],
        // They cannot fail.
        Call::ReadClock | Call::CloseOnExec => &[],
    }
}

/// Whether this system is asked for it at all.
fn is_made_here(call: Call) -> bool {
    match call {
        // Not in libkqueue, whose kqueues cannot be watched.
        Call::KqueueNest => !cfg!(target_os = "linux"),
        Call::GetAffinity | Call::SetAffinity | Call::GetTimerSlack | Call::SetTimerSlack => PINS,
        _ => true,
    }
}

/// `epoll_wait` is called only where there is no `epoll_pwait2`.
fn scene(call: Call) -> &'static [Fault] {
    match call {
        Call::EpollWait => &[Fault {
            call: Call::EpollPwait2,
            errno: libc::ENOSYS,
            when: When::Always,
            is_made: false,
        }],
        _ => &[],
    }
}

#[test]
fn whatever_call_fails_the_caller_is_told_or_nobody_hears_of_it() {
    const TEST: &str =
        "tests::faults::whatever_call_fails_the_caller_is_told_or_nobody_hears_of_it";
    in_own_process(TEST, || {
        let mut table = Table::begin();
        for &call in Call::ALL.iter().filter(|&&call| is_made_here(call)) {
            for &(errnos, place, verdict) in answers(call) {
                for &errno in errnos {
                    let is_made = matches!(call, Call::EpollDelete | Call::KqueueDelete);
                    let row = Row {
                        call,
                        errno,
                        is_made,
                        place,
                        verdict,
                    };
                    let (scenarios, run) = scenarios::at(place);
                    table.try_out(row, scene(call), scenarios, run);
                }
            }
        }
        table.finish(is_made_here);
    });
}
