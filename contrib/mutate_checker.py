#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Mutation test of the checker: each rule of `crates/blufio-lang/src/check` is deleted or negated, one at a time, and
some test of the checker must fail each time. Prints the survivors; exit 1 when there are any.

    contrib/mutate_checker.py [--slow] [--list] [--again] [--only OPERATOR] [PART OF A FILE NAME …]

All mutants are compiled at once, in a copy of the workspace below the target folder: each place asks `crate::mutant(N)`
at run time whether it is the one of the environment variable `BLUFIO_MUTANT`. Operators:

    delete   a statement that calls or assigns (each report, each visit of a rule, each step of a proof) does nothing
    negate   a condition says the opposite: `if`, match guard, predicate, `-> bool`, `let` of a truth value
    part     one side of `and` and `or` in a condition does not count

What does not compile when it is guarded (a deleted call whose value is needed) is left out and counted. Twenty seconds to
compile, then about a third of a second a mutant. `--slow` shows survivors to the tests of rules, runs and the simulator,
too: up to a minute for each of them.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

# Mutants that no program can tell from the original: file, operator, the beginning of the text, and the reason.
EQUIVALENT = [
    ("check/approvals.rs", "part", "found < DIAGNOSTICS_MAX", "only saves searches whose findings would be dropped"),
    ("check/approvals.rs", "delete", "found += 1", "only saves searches whose findings would be dropped"),
    ("check/costs.rs", "part", "known.contains_key(&program.name)", "looks again; repeated findings are dropped"),
    ("check/expressions.rs", "delete", "names.sort()", "settles ties between suggestions"),
    ("labels/arrows.rs", "part", "out.via == Via::Pend", "what is pending depends on its step anyway"),
    ("labels/cells.rs", "part", "matches!(self.roles[at as usize], Role::Control", "which stations of a way are drawn"),
    ("labels/judged.rs", "part", "names.last() != Some(", "which stations of a way are drawn"),
    ("labels/judged.rs", "part", "hop.span != ", "which stations of a way are drawn"),
    ("labels/judged.rs", "delete", "last = hop.span", "which stations of a way are drawn"),
]

QUICK = [
    ("main", ["litmus::", "refusals::", "verdicts::"]),
    ("lib", ["check::"]),
    ("main", ["performs::", "mutants::", "examples::", "teaching::", "words::"]),
    # What checked programs do.
    ("lib", ["--skip", "check::"]),
]
SLOW = [("main", ["simulate::"]), ("main", ["rules::", "runs::"])]
TIMEOUT_SECONDS = 60
MEMORY_BYTES = 4 << 30
SWITCH = """
/// Whether this mutant is on.
pub fn mutant(number: u32) -> bool {
    static ON: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        std::env::var("BLUFIO_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    });
    *ON == number
}
"""
KEYWORDS = (
    "let return if match for while loop break continue use fn pub struct enum impl mod const static type trait else "
    "where unsafe move async super crate"
).split()
PREDICATES = "filter|any|all|is_some_and|is_none_or|is_ok_and|find|position|rposition|retain|take_while|skip_while|partition"
PAIRS = {"(": ")", "[": "]", "{": "}"}


class Mutant:
    """A piece of text, and what is put around it."""

    def __init__(self, name, operator, start, end, before, after, text):
        self.name, self.operator, self.start, self.end = name, operator, start, end
        self.before, self.after = before, after
        self.line = text.count("\n", 0, start) + 1
        self.text = " ".join(text[start:end].split())
        self.number = 0

    def __str__(self):
        text = self.text if len(self.text) < 110 else self.text[:107] + "..."
        return f"{self.name}:{self.line}: {self.operator}: {text}"


def masked(text):
    """The text with comments and literals blanked out, as long as before."""
    pattern = r'//[^\n]*|b?r#"(?:.|\n)*?"#|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\''
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", "_", found[0]), text)


def closing(mask, at):
    """Where the bracket at `at` is closed."""
    depth = 0
    for i in range(at, len(mask)):
        depth += (mask[i] in "([{") - (mask[i] in ")]}")
        if depth == 0:
            return i
    raise ValueError("unbalanced")


