#!/usr/bin/env bash
# Compares the echo servers of the runtimes; the arguments are those of src/bin/compare_echo.rs.
#
#     benches/compare_echo.sh --connections 1,64 --workers 1 --rounds 5
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bins
exec "${CARGO_TARGET_DIR:-target}/measure/compare_echo" "$@"
