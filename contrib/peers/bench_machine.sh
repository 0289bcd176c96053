#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The machine against XState 5 (npm, pinned), Lua 5.4 and Rhai, in one run: transitions, suspending and resuming,
# memory of an idle session. Prints both sides and the ratios with their goals.
#
#   contrib/peers/bench_machine.sh
set -eu
cd "$(dirname "$0")/../.."
peers="${XDG_CACHE_HOME:-$HOME/.cache}/blufio-peers/xstate"
if [ ! -d "$peers/node_modules/xstate" ]; then
    mkdir -p "$peers"
    npm install --silent --no-fund --no-audit --prefix "$peers" xstate@5.28.0
fi
cp contrib/peers/bench/xstate_machine.mjs "$peers/"
ours=$(mktemp) theirs=$(mktemp)
trap 'rm -f "$ours" "$theirs"' EXIT
cargo bench -q -p blufio-lang --bench machine --features bench-peers | tee "$ours"
node --expose-gc "$peers/xstate_machine.mjs" | tee "$theirs"

value() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }
ratio() { # name ours theirs goal: ours ÷ theirs at most goal
    awk -v n="$1" -v a="$2" -v b="$3" -v g="$4" \
        'BEGIN { r = a / b; printf "%s: %.3f (%s ÷ %s), goal at most %s: %s\n", n, r, a, b, g, (r <= g ? "met" : "MISSED") }'
}
ratio "suspend, encode, decode, resume ÷ XState's" "$(value suspend_resume_ns "$ours")" "$(value xstate_persist_resume "$theirs")" 0.25
ratio "transition ÷ XState's actor.send" "$(value transition_ns "$ours")" "$(value xstate_send "$theirs")" 0.05
ratio "idle session ÷ XState's actor, bytes" "$(value idle_session_bytes "$ours")" "$(value xstate_actor "$theirs")" 0.3
