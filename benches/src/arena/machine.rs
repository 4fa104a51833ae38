//! Where figures come from.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

/// The versions of the peers, as the lock file has them.
const PEERS: [&str; 3] = ["tokio", "smol", "nio"];

/// The machine, and what was built.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The commit, with a mark if something was changed since.
    pub commit: String,
    /// The peers and their versions.
    pub peers: Vec<String>,
}

impl Machine {
    /// This one. What cannot be found out is left empty.
    pub fn this() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = fs::read_to_string(lock).unwrap_or_default();
        Self {
            processor: processor.unwrap_or_default(),
            cpus: available_parallelism().map_or(0, Into::into),
            kernel: output("uname", &["-sr"]),
            rustc: output("rustc", &["--version"]),
            commit: output("git", &["describe", "--always", "--dirty"]),
            peers: PEERS
                .iter()
                .filter_map(|name| version(&lock, name))
                .collect(),
        }
    }
}

/// A package with its version.
fn version(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    let (version, _) = rest.split_once('"')?;
    Some(format!("{package} {version}"))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cpus,
            kernel,
            rustc,
            commit,
            peers,
        } = self;
        let peers = peers.join(", ");
        write!(
            f,
            "{processor}, {cpus} CPUs, {kernel}; {rustc}; mini_rt {commit}, {peers}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_package_with_exactly_this_name() {
        let lock =
            "name = \"tokio-util\"\nversion = \"0.7\"\n\nname = \"tokio\"\nversion = \"1.5\"\n";
        assert_eq!(version(lock, "tokio").as_deref(), Some("tokio 1.5"));
        assert_eq!(version(lock, "smol"), None);
    }
}
