#!/usr/bin/env bash
# Compares instructions per operation and system calls per request with benches/baseline.json; fails if
# one has grown by more than 3 %.
#
#     .ci/counts.sh
set -euo pipefail
cd "$(dirname "$0")/.."

.ci/packages.sh valgrind strace
cargo bench --locked -p mini_rt_benches -- --check
