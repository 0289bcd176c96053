# SPDX-License-Identifier: MIT OR Apache-2.0
"""The emulated Chat Completions API seen by PyPI `openai`, and its bytes by that package's types in strict mode."""
import json
import sys
import urllib.request

import openai
from driver import Emulators, holds
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

emulators = Emulators(sys.argv[1])
url = emulators.addresses["openai"] + "/v1"
client = openai.OpenAI(base_url=url, api_key="key", max_retries=0)
ask = dict(model="gpt-6-luna", max_completion_tokens=64, messages=[{"role": "user", "content": "hi"}])
streamed = dict(stream=True, stream_options={"include_usage": True})


def script(**fields):
    emulators.do("answer", of="openai", **fields)


script(kind="text", text="Guten Tag, 漢字 🫖")
chunks = list(client.chat.completions.create(**ask, **streamed))
words = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
holds("openai (Python): a streamed text arrives whole, past comments", words == "Guten Tag, 漢字 🫖")
reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
holds("openai (Python): one reason to finish", reasons == ["stop"])
holds("openai (Python): usage in the last chunk, without choices", chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 20)
holds("openai (Python): and in no other", all(c.usage is None for c in chunks[:-1]))

script(kind="text", text="plain")
plain = client.chat.completions.create(**ask)
holds("openai (Python): an answer that is not streamed", plain.choices[0].message.content == "plain" and plain.usage.prompt_tokens == 120)

given = {"path": "notes/tödo.md", "deep": {"a": [1, 2, {"b": None}]}}
tools = [{"type": "function", "function": {"name": "files_read", "description": "x", "parameters": {"type": "object", "properties": {}}}}]
script(kind="tool", text="Looking.", name="files_read", input=given)
with client.chat.completions.stream(**ask, tools=tools, reasoning_effort="none") as stream:
    stream.until_done()
    message = stream.get_final_completion().choices[0].message
calls = message.tool_calls
holds("openai (Python): pieces of two tool calls become their arguments", [json.loads(c.function.arguments) for c in calls] == [given, given] and [c.id for c in calls] == ["call_1", "call_2"])
history = ask["messages"] + [message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)]
for call in history[1]["tool_calls"]:
    call["function"].pop("parsed_arguments", None)
results = [{"role": "tool", "tool_call_id": c.id, "content": "done"} for c in calls]
again = client.chat.completions.create(**{**ask, "messages": history + results}, tools=tools, reasoning_effort="none")
holds("openai (Python): results of tools are taken", again.choices[0].message.content == "echo: hi")


class Weather(BaseModel):
    city: str
    warm: bool


parsed = client.chat.completions.parse(**ask, response_format=Weather).choices[0].message.parsed
holds("openai (Python): structured output is parsed", parsed == Weather(city="x", warm=True))
script(kind="refusal", text="I cannot help.")
with client.chat.completions.stream(**ask, response_format=Weather) as stream:
    stream.until_done()
    message = stream.get_final_completion().choices[0].message
holds("openai (Python): a refusal in words", message.refusal == "I cannot help." and message.parsed is None)
script(kind="length", text="half")
try:
    client.chat.completions.parse(**ask, response_format=Weather)
    raised = None
except openai.LengthFinishReasonError as found:
    raised = found
holds("openai (Python): an answer cut by its cap", raised is not None)

for status, kind, error in [(500, "server_error", openai.InternalServerError), (429, "rate_limit_exceeded", openai.RateLimitError), (401, "invalid_api_key", openai.AuthenticationError), (400, "invalid_request_error", openai.BadRequestError), (404, "model_not_found", openai.NotFoundError)]:
    script(kind="error", status=status, type=kind)
    try:
        client.chat.completions.create(**ask)
        raised = None
    except openai.APIStatusError as found:
        raised = found
    holds(f"openai (Python): {status} is {error.__name__}", isinstance(raised, error) and raised.code == kind and raised.request_id == "req_emulated")

script(kind="error", status=429, type="rate_limit_exceeded", retry_after=0)
script(kind="text", text="after a retry")
again = client.with_options(max_retries=2).chat.completions.create(**ask)
holds("openai (Python): a limit is retried", again.choices[0].message.content == "after a retry")

script(kind="error_in_stream", text="one two three", type="server_error")
try:
    list(client.chat.completions.create(**ask, **streamed))
    raised = None
except openai.APIError as found:
    raised = found
holds("openai (Python): an error behind status 200 is an error", raised is not None and "emulated" in str(raised))

script(kind="cut", text="a few words that never end", bytes=700)
try:
    list(client.chat.completions.create(**ask, **streamed))
    cut = False
except Exception:
    cut = True
holds("openai (Python): a stream that breaks off is no whole answer", cut)

vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "öö"], encoding_format="float")
holds("openai (Python): vectors", sorted((v.index, v.embedding) for v in vectors.data) == [(0, [1, 1, 1]), (1, [4, 2, 1])])
holds("openai (Python): a list of models", [m.id for m in client.models.list()] == ["gpt-6-luna"])
holds("openai (Python): the emulator found nothing to refuse", emulators.do("violations")["openai"] == [])


def raw(**more):
    body = json.dumps({**ask, **more}).encode()
    request = urllib.request.Request(url + "/chat/completions", body, {"content-type": "application/json", "authorization": "Bearer k"})
    return urllib.request.urlopen(request).read().decode()


def strictly(model, text):
    found = model.model_validate_json(text, strict=True)
    extra = set(found.model_extra or {})
    for choice in found.choices:
        extra |= set(choice.model_extra or {}) | set(getattr(choice, "delta", getattr(choice, "message", None)).model_extra or {})
    return extra == set() and found.object in ("chat.completion", "chat.completion.chunk")


for kind in ["text", "tool", "refusal"]:
    script(kind=kind, text="a b", name="f", input=given)
    text = raw(**streamed)
    data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    holds(f"raw bytes end with [DONE] ({kind})", data[-1] == "[DONE]" and text.endswith("data: [DONE]\n\n"))
    holds(f"every chunk fits the types strictly ({kind})", all(strictly(ChatCompletionChunk, chunk) for chunk in data[:-1]))
    script(kind=kind, text="a b", name="f", input=given)
    holds(f"and so does the whole answer ({kind})", strictly(ChatCompletion, raw()))

for wrong, words in [(dict(max_tokens=5), "max_completion_tokens"), (dict(nonsense=1), "nonsense"), (dict(tools=tools), "reasoning_effort"), (dict(messages=[]), "messages")]:
    try:
        client.chat.completions.create(**{**ask, **({"extra_body": wrong} if "nonsense" in wrong else wrong)})
        raised = None
    except openai.BadRequestError as found:
        raised = found
    holds(f"openai (Python): the emulator refuses what the API refuses ({next(iter(wrong))})", raised is not None and words in str(raised))
emulators.stop()
