//! What bad use gets: a panic of one sentence that names the way out, or the system's error.

mod support;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use mini_rt::io::{AsyncFd, Interest};
use mini_rt::net::{AsyncTcpListener, AsyncTcpSocket, AsyncTcpStream, lookup_host};
use mini_rt::runtime::{Builder, Handle};

use support::kinds::{Kind, on_every_kind};
use support::process::{in_own_process, skip};
use support::sockets::{closed_port, listen, std_pair};
use support::tasks::{panic_of, park_on};
use support::watchdog::Watchdog;

/// Checks that a panic's text is one sentence, and has these words.
fn assert_sentence(text: &str, words: &[&str]) {
    assert!(!text.contains('\n') && !text.contains(". "), "{text:?}");
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

fn assert_needs_runtime<R>(use_it: impl FnOnce() -> R) {
    let words = [
        "no mini_rt runtime",
        "`Runtime::block_on`",
        "`#[mini_rt::main]`",
        "`Runtime::enter`",
    ];
    assert_sentence(&panic_of(use_it), &words);
}

#[test]
fn io_without_a_runtime_panics_and_names_the_way_out() {
    let _watchdog = Watchdog::seconds("I/O without a runtime", 30);
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let (ours, _theirs) = std_pair();
    assert_needs_runtime(|| park_on(AsyncTcpListener::bind(any)));
    assert_needs_runtime(|| park_on(AsyncTcpStream::connect(any)));
    assert_needs_runtime(|| AsyncTcpSocket::new_v4().unwrap().listen(8));
    assert_needs_runtime(|| park_on(AsyncTcpSocket::new_v4().unwrap().connect(any)));
    assert_needs_runtime(|| AsyncTcpStream::from_std(ours.try_clone().unwrap()));
    assert_needs_runtime(|| AsyncTcpListener::from_std(TcpListener::bind(any).unwrap()));
    assert_needs_runtime(|| AsyncFd::new(ours.try_clone().unwrap()));
    assert_needs_runtime(|| AsyncFd::lazy(ours.try_clone().unwrap()));
    assert_needs_runtime(|| park_on(async { lookup_host("localhost:80").await.map(drop) }));
    assert_needs_runtime(|| mini_rt::spawn(async {}));
    assert_needs_runtime(|| mini_rt::spawn_blocking(|| ()));
    assert_needs_runtime(Handle::current);
}

#[test]
fn asking_for_the_current_runtime_gives_an_error_where_there_is_none() {
    let _watchdog = Watchdog::seconds("asking for the current runtime", 30);
    let error = Handle::try_current().unwrap_err();
    assert_sentence(&error.to_string(), &["no mini_rt runtime"]);
    let runtime = Kind::CurrentThread.build();
    {
        let _guard = runtime.enter();
        assert!(Handle::try_current().is_ok());
    }
    assert!(Handle::try_current().is_err());
    assert!(runtime.block_on(async { Handle::try_current().is_ok() }));
    // A thread that the runtime did not start has none either.
    let elsewhere = runtime.block_on(support::tasks::on_thread(|| Handle::try_current().is_ok()));
    assert!(!elsewhere);
}

#[test]
fn numbers_of_threads_that_make_no_sense_panic() {
    let text = panic_of(|| Builder::new_multi_thread().worker_threads(0).build());
    assert_sentence(&text, &["`worker_threads`", "at least 1"]);
    let text = panic_of(|| {
        Builder::new_multi_thread()
            .worker_threads(usize::MAX)
            .build()
    });
    assert_sentence(&text, &["`worker_threads`"]);
    let text = panic_of(|| {
        Builder::new_current_thread()
            .max_blocking_threads(0)
            .build()
    });
    assert_sentence(&text, &["`max_blocking_threads`", "at least 1"]);
}

#[test]
fn an_address_in_use_says_so() {
    on_every_kind("an address in use", 30, |kind| {
        kind.build().block_on(async {
            let (_listener, addr) = listen().await;
            let error = AsyncTcpListener::bind(addr).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
        });
    });
}

#[test]
fn a_port_that_is_not_allowed_says_so() {
    const TEST: &str = "a_port_that_is_not_allowed_says_so";
    let setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let first_free: u16 = match std::fs::read_to_string(setting) {
        Ok(text) => text.trim().parse().unwrap(),
        Err(_) => 1024,
    };
    if first_free <= 1 {
        return skip(TEST, "this system allows every port to everybody");
    }
    in_own_process(TEST, || {
        if let Err(error) = drop_privileges() {
            return skip(TEST, &format!("privileges cannot be dropped, {error}"));
        }
        let runtime = Kind::CurrentThread.build();
        let bind = AsyncTcpListener::bind((Ipv4Addr::LOCALHOST, first_free - 1));
        let error = runtime.block_on(bind).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    });
}

/// Becomes a user that may not bind low ports, if this one may.
fn drop_privileges() -> io::Result<()> {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: no memory is passed.
    let failed = unsafe { libc::geteuid() == 0 && libc::setuid(NOBODY) != 0 };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[test]
fn a_refused_connection_says_so() {
    on_every_kind("a refused connection", 30, |kind| {
        let (_socket, closed) = closed_port();
        let error = kind
            .build()
            .block_on(AsyncTcpStream::connect(closed))
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    });
}

#[test]
fn a_name_that_does_not_resolve_gives_what_the_system_says() {
    // A label of a name has 63 characters at most, so nobody needs to ask the network.
    let name = format!("{}:80", "x".repeat(64));
    let name = name.as_str();
    let expected = name.to_socket_addrs().map(drop).unwrap_err();
    on_every_kind("a name that does not resolve", 60, |kind| {
        kind.build().block_on(async {
            let errors = [
                lookup_host(name).await.map(drop).unwrap_err(),
                AsyncTcpStream::connect(name).await.unwrap_err(),
                AsyncTcpListener::bind(name).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), expected.kind());
                assert_eq!(error.to_string(), expected.to_string());
            }
        });
    });
}

#[test]
#[cfg(all(target_os = "linux", not(mini_rt_kqueue)))] // kqueue watches files
fn descriptors_that_cannot_be_watched_are_refused() {
    use std::fs::File;
    on_every_kind("descriptors that cannot be watched", 30, |kind| {
        kind.build().block_on(async {
            let executable = std::env::current_exe().unwrap();
            for path in [executable.as_path(), "/dev/null".as_ref(), "/".as_ref()] {
                let error = AsyncFd::new(File::open(path).unwrap()).unwrap_err();
                assert_eq!(
                    error.raw_os_error(),
                    Some(libc::EPERM),
                    "{}",
                    path.display()
                );
                // Taken on trust, it is found out at the first wait.
                let trusted = AsyncFd::lazy(File::open(path).unwrap());
                let blocks = |_: &File| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into());
                let error = trusted
                    .async_io(Interest::READABLE, blocks)
                    .await
                    .unwrap_err();
                assert_eq!(
                    error.raw_os_error(),
                    Some(libc::EPERM),
                    "{}",
                    path.display()
                );
            }
        });
    });
}

#[test]
fn polling_both_directions_at_once_panics() {
    let text = Kind::CurrentThread.build().block_on(async {
        let (ours, _theirs) = std_pair();
        let fd = AsyncFd::lazy(ours);
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        panic_of(|| fd.poll_io(&mut cx, both, |_: &TcpStream| Ok(())).is_ready())
    });
    assert_sentence(&text, &["one direction"]);
}
