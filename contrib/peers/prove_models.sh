#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Proves the model providers against a server that others wrote: npm @copilotkit/aimock, pinned, which speaks Chat
# Completions, as OpenRouter does, and Ollama. Prints one line per fact; ends at the first that does not hold.
#
#   contrib/peers/prove_models.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
node="${XDG_CACHE_HOME:-$HOME/.cache}/blufio-peers/aimock"
if [ ! -d "$node/node_modules/@copilotkit/aimock" ]; then
    mkdir -p "$node"
    npm install --silent --no-fund --no-audit --prefix "$node" @copilotkit/aimock@1.43.0
fi
cargo build -q -p blufio-models --example ask
program="${CARGO_TARGET_DIR:-target}/debug/examples/ask"
PYTHONPATH="$here/prove_emulators" python3 "$here/prove_models/aimock.py" "$program" \
    "$node/node_modules/@copilotkit/aimock/dist/cli.js" "$here/prove_models/fixtures.json"
echo "proved"
