# SPDX-License-Identifier: MIT OR Apache-2.0
"""The emulated Ollama seen by PyPI `ollama`."""
import json
import sys
import urllib.request

import ollama
from driver import Emulators, holds
from ollama import ChatResponse

emulators = Emulators(sys.argv[1])
url = emulators.addresses["ollama"]
client = ollama.Client(host=url)
ask = dict(model="qwen3:4b", messages=[{"role": "user", "content": "hi"}])


def script(**fields):
    emulators.do("answer", of="ollama", **fields)


script(kind="text", text="Guten Tag, 漢字 🫖")
parts = list(client.chat(**ask, stream=True))
holds("ollama (Python): a streamed text arrives whole", "".join(p.message.content or "" for p in parts) == "Guten Tag, 漢字 🫖")
holds("ollama (Python): its end, reason and counts", [p.done for p in parts].count(True) == 1 and parts[-1].done_reason == "stop" and (parts[-1].prompt_eval_count, parts[-1].eval_count) == (26, 20))
script(kind="text", text="plain words")
holds("ollama (Python): an answer that is not streamed", client.chat(**ask).message.content == "plain words")
script(kind="length", text="half")
holds("ollama (Python): an answer cut by its cap", client.chat(**ask).done_reason == "length")


def files_read(path: str) -> str:
    """Reads a file.

    Args:
        path: Its path.
    """
    return path


given = {"path": "notes/tödo.md"}
script(kind="tool", name="files_read", input=given)
parts = list(client.chat(**ask, tools=[files_read], think=True, stream=True))
calls = [call for part in parts for call in part.message.tool_calls or []]
holds("ollama (Python): a tool call with an object for arguments", [(c.function.name, dict(c.function.arguments)) for c in calls] == [("files_read", given)])
holds("ollama (Python): thinking apart from content", "".join(p.message.thinking or "" for p in parts) == "let me see")
history = ask["messages"] + [{"role": "assistant", "content": "", "tool_calls": calls}, {"role": "tool", "content": "text", "tool_name": "files_read"}]
again = client.chat(model="qwen3:4b", messages=history, tools=[files_read], options={"num_ctx": 4096, "num_predict": 9})
holds("ollama (Python): results of tools are taken", again.message.content == "echo: hi")
schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
holds("ollama (Python): structured output", json.loads(client.chat(**ask, format=schema).message.content) == {"ok": True})
picture = dict(role="user", content="what?", images=["iVBORw0KGgo="])
holds("ollama (Python): images", client.chat(model="llava", messages=[picture]).message.content == "echo: what?")

for status in (400, 429, 500):
    script(kind="error", status=status)
    try:
        client.chat(**ask)
        raised = None
    except ollama.ResponseError as found:
        raised = found
    holds(f"ollama (Python): {status} is a ResponseError", raised is not None and (raised.status_code, raised.error) == (status, "emulated"))
try:
    client.chat(**{**ask, "model": "missing"})
    raised = None
except ollama.ResponseError as found:
    raised = found
holds("ollama (Python): a model that is not there", raised is not None and raised.status_code == 404 and "not found" in raised.error)
script(kind="error_in_stream", text="one two three four")
try:
    list(client.chat(**ask, stream=True))
    raised = None
except ollama.ResponseError as found:
    raised = found
holds("ollama (Python): an error behind status 200 is an error", raised is not None and raised.error == "emulated")
script(kind="cut", text="a few words that never end", bytes=300)
try:
    list(client.chat(**ask, stream=True))
    cut = False
except Exception:
    cut = True
holds("ollama (Python): a stream that breaks off is no whole answer", cut)

holds("ollama (Python): list", [m.model for m in client.list().models] == ["qwen3:4b"])
shown = client.show("qwen3:4b")
holds("ollama (Python): show", shown.modelinfo["qwen3.context_length"] == 40960 and "tools" in shown.capabilities)
holds("ollama (Python): embed", [list(v) for v in client.embed(model="m", input=["a", "öö"]).embeddings] == [[1, 1, 1], [4, 2, 1]])

script(kind="tool", name="f", input=given)
body = json.dumps(ask).encode()
response = urllib.request.urlopen(urllib.request.Request(url + "/api/chat", body, {"content-type": "application/json"}))
holds("raw bytes are lines of JSON", response.headers["content-type"] == "application/x-ndjson")
text = response.read().decode()
lines = [ChatResponse.model_validate_json(line, strict=True) for line in text.splitlines()]
holds("every line fits the types strictly, the last one is the end", text.endswith("\n") and [l.done for l in lines][-2:] == [False, True])
found = emulators.do("violations")["ollama"]
holds("ollama (Python): the emulator refused nothing but the missing model", found == ["model 'missing' not found"])
emulators.stop()
