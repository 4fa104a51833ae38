//! Comparisons of `mini_rt` with its peers: tokio, smol and nio.
//!
//! Two kinds of comparison live here. The [`workload`]s are small loops over one operation of a
//! scheduler, to be counted by callgrind. The [`echo`] servers are one handler on each runtime,
//! driven by the [`load`] client. Every runtime runs in a process of its own, is built with the same
//! profile and allocator, and does the same work from the same source text wherever its traits allow.
//!
//! `README.md` in this directory says how to run the comparisons and how to read them.

pub mod echo;
pub mod load;
pub mod peer;
pub mod process;
pub mod workload;
