#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
run.py [--seed N] [--draw N] [--kernel 6.1|6.12] library|kernel [PATCH...]

Breaks the library, or the module, one small way at a time, and shows which test notices. Each
mutant is a patch in selftests/mutants/library or kernel; the first lines of it say which row of
Documentation/requirements.rst it breaks and which test is expected to notice:

    Row: R84
    Test: runq_test runq.overflow_moves_half

Each is applied to a copy of the sources, built, and the tests of the file "tests" beside the
patches are run in its order until one fails. The library's run here, on futexes; the module's in a
virtual machine. Of the library's --draw mutants (20) are drawn, by --seed, which is printed; 0 means
all. With PATCH, a part of a name, only those.

Writes TAP: a test a mutant, which passes if a test caught it, and one for the rules of the whole
run: every test in the list passes without a mutant, and no test catches more than two. A mutant
that does not build is a failure, too: the compiler is no test.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
ROW = re.compile(r"(R\d+a?|C\d+|GC\d+|protocol [\d.]+)")
SOURCES = ("kmod", "libgrt", "uapi", "selftests", "Kbuild", "Makefile")
MOST_BY_ONE = 2
BOOTS = 3


class Mutant:
    """A patch and what its first lines say."""

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        head = path.read_text().split("\n--- ", 1)[0]
        said = dict(re.findall(r"^(Row|Test): (.*)$", head, re.M))
        self.row = said.get("Row", "")
        self.test = said.get("Test", "")
        if not ROW.fullmatch(self.row) or len(self.test.split()) != 2:
            sys.exit(f"{path}: says no Row, or no Test")


def kill_session(leader):
    """A test has a process group of its own, so that of its program is not enough."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(pid)) == leader:
                os.kill(int(pid), 9)
        except ProcessLookupError:
            pass    # gone meanwhile


def say(text):
    print(text, flush=True)


def command(*words, **kwargs):
    """Runs a command; its output is returned with the status."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **kwargs)
    return done.returncode, done.stdout


class Copy:
    """A copy of the sources that is broken and mended again."""

    def __init__(self, folder):
        self.top = pathlib.Path(folder)
        for name in SOURCES:
            source = TOP / name
            if source.is_dir():
                shutil.copytree(source, self.top / name, symlinks=True,
                                ignore=shutil.ignore_patterns("build", "*.o", "*.ko"))
            else:
                shutil.copy2(source, self.top / name)

    def patch(self, mutant, *options):
        return command("patch", "-s", "-p1", "-d", str(self.top), *options, "-i",
                       str(mutant.path))


