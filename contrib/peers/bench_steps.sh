#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Durable steps: Blufio, LangGraph's SqliteSaver and DBOS on SQLite by turns on one disk, medians and ratios.
#
#   contrib/peers/bench_steps.sh [ROUNDS]
#
# PEERS_VENV names a virtual environment to make or use again; BLUFIO_BENCH_DIR a folder on the disk to measure;
# BENCH_CPU a processor to which all three are bound. On a machine with other load a sync took 4 ms in some rounds and
# 0.15 ms in others, more often the former when not bound; the cause is not established. Read `bare_fdatasync_p50` of
# each round before trusting a ratio, and say whether the run was bound.
set -eu

rounds=${1:-5}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
venv=${PEERS_VENV:-target/peers-venv}
disk=${BLUFIO_BENCH_DIR:-${TMPDIR:-/tmp}}

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q langgraph==1.2.22 langgraph-checkpoint-sqlite==3.1.2 dbos==3.4.0
fi

bound() {
    if [ -n "${BENCH_CPU:-}" ]; then taskset -c "$BENCH_CPU" "$@"; else "$@"; fi
}

work=$(mktemp -d "$disk/blufio-peers.XXXXXX")
trap 'rm -rf "$work"' EXIT
export BLUFIO_BENCH_DIR="$work"

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "# round $round of $rounds" >&2
    mkdir "$work/peers"
    {
        bound cargo bench -q -p blufio-persist --bench steps -- one_session many_sessions stored_bytes
        bound "$venv/bin/python" "$here/bench/langgraph_steps.py" "$work/peers"
        bound "$venv/bin/python" "$here/bench/dbos_steps.py" "$work/peers"
    } | tee -a "$work/results" >&2
    rm -rf "$work/peers"
done

median() {
    awk -v name="$1" '$1 == name { print $2 }' "$work/results" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# ratio NAME OURS PEER COMPARISON GOAL
ratio() {
    awk -v name="$1" -v ours="$(median "$2")" -v peer="$(median "$3")" -v comparison="$4" -v goal="$5" 'BEGIN {
        value = ours / peer
        is_met = comparison == ">=" ? value >= goal : value <= goal
        printf "%s %.4g x %s%s %s (%.5g against %.5g)\n", name, value, comparison, goal, is_met ? "ok" : "missed", ours, peer
    }'
}

ratio one_session_against_langgraph steps_per_second_1_session langgraph_steps_per_second ">=" 1.1
ratio one_session_against_dbos steps_per_second_1_session dbos_steps_per_second ">=" 2.5
ratio 256_sessions_against_langgraph steps_per_second_256_sessions langgraph_steps_per_second ">=" 40
ratio 256_sessions_against_dbos steps_per_second_256_sessions dbos_concurrent_steps_per_second ">=" 100
ratio stored_against_langgraph stored_per_step_1_sessions langgraph_stored_per_step "<=" 0.02
