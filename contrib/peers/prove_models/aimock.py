# SPDX-License-Identifier: MIT OR Apache-2.0
"""Our clients of Chat Completions and of Ollama against npm `@copilotkit/aimock`."""
import json
import socket
import subprocess
import sys
import time
import urllib.request

from driver import holds

ask, cli, fixtures = sys.argv[1:4]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(["node", cli, "-p", str(port), "-h", "127.0.0.1", "-f", fixtures], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
client = subprocess.Popen([ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
url = f"http://127.0.0.1:{port}"
for _ in range(100):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        break
    except OSError:
        time.sleep(0.1)


def question(kind, base, model, text, **more):
    client.stdin.write(json.dumps({"kind": kind, "base_url": url + base, "model": model, "text": text, **more}) + "\n")
    client.stdin.flush()
    return json.loads(client.stdout.readline())


def texts(reply):
    return "".join(block.get("text", "") for block in reply["blocks"])


def journal():
    return json.load(urllib.request.urlopen(url + "/__aimock/journal"))


worlds = [("openai", "/v1", "gpt-6-luna"), ("openrouter", "/api/v1", "openai/gpt-6-luna"), ("common", "/v1", "local"), ("ollama", "", "qwen3:4b")]
schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
try:
    for kind, base, model in worlds:
        world = (kind, base, model)
        [reply] = question(*world, "say hello")["replies"]
        holds(f"{kind}: a text arrives whole", texts(reply) == "Guten Tag, 漢字 🫖, and some more words." and reply["stop"] == "EndTurn")
        holds(f"{kind}: usage is read", reply["usage"] is not None)
        first, second = question(*world, "what time", tool="time_now")["replies"]
        [call] = [block for block in first["blocks"] if "input" in block]
        holds(f"{kind}: a tool call is whole", first["stop"] == "ToolUse" and json.loads(call["input"]) == {"zone": "Europe/Berlin", "deep": {"a": [1, None]}})
        holds(f"{kind}: and its result is understood", texts(second) == "It is noon.")
        first, second = question(*world, "two clocks", tool="time_now")["replies"]
        calls = [block for block in first["blocks"] if "input" in block]
        holds(f"{kind}: two calls beside a text", texts(first) == "Looking." and len({call["id"] for call in calls}) == 2)
        holds(f"{kind}: and both results", texts(second) == "Both say noon.")
        [reply] = question(*world, "as json", schema=schema)["replies"]
        holds(f"{kind}: structured output", json.loads(texts(reply)) == {"ok": True})
        if kind != "ollama":  # The peer's Ollama always ends with `stop`.
            [reply] = question(*world, "too long")["replies"]
            holds(f"{kind}: cut by its cap", reply["stop"] == "MaxTokens")
        refused = question(*world, "too fast")
        holds(f"{kind}: a limit ({refused.get('error')})", refused.get("error") == "RateLimited")
        broken = question(*world, "break off")
        holds(f"{kind}: a stream that breaks off is no answer ({broken.get('error')})", broken.get("error") == "Incomplete")
        # Only OpenAI has words for it; OpenRouter's code is the status, and says 402 when it means it.
        if base == "/v1":
            holds(f"{kind}: no money", question(*world, "no money").get("error") == "Billing")
    statuses = {entry["response"]["status"] for entry in journal()}
    holds(f"aimock understood every request ({sorted(statuses)})", statuses <= {200, 429})
finally:
    client.stdin.close()
    server.terminate()
    server.wait(10)
