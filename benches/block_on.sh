#!/usr/bin/env bash
# Measures a request and its reply over loopback, with the client in `block_on` and in a task; the
# arguments are those of src/bin/block_on.rs.
#
#     benches/block_on.sh                                11 rounds: about half a minute
#     benches/block_on.sh --quick                        3 rounds
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin block_on
exec "${CARGO_TARGET_DIR:-target}/measure/block_on" "$@"
