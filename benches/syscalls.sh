#!/usr/bin/env bash
# Counts the system calls of an echo request under strace and prints them as a table.
#
#     benches/syscalls.sh [CONNECTIONS [WORKERS [RUNTIME...]]]     default: 64 1 mini_rt tokio
#
# Each server is run twice from start to end, with two exact numbers of requests on each connection.
# The difference between the two is what the additional requests cost: start-up, accepting and
# closing are the same in both and cancel out.
set -euo pipefail
cd "$(dirname "$0")/.."

connections=${1:-64}
workers=${2:-1}
runtimes=("${@:3}")
if [ ${#runtimes[@]} -eq 0 ]; then
    runtimes=(mini_rt tokio)
fi
short=100
long=600

if ! command -v strace >/dev/null; then
    echo "strace is missing; on Debian and Ubuntu: apt-get install strace" >&2
    exit 1
fi

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bins
programs="${CARGO_TARGET_DIR:-target}/measure"
work=$(mktemp -d)
tracer=
trap '[ -z "$tracer" ] || kill "$tracer" 2>/dev/null || true; rm -rf "$work"' EXIT

# address FILE: waits for the server's announcement in FILE and prints the address in it.
address() {
    local found
    for _ in {1..100}; do
        found=$(sed -n 's/^listening on //p' "$1")
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
        sleep 0.1
    done
    echo "the server did not say where it listens" >&2
    return 1
}

# trace RUNTIME REQUESTS: leaves strace's summary of the server's whole life in $work/RUNTIME.REQUESTS.
trace() {
    local runtime=$1 requests=$2 addr
    : >"$work/announcement"
    strace -f -c -I waiting -o "$work/$runtime.$requests" \
        "$programs/echo_server" --runtime "$runtime" --workers "$workers" >"$work/announcement" &
    tracer=$!
    addr=$(address "$work/announcement")
    "$programs/echo_load" --addr "$addr" --connections "$connections" --requests "$requests" >&2
    # With `-I waiting` strace takes the signal, ends the server and writes its summary.
    kill "$tracer"
    wait "$tracer" || true
    tracer=
}

for runtime in "${runtimes[@]}"; do
    trace "$runtime" "$short"
    trace "$runtime" "$long"
done

echo "System calls per request, $connections connections, workers: $workers"
echo
awk -v requests=$(((long - short) * connections)) -v short="$short" '
    # A line of a summary: % time, seconds, usecs/call, calls, perhaps errors, name.
    FNR == 1 {
        n = split(FILENAME, path, "/")
        split(path[n], run, ".")
        runtime = run[1]
        sign = run[2] == short ? -1 : 1
        if (!(runtime in seen)) { seen[runtime]; order[++runtimes] = runtime }
    }
    $1 ~ /^[0-9.]+$/ && $NF != "total" {
        calls[$NF, runtime] += sign * $4
        total[runtime] += sign * $4
        names[$NF]
    }
    END {
        printf "| system call |"
        for (i = 1; i <= runtimes; i++) printf " %s |", order[i]
        printf "\n|---|"
        for (i = 1; i <= runtimes; i++) printf "---:|"
        print ""
        fflush()
        for (name in names) {
            shown = ""
            matters = 0
            for (i = 1; i <= runtimes; i++) {
                rate = calls[name, order[i]] / requests
                if (rate < 0.0005 && rate > -0.0005) rate = 0
                if (rate != 0) matters = 1
                shown = shown sprintf(" %.3f |", rate)
            }
            if (matters) print "| " name " |" shown | "sort"
        }
        close("sort")
        printf "| all |"
        for (i = 1; i <= runtimes; i++) printf " %.3f |", total[order[i]] / requests
        print ""
    }' "$work"/*.*
