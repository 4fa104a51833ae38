#!/usr/bin/env bash
# Plays random schedules, for so many seconds, with a seed that nobody has tried.
#
#     .ci/stress.sh [seconds]                 default: 60
#     MINI_RT_STRESS_SEED=7 .ci/stress.sh     a seed that somebody has tried
set -euo pipefail
cd "$(dirname "$0")/.."

export MINI_RT_STRESS_SECONDS=${1:-60}
export MINI_RT_STRESS_SEED=${MINI_RT_STRESS_SEED:-$(date +%s%N)}
echo "MINI_RT_STRESS_SEED=$MINI_RT_STRESS_SEED MINI_RT_STRESS_SECONDS=$MINI_RT_STRESS_SECONDS"
exec cargo test --locked --test stress -- --nocapture
