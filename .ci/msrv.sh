#!/usr/bin/env bash
# Checks the library crates with the oldest Rust that they support.
#
#     .ci/msrv.sh [cargo arguments]
#
# Uses the machine's 1.85 if rustup has it, otherwise what toolchain.sh makes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
if RUSTUP_AUTO_INSTALL=0 cargo +1.85 --version 2>/dev/null; then
    cargo=(cargo +1.85)
else
    .ci/toolchain.sh "$target/toolchain"
    toolchain=$(cd "$target/toolchain" && pwd)
    export RUSTC="$toolchain/bin/rustc"
    cargo=("$toolchain/bin/cargo")
fi
exec "${cargo[@]}" check --locked --target-dir "$target/msrv" \
    -p mini_rt_runtime -p mini_rt_net -p mini_rt_macros -p mini_rt "$@"
