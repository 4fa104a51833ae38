//! Does an exact number of scheduler operations on one runtime and exits, for callgrind to count.
//!
//! `ops RUNTIME WORKLOAD OPERATIONS`, for instance `ops mini_rt ping_pong 10000`.

use std::error::Error;
use std::ffi::OsString;

use lexopt::ValueExt;
use mini_rt_benches::peer::Peer;
use mini_rt_benches::workload::Workload;

fn main() -> Result<(), Box<dyn Error>> {
    let [peer, workload, operations] = arguments()?;
    let peer: Peer = peer.parse()?;
    let workload: Workload = workload.parse()?;
    workload.run(peer, operations.parse()?)?;
    Ok(())
}

fn arguments() -> Result<[OsString; 3], &'static str> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments
        .try_into()
        .map_err(|_| "usage: ops RUNTIME WORKLOAD OPERATIONS")
}
