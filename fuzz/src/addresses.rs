//! Strings that name an address: a literal is what the standard library says it is, at once, and everything
//! else is left to the system's resolver, whose errors come through.
//!
//! The resolver is asked only where it finds fault with the string itself. A name that it would look for
//! goes to a runtime that has ended, which refuses to look.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::{io, str::FromStr};

use futures_util::FutureExt;
use mini_rt::net::{ToSocketAddrs, lookup_host};
use mini_rt::runtime::{Builder, Handle, Runtime};

/// Checks all forms in which the text can name an address.
///
/// # Panics
///
/// If one of them is not understood as it should be.
pub fn check(text: &str) {
    let literal = SocketAddr::from_str(text).ok();
    check_literal(text, literal);
    check_literal(text.to_owned(), literal);
    let with_port = |ip| SocketAddr::new(ip, 80);
    let literal_ip = IpAddr::from_str(text).ok().map(with_port);
    check_literal((text, 80), literal_ip);
    check_literal((text.to_owned(), 80), literal_ip);
    if let Some(addr) = literal {
        check_literal(addr.to_string(), literal);
        // An address of IPv6 with a zone has no such form.
        check_literal(
            (addr.ip().to_string(), addr.port()),
            Some(SocketAddr::new(addr.ip(), addr.port())),
        );
    } else if !has_port(text) && text.len().is_multiple_of(16) {
        // This takes far longer than the rest, for it goes to another thread.
        check_error(text);
    }
}

/// What is a literal resolves at once, to itself; what is none does not.
fn check_literal(name: impl ToSocketAddrs + Debug, literal: Option<SocketAddr>) {
    let _guard = ended().enter();
    let found = lookup_host(&name).now_or_never();
    let Some(addr) = literal else {
        return assert!(matches!(found, Some(Err(_))), "{name:?} is no literal");
    };
    let found = found.expect("a literal does not wait").expect("a literal");
    assert!(found.eq([addr]), "{name:?}");
}

/// The error of what cannot be a name is that of the standard library.
fn check_error(text: &str) {
    let ours = runtime().block_on(lookup_host(text)).map(drop);
    let std = std::net::ToSocketAddrs::to_socket_addrs(text).map(drop);
    let explain =
        |result: io::Result<()>| result.map_err(|error| (error.kind(), error.to_string()));
    assert_eq!(explain(ours), explain(std), "{text:?}");
}

/// Whether a resolver would be asked for what stands before the port.
fn has_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(_, port)| u16::from_str(port).is_ok())
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("a runtime"))
}

/// A runtime that has ended.
fn ended() -> &'static Handle {
    static ENDED: OnceLock<Handle> = OnceLock::new();
    ENDED.get_or_init(|| {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.handle().clone()
    })
}
