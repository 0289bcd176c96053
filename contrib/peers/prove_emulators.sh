#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Proves the emulators of the test kit with clients that others wrote: PyPI anthropic, openai, ollama and
# python-telegram-bot, npm @anthropic-ai/sdk and grammy, all pinned. Prints one line per fact; ends at the first that does not hold.
#
#   contrib/peers/prove_emulators.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/blufio-peers"
venv="$cache/prove-venv"
node="$cache/prove-node"
if [ ! -x "$venv/bin/python" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q anthropic==2.11.0 python-telegram-bot==22.8
fi
if [ ! -d "$node/node_modules/grammy" ]; then
    mkdir -p "$node"
    npm install --silent --no-fund --no-audit --prefix "$node" @anthropic-ai/sdk@1.11.0 grammy@1.46.0
fi
"$venv/bin/python" -c 'import openai, ollama' 2>/dev/null || "$venv/bin/pip" install -q openai==3.52.0 ollama==0.6.3
cargo build -q -p blufio-testkit --example emulators
program="${CARGO_TARGET_DIR:-target}/debug/examples/emulators"
case "$program" in /*) ;; *) program="$PWD/$program" ;; esac
cp "$here/prove_emulators/node_clients.mjs" "$node/"
PYTHONPATH="$here/prove_emulators" "$venv/bin/python" "$here/prove_emulators/anthropic_sdk.py" "$program"
for proof in openai_sdk ollama_sdk telegram_bot; do
    PYTHONPATH="$here/prove_emulators" "$venv/bin/python" "$here/prove_emulators/$proof.py" "$program"
done
node "$node/node_clients.mjs" "$program"
echo "proved"
