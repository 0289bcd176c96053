# SPDX-License-Identifier: MIT OR Apache-2.0
"""LangGraph's SqliteSaver: durable steps of one thread, with a small and with a growing state.

Usage: langgraph_steps.py FOLDER [STEPS]. Prints `name value unit` lines.
"""

import os
import sqlite3
import sys
import time
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

FOLDER = sys.argv[1]
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 300


class State(TypedDict):
    n: int
    log: list


def graph(grows):
    def step(state):
        more = {"log": state["log"] + ["x" * 300]} if grows else {}
        return {"n": state["n"] + 1, **more}

    built = StateGraph(State)
    built.add_node("step", step)
    built.add_edge(START, "step")
    built.add_conditional_edges("step", lambda state: END if state["n"] >= STEPS else "step")
    return built


def run(saver, thread, grows):
    app = graph(grows).compile(checkpointer=saver)
    start = time.perf_counter()
    app.invoke({"n": 0, "log": []}, {"configurable": {"thread_id": thread}, "recursion_limit": STEPS * 2 + 10})
    return time.perf_counter() - start


connection = sqlite3.connect(os.path.join(FOLDER, "langgraph.db"), check_same_thread=False)
saver = SqliteSaver(connection)
saver.setup()
run(saver, "warm", False)
print(f"langgraph_steps_per_second {STEPS / run(saver, 'small', False):.1f} steps/s")
run(saver, "growing", True)
size = "SELECT sum(length(checkpoint) + length(metadata)) FROM checkpoints WHERE thread_id = 'growing'"
size_writes = "SELECT coalesce(sum(length(value)), 0) FROM writes WHERE thread_id = 'growing'"
stored = connection.execute(size).fetchone()[0] + connection.execute(size_writes).fetchone()[0]
print(f"langgraph_stored_per_step {stored / STEPS:.0f} bytes")
mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
print(f"# langgraph: journal_mode {mode}, synchronous {synchronous} (2 is FULL)")
