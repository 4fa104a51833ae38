#!/usr/bin/env bash
# Measures the resident memory that an idle task takes; the arguments are those of src/bin/memory.rs.
#
#     benches/memory.sh                                  a million tasks, 3 rounds: about half a minute
#     benches/memory.sh --quick                          200,000 tasks, once
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin memory
exec "${CARGO_TARGET_DIR:-target}/measure/memory" "$@"
