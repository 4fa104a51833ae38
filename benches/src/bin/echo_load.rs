//! Loads an echo server and prints one line of JSON; fails on an error or a lost byte.
//!
//! `echo_load --addr IP:PORT [--connections N] [--size BYTES] [--threads N] [--server-pid PID]` with
//! `[--warmup SECONDS] [--seconds SECONDS]` for a run by time, or `--requests N` for exactly so many
//! requests on each connection.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use mini_rt_benches::load::{self, Amount, Load, Report};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let report = load::run(&load_from_arguments()?)?;
    print(&report);
    match report.failures.first {
        None => Ok(ExitCode::SUCCESS),
        Some(reason) => {
            eprintln!("the first failure: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn load_from_arguments() -> Result<Load, Box<dyn Error>> {
    let mut addr: Option<SocketAddr> = None;
    let mut load = Load {
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        connections: 64,
        size: 64,
        threads: 1,
        amount: Amount::RequestsPerConnection(0),
        server_pid: None,
    };
    let mut warmup = 0.5;
    let mut seconds = 5.0;
    let mut requests: Option<u64> = None;

    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("addr") => addr = Some(arguments.value()?.parse()?),
            Long("connections") => load.connections = arguments.value()?.parse()?,
            Long("size") => load.size = arguments.value()?.parse()?,
            Long("threads") => load.threads = arguments.value()?.parse()?,
            Long("server-pid") => load.server_pid = Some(arguments.value()?.parse()?),
            Long("warmup") => warmup = arguments.value()?.parse()?,
            Long("seconds") => seconds = arguments.value()?.parse()?,
            Long("requests") => requests = Some(arguments.value()?.parse()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    load.addr = addr.ok_or("--addr is missing")?;
    load.amount = match requests {
        Some(requests) => Amount::RequestsPerConnection(requests),
        None => Amount::Window {
            warmup: Duration::try_from_secs_f64(warmup)?,
            measured: Duration::try_from_secs_f64(seconds)?,
        },
    };
    Ok(load)
}

fn print(report: &Report) {
    let microseconds = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    let server_ns = match report.server_ns_per_request() {
        Some(nanoseconds) => format!("{nanoseconds:.0}"),
        None => "null".to_owned(),
    };
    println!(
        "{{\"requests\":{},\"seconds\":{:.3},\"requests_per_second\":{:.0},\
         \"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\
         \"server_cpu_ns_per_request\":{server_ns},\"errors\":{},\"lost_bytes\":{}}}",
        report.requests,
        report.elapsed.as_secs_f64(),
        report.requests_per_second(),
        microseconds(0.5),
        microseconds(0.99),
        microseconds(0.999),
        report.failures.errors,
        report.failures.lost_bytes,
    );
}
