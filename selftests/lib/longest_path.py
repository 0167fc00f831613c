# SPDX-License-Identifier: GPL-2.0
"""
longest_path.py FUNCTION LIMIT <DISASSEMBLY

Reads what objdump -dr says of an x86 object and finds the longest way through FUNCTION, in
instructions, that returns and calls nobody. A jump to another function is a call, but for the one
that stands for a return. Exit status 1 if the way is longer than LIMIT, if there is none, or if the
function has a loop, for then there is no longest way.
"""

import re
import sys

RETURN_THUNK = "__x86_return_thunk"
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:lock|cs|ds|rep|notrack|bnd)\s+)*(\S+)\s*(.*)$")
RELOCATION = re.compile(r"^\s*[0-9a-f]+: R_\S+\s+([\w.]+)")


class Instruction:
    def __init__(self, address, name, operands):
        self.address = address
        self.name = name
        self.operands = operands
        self.symbol = None      # what a relocation makes it refer to

    def target(self):
        match = re.match(r"([0-9a-f]+)\b", self.operands)
        return int(match.group(1), 16) if match else None


def read(lines, function):
    """The function's instructions, in order."""
    inside, found = False, []
    for line in lines:
        if line.endswith(">:\n"):
            inside = line.endswith(f" <{function}>:\n")
        elif inside:
            relocation = RELOCATION.match(line)
            instruction = INSTRUCTION.match(line)
            if relocation:
                found[-1].symbol = relocation.group(1)
            elif instruction:
                found.append(Instruction(int(instruction.group(1), 16), instruction.group(2),
                                         instruction.group(3)))
    return found


def successors(code, index):
    """Where it goes on after an instruction: indices, "return", or nothing after a call."""
    by_address = {c.address: i for i, c in enumerate(code)}
    this = code[index]
    if this.name.startswith("ret") or this.symbol == RETURN_THUNK:
        return ["return"]
    if this.name.startswith("call"):
        return [index + 1] if this.symbol == "__fentry__" else []
    if not this.name.startswith("j"):
        return [index + 1]
    to = [] if this.symbol and not this.symbol.startswith(".") else [by_address.get(this.target())]
    if this.name != "jmp":
        to.append(index + 1)
    return [t for t in to if t is not None]


def longest(code):
    """How many instructions the longest way is, or None."""
    best, entered = {}, set()

    def visit(index):
        if index in best:
            return best[index]
        if index in entered:
            sys.exit(f"a loop at {code[index].address:x}")
        entered.add(index)
        ways = [0 if to == "return" else visit(to) for to in successors(code, index)]
        ways = [way for way in ways if way is not None]
        best[index] = 1 + max(ways) if ways else None
        return best[index]

    return visit(0) if code else None


def main():
    function, limit = sys.argv[1], int(sys.argv[2])
    length = longest(read(sys.stdin, function))
    print(f"{function}: {length} instructions at most")
    sys.exit(0 if length is not None and length <= limit else 1)


main()
