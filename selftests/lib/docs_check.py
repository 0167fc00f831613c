#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
docs_check.py uapi|rst|names|version

Checks the documentation against what it is about. Prints a line for each thing that is wrong;
exit status 1 when there is one.

  uapi     Documentation/uapi.rst names every macro, structure, field, enum, value and errno of
           uapi/linux/gsched.h, in the header's order, and none that is not there
  rst      the files are well-formed: titles, directives, tables, literals, links to each other
  names    every constant, file and function that the texts name exists
  version  the version is the same wherever it stands
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADER = TOP / "uapi/linux/gsched.h"
DOCS = sorted((TOP / "Documentation").glob("*.rst"))
ERRNO = re.compile(r"\bE[A-Z0-9]{3,}\b")

# Words that look like an errno.
NOT_ERRNO = {"EPOLLIN", "EPOLLPRI", "EPOLLERR"}


def errnos(text):
    return set(ERRNO.findall(text)) - NOT_ERRNO


class Api:
    """What an API consists of: kind and name of each entity, in order, with its parts."""

    def __init__(self):
        self.parts = {}     # (kind, name) -> [part]
        self.errnos = {}    # name of a call -> {errno}
        self.common = set()     # errnos of every call


def header_fields(body):
    """Fields of a structure but for those marked private."""
    body = re.sub(r"/\* private: \*/.*?(/\* public: \*/|$)", "", body, flags=re.S)
    return re.findall(r"\b(\w+)(?:\[[^]]*\])?;", body)


def read_header():
    text = HEADER.read_text()
    api = Api()
    for name in re.findall(r"^#define (GSCHED_\w+)", text, re.M):
        api.parts["macro", name] = []
    for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.M | re.S):
        api.parts["struct", name] = header_fields(body)
    for name, body in re.findall(r"^enum (\w+) \{\n(.*?)^\};", text, re.M | re.S):
        api.parts["enum", name] = re.findall(r"^\t(\w+)\s*=\s*(\d+)", body, re.M)

    comments = re.findall(r"/\*\*\n? \*? ?(.*?)\*/", text, re.S)
    of = {re.match(r"(?:struct |enum )?(\w+)", c.strip()).group(1): c for c in comments}
    for (kind, name) in api.parts:
        if kind == "macro" and name.startswith("GSCHED_IOC_") and name != "GSCHED_IOC_TYPE":
            comment = of[name]
            struct = re.search(r"struct (\w+)", comment)
            if struct:
                comment += of[struct.group(1)]
            api.errnos[name] = errnos(comment)
    api.common = errnos(re.search(r"Errors of every call:.*?\*/", text, re.S).group(0))
    return api


def blocks(text):
    """The directives at the left margin: kind, name and the text below each."""
    found = list(re.finditer(r"^\.\. c:(\w+):: (\w+)$", text, re.M))
    for this, following in zip(found, found[1:] + [None]):
        body = text[this.end():following.start() if following else len(text)]
        # A block ends where the text comes back to the margin.
        yield this.group(1), this.group(2), re.split(r"^\S", body, maxsplit=1, flags=re.M)[0]


def rows(body):
    """The rows of a block's tables, headers left out."""
    for table in re.split(r"\.\. list-table::", body)[1:]:
        cells = [re.split(r"^ +- ", row, flags=re.M)
                 for row in re.split(r"^ +\* - ", table, flags=re.M)[2:]]
        yield from ([" ".join(cell.split()) for cell in row] for row in cells)


def read_reference():
    text = (TOP / "Documentation/uapi.rst").read_text()
    api = Api()
    for kind, name, body in blocks(text):
        literal = [[cell.strip("`") for cell in row] for row in rows(body)]
        if kind == "struct":
            api.parts[kind, name] = [row[0] for row in literal]
        elif kind == "enum":
            api.parts[kind, name] = [(row[0], row[1]) for row in literal]
        else:
            api.parts[kind, name] = []
            if name.startswith("GSCHED_IOC_") and name != "GSCHED_IOC_TYPE":
                api.errnos[name] = errnos(body)
    api.common = errnos(text[text.index("Errors of every call"):text.index("GSCHED_IOC_SETUP\n\n   Makes")])
    return api


