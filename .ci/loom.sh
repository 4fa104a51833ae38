#!/usr/bin/env bash
# Explores the interleavings of the lock-free parts with loom.
#
#     .ci/loom.sh [name of a model]
#
# Each model says how often threads are interrupted in it where they need not be. LOOM_MAX_PREEMPTIONS
# sets another bound: more finds more and takes much longer.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="--cfg loom -D warnings ${RUSTFLAGS:-}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --locked --release --target-dir "${CARGO_TARGET_DIR:-target}/loom" \
    -p mini_rt_runtime --lib -- "${1:-models}" --show-output | tee "$log"
awk '/^[0-9]+ interleavings$/ { sum += $1; models++ }
    END { print models + 0 " models, " sum + 0 " interleavings"; exit !models }' "$log"
