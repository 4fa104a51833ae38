#!/usr/bin/env bash
# Runs tests under ThreadSanitizer, with a standard library that is built for it too.
#
#     .ci/tsan.sh [cargo test arguments]      default: the unit and integration tests of runtime and net
#
# Takes the compiler that toolchain.sh makes. No doctests: rustdoc would be the machine's own.
#
# ThreadSanitizer does not understand fences. A report about two accesses that only a fence orders may
# be false; one about loads, stores and read-modify-writes is real.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- -p mini_rt_runtime -p mini_rt_net --lib --tests
fi
target=${CARGO_TARGET_DIR:-target}
.ci/toolchain.sh "$target/toolchain"
toolchain=$(cd "$target/toolchain" && pwd)

export RUSTC="$toolchain/bin/rustc" RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=thread ${RUSTFLAGS:-}"
export TSAN_OPTIONS="external_symbolizer_path=/usr/bin/addr2line ${TSAN_OPTIONS:-}"
exec "$toolchain/bin/cargo" test --locked --target-dir "$target/tsan" \
    -Z build-std --target x86_64-unknown-linux-gnu "$@"