def check_uapi():
    header, doc = read_header(), read_reference()
    for kind, name in header.parts.keys() - doc.parts.keys():
        yield f"{kind} {name} is not in uapi.rst"
    for kind, name in doc.parts.keys() - header.parts.keys():
        yield f"{kind} {name} is in uapi.rst and not in the header"
    for entity in header.parts.keys() & doc.parts.keys():
        if header.parts[entity] != doc.parts[entity]:
            yield (f"{' '.join(entity)}: the header has {header.parts[entity]}, "
                   f"uapi.rst has {doc.parts[entity]}")
    for call in header.errnos.keys() & doc.errnos.keys():
        for errno in header.errnos[call] - doc.errnos[call] - header.common:
            yield f"{call}: {errno} is not in uapi.rst"
        for errno in doc.errnos[call] - header.errnos[call] - header.common:
            yield f"{call}: {errno} is in uapi.rst and not in the header"
    for errno in header.common ^ doc.common:
        yield f"errors of every call: {errno} is only in one of the header and uapi.rst"


DIRECTIVES = {"toctree", "list-table", "c:macro", "c:struct", "c:enum", "code-block", "note"}
ROLES = {"doc", "c:macro", "c:struct", "c:enum"}


def check_titles(name, lines):
    for i, line in enumerate(lines):
        if not re.fullmatch(r"([=\-~^])\1{3,}", line):
            continue
        overline = i + 2 < len(lines) and lines[i + 2] == line
        underline = i > 0 and lines[i - 1] and not lines[i - 1].startswith((" ", "..", line))
        if overline and len(line) < len(lines[i + 1]):
            yield f"{name}:{i + 1}: the line over the title is too short"
        if underline and len(line) < len(lines[i - 1]):
            yield f"{name}:{i + 1}: the line under the title is too short"
        if not overline and not underline:
            yield f"{name}:{i + 1}: a line without a title"


def check_tables(name, text):
    for table in re.finditer(r"^( *)\.\. list-table::.*\n((?:\1 +.*\n|\n)*)", text, re.M):
        widths = [1 + len(re.findall(r"^ +- ", row, re.M))
                  for row in re.split(r"^ +\* - ", table.group(2), flags=re.M)[1:]]
        if len(widths) < 2 or len(set(widths)) != 1:
            line = text.count("\n", 0, table.start()) + 1
            yield f"{name}:{line}: rows of {sorted(set(widths))} columns"


def check_rst_file(path):
    text = path.read_text()
    name = path.name
    lines = text.splitlines()
    if not lines[0].startswith(".. SPDX-License-Identifier: "):
        yield f"{name}: the first line is no SPDX identifier"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{name}: does not end with one newline"
    for i, line in enumerate(lines, 1):
        if "\t" in line or line != line.rstrip():
            yield f"{name}:{i}: a tab, or a space at the end"
        if len(line) > 100:
            yield f"{name}:{i}: longer than 100 columns"
        directive = re.match(r" *\.\. ([\w:-]+?)::", line)
        if directive and directive.group(1) not in DIRECTIVES:
            yield f"{name}:{i}: unknown directive {directive.group(1)}"
        if directive and i < len(lines) and lines[i].strip() and not lines[i].strip().startswith(":"):
            yield f"{name}:{i}: no empty line after the directive"
        if re.match(r" *\.\. [\w-]+:(?!:)", line) and "SPDX" not in line and not directive:
            yield f"{name}:{i}: a directive with one colon"
    yield from check_titles(name, lines)
    yield from check_tables(name, text)
    prose = re.sub(r"::\n\n(?:[ \t]+.*\n|\n)+", "\n\n", re.sub(r"^( *)\.\. .*::", r"\1", text, flags=re.M))
    for paragraph in prose.split("\n\n"):
        if paragraph.count("``") % 2:
            yield f"{name}: an open literal in: {paragraph.strip()[:60]}"
        if re.search(r"(?<![`:\w])`(?!`)[^`]+`(?![`_])", paragraph.replace("``", "\0")):
            yield f"{name}: single back quotes in: {paragraph.strip()[:60]}"
    for role, target in re.findall(r":([\w:]+):`([^`]+)`", text):
        if role not in ROLES:
            yield f"{name}: unknown role {role}"
        elif role == "doc" and not (path.parent / f"{target}.rst").is_file():
            yield f"{name}: no document {target}"
        elif role != "doc" and not defined(role, target):
            yield f"{name}: :{role}:`{target}` is defined nowhere"


