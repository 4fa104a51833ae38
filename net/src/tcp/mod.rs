//! TCP: listeners, streams, their halves, and sockets that are neither yet.

mod incoming;
mod listener;
mod socket;
mod split;
mod split_owned;
mod stream;
mod transfer;

pub use incoming::Incoming;
pub use listener::AsyncTcpListener;
pub use socket::AsyncTcpSocket;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::AsyncTcpStream;
