//! Socket addresses in the form that system calls take and give.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

pub(crate) fn as_sockaddr(storage: &sockaddr_storage) -> *const sockaddr {
    (&raw const *storage).cast()
}

pub(crate) fn to_storage(addr: &SocketAddr) -> (sockaddr_storage, socklen_t) {
    // SAFETY: a `sockaddr_storage` is plain data for which zero is a valid value.
    let mut storage: sockaddr_storage = unsafe { mem::zeroed() };
    let len = match addr {
        SocketAddr::V4(addr) => {
            // SAFETY: `sockaddr_storage` has the size and the alignment for every kind of address.
            let v4 = unsafe { &mut *(&raw mut storage).cast::<sockaddr_in>() };
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = addr.port().to_be();
            v4.sin_addr.s_addr = u32::from_ne_bytes(addr.ip().octets());
            size_of::<sockaddr_in>()
        }
        SocketAddr::V6(addr) => {
            // SAFETY: as above.
            let v6 = unsafe { &mut *(&raw mut storage).cast::<sockaddr_in6>() };
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_port = addr.port().to_be();
            v6.sin6_flowinfo = addr.flowinfo();
            v6.sin6_addr.s6_addr = addr.ip().octets();
            v6.sin6_scope_id = addr.scope_id();
            size_of::<sockaddr_in6>()
        }
    };
    (storage, len as socklen_t)
}

pub(crate) fn from_storage(storage: &sockaddr_storage) -> io::Result<SocketAddr> {
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is what the storage holds, and its alignment
            // suffices.
            let v4 = unsafe { &*(&raw const *storage).cast::<sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *storage).cast::<sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Ok(SocketAddrV6::new(
                ip,
                u16::from_be(v6.sin6_port),
                v6.sin6_flowinfo,
                v6.sin6_scope_id,
            )
            .into())
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "neither an IPv4 nor an IPv6 address",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_through_the_system_form() {
        for addr in [
            "127.0.0.1:80",
            "0.0.0.0:0",
            "255.1.2.3:65535",
            "[::1]:443",
            "[fe80::1:2%7]:9",
        ] {
            let addr: SocketAddr = addr.parse().unwrap();
            let (storage, len) = to_storage(&addr);
            assert_eq!(from_storage(&storage).unwrap(), addr);
            assert!(len as usize <= size_of::<sockaddr_storage>());
        }
        let labelled = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0x12345, 3));
        assert_eq!(from_storage(&to_storage(&labelled).0).unwrap(), labelled);
    }

    #[test]
    fn an_address_of_another_family_is_an_error() {
        let (mut storage, _) = to_storage(&"127.0.0.1:80".parse().unwrap());
        storage.ss_family = libc::AF_UNIX as _;
        assert_eq!(
            from_storage(&storage).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
