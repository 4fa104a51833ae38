#!/usr/bin/env bash
# Measures the latency of an echo server beside handlers that compute for 1 to 5 ms; the arguments are
# those of src/bin/tail.rs.
#
#     benches/tail.sh                                    7 rounds each for 1, 2 and 4 burners: 3 minutes
#     benches/tail.sh --quick                            2 short rounds each: half a minute
#     benches/tail.sh --burners 2 --rounds 15
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --config benches/measure.toml --profile measure -p mini_rt_benches --bin tail
exec "${CARGO_TARGET_DIR:-target}/measure/tail" "$@"
