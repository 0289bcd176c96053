# SPDX-License-Identifier: MIT OR Apache-2.0
"""The emulated Messages API seen by PyPI `anthropic`."""
import sys
import urllib.request

import anthropic
from driver import Emulators, holds

emulators = Emulators(sys.argv[1])
url = emulators.addresses["anthropic"]
client = anthropic.Anthropic(base_url=url, api_key="key", max_retries=0)
ask = dict(model="claude-haiku-5-5", max_tokens=64, messages=[{"role": "user", "content": "hi"}])

emulators.do("answer", kind="text", text="Guten Tag, 漢字 🫖")
with client.messages.stream(**ask) as stream:
    words = "".join(stream.text_stream)
    message = stream.get_final_message()
holds("anthropic (Python): a streamed text arrives whole", words == "Guten Tag, 漢字 🫖")
holds("anthropic (Python): its stop reason and usage are read", message.stop_reason == "end_turn" and message.usage.output_tokens == 20)

emulators.do("answer", kind="text", text="plain")
holds("anthropic (Python): an answer that is not streamed", client.messages.create(**ask).content[0].text == "plain")

given = {"path": "notes/tödo.md", "deep": {"a": [1, 2, {"b": None}]}}
emulators.do("answer", kind="tool", name="files_read", input=given)
tools = [{"name": "files_read", "description": "x", "input_schema": {"type": "object", "properties": {}}}]
with client.messages.stream(**ask, tools=tools) as stream:
    message = stream.get_final_message()
block = next(b for b in message.content if b.type == "tool_use")
holds("anthropic (Python): pieces of a tool call become its input", block.input == given and message.stop_reason == "tool_use")

for status, kind, error in [(529, "overloaded_error", anthropic.InternalServerError), (429, "rate_limit_error", anthropic.RateLimitError), (401, "authentication_error", anthropic.AuthenticationError), (400, "invalid_request_error", anthropic.BadRequestError)]:
    emulators.do("answer", kind="error", status=status, type=kind)
    try:
        client.messages.create(**ask)
        raised = None
    except anthropic.APIStatusError as found:
        raised = found
    holds(f"anthropic (Python): {status} is {error.__name__}", isinstance(raised, error) and raised.status_code == status)

emulators.do("answer", kind="error", status=429, type="rate_limit_error", retry_after=0)
emulators.do("answer", kind="text", text="after a retry")
again = client.with_options(max_retries=2).messages.create(**ask)
holds("anthropic (Python): a limit is retried", again.content[0].text == "after a retry")

emulators.do("answer", kind="error_in_stream", type="overloaded_error")
try:
    with client.messages.stream(**ask) as stream:
        stream.until_done()
    raised = None
except anthropic.APIError as found:
    raised = found
holds("anthropic (Python): an error behind status 200 is an error", raised is not None and "overloaded" in str(raised).lower())

emulators.do("answer", kind="cut", text="a few words that never end", bytes=700)
try:
    with client.messages.stream(**ask) as stream:
        stream.until_done()
        cut = stream.get_final_message().stop_reason is None
except Exception:
    cut = True
holds("anthropic (Python): a stream that breaks off is no whole answer", cut)

emulators.do("answer", kind="text", text="raw")
body = b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'
for headers in [{"x-api-key": "k", "anthropic-version": "2023-06-01"}, {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}]:
    request = urllib.request.Request(url + "/v1/messages", body, {"content-type": "application/json", **headers})
    raw = urllib.request.urlopen(request).read().decode()
    holds(f"raw bytes end with message_stop ({headers['anthropic-version']})", raw.rstrip().endswith('{"type":"message_stop"}') and "event: message_stop" in raw)

holds("anthropic (Python): the emulator found nothing to refuse", emulators.do("violations")["anthropic"] == [])
emulators.stop()
