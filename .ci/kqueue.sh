#!/usr/bin/env bash
# Runs tests on kqueues instead of epoll, on Linux: those of libkqueue, which others have made over epoll.
#
#     .ci/kqueue.sh [cargo test arguments]                    default: what `cargo test` runs
#     LIBKQUEUE=/opt/libkqueue .ci/kqueue.sh --lib sys        another library than the system's
#
# LIBKQUEUE is where libkqueue was installed, or the very directory of its libkqueue.so. Without it the system's
# is taken, which pkg-config or the dynamic linker know. If there is none, this says so and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

# library: prints the directory of libkqueue.so, or nothing.
library() {
    local dir
    if [ -n "${LIBKQUEUE:-}" ]; then
        for dir in "$LIBKQUEUE" "$LIBKQUEUE"/lib*; do
            if [ -e "$dir/libkqueue.so" ]; then
                (cd "$dir" && pwd)
                return
            fi
        done
        echo "LIBKQUEUE=$LIBKQUEUE has no libkqueue.so" >&2
        return 1
    fi
    if ! dir=$(pkg-config --variable=libdir libkqueue 2>/dev/null); then
        dir=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p |
            sed -n 's|.* => \(.*\)/libkqueue\.so$|\1|p' | head -n 1)
    fi
    echo "$dir"
}

dir=$(library)
if [ -z "$dir" ]; then
    echo "SKIPPED: there is no libkqueue, so nothing has run on kqueues; LIBKQUEUE says where one is" >&2
    exit
fi
echo "libkqueue of $dir"

flags="--cfg mini_rt_kqueue -L $dir"
export RUSTFLAGS="$flags ${RUSTFLAGS:-}" RUSTDOCFLAGS="$flags ${RUSTDOCFLAGS:-}"
export LD_LIBRARY_PATH="$dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec cargo test --locked --target-dir "${CARGO_TARGET_DIR:-target}/kqueue" "$@"
