#!/usr/bin/env bash
# Measures how late sleeps end on an idle runtime; the arguments are those of src/bin/lateness.rs.
#
#     benches/lateness.sh                                10 rounds: about half a minute
#     benches/lateness.sh --quick                        2 rounds
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin lateness
exec "${CARGO_TARGET_DIR:-target}/measure/lateness" "$@"
