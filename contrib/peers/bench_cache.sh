#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The recorded mix of 50 sessions played by LangChain against the emulated Anthropic API with its cache: how many tokens
# of its prompts are read from the cache, with what it does by default and with its caching middleware. Our side of the
# race is `cargo bench -p blufio --bench context`.
#
#   contrib/peers/bench_cache.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
venv="${XDG_CACHE_HOME:-$HOME/.cache}/blufio-peers/cache-venv"
if ! "$venv/bin/python" -c 'import langchain, langchain_anthropic' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q langchain==1.4.7 langchain-anthropic==1.7.7
fi
cargo build -q -p blufio-testkit --example emulators
program="${CARGO_TARGET_DIR:-target}/debug/examples/emulators"
PYTHONPATH="$here/prove_emulators" "$venv/bin/python" "$here/bench/langchain_cache.py" "$program" \
    crates/blufio-testkit/data/sessions agents/assistant
