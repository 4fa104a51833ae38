//! Connecting, above all when it fails.

mod common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use common::{closed_port, impossible_name, on_both_runtimes};
use mini_rt_net::{AsyncTcpListener, AsyncTcpStream};

#[test]
fn a_closed_port_refuses() {
    on_both_runtimes(async || {
        let (_socket, closed) = closed_port();
        let error = AsyncTcpStream::connect(closed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn every_address_is_tried() {
    on_both_runtimes(async || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let [(_one, first), (_other, second)] = [closed_port(), closed_port()];
        let stream = AsyncTcpStream::connect(&[first, second, addr][..])
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
    });
}

#[test]
fn the_last_error_is_reported() {
    on_both_runtimes(async || {
        let (_socket, closed) = closed_port();
        let broadcast = SocketAddr::from((Ipv4Addr::BROADCAST, 80));
        let alone = AsyncTcpStream::connect(broadcast).await.unwrap_err();
        let last = AsyncTcpStream::connect(&[closed, broadcast][..])
            .await
            .unwrap_err();
        assert_eq!(last.raw_os_error(), alone.raw_os_error());
        let refused = AsyncTcpStream::connect(&[broadcast, closed][..])
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_ne!(alone.raw_os_error(), refused.raw_os_error());
    });
}

#[test]
fn names_that_do_not_resolve_give_the_error_of_the_system() {
    on_both_runtimes(async || {
        let name = impossible_name();
        let ours = AsyncTcpStream::connect(&name).await.unwrap_err();
        let std = std::net::TcpStream::connect(&name).unwrap_err();
        assert_eq!(
            (ours.kind(), ours.to_string()),
            (std.kind(), std.to_string())
        );
        let none = AsyncTcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(
            (none.kind(), none.to_string().as_str()),
            (ErrorKind::InvalidInput, "resolved to no address")
        );
    });
}

#[test]
fn hundreds_connect_at_once() {
    on_both_runtimes(async || {
        let listener = AsyncTcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tasks: Vec<_> = (0..300)
            .map(|_| {
                mini_rt_runtime::spawn(async move {
                    AsyncTcpStream::connect(addr)
                        .await
                        .unwrap()
                        .local_addr()
                        .unwrap()
                })
            })
            .collect();
        for _ in 0..300 {
            listener.accept().await.unwrap();
        }
        for task in tasks {
            assert_ne!(task.await.unwrap().port(), 0);
        }
    });
}

#[test]
fn outside_a_runtime_making_a_socket_panics() {
    let mut cx = Context::from_waker(Waker::noop());
    let bound = catch_unwind(AssertUnwindSafe(|| {
        pin!(AsyncTcpListener::bind("127.0.0.1:0"))
            .poll(&mut cx)
            .map_ok(drop)
    }));
    assert!(bound.is_err());
    let connected = catch_unwind(AssertUnwindSafe(|| {
        pin!(AsyncTcpStream::connect((Ipv4Addr::LOCALHOST, 1)))
            .poll(&mut cx)
            .map_ok(drop)
    }));
    assert!(connected.is_err());
}

#[cfg(target_os = "linux")]
mod undecided {
    use std::future::poll_fn;
    use std::task::Poll;

    use futures_util::future::join;
    use mini_rt_net::{AsyncTcpSocket, AsyncTcpStream};

    use crate::common::on_both_runtimes;

    /// With its queue full a listener answers nobody, so the next connection is undecided until
    /// somebody accepts.
    #[test]
    fn a_connection_is_not_taken_for_granted() {
        on_both_runtimes(async || {
            let socket = AsyncTcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let addr = socket.local_addr().unwrap();
            let listener = socket.listen(0).unwrap();

            let mut queued = Vec::new();
            let mut waiting = loop {
                let mut connecting = Box::pin(AsyncTcpStream::connect(addr));
                match poll_fn(|cx| Poll::Ready(connecting.as_mut().poll(cx))).await {
                    Poll::Ready(stream) => queued.push(stream.unwrap()),
                    Poll::Pending => break connecting,
                }
                assert!(queued.len() < 100);
            };
            let accept_all = async {
                for _ in 0..=queued.len() {
                    listener.accept().await.unwrap();
                }
            };
            let (stream, ()) = join(&mut waiting, accept_all).await;
            assert_eq!(stream.unwrap().peer_addr().unwrap(), addr);
        });
    }
}
