#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Mutation test of the checker: every place that reports a diagnostic is made to report nothing, one at a time; some
test of the checker must fail each time. Prints the survivors; exit 1 when there are any.

    contrib/mutate_checker.py [PART OF A FILE NAME …]

Works on a copy of the crate below the target folder, so the tree stays as it is. About twelve seconds a mutant.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
copy = Path(os.environ.get("MUTANTS_DIR", root / "target" / "mutants"))
shutil.rmtree(copy, ignore_errors=True)
ignored = shutil.ignore_patterns("target", ".git")
shutil.copytree(root, copy, ignore=ignored)
environment = {**os.environ, "CARGO_TARGET_DIR": str(copy.parent / "mutants-target"), "CARGO_TERM_COLOR": "never"}
tests = ["litmus", "mutants", "examples", "teaching", "check::"]
call = re.compile(r"\b(?:self\.push|self\.push_unknown|diagnostics\.push|self\.diagnostics\.push|checker\.diagnostics\.push)\(")


def passes():
    run = subprocess.run(
        ["cargo", "test", "-q", "-p", "blufio-lang", "--test", "main", "--", *tests],
        cwd=copy, env=environment, capture_output=True, text=True,
    )
    if "could not compile" in run.stderr:
        return None
    return run.returncode == 0


wanted = sys.argv[1:]
survivors, killed, broken = [], 0, 0
assert passes(), "the tests must pass before anything is changed"
for path in sorted((copy / "crates/blufio-lang/src/check").rglob("*.rs")):
    name = str(path.relative_to(copy))
    if "/report" in name or path.name == "scope.rs" or (wanted and not any(part in name for part in wanted)):
        continue
    text = path.read_text()
    for found in call.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        path.write_text(text[: found.start()] + "drop(" + text[found.end():])
        result = passes()
        path.write_text(text)
        if result is None:
            broken += 1
        elif result:
            survivors.append(f"{name}:{line}: {text.splitlines()[line - 1].strip()}")
            print("survived", survivors[-1], flush=True)
        else:
            killed += 1
print(f"{killed} killed, {len(survivors)} survived, {broken} did not compile")
sys.exit(bool(survivors))
