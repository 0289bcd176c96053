# SPDX-License-Identifier: MIT OR Apache-2.0
"""Starts the emulators and gives them commands; what both Python proofs share."""
import json
import subprocess
import sys


class Emulators:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addresses = json.loads(self.process.stdout.readline())

    def do(self, what, **fields):
        self.process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, (what, fields, answer)
        return answer

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


facts = 0


def holds(fact, truth):
    global facts
    facts += 1
    print(("ok    " if truth else "WRONG ") + fact, flush=True)
    if not truth:
        sys.exit(1)
