#!/usr/bin/env bash
# Counts the instructions of scheduler operations under callgrind and prints them as a table.
#
#     benches/instructions.sh [RUNTIME...]        default: mini_rt tokio smol nio
#
# The count of an operation is the difference between a short and a long run, divided by the
# difference in operations, so that start and stop of the runtime cancel out.
set -euo pipefail
cd "$(dirname "$0")/.."

short=2000
long=12000
runtimes=("$@")
if [ ${#runtimes[@]} -eq 0 ]; then
    runtimes=(mini_rt tokio smol nio)
fi

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing; on Debian and Ubuntu: apt-get install valgrind" >&2
    exit 1
fi

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin ops
ops="${CARGO_TARGET_DIR:-target}/measure/ops"

# instructions RUNTIME WORKLOAD OPERATIONS: what callgrind collects in the whole process.
instructions() {
    local log
    if ! log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$ops" "$@" 2>&1); then
        echo "ops $* failed: $log" >&2
        return 1
    fi
    awk '/Collected :/ { print $4 }' <<<"$log"
}

# row LABEL WORKLOAD GOAL
row() {
    local label=$1 workload=$2 goal=$3 runtime fewer more
    local line="| $label |"
    for runtime in "${runtimes[@]}"; do
        # Its timers cannot be used in tasks that may move.
        if [ "$runtime $workload" = "nio sleep_drop" ]; then
            line+=" - |"
            continue
        fi
        fewer=$(instructions "$runtime" "$workload" "$short")
        more=$(instructions "$runtime" "$workload" "$long")
        line+=" $(((more - fewer) / (long - short))) |"
    done
    echo "$line $goal |"
}

header="| instructions per operation, one worker |"
rule="|---|"
for runtime in "${runtimes[@]}"; do
    header+=" $runtime |"
    rule+="---:|"
done
echo "$header goal for mini_rt |"
echo "$rule---:|"
row "spawn + join, batches of 100" spawn_join 700
row "spawn + await one" spawn_await 850
row "yield_now among 100 tasks" yield 180
row "ping-pong between two tasks, round trip" ping_pong 450
row "sleep: make, poll once, drop" sleep_drop 300
