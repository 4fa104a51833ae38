//! Comparisons of `mini_rt` with its peers: tokio, smol and nio.
//!
//! The [`arena`] has every peer take its turns at the [`workloads`], each in a process of its own. The
//! servers that they need, [`echo`] and others, are one handler on each runtime, driven by the [`load`]
//! client. [`blocked`] has a task block its worker, [`burn`] has handlers that take their time, and both measure
//! what others wait for them. The [`operations`] are small loops, to be counted by callgrind. All peers are
//! built with the same profile and allocator, and do the same work from the same source text wherever their
//! traits allow.
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
pub mod signal;
pub mod statistics;
pub mod turns;
pub mod usage;
pub mod workloads;
