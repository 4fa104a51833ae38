//! From what a caller names an address by to the socket addresses behind it.
//!
//! A literal address is parsed where it stands; only a host name costs a trip to the blocking pool,
//! where the system's resolver may take its time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{option, vec};

use mini_rt_runtime::spawn_blocking;

use sealed::{Resolve, Target};

/// What can be connected to or bound: a socket address, an IP address with a port, or a host name
/// with a port.
///
/// Literal addresses resolve at once. A host name is looked up by the system's resolver in the
/// runtime's blocking pool, and may stand for several addresses. The trait is sealed: it is
/// implemented for the types below only.
///
/// # Example
///
/// ```
/// use mini_rt::net::AsyncTcpListener;
///
/// mini_rt::block_on(async {
///     AsyncTcpListener::bind("127.0.0.1:0").await?;
///     AsyncTcpListener::bind(("localhost", 0)).await?;
///     AsyncTcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).await?;
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
pub trait ToSocketAddrs: Resolve {}

pub(crate) mod sealed {
    use super::SocketAddr;

    pub trait Resolve {
        fn target(&self) -> Target;
    }

    pub enum Target {
        Addr(SocketAddr),
        Addrs(Vec<SocketAddr>),
        Host(String, u16),
        HostWithPort(String),
    }
}

/// Resolves `host` to its socket addresses, in the order in which the system prefers them.
///
/// # Errors
///
/// The system's error if the name does not resolve; [`InvalidInput`](io::ErrorKind::InvalidInput)
/// for a string without a port.
///
/// # Panics
///
/// If a host name has to be looked up and there is no runtime.
///
/// # Cancel safety
///
/// Dropping the future abandons the lookup; the thread that runs it finishes in the background.
///
/// # Example
///
/// ```
/// # mini_rt::block_on(async {
/// for addr in mini_rt::net::lookup_host("localhost:80").await? {
///     assert!(addr.ip().is_loopback());
///     assert_eq!(addr.port(), 80);
/// }
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn lookup_host<A: ToSocketAddrs>(host: A) -> io::Result<LookupHost> {
    match host.target() {
        Target::Addr(addr) => Ok(LookupHost(Addrs::One(Some(addr).into_iter()))),
        Target::Addrs(addrs) => Ok(LookupHost(Addrs::Many(addrs.into_iter()))),
        Target::Host(host, port) => ask_the_system((host, port)).await,
        Target::HostWithPort(host) => ask_the_system(host).await,
    }
}

async fn ask_the_system<N>(name: N) -> io::Result<LookupHost>
where
    N: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let lookup = spawn_blocking(move || name.to_socket_addrs());
    let addrs = lookup.await.map_err(io::Error::other)??;
    Ok(LookupHost(Addrs::Many(addrs)))
}

/// Makes `attempt` with each address of `addrs` until one succeeds; otherwise gives the last error.
pub(crate) async fn try_each<A, R, F>(
    addrs: A,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<R>
where
    A: ToSocketAddrs,
    F: Future<Output = io::Result<R>>,
{
    let mut last_error = None;
    for addr in lookup_host(addrs).await? {
        match attempt(addr).await {
            Ok(success) => return Ok(success),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error
        .unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "resolved to no address")))
}

/// The addresses found by [`lookup_host`].
#[derive(Debug, Clone)]
pub struct LookupHost(Addrs);

#[derive(Debug, Clone)]
enum Addrs {
    One(option::IntoIter<SocketAddr>),
    Many(vec::IntoIter<SocketAddr>),
}

impl Iterator for LookupHost {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match &mut self.0 {
            Addrs::One(addr) => addr.next(),
            Addrs::Many(addrs) => addrs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Addrs::One(addr) => addr.size_hint(),
            Addrs::Many(addrs) => addrs.size_hint(),
        }
    }
}

impl ExactSizeIterator for LookupHost {}

