#!/usr/bin/env bash
# Type-checks the library crates, their tests and the examples for systems with kqueue: what differs between
# the systems must compile on each, for nobody runs it here. Nothing is linked.
#
#     .ci/systems.sh [cargo check arguments]         1 min a system the first time, later 20 s
#     TARGETS=aarch64-apple-darwin .ci/systems.sh
#
# Takes the compiler that toolchain.sh makes, and checks the standard library from its sources: no toolchain
# comes with all of these systems'. None of the dependencies of the tests needs a C compiler. Not checked are
# the benches, which are for Linux, and the tests of the macros, which are the same everywhere.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra systems <<<"${TARGETS:-x86_64-unknown-freebsd aarch64-apple-darwin x86_64-unknown-netbsd \
x86_64-unknown-openbsd x86_64-unknown-dragonfly}"
if [ $# -eq 0 ]; then
    set -- -p mini_rt_runtime -p mini_rt_net -p mini_rt --all-targets
fi
target=${CARGO_TARGET_DIR:-target}
.ci/toolchain.sh "$target/toolchain"
toolchain=$(cd "$target/toolchain" && pwd)

export RUSTC="$toolchain/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_BUILD_WARNINGS=deny
for system in "${systems[@]}"; do
    echo "-- $system"
    "$toolchain/bin/cargo" check --locked --target-dir "$target/systems" \
        -Z build-std=std,panic_abort,test -Z warnings --target "$system" "$@"
done
