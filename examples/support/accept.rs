//! Accepting connections in a server that must not stop.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use mini_rt::net::{AsyncTcpListener, AsyncTcpStream};

/// How long to wait for descriptors or memory to become free.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for the next connection, whatever it takes.
///
/// An `accept` that fails for lack of file descriptors would fail again at once, so a failure is
/// followed by a pause. It is reported only once until a connection has been accepted.
pub async fn accept(listener: &AsyncTcpListener) -> (AsyncTcpStream, SocketAddr) {
    let mut reported = false;
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !reported {
                    eprintln!("accept: {error}; trying again every {PAUSE:?}");
                    reported = true;
                }
                pause().await;
            }
        }
    }
}

/// Sleeps on a thread of the blocking pool, because `mini_rt` has no timers.
async fn pause() {
    let paused = mini_rt::spawn_blocking(|| thread::sleep(PAUSE)).await;
    if paused.is_err() {
        // The system gives no thread either: block this one for a moment, then let its tasks run.
        thread::sleep(PAUSE / 20);
        mini_rt::task::yield_now().await;
    }
}