class Library:
    """Builds libgrt in the copy and runs its tests here; each program is built when it is needed."""

    def __init__(self, copy, args):
        del args
        self.copy = copy
        self.out = copy.top / "build"
        status, ksft = command(str(TOP / "selftests/lib/ksft.sh"))
        if status:
            sys.exit(ksft)
        self.make = ("make", "-s", f"-j{os.cpu_count()}", "-C")
        self.settings = (f"KSFTDIR={ksft.split()[-1]}", f"GRT_BUILD={self.out}/libgrt",
                         f"OUTPUT={self.out}/grt")
        (self.out / "grt").mkdir(parents=True)
        # A death must look like one also where the shell has a taste of its own.
        self.env = dict(os.environ, GRT_BACKEND="futex")
        self.limits = {}

    def build(self):
        return command(*self.make, str(self.copy.top / "libgrt"), f"O={self.out}/libgrt")

    def run_test(self, test, limit):
        program, name = test.split()
        status, said = command(*self.make, str(self.copy.top / "selftests/grt"), *self.settings,
                               f"{self.out}/grt/{program}")
        if status:
            sys.exit(f"{program} does not build:\n{said}")
        words = [f"{self.out}/grt/{program}", "-t", name.split(".")[-1]]
        with subprocess.Popen(words, env=self.env, start_new_session=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace") as child:
            try:
                said = child.communicate(timeout=limit)[0]
            except subprocess.TimeoutExpired:
                return False
            finally:
                kill_session(child.pid)
        # Status 0 alone is not enough: a name that does not exist is an empty run.
        return child.returncode == 0 and re.search(r"^ok 1 ", said, re.M) is not None

    def first_failure(self, tests):
        """The first test that fails; without limits yet, they are measured."""
        for test in tests:
            start = time.monotonic()
            good = self.run_test(test, self.limits.get(test, 300))
            self.limits.setdefault(test, 10 + 10 * (time.monotonic() - start))
            if not good:
                return test
        return None


class Kernel:
    """Builds the module in the copy and runs the tests on it in a virtual machine."""

    def __init__(self, copy, args):
        self.copy = copy
        self.kernel = args.kernel
        self.module = None
        status, said = command(str(TOP / "selftests/vm/build.sh"), self.kernel)
        if status:
            sys.exit(said)

    def build(self):
        status, said = command(str(self.copy.top / "selftests/vm/build.sh"), self.kernel)
        self.module = said.split()[-1] if not status else None
        return status, said

    def first_failure(self, tests):
        """One machine for all; a guest that dies or hangs has died of the test it was at."""
        words = [str(TOP / "selftests/vm/run.sh"), "--kernel", self.kernel, "--cpus", "4",
                 "--module", self.module, "--timeout", "420", "--root", str(TOP / "build/stage"),
                 "--bin", str(HERE / "first_failure.sh"), "--", "first_failure.sh", *tests]
        # A guest that does not come as far as the tests says nothing about the module.
        for _ in range(BOOTS):
            status, said = command(*words)
            begun = re.findall(r"^# test: (.*)$", said, re.M)
            if begun:
                break
        failed = re.search(r"^not ok \d+ (.*)$", said, re.M)
        if failed:
            return failed.group(1)
        if status and begun:
            return begun[-1]
        if status:
            sys.exit(f"no test ran:\n{said}")
        return None


def judge(bench, copy, mutant, tests):
    """How it went with a mutant: the test that caught it, or None and why not."""
    status, said = copy.patch(mutant)
    if status:
        return None, "the patch does not apply: " + said.strip()
    try:
        status, said = bench.build()
        if status:
            return None, "caught by the compiler alone:\n" + said
        caught = bench.first_failure(tests)
        return caught, "" if caught else "no test fails"
    finally:
        copy.patch(mutant, "-R")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--draw", type=int, default=20)
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("what", choices=("library", "kernel"))
    parser.add_argument("patch", nargs="*")
    args = parser.parse_args()

    folder = HERE / args.what
    mutants = [Mutant(path) for path in sorted(folder.glob("*.patch"))]
    tests = [" ".join(line.split()) for line in (folder / "tests").read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    missing = {m.test for m in mutants} - set(tests)
    if missing:
        sys.exit(f"{folder}/tests lacks: {', '.join(sorted(missing))}")
    if args.patch:
        mutants = [m for m in mutants if any(part in m.name for part in args.patch)]
    elif args.what == "library" and 0 < args.draw < len(mutants):
        mutants = sorted(random.Random(args.seed).sample(mutants, args.draw),
                         key=lambda m: m.name)

    say("TAP version 13")
    say(f"1..{len(mutants) + 2}")
    say(f"# seed {args.seed}: {len(mutants)} mutants, {len(tests)} tests")
    failed = False
    caught_by = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="mutants.") as temp:
        copy = Copy(temp)
        bench = (Library if args.what == "library" else Kernel)(copy, args)
        status, said = bench.build()
        if status:
            sys.exit(f"the sources do not build:\n{said}")
        wrong = bench.first_failure(tests)
        failed |= bool(wrong)
        say(f"{'not ' if wrong else ''}ok 1 - without a mutant every test passes")
        if wrong:
            say(f"# {wrong} fails")
            return 1
        for number, mutant in enumerate(mutants, 2):
            start = time.monotonic()
            caught, why = judge(bench, copy, mutant, tests)
            seconds = time.monotonic() - start
            failed |= not caught
            caught_by[caught] += bool(caught)
            other = "" if caught in (None, mutant.test) else f", expected by {mutant.test}"
            say(f"{'' if caught else 'not '}ok {number} - {mutant.name} ({mutant.row}): "
                + (f"caught by {caught}{other}" if caught else "not caught")
                + f" ({seconds:.0f} s)")
            for line in why.splitlines():
                say(f"# {line}")
    most = [test for test, n in caught_by.items() if n > MOST_BY_ONE]
    failed |= bool(most)
    say(f"{'not ' if most else ''}ok {len(mutants) + 2} - no test catches more than "
        f"{MOST_BY_ONE} of them")
    for test in most:
        say(f"# {test} catches {caught_by[test]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
