#!/usr/bin/env bash
# Runs the fuzz targets, each for so many seconds, with coverage for a guide and under AddressSanitizer.
#
#     .ci/fuzz.sh [seconds [target...]]       default: 60, all of them
#
# Builds with the stable compiler that is there, and with the flags that `cargo fuzz` uses, which is not
# needed; with it, `cargo +nightly fuzz run TARGET` in the project's folder does the same. What is found to be
# worth keeping goes to fuzz/corpus, and what fails to fuzz/artifacts, which are not part of the project.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- addresses macro_arguments

host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-../target}/fuzz
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address --cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Clink-dead-code -Cdebug-assertions -Ccodegen-units=1 ${RUSTFLAGS:-}"
# A target is named, so that build scripts and macros are built without these flags.
cargo build --locked --release --target-dir "$target" --target "$host" --bins

for name in "$@"; do
    printf '\n%s\n' "$name"
    mkdir -p "corpus/$name" "artifacts/$name"
    dictionary=()
    [ ! -e "seeds/$name.dict" ] || dictionary=("-dict=seeds/$name.dict")
    "$target/$host/release/$name" -max_total_time="$seconds" -timeout=10 -max_len=512 -verbosity=0 \
        -print_funcs=0 -print_final_stats=1 -artifact_prefix="artifacts/$name/" "${dictionary[@]}" \
        "corpus/$name" "seeds/$name"
done
