#!/usr/bin/env bash
# Runs every example against real clients: nc, curl, wrk, h2load, and the echo client.
#
#     .ci/examples.sh
set -euo pipefail
cd "$(dirname "$0")/.."

examples=${CARGO_TARGET_DIR:-target}/release/examples
work=$(mktemp -d)
servers=()

finish() {
    if [ ${#servers[@]} -gt 0 ]; then
        kill "${servers[@]}" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "FAILED: $*" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

# eventually COMMAND...: repeats a command until it succeeds, for 10 s at most.
eventually() {
    local deadline=$((SECONDS + 10))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# start NAME ARGUMENTS...: starts an example; says in $addr, $host, $port and $pid where it is.
start() {
    local log=$work/$1.log
    "$examples/$1" "${@:2}" >"$log" 2>&1 &
    pid=$!
    servers+=("$pid")
    eventually grep -q '^listening on ' "$log" || fail "$1 does not say where it listens"
    addr=$(sed -n 's/^listening on //p' "$log")
    host=${addr%:*} port=${addr##*:}
}

descriptors() {
    find "/proc/$1/fd" -mindepth 1 | wc -l
}

# has_descriptors PID COUNT: whether a process has just so many.
has_descriptors() {
    [ "$(descriptors "$1")" -eq "$2" ]
}

# echoes HOST PORT: sends 4 MB through nc, which closes its half, and compares what comes back.
echoes() {
    nc -N -w 10 "$1" "$2" <"$work/sent" >"$work/received" || fail "nc: exit code $?"
    cmp "$work/sent" "$work/received" || fail "the echo differs from what was sent"
}

try_echo() {
    start echo --addr 127.0.0.1:0
    local idle
    idle=$(descriptors "$pid")
    echoes "$host" "$port"
    echo "-- 1,000 connections"
    "$examples/echo_client" --addr "$addr" --connections 1000 --seconds 5 || fail "echo_client"
    echo "-- 8 connections, 100 kB messages"
    "$examples/echo_client" --addr "$addr" --connections 8 --size 100000 --seconds 2 ||
        fail "echo_client"
    eventually has_descriptors "$pid" "$idle" || fail "echo: connections are left over"
    grep -q 'requests/s' "$work/echo.log" || fail "echo has printed no counters"
    tail -n 1 "$work/echo.log"
}

try_http() {
    start http --addr 127.0.0.1:0
    local url=http://$addr idle answer flag out=$work/out
    idle=$(descriptors "$pid")
    for flag in --http1.1 --http2-prior-knowledge; do
        answer=$(curl -sS --max-time 5 $flag -w '%{http_version} %{http_code}' "$url/")
        echo "-- curl $flag: ${answer//$'\n'/ }"
        case $flag$answer in
        --http1.1*'Hello, World!'*'1.1 200' | --http2*'Hello, World!'*'2 200') ;;
        *) fail "unexpected answer" ;;
        esac
        curl -sS --max-time 5 $flag "$url/metrics" | grep -q '^requests_total [1-9]' ||
            fail "no counter in /metrics"
        answer=$(curl -sS --max-time 5 $flag -o /dev/null -w '%{http_code}' "$url/nothing")
        [ "$answer" = 404 ] || fail "an unknown path gives $answer"
    done
    echo "-- wrk"
    wrk -t2 -c64 -d3 "$url/" | tee "$out"
    grep -q '^Requests/sec' "$out" || fail "wrk has measured nothing"
    ! grep -E 'Socket errors|Non-2xx' "$out" || fail "wrk"
    echo "-- h2load"
    h2load -n 20000 -c 32 -m 10 "$url/" | grep -E '^(finished|requests|status)' | tee "$out"
    grep -q ' 20000 succeeded, 0 failed, 0 errored, 0 timeout' "$out" || fail "h2load"
    grep -q '^status codes: 20000 2xx' "$out" || fail "h2load: not all answers are 2xx"
    eventually has_descriptors "$pid" "$idle" || fail "http: connections are left over"
}

# join_chat NAME: a guest who says what is written to $guest_in; $work/NAME.log has what it hears.
join_chat() {
    mkfifo "$work/$1.in"
    nc "$host" "$port" <"$work/$1.in" >"$work/$1.log" &
    servers+=("$!")
    exec {guest_in}>"$work/$1.in"
    echo "$1" >&"$guest_in"
    eventually grep -q 'here with you' "$work/$1.log" || fail "chat does not welcome $1"
}

hears() {
    eventually grep -q -- "$2" "$work/$1.log" || fail "chat: $1 does not hear '$2'"
    echo "$1 hears: $2"
}

try_chat() {
    start chat --addr 127.0.0.1:0
    local guest_in ann bob
    join_chat ann
    ann=$guest_in
    join_chat bob
    bob=$guest_in
    hears bob 'here with you: \[ann\]'
    hears ann '[*] bob has joined'
    echo "good morning" >&"$ann"
    hears bob 'ann: good morning'
    echo "the same to you" >&"$bob"
    hears ann 'bob: the same to you'
    ! grep -q 'ann: ' "$work/ann.log" || fail "chat: ann hears herself"
    kill "${servers[-1]}"
    hears ann '[*] bob has left'
    exec {ann}>&- {bob}>&-
}

try_proxy() {
    start echo --addr 127.0.0.1:0
    start proxy --listen 127.0.0.1:0 --to "$addr"
    local idle
    idle=$(descriptors "$pid")
    echoes "$host" "$port"
    "$examples/echo_client" --addr "$addr" --connections 200 --seconds 2 || fail "echo_client"
    eventually has_descriptors "$pid" "$idle" || fail "proxy: connections are left over"
    tail -n 1 "$work/proxy.log"
}

cargo build --locked --release --examples
head -c 4000000 /dev/urandom >"$work/sent"
for example in echo http chat proxy; do
    echo "-- $example"
    "try_$example"
done
! grep -n panicked "$work"/*.log || fail "something panicked"
echo "every example does what it says"