def defined(role, target):
    return re.search(rf"^\.\. {role}:: {target}$", (TOP / "Documentation/uapi.rst").read_text(), re.M)


def check_rst():
    index = (TOP / "Documentation/index.rst").read_text()
    for path in DOCS:
        yield from check_rst_file(path)
        if path.stem != "index" and not re.search(rf"^   {path.stem}$", index, re.M):
            yield f"{path.name} is not in the toctree of index.rst"
    try:
        from docutils.core import publish_doctree  # what Sphinx reads, where it is there
    except ImportError:
        return
    for path in DOCS:
        text = re.sub(r"^( *)\.\. (?:c:\w+|toctree)::.*$", r"\1.. note::\n", path.read_text(), flags=re.M)
        text = re.sub(r":(?:doc|c:\w+):`", "`", text)
        for message in publish_doctree(text, settings_overrides={"report_level": 5}) \
                .findall(lambda node: node.tagname == "system_message" and node["level"] > 2):
            yield f"{path.name}: {message.astext()}"


def sources():
    for folder in ("kmod", "uapi", "libgrt", "selftests"):
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".S", ".sh", ".awk", ".pml", ".py") and path.is_file():
                yield path


def check_names():
    words = set()
    for path in sources():
        words.update(re.findall(r"\w+", path.read_text(errors="replace")))
    words |= set(re.findall(r"[\w-]+", (TOP / "Makefile").read_text()))
    for path in DOCS + [TOP / "README.md"]:
        text = path.read_text()
        for name in set(re.findall(r"\b(?:GSCHED|GRT)_[A-Z0-9_]*[A-Z0-9]\b(?!\w|_?\*)", text)):
            if name not in words:
                yield f"{path.name}: there is no {name}"
        for name in set(re.findall(r"`(\w+)\(\)`", text)):
            if name not in words:
                yield f"{path.name}: there is no function {name}()"
        for name in set(re.findall(r"`((?:kmod|uapi|libgrt|selftests|Documentation|debian|LICENSES)/[\w./-]*)`",
                                   text)):
            if not (TOP / name).exists():
                yield f"{path.name}: there is no {name}"
        for target in set(re.findall(r"`make ([\w-]+)", text)):
            if target not in words:
                yield f"{path.name}: there is no 'make {target}'"
        for target in set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text)):
            if not (path.parent / target).exists():
                yield f"{path.name}: there is no {target}"


def check_version():
    places = {
        "kmod/main.c": r'^MODULE_VERSION\("([^"]+)"\)',
        "dkms.conf": r'^PACKAGE_VERSION="([^"]+)"',
        "debian/changelog": r"\A\w+ \(([^)]+)\)",
    }
    versions = {name: re.search(regex, (TOP / name).read_text(), re.M).group(1)
                for name, regex in places.items()}
    if len(set(versions.values())) != 1:
        yield f"versions differ: {versions}"


def main():
    checks = {"uapi": check_uapi, "rst": check_rst, "names": check_names, "version": check_version}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(__doc__.strip())
    wrong = sorted(set(checks[sys.argv[1]]()))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


main()
