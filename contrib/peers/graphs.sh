#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The pictures of `blufio graph` read by the programs they are for: Graphviz and Mermaid (npm, pinned) must find the
# nodes, arrows and labels of the JSON. Needs Graphviz's `dot` and Node.
#
#   contrib/peers/graphs.sh            BLUFIO names the executable (default target/debug/blufio)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
command -v dot >/dev/null || { echo "graphs.sh: Graphviz is missing (apt-get install graphviz)" >&2; exit 1; }
peers="${XDG_CACHE_HOME:-$HOME/.cache}/blufio-peers/graphs"
if [ ! -d "$peers/node_modules/mermaid" ] || [ ! -d "$peers/node_modules/jsdom" ]; then
    mkdir -p "$peers"
    npm install --silent --no-fund --no-audit --prefix "$peers" mermaid@11.4.1 jsdom@26.0.0
fi
cp "$here/graphs/compare.mjs" "$peers/"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The passing half of each litmus pair is a program too.
for pair in crates/blufio-lang/tests/litmus/*.litmus; do
    awk '/^=== /{ take = ($2 == "pass" && !seen++); next } take' "$pair" >"$work/$(basename "$pair" .litmus).agent"
done
node "$peers/compare.mjs" "${BLUFIO:-target/debug/blufio}" agents/*/ crates/blufio-lang/tests/fixtures/examples/*.agent "$work"/*.agent