def scan(mask, at, stops):
    """The first place outside of brackets where one of the texts stands, or where the surrounding bracket closes."""
    while at < len(mask):
        for stop in stops:
            if mask.startswith(stop, at):
                return at, stop
        if mask[at] in PAIRS:
            at = closing(mask, at)
        elif mask[at] in ")]}":
            return at, mask[at]
        at += 1
    return at, ""


def trimmed(mask, start, end):
    while start < end and mask[start].isspace():
        start += 1
    while end > start and (mask[end - 1].isspace() or mask[end - 1] == ","):
        end -= 1
    return start, end


class File:
    """The mutants of one file."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        inline = re.search(r"#\[cfg\(test\)\]\s*(?:pub\S*\s+)?mod tests \{", text)
        self.mask = masked(text[: inline.start()] if inline else text)
        self.mutants = []
        for find in (self.conditions, self.predicates, self.functions, self.bound, self.statements, self.arms):
            find()

    def add(self, operator, start, end, before, after):
        start, end = trimmed(self.mask, start, end)
        known = any((m.start, m.end, m.operator) == (start, end, operator) for m in self.mutants)
        if start < end and not known:
            self.mutants.append(Mutant(self.name, operator, start, end, before, after, self.text))

    def condition(self, start, end, whole=True):
        """Negates a condition and takes each of its parts away."""
        start, end = trimmed(self.mask, start, end)
        if whole:
            self.add("negate", start, end, "(crate::mutant(N) != (", "))")
        if re.match(r"(if|match|unsafe|loop|for)\b|\{", self.mask[start:end]):
            return
        for sign, before in (("||", "(!crate::mutant(N) && ("), ("&&", "(crate::mutant(N) || (")):
            parts, at = [], start
            while at <= end:
                stop, found = scan(self.mask[:end], at, [sign])
                parts.append((at, stop))
                at = stop + 2
                if not found:
                    break
            if len(parts) > 1:
                for part in parts:
                    self.add("part", *part, before, "))")
                    if sign == "||":
                        self.condition(*part, whole=False)
                return

    def conditions(self):
        for found in re.finditer(r"\b(?:if|while)\s", self.mask):
            at = found.end()
            chain = []
            while True:
                is_let = self.mask.startswith("let ", at)
                begin = at
                if is_let:
                    at, _ = scan(self.mask, at, ["= "])
                    at += 2
                at, stop = scan(self.mask, at, ["{", "=>", "&&"])
                if stop != "&&":
                    chain.append((is_let, begin, at))
                    break
                chain.append((is_let, begin, at))
                at += 2
                while self.mask[at].isspace():
                    at += 1
            if not any(is_let for is_let, _, _ in chain):
                self.condition(chain[0][1], chain[-1][2])
                continue
            for is_let, begin, end in chain:
                if not is_let:
                    self.condition(begin, end)
                    self.add("part", begin, end, "(crate::mutant(N) || (", "))")

    def predicates(self):
        for found in re.finditer(rf"\.(?:{PREDICATES})\(\s*(?:move\s*)?\|", self.mask):
            opened = self.mask.index("(", found.start())
            start, _ = scan(self.mask, found.end(), ["|"])
            self.condition(start + 1, closing(self.mask, opened))

    def functions(self):
        for found in re.finditer(r"\bfn\s+\w+", self.mask):
            at, stop = scan(self.mask, found.end(), ["{", ";"])
            if stop != "{" or not re.search(r"->\s*bool\s*$", self.mask[found.end() : at]):
                continue
            end = closing(self.mask, at)
            self.add("negate", at + 1, end, "crate::mutant(N) != (|| -> bool {", "})()")
            self.tail(at + 1, end)

    def tail(self, start, end):
        """Takes the parts away of what a block ends with."""
        last = start
        while True:
            stop, found = scan(self.mask[:end], start, [";"])
            if not found:
                break
            last = start = stop + 1
        self.condition(last, end, whole=False)

    def bound(self):
        for found in re.finditer(r"\blet\s+(?:mut\s+)?\w+(?:: bool)?\s*=\s", self.mask):
            end, _ = scan(self.mask, found.end(), [";"])
            start = found.end()
            closure = re.match(r"(?:move\s*)?\|[^|]*\|", self.mask[start:end])
            if closure:
                start += closure.end()
            text = self.mask[start:end].strip()
            if re.match(r"(if|match|loop)\b|\{|\(", text):
                continue
            flat = re.sub(r"\(.*\)", "", text.replace("\n", " "))
            if re.search(r"&&|\|\||[=!]=| [<>]=? ", flat) or re.match(r"!|matches!", text):
                self.condition(start, end)

    def deletable(self, start, end):
        text = self.mask[start:end]
        word = re.match(r"\**([A-Za-z_]\w*)\s*(\.|::|\(|\[|[-+|&]?= )", text)
        if word is None or word[1] in KEYWORDS or (word[1] == "Some" and word[2] == "("):
            return False
        return bool(re.search(r"[(=]", text))

    def delete(self, start, end):
        if self.deletable(start, end):
            self.add("delete", start, end, "(if !crate::mutant(N) { ", " })")

    def statements(self):
        for found in re.finditer(r"[;{}]\s*(?=[A-Za-z_*])", self.mask):
            end, stop = scan(self.mask, found.end(), [";", ",", "=>", " else "])
            if stop in (";", "}"):
                self.delete(found.end(), end)

    def arms(self):
        for found in re.finditer(r"=>\s*(?=[A-Za-z_*])", self.mask):
            end, _ = scan(self.mask, found.end(), [","])
            self.delete(found.end(), end)

    def written(self, off):
        """The text with all mutants but those in `off`; beside it, where each of them lies."""
        inserted = []
        for m in self.mutants:
            if m.number not in off:
                inserted.append((m.start, 1, -m.end, m.number, m, m.before.replace("(N)", f"({m.number})")))
                inserted.append((m.end, 0, -m.start, -m.number, m, m.after))
        inserted.sort(key=lambda entry: entry[:4])
        out, at, size, places = [], 0, 0, {}
        for position, is_open, _, _, m, piece in inserted:
            chunk = self.text[at:position]
            size += len(chunk.encode())
            places.setdefault(m.number, []).append(size if is_open else size + len(piece))
            size += len(piece)
            out += [chunk, piece]
            at = position
        return "".join(out) + self.text[at:], places


def compiled(copy, environment, files):
    """Writes the mutants and drops those that the compiler refuses until the rest compiles."""
    written = "".join(file.written(set())[0] for file in files)
    key = hashlib.sha256(written.encode()).hexdigest()
    known = copy.parent / "mutants-refused.json"
    refused = json.loads(known.read_text()) if known.exists() else {}
    off = set(refused.get(key, []))
    command = ["cargo", "check", "-q", "-p", "blufio-lang", "--lib", "--message-format=json"]
    while True:
        places = {}
        for file in files:
            text, places[file.name] = file.written(off)
            write(copy / file.name, text)
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        before = len(off)
        failed = False
        for line in run.stdout.splitlines():
            message = json.loads(line).get("message") or {}
            if message.get("level") != "error" or not message.get("spans"):
                continue
            failed = True
            off |= blamed(message["spans"], places)
        if not failed and run.returncode == 0:
            known.write_text(json.dumps({key: sorted(off)}))
            return off
        if len(off) == before:
            sys.exit(f"the mutants do not compile:\n{run.stdout[:4000]}\n{run.stderr[-4000:]}")
        print(f"{len(off) - before} mutants less, they do not compile", file=sys.stderr)


def blamed(spans, places):
    """The innermost mutant around the place of an error."""
    for span in sorted(spans, key=lambda span: not span["is_primary"]):
        around = [
            (end - start, number)
            for number, (start, end) in places.get(span["file_name"], {}).items()
            if start <= span["byte_start"] and span["byte_end"] <= end
        ]
        if around:
            return {min(around)[1]}
    found = set()
    for span in spans:
        for number, (start, end) in places.get(span["file_name"], {}).items():
            if span["byte_start"] <= start and end <= span["byte_end"]:
                found.add(number)
    return found


def binaries(copy, environment):
    command = ["cargo", "test", "-q", "-p", "blufio-lang", "--lib", "--test", "main", "--no-run", "--message-format=json"]
    run = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        sys.exit("the tests do not compile")
    found = {}
    for line in run.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("profile", {}).get("test"):
            kind = "lib" if "lib" in message["target"]["kind"] else "main"
            found[kind] = message["executable"]
    return found


def kills(copy, environment, tests, stages, number):
    """Whether some test fails with this mutant."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for kind, filters in stages:
        command = [tests[kind], "-q", "--test-threads=1", *filters]
        try:
            run = subprocess.run(
                command,
                cwd=copy / "crates/blufio-lang",
                env={**environment, "BLUFIO_MUTANT": str(number)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT_SECONDS * (10 if stages is SLOW else 1),
                preexec_fn=limit,
            )
        except subprocess.TimeoutExpired:
            return True
        if run.returncode != 0:
            return True
    return False


def reason(mutant):
    for name, operator, text, why in EQUIVALENT:
        if mutant.name.endswith(name) and mutant.operator == operator and mutant.text.startswith(text):
            return why
    return None


def write(path, text):
    """Only when it differs, so that cargo sees what is new."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def mirror(root, copy):
    """Brings the copy up to date; the files with mutants are written later."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout
    names = [name for name in tracked.decode().split("\0") if name and (root / name).is_file()]
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        if str(path.relative_to(copy)) not in names and path.name != "Cargo.lock":
            path.unlink()
    for name in names:
        mutated = name.startswith("crates/blufio-lang/src/") and (copy / name).exists() and may_hold(name)
        content = (root / name).read_bytes()
        if not mutated and (not (copy / name).exists() or (copy / name).read_bytes() != content):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)


