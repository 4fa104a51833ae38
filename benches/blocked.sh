#!/usr/bin/env bash
# Measures how long a client waits while a task of the server blocks its worker thread; the arguments
# are those of src/bin/blocked.rs.
#
#     benches/blocked.sh                                 every variant, 20 runs each: about 11 minutes
#     benches/blocked.sh --quick                         the same with 2 runs: about 1 minute
#     benches/blocked.sh --variant io,fds --runs 20
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin blocked
exec "${CARGO_TARGET_DIR:-target}/measure/blocked" "$@"
