#!/usr/bin/env bash
# Checks that each floor of the runtime imports only from floors below it; see ARCHITECTURE.md.
#
#     .ci/floors.sh
set -euo pipefail
cd "$(dirname "$0")/../runtime/src"

# shellcheck disable=SC2016
find . -name '*.rs' ! -path ./lib.rs -print0 | sort -z | xargs -0 awk '
    BEGIN {
        split("sync|coop contain|sys task queue|reactor timer blocking|scheduler|runtime|io spawn|time|tests", floors, "|")
        for (floor in floors) {
            n = split(floors[floor], modules, " ")
            for (i = 1; i <= n; i++) height[modules[i]] = floor
        }
    }
    function complain(what) {
        print FILENAME ":" FNR ": " what > "/dev/stderr"
        failed = 1
    }
    FNR == 1 {
        split(FILENAME, path, /[\/.]+/)
        module = path[2]
        if (!(module in height)) complain(module " is on no floor")
    }
    {
        code = $0
        sub(/\/\/.*/, "", code)
        while (match(code, /crate::[a-z_{]+/)) {
            used = substr(code, RSTART + 7, RLENGTH - 7)
            code = substr(code, RSTART + RLENGTH)
            if (used == module) continue
            if (!(used in height)) complain("crate::" used " is on no floor")
            else if (height[used] >= height[module]) complain(module " imports from " used)
            else imports++
        }
    }
    END {
        if (!failed) print imports " imports, all from floors below"
        exit failed
    }'
