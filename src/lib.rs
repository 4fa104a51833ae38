//! A small and fast async runtime.
pub use mini_rt_runtime::{block_on, runtime, spawn, spawn_blocking};

pub mod task {
    //! Tasks and their handles.
    pub use mini_rt_runtime::task::*;
    pub use mini_rt_runtime::{spawn, spawn_blocking};
}

pub mod io {
    //! Input and output.
    pub use futures_util::io::*;
    pub use mini_rt_runtime::io::*;
}

pub mod net {
    //! Sockets.
    pub use mini_rt_net::*;
}

pub mod prelude {
    //! The traits that most programs need.
    pub use futures_util::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
    pub use futures_util::stream::StreamExt as _;
}