def may_hold(name):
    """Whether a file is written with mutants."""
    name = name.removeprefix("crates/blufio-lang/src/")
    if name in ("lib.rs", "check.rs"):
        return True
    # `places.rs` is of the tests: it tells them what the checker found of each place.
    is_of_tests = re.search(r"/tests(\.rs|/)", name) or name.endswith("labels/places.rs")
    return name.startswith("check/") and "/report" not in name and not is_of_tests


def read_files(root, wanted):
    files, number = [], 0
    sources = root / "crates/blufio-lang/src"
    for path in [sources / "check.rs", *sorted((sources / "check").rglob("*.rs"))]:
        name = str(path.relative_to(root))
        if not may_hold(name):
            continue
        file = File(name, path.read_text())
        if wanted and not any(part in name for part in wanted):
            file.mutants = []
        for mutant in file.mutants:
            number += 1
            mutant.number = number
        files.append(file)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slow", action="store_true", help="show survivors to the slow tests, too")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--again", action="store_true", help="only the survivors of the last run")
    parser.add_argument("--only", choices=["delete", "negate", "part"], help="one operator")
    parser.add_argument("parts", nargs="*", help="parts of file names")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    copy = target / "mutants"
    mirror(root, copy)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(target / "mutants-target"),
        "CARGO_TERM_COLOR": "never",
        "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
        "RUSTFLAGS": "--cap-lints=allow",
        "RUST_MIN_STACK": str(64 << 20),
    }
    library = "crates/blufio-lang/src/lib.rs"
    write(copy / library, (root / library).read_text() + SWITCH)
    files = read_files(root, arguments.parts)
    if arguments.list:
        for file in files:
            print(*file.mutants, sep="\n")
        return
    off = compiled(copy, environment, files)
    tests = binaries(copy, environment)
    if kills(copy, environment, tests, QUICK, 0):
        sys.exit("the tests must pass before anything is changed")
    mutants = [m for file in files for m in file.mutants if m.number not in off]
    mutants = [m for m in mutants if arguments.only in (None, m.operator)]
    last = target / "mutants-survived.json"
    if arguments.again:
        before = {tuple(entry) for entry in json.loads(last.read_text())}
        mutants = [m for m in mutants if (m.name, m.operator, m.text) in before]
    survivors, equivalent, killed = [], 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda m: kills(copy, environment, tests, QUICK, m.number), mutants)
        for mutant, is_killed in zip(mutants, results):
            if is_killed:
                killed += 1
            elif reason(mutant):
                equivalent += 1
            else:
                survivors.append(mutant)
                print("survived", mutant, flush=True)
    if arguments.slow:
        left = [m for m in survivors if not kills(copy, environment, tests, SLOW, m.number)]
        killed, survivors = killed + len(survivors) - len(left), left
        print("after the slow tests:", *survivors, sep="\n")
    last.write_text(json.dumps([(m.name, m.operator, m.text) for m in survivors]))
    counts = f"{len(mutants)} mutants: {killed} killed, {len(survivors)} survived, {equivalent} equivalent"
    print(f"{counts}; {len(off)} more do not compile")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
