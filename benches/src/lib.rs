//! Comparisons of `mini_rt` with its peers: tokio, smol and nio.
//!
//! The [`operations`] are small loops over one operation of a scheduler, to be counted by callgrind. The
//! [`echo`] servers are one handler on each runtime, driven by the [`load`] client. [`blocked`] has a
//! task block its worker, [`burn`] has handlers that take their time, and both measure what others
//! wait for them. [`request_reply`] compares the root of `block_on` with a task, and [`memory`] counts
//! what an idle task takes. Every runtime runs in a process of its own, is built with the same profile
//! and allocator, and does the same work from the same source text wherever its traits allow.
//!
//! `README.md` in this directory says how to run the comparisons and how to read them.

pub mod arena;
pub mod arguments;
pub mod blocked;
pub mod bulk;
pub mod burn;
pub mod echo;
pub mod http;
pub mod load;
pub mod memory;
pub mod messages;
pub mod network;
pub mod operations;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod request_reply;
pub mod statistics;
pub mod turns;
pub mod usage;
pub mod workloads;
