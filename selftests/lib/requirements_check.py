#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
requirements_check.py numbers|status|functions|tests|open [FILE]

Checks Documentation/requirements.rst, or FILE. Prints a line for each thing that is wrong; exit
status 1 when there is one.

  numbers    each of R1 to R123, R106a, C1 to C18 and GC1 to GC9 has one row, in this order
  status     each row has a status that it may have, and what goes with it
  functions  each function named is defined in the file named
  tests      each test named is in the program named
  open       prints the rows that are still open; never fails
"""

import functools
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
NUMBERS = ([f"R{n}" for n in range(1, 107)] + ["R106a"] + [f"R{n}" for n in range(107, 124)] +
           [f"C{n}" for n in range(1, 19)] + [f"GC{n}" for n in range(1, 10)])

# What may be put off, and to which subject.
LATER = {
    "collector": {"R21", "R48", "R63", "R67", "R68", "R69", "R89", "R90", "R91", "C16",
                  "GC4", "GC5", "GC6", "GC7", "GC8", "GC9"},
    "I/O": {"R58", "C9"},
    "timers": {"R59"},
    "sync": {"C13"},
}

SOURCES = ("libgrt/src", "libgrt/arch/x86_64", "libgrt/include/grt", "kmod")
PROGRAMS = ("selftests/grt", "selftests/gsched", "selftests/lib")
MODELS = "selftests/model"


class Row:
    def __init__(self, cells):
        self.number, self.rule, self.status, functions, tests = cells
        self.where = functions
        self.functions = re.findall(r"``([\w.]+:\w+)``", functions)
        self.tests = re.findall(r"``([\w./]+:[\w.]+)``", tests)


def read_rows(path):
    text = path.read_text()
    for row in re.split(r"^   \* - ", text, flags=re.M)[1:]:
        row = re.split(r"\n(?=\S)", row)[0]
        cells = [" ".join(cell.split()) for cell in re.split(r"^     -(?: |$)", row, flags=re.M)]
        if len(cells) == 5 and cells[0] != "Number":
            yield Row(cells)


def check_numbers(rows):
    numbers = [row.number for row in rows]
    for number in NUMBERS:
        if number not in numbers:
            yield f"{number} has no row"
    for number in sorted(set(numbers)):
        if number not in NUMBERS:
            yield f"{number} is no number of a rule"
        elif numbers.count(number) > 1:
            yield f"{number} has {numbers.count(number)} rows"
    if numbers != sorted(numbers, key=lambda n: NUMBERS.index(n) if n in NUMBERS else 0):
        yield "the rows are not in order"


def check_status(rows):
    for row in rows:
        later = re.fullmatch(r"later: (\S+)", row.status)
        if not row.rule.endswith("."):
            yield f"{row.number}: does not say what the rule is"
        if row.status == "done":
            if not row.functions:
                yield f"{row.number}: done, but no function does it"
            if not row.tests:
                yield f"{row.number}: done, but no test shows it"
        elif row.status == "no counterpart in C":
            if not row.where.endswith("."):
                yield f"{row.number}: no counterpart, but no reason"
        elif later:
            if row.number not in LATER.get(later.group(1), ()):
                yield f"{row.number}: may not be put off to {later.group(1)}"
        elif not re.fullmatch(r"open: \S.*", row.status):
            yield f"{row.number}: there is no status '{row.status}'"


def find(name, folders):
    return [path for folder in folders for path in [TOP / folder / name] if path.is_file()]


@functools.lru_cache(maxsize=None)
def read(path):
    return path.read_text()


def defines(text, name):
    """A function with its body, a macro, a type, a variable, or a label of assembly."""
    word = re.escape(name)
    for found in re.finditer(rf"^(?![\s#/*}}]).*\b{word}\(", text, re.M):
        end = re.compile(r"^\{|;$", re.M).search(text, found.start())
        if end and end.group() == "{":
            return True
    return bool(re.search(rf"^#define {word}\b|^(?:enum|struct) {word} \{{|^(?:\w+ )+\*?{word} = |"
                          rf"^\t?ENTRY\({word}\)|^{word}:|^\tfunction {word}\b|^FUNCTION {word}\b",
                          text, re.M))


def check_functions(rows):
    for row in rows:
        for place in row.functions:
            name, function = place.split(":")
            files = find(name, SOURCES)
            if not files:
                yield f"{row.number}: there is no {name}"
            elif not any(defines(read(path), function) for path in files):
                yield f"{row.number}: {name} does not define {function}"


def tests_of(path):
    text = read(path)
    names = set(re.findall(r"^\s*TEST(?:_SIGNAL)?\((\w+)", text, re.M))
    names |= set(re.findall(r"^\s*TEST_F(?:_TIMEOUT|_SIGNAL)?\(\w+,\s*(\w+)", text, re.M))
    names |= set(re.findall(r"^TEST_EVERY_\w+\((\w+)\)", text, re.M))
    return names


def check_tests(rows):
    for row in rows:
        for place in row.tests:
            program, test = place.split(":")
            if program == "model":
                if not (TOP / MODELS / test).is_file():
                    yield f"{row.number}: there is no model {test}"
                continue
            folders = PROGRAMS
            if "/" in program:
                folder, program = program.split("/")
                folders = (f"selftests/{folder}",)
            files = [f for end in (".c", ".cc", ".sh") for f in find(program + end, folders)]
            if not files:
                yield f"{row.number}: there is no test program {program}"
            elif not any(test in tests_of(path) or path.suffix == ".sh" and test in read(path)
                         for path in files):
                yield f"{row.number}: {program} has no test {test}"


def main():
    checks = {"numbers": check_numbers, "status": check_status, "functions": check_functions,
              "tests": check_tests}
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in (*checks, "open"):
        sys.exit(__doc__.strip())
    path = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else \
        TOP / "Documentation/requirements.rst"
    rows = list(read_rows(path))
    if sys.argv[1] == "open":
        still = [row for row in rows if row.status.startswith("open: ")]
        print(f"{len(still)} of {len(rows)} rules are open")
        for row in still:
            print(f"{row.number}: {row.status.removeprefix('open: ')}")
        return
    wrong = list(checks[sys.argv[1]](rows))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


main()
