# SPDX-License-Identifier: MIT OR Apache-2.0
"""DBOS on SQLite: durable steps of one workflow, and of 200 concurrent workflows of three steps.

Usage: dbos_steps.py FOLDER. Prints `name value unit` lines.
"""

import os
import sqlite3
import sys
import time

from dbos import DBOS

PATH = os.path.join(sys.argv[1], "dbos.sqlite")
STEPS = 200
WORKFLOWS = 200

DBOS(
    config={
        "name": "bench",
        "system_database_url": "sqlite:///" + PATH,
        "log_level": "ERROR",
        "run_admin_server": False,
    }
)


@DBOS.step()
def step(number):
    return number


@DBOS.workflow()
def workflow(steps):
    return sum(step(number) for number in range(steps))


DBOS.launch()
workflow(20)
start = time.perf_counter()
workflow(STEPS)
print(f"dbos_steps_per_second {STEPS / (time.perf_counter() - start):.1f} steps/s")
start = time.perf_counter()
handles = [DBOS.start_workflow(workflow, 3) for _ in range(WORKFLOWS)]
for handle in handles:
    handle.get_result()
print(f"dbos_concurrent_steps_per_second {WORKFLOWS * 3 / (time.perf_counter() - start):.1f} steps/s")
print("# dbos: journal_mode", sqlite3.connect(PATH).execute("PRAGMA journal_mode").fetchone()[0])
DBOS.destroy()
