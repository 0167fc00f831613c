#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""coverage.py [--list] OBJECTS REASONS COUNTS...

How much of the module was executed. OBJECTS is the folder it was built in, for the debug kernel;
each COUNTS a folder of .gcda files that a run on that kernel left; a line is reached if one of them
reached it. Writes TAP: at least 85 % of the lines must be, and each that is not needs a reason.

REASONS has a line for each, "file:function: text: reason": the source, the function or *, a part
of the line or *, and why no test gets there. One that fits no line is out of date, and fails, too,
unless the reason begins with "seldom": then luck decides whether a test gets there.

--list prints the lines that have no reason, in that form, and nothing else.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

LEAST_PERCENT = 85


class Line:
    def __init__(self, source, number, function, text):
        self.source, self.number, self.function, self.text = source, number, function, text
        self.count = 0


class Reason:
    def __init__(self, path, number, line):
        try:
            where, self.text, self.reason = line.split(": ", 2)
            self.source, self.function = where.split(":")
        except ValueError:
            sys.exit(f"{path}:{number}: not file:function: text: reason")
        self.place, self.used = f"{path}:{number}", False

    def fits(self, line):
        return (self.source == line.source and self.function in ("*", line.function) and
                (self.text == "*" or self.text in line.text))


def read_reasons(path):
    with open(path, encoding="utf-8") as f:
        return [Reason(path, n, line.strip()) for n, line in enumerate(f, 1)
                if line.strip() and not line.startswith("#")]


def gcov(objects, gcda, work):
    """What gcov says of one file of counts, which it wants beside the compiler's notes."""
    stem = os.path.join(work, os.path.basename(gcda)[:-len(".gcda")])
    for link, target in ((".gcda", gcda),
                         (".gcno", os.path.join(objects, os.path.basename(stem) + ".gcno"))):
        if os.path.lexists(stem + link):
            os.remove(stem + link)
        os.symlink(os.path.abspath(target), stem + link)
    said = subprocess.run(["gcov-12", "--json-format", "--stdout", stem + ".gcda"], cwd=work,
                          capture_output=True, check=True)
    if said.stderr:
        sys.exit(f"{gcda}: {said.stderr.decode()}")
    return json.loads(said.stdout)["files"]


def read_counts(objects, folders):
    """The module's own lines; what it includes from the kernel is the kernel's."""
    lines = {}
    with tempfile.TemporaryDirectory() as work:
        for folder in folders:
            files = glob.glob(os.path.join(folder, "*.gcda"))
            if not files:
                sys.exit(f"{folder} holds no .gcda files")
            for gcda in files:
                for f in gcov(objects, gcda, work):
                    if os.path.dirname(os.path.abspath(os.path.join(objects, f["file"]))) == objects:
                        add(lines, objects, f)
    return [lines[key] for key in sorted(lines)]


def add(lines, objects, f):
    source = os.path.basename(f["file"])
    with open(os.path.join(objects, source), encoding="utf-8") as text:
        texts = text.read().split("\n")
    for entry in f["lines"]:
        number = entry["line_number"]
        line = lines.setdefault((source, number), Line(source, number,
                                                       entry.get("function_name", "*"),
                                                       texts[number - 1].strip()))
        line.count += entry["count"]


def table(lines):
    sources = sorted({line.source for line in lines})
    for source in sources + [None]:
        here = [line for line in lines if source in (line.source, None)]
        reached = sum(1 for line in here if line.count)
        yield source or "all", reached, len(here), 100 * reached / len(here)


def result(number, good, name, problems):
    print(f"{'ok' if good else 'not ok'} {number} {name}")
    for problem in problems:
        print(f"# {problem}")
    return good


def main(args):
    only_list = args[:1] == ["--list"]
    args = args[only_list:]
    if len(args) < 3:
        sys.exit(__doc__)
    objects, reasons = os.path.abspath(args[0]), read_reasons(args[1])
    lines = read_counts(objects, args[2:])
    unexplained = []
    for line in lines:
        fitting = [r for r in reasons if not line.count and r.fits(line)]
        for r in fitting:
            r.used = True
        if not line.count and not fitting:
            unexplained.append(line)

    if only_list:
        for line in unexplained:
            print(f"{line.source}:{line.function}: {line.text}: ")
        return 0
    print("TAP version 13\n1..3")
    rows = list(table(lines))
    percent = rows[-1][3]
    out_of_date = [r for r in reasons if not r.used and not r.reason.startswith("seldom")]
    good = [
        result(1, percent >= LEAST_PERCENT, f"{percent:.1f} % of the lines are reached", []),
        result(2, not unexplained, "what is not reached has a reason",
               [f"kmod/{l.source}:{l.number}: {l.function}: {l.text}" for l in unexplained]),
        result(3, not out_of_date, "each reason is needed",
               [f"{r.place} fits no line that was not reached" for r in out_of_date]),
    ]
    for source, reached, total, share in rows:
        print(f"# {source:16} {reached:5} of {total:5} lines {share:6.1f} %")
    return 0 if all(good) else 1


sys.exit(main(sys.argv[1:]))