impl ToSocketAddrs for SocketAddr {}
impl Resolve for SocketAddr {
    fn target(&self) -> Target {
        Target::Addr(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {}
impl Resolve for SocketAddrV4 {
    fn target(&self) -> Target {
        Target::Addr((*self).into())
    }
}

impl ToSocketAddrs for SocketAddrV6 {}
impl Resolve for SocketAddrV6 {
    fn target(&self) -> Target {
        Target::Addr((*self).into())
    }
}

impl ToSocketAddrs for (IpAddr, u16) {}
impl Resolve for (IpAddr, u16) {
    fn target(&self) -> Target {
        Target::Addr((*self).into())
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {}
impl Resolve for (Ipv4Addr, u16) {
    fn target(&self) -> Target {
        Target::Addr((*self).into())
    }
}

impl ToSocketAddrs for (Ipv6Addr, u16) {}
impl Resolve for (Ipv6Addr, u16) {
    fn target(&self) -> Target {
        Target::Addr((*self).into())
    }
}

impl ToSocketAddrs for [SocketAddr] {}
impl Resolve for [SocketAddr] {
    fn target(&self) -> Target {
        Target::Addrs(self.to_vec())
    }
}

impl ToSocketAddrs for str {}
impl Resolve for str {
    fn target(&self) -> Target {
        self.parse()
            .map_or_else(|_| Target::HostWithPort(self.to_owned()), Target::Addr)
    }
}

impl ToSocketAddrs for String {}
impl Resolve for String {
    fn target(&self) -> Target {
        self.as_str().target()
    }
}

impl ToSocketAddrs for (&str, u16) {}
impl Resolve for (&str, u16) {
    fn target(&self) -> Target {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Target::Addr((ip, port).into()),
            Err(_) => Target::Host(host.to_owned(), port),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}
impl Resolve for (String, u16) {
    fn target(&self) -> Target {
        (self.0.as_str(), self.1).target()
    }
}

impl<A: ToSocketAddrs + ?Sized> ToSocketAddrs for &A {}
impl<A: Resolve + ?Sized> Resolve for &A {
    fn target(&self) -> Target {
        (**self).target()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_rt_runtime::runtime::Builder;
    use std::future::ready;

    fn block_on<F: Future>(future: F) -> F::Output {
        Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn resolve<A: ToSocketAddrs>(addrs: A) -> Vec<SocketAddr> {
        block_on(lookup_host(addrs)).unwrap().collect()
    }

    fn parse(addr: &str) -> SocketAddr {
        addr.parse().unwrap()
    }

    #[test]
    fn every_literal_form_resolves_to_itself() {
        let v4 = parse("127.0.0.1:80");
        assert_eq!(resolve(v4), [v4]);
        assert_eq!(resolve(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)), [v4]);
        assert_eq!(resolve((IpAddr::V4(Ipv4Addr::LOCALHOST), 80)), [v4]);
        assert_eq!(resolve((Ipv4Addr::LOCALHOST, 80)), [v4]);
        assert_eq!(resolve("127.0.0.1:80"), [v4]);
        let owned = String::from("127.0.0.1:80");
        assert_eq!(resolve(&owned), [v4]);
        assert_eq!(resolve(owned), [v4]);
        assert_eq!(resolve(("127.0.0.1", 80)), [v4]);
        assert_eq!(resolve((String::from("127.0.0.1"), 80)), [v4]);

        let v6 = parse("[::1]:443");
        assert_eq!(
            resolve(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 0, 0)),
            [v6]
        );
        assert_eq!(resolve((Ipv6Addr::LOCALHOST, 443)), [v6]);
        assert_eq!(resolve("[::1]:443"), [v6]);
        assert_eq!(resolve(("::1", 443)), [v6]);

        assert_eq!(resolve(&[v6, v4][..]), [v6, v4]);
        assert_eq!(resolve(&[][..]), []);
    }

    #[test]
    fn only_names_are_left_to_the_system() {
        for literal in ["127.0.0.1:80", "[::1]:80"] {
            assert!(matches!(literal.target(), Target::Addr(_)));
        }
        assert!(matches!(("::1", 80).target(), Target::Addr(_)));
        assert!(matches!("localhost:80".target(), Target::HostWithPort(_)));
        assert!(matches!(("localhost", 80).target(), Target::Host(_, 80)));
    }

    #[test]
    fn a_host_name_is_looked_up() {
        for addrs in [
            resolve("localhost:81"),
            resolve(("localhost", 81)),
            resolve((String::from("localhost"), 81)),
        ] {
            assert!(!addrs.is_empty());
            assert!(
                addrs
                    .iter()
                    .all(|addr| addr.ip().is_loopback() && addr.port() == 81)
            );
        }
    }

    #[test]
    fn errors_are_those_of_std() {
        // A label of a name has 63 characters at most, so nobody needs to ask the network.
        let impossible = format!("{}:80", "x".repeat(64));
        for name in ["no-port", "127.0.0.1", "localhost:port", &impossible] {
            let ours = block_on(lookup_host(name)).unwrap_err();
            let std = std::net::ToSocketAddrs::to_socket_addrs(name).unwrap_err();
            assert_eq!(
                (ours.kind(), ours.to_string()),
                (std.kind(), std.to_string())
            );
        }
    }

    #[test]
    fn the_iterator_knows_its_length() {
        let addrs = [parse("1.2.3.4:5"), parse("[::2]:5")];
        let mut found = block_on(lookup_host(&addrs[..])).unwrap();
        assert_eq!(found.len(), 2);
        found.next();
        assert_eq!(found.len(), 1);
        assert_eq!(block_on(lookup_host(addrs[0])).unwrap().len(), 1);
    }

    #[test]
    fn try_each_stops_at_the_first_success() {
        let addrs = [parse("1.2.3.4:1"), parse("1.2.3.4:2"), parse("1.2.3.4:3")];
        let mut tried = Vec::new();
        let port = block_on(try_each(&addrs[..], |addr| {
            tried.push(addr.port());
            ready(if addr.port() == 2 {
                Ok(addr.port())
            } else {
                Err(io::Error::other("not 2"))
            })
        }));
        assert_eq!(port.unwrap(), 2);
        assert_eq!(tried, [1, 2]);
    }

    #[test]
    fn try_each_reports_the_last_error_or_that_there_was_nothing_to_try() {
        let addrs = [parse("1.2.3.4:1"), parse("1.2.3.4:2")];
        let fail = |addr: SocketAddr| {
            ready(io::Result::<()>::Err(io::Error::other(
                addr.port().to_string(),
            )))
        };
        assert_eq!(
            block_on(try_each(&addrs[..], fail))
                .unwrap_err()
                .to_string(),
            "2"
        );
        let error = block_on(try_each(&[][..], fail)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::InvalidInput, "resolved to no address")
        );
    }
}
