#!/usr/bin/env bash
# Runs tests under AddressSanitizer, which also reports what is still allocated and lost at the end.
#
#     .ci/asan.sh [cargo test arguments]      default: the unit and integration tests of runtime and net
#
# Takes the nightly compiler if rustup has one; otherwise says so and does nothing. No doctests: rustdoc
# takes its own flags.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! RUSTUP_AUTO_INSTALL=0 cargo +nightly --version; then
    echo "skipped: rustup has no nightly toolchain"
    exit
fi
if [ $# -eq 0 ]; then
    set -- -p mini_rt_runtime -p mini_rt_net --lib --tests
fi
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
exec cargo +nightly test --locked --target-dir "${CARGO_TARGET_DIR:-target}/asan" \
    --target x86_64-unknown-linux-gnu "$@"
