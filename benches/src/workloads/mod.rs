//! The workloads of the arena, and the jobs that their children do.
//!
//! Each file has a `workloads` and the jobs for them.

mod bulk;
mod churn;
mod counts;
mod echo;
mod http;
mod isolation;
mod measured;
mod memory;
mod open_loop;
mod pipelined;
mod proxy;
mod request_reply;
mod skew;
mod tasks;
mod time;

use crate::arena::child::Job;
use crate::arena::workload::Workload;

/// Every workload, in the order in which they run.
pub fn all() -> Vec<Workload> {
    [
        tasks::workloads(),
        time::workloads(),
        echo::workloads(),
        open_loop::workloads(),
        churn::workloads(),
        pipelined::workloads(),
        http::workloads(),
        bulk::workloads(),
        skew::workloads(),
        proxy::workloads(),
        request_reply::workloads(),
        isolation::workloads(),
        memory::workloads(),
        counts::workloads(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every job.
pub fn jobs() -> Vec<Job> {
    [
        tasks::JOBS,
        time::JOBS,
        echo::JOBS,
        churn::JOBS,
        http::JOBS,
        bulk::JOBS,
        proxy::JOBS,
        request_reply::JOBS,
        isolation::JOBS,
        memory::JOBS,
        counts::JOBS,
    ]
    .concat()
}

/// The numbers that a job wants.
///
/// # Errors
/// When there are more or fewer.
fn numbers<const N: usize>(given: &[u64]) -> std::io::Result<[u64; N]> {
    given.try_into().map_err(|_| {
        let reason = format!("the job takes {N} numbers");
        std::io::Error::new(std::io::ErrorKind::InvalidInput, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_nobody_competes_alone() {
        let mut names = HashSet::new();
        for workload in all() {
            assert!(workload.peers.len() > 1, "{workload:?}");
            assert!(!workload.name.contains(' '), "{workload:?}");
            assert!(names.insert(workload.name.clone()), "{workload:?}");
        }
        let jobs: HashSet<_> = jobs().iter().map(|job| job.name).collect();
        assert_eq!(jobs.len(), super::jobs().len());
    }
}
