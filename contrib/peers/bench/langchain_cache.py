# SPDX-License-Identifier: MIT OR Apache-2.0
"""The recorded mix played by LangChain: same words, same tools, same gaps in time, one model."""
import json
import pathlib
import sys

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.tools import StructuredTool

from driver import Emulators

program, sessions_folder, agent_folder = sys.argv[1:4]
BETWEEN_S = 1_800
GOAL = "Help your owner. Be brief. Say when you do not know."
TOOLS = {
    "time_now": ("The current date and time with its weekday, in a time zone.",
                 {"zone": {"type": "string", "description": "IANA time zone, for example Europe/Berlin; UTC when absent"}}, []),
    "files_read": ("Reads a text file of the granted folder (UTF-8, at most 64 KiB).",
                   {"path": {"type": "string", "description": "path of the file, relative to the granted folder"}}, ["path"]),
}
sessions = [json.loads(file.read_text()) for file in sorted(pathlib.Path(sessions_folder).glob("*.json"))]
persona = (pathlib.Path(agent_folder) / "persona.md").read_text()


def tool(name, results):
    about, properties, required = TOOLS[name]
    schema = {"title": name, "type": "object", "properties": properties, "required": required}
    return StructuredTool.from_function(
        func=lambda **given: results[(name, json.dumps(given, sort_keys=True))].pop(0), name=name, description=about, args_schema=schema)


def play(middleware):
    emulators = Emulators(program)
    emulators.do("cache")
    results, number = {}, 0
    model = ChatAnthropic(model="claude-sonnet-5-5", base_url=emulators.addresses["anthropic"], api_key="key", max_retries=0, streaming=False)
    agent = create_agent(model, [tool(name, results) for name in TOOLS], system_prompt=f"{GOAL}\n\n{persona}", middleware=middleware())
    prompt = read = written = output = calls = 0
    for session in sessions:
        history = []
        for at, message in enumerate(session["messages"]):
            emulators.do("pass", ms=1_000 * (message["after_s"] if at else BETWEEN_S))
            results.clear()
            for answer in message["answers"]:
                given = []
                for call in answer.get("calls", []):
                    number += 1
                    name = call["tool"].replace(".", "_")
                    given.append({"id": f"toolu_{number:06}", "name": name, "input": call["input"]})
                    results.setdefault((name, json.dumps(call["input"], sort_keys=True)), []).append(call["result"])
                emulators.do("answer", kind="turn", text=answer["text"], calls=given)
            history.append({"role": "user", "content": message["said"]})
            before = len(history)
            history = agent.invoke({"messages": history}, {"recursion_limit": 100})["messages"]
            for answered in history[before:]:
                usage = getattr(answered, "usage_metadata", None)
                if usage:
                    calls += 1
                    prompt += usage["input_tokens"]
                    output += usage["output_tokens"]
                    details = usage.get("input_token_details", {})
                    read += details.get("cache_read", 0)
                    written += sum(details.get(kind, 0) for kind in ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"))
    assert emulators.do("violations")["anthropic"] == []
    emulators.stop()
    # Prices of claude-sonnet-5-5 in crates/blufio-models/src/prices.toml.
    usd = ((prompt - read - written) * 2.0 + read * 0.10 + written * 2.5 + output * 10.0) / 1e6
    return calls, prompt, read, usd


for name, middleware in [("defaults", lambda: []), ("caching middleware, its defaults", lambda: [AnthropicPromptCachingMiddleware()])]:
    calls, prompt, read, usd = play(middleware)
    print(f"LangChain, {name}: {calls} calls, {prompt / calls:.0f} tokens a call, {read / prompt:.4f} of them read from the cache, {usd:.3f} usd", flush=True)
