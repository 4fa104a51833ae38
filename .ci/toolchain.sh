#!/usr/bin/env bash
# A second Rust beside the machine's own: 1.85, the oldest that mini_rt supports, and with the sources
# of its standard library, which ThreadSanitizer needs to be built with.
#
#     .ci/toolchain.sh DIR        about 30 s and 1 GB, on Debian for x86-64
#
# It consists of Debian trixie's packages, unpacked into DIR and started through their own dynamic
# linker, so nothing is installed and the machine stays as it is. A DIR that is complete is kept.
set -euo pipefail

dir=$(mkdir -p "$1" && cd "$1" && pwd)
suite=trixie
llvm=19
target=x86_64-unknown-linux-gnu
lib=$dir/root/usr/lib

if [ -e "$dir/complete" ]; then
    exit
fi
rm -rf "${dir:?}"/*

# mirror: prints where this machine gets its Debian packages from.
mirror() {
    find /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list -exec sed -nE \
        -e 's|^URIs: *([^ ]+).*|\1|p' \
        -e 's|^deb +(\[[^]]*\] +)?([^ ]+) .*|\2|p' {} + 2>/dev/null | awk 'NR == 1'
}

# apt ARGUMENTS: apt-get with lists, packages and state of its own, all below DIR.
apt() {
    local name=$1
    shift
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$dir/apt/sources" \
        -o Dir::State::Lists="$dir/apt/lists" -o Dir::State::Status="$dir/apt/status" \
        -o Dir::Cache="$dir/apt/cache" -o APT::Install-Recommends=false \
        -o APT::Sandbox::User=root "$name" "$@" >/dev/null
}

# The packages, with all they need except a C compiler: the machine's own links.
download() {
    local uri
    uri=$(mirror || true)
    if [ -z "$uri" ]; then
        echo "no Debian mirror among the sources of apt" >&2
        return 1
    fi
    mkdir -p "$dir"/apt/{sources,lists/partial,cache/archives/partial}
    cat >"$dir/apt/sources/debian.sources" <<-END
		Types: deb
		URIs: $uri
		Suites: $suite
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
    cat >"$dir/apt/status" <<-END
		Package: gcc
		Status: install ok installed
		Architecture: amd64
		Version: 99
		Maintainer: nobody
		Description: stands for the machine's own
	END
    apt update
    apt install --download-only -y rustc cargo rust-src
    (cd "$dir/apt/cache/archives" && apt download "libclang-rt-$llvm-dev")
}

unpack() {
    local package
    for package in "$dir"/apt/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$dir/root"
    done
    rm -rf "$dir/apt"
}

# Debian's rustc comes without the runtimes of sanitizers. Clang's do.
lend_sanitizers() {
    local name
    for name in tsan asan; do
        ln -s "$lib/llvm-$llvm/lib/clang/$llvm/lib/linux/libclang_rt.$name-x86_64.a" \
            "$lib/rustlib/$target/lib/librustc-stable_rt.$name.a"
    done
}

make_commands() {
    local libraries=$lib/x86_64-linux-gnu program
    mkdir "$dir/bin"
    for program in rustc cargo; do
        cat >"$dir/bin/$program" <<-END
			#!/bin/sh
			exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$dir/root/usr/bin/$program" "\$@"
		END
        chmod +x "$dir/bin/$program"
    done
    "$dir/bin/rustc" --version
    "$dir/bin/cargo" --version
}

download
unpack
lend_sanitizers
make_commands
touch "$dir/complete"
