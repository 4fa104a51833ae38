#!/usr/bin/env bash
# Runs tests under AddressSanitizer, which also reports what is still allocated and lost at the end.
#
#     .ci/asan.sh [cargo test arguments]      default: the unit and integration tests of runtime and net
#
# The stable compiler can do that too, if it is told to. No doctests: rustdoc takes its own flags.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- -p mini_rt_runtime -p mini_rt_net --lib --tests
fi
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
exec cargo test --locked --target-dir "${CARGO_TARGET_DIR:-target}/asan" \
    --target x86_64-unknown-linux-gnu "$@"
