#!/usr/bin/env python3
"""Compares abi.h with abi.lock, which records what was promised: the size, alignment and offset of
everything that crosses the boundary, its types, the order of both tables, and every constant.

usage: api/abi/abi_lock.py           says what differs; exits with 1 if a promise is broken
       api/abi/abi_lock.py --write   adds to abi.lock what is new in abi.h

What is new may be added: constants, structs, members at the end of those that start with their own
size. What was there may not change; whoever must change it edits abi.lock by hand, and knows why.
"""

import os
import re
import subprocess
import sys
import tempfile

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))
HEADER = os.path.join(_HERE, "abi.h")
LOCK = os.path.join(_HERE, "abi.lock")


class Struct:
    """Its members are (name, type), in order."""

    def __init__(self, name, members):
        self.name = name
        self.members = members

    @property
    def may_grow(self):
        return any(name == "size" for name, _ in self.members)


def _strip_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def _without_name(declaration):
    """A parameter's type: names of parameters are no promise."""
    declaration = " ".join(declaration.split())
    function = re.match(r"(.*)\(\*\s*\w*\)\s*\((.*)\)$", declaration)
    if function:
        return _function_type(function.group(1), function.group(2))
    words = re.findall(r"\w+|\*", declaration)
    if len(words) > 1 and re.match(r"\w", words[-1]) and words[-1] not in (
            "void", "char", "const") and words[:-1] != ["const"] and words[:-1] != ["struct"]:
        words = words[:-1]
    return " ".join(words)


def _function_type(result, parameters):
    result = " ".join(re.findall(r"\w+|\*", result))
    depth, start, parts = 0, 0, []
    for i, c in enumerate(parameters + ","):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(parameters[start:i])
            start = i + 1
    return "%s (*)(%s)" % (result, ", ".join(_without_name(p) for p in parts))


def _members(body):
    """(name, type) of each member of a struct or union."""
    members = []
    depth, start = 0, 0
    for i, c in enumerate(body):
        depth += (c in "({") - (c in ")}")
        if c != ";" or depth:
            continue
        text = " ".join(body[start:i].split())
        start = i + 1
        union = re.match(r"union\s*\{(.*)\}\s*(\w+)$", text)
        function = re.match(r"(.*?)\(\*\s*(\w+)\)\s*\((.*)\)$", text)
        if union:
            inner = _members(union.group(1))
            members.append((union.group(2), "union"))
            members += [(union.group(2) + "." + name, kind) for name, kind in inner]
        elif function:
            members.append((function.group(2),
                            _function_type(function.group(1), function.group(3))))
        else:
            kind, names = re.match(r"((?:const\s+)?\w+\s*\**)\s*(.*)$", text).groups()
            for name in names.split(","):
                base, array = re.match(r"\s*(\w+)\s*(\[\d+\])?\s*$", name).groups()
                members.append((base, " ".join(re.findall(r"\w+|\*", kind)) + (array or "")))
    return members


def parse(text):
    """(structs, constants, functions) that a header declares; functions as {name: type}."""
    text = _strip_comments(text)
    constants = []
    for body in re.findall(r"\benum\s*\{([^}]*)\}", text):
        constants += re.findall(r"(\w+)\s*=", body)
    for name, value in re.findall(r"^#define\s+(POSTERN_\w+)[ \t]+(.+)$", text, flags=re.M):
        if re.match(r"\(*\(uint64_t\)|UINT64_MAX|0x|\d", value.strip()):
            constants.append(name)
    structs = []
    for match in re.finditer(r"typedef struct (\w+) \{", text):
        depth, end = 1, match.end()
        while depth:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        structs.append(Struct(match.group(1), _members(text[match.end():end - 1])))
    functions = {}
    for result, name, parameters in re.findall(
            r"POSTERN_EXPORT\s+(\w+)\s+(\w+)\(([^;]*)\);", text):
        functions[name] = _function_type(result, parameters)
    return structs, constants, functions


def measure(structs, constants, compiler="cc", include=_ROOT):
    """Runs a C program over the header; {expression: number}."""
    expressions = list(constants)
    for struct in structs:
        expressions += ["sizeof(%s)" % struct.name, "alignof(%s)" % struct.name]
        for name, _ in struct.members:
            expressions += ["offsetof(%s, %s)" % (struct.name, name),
                            "sizeof(((%s*)0)->%s)" % (struct.name, name)]
    lines = ['#include <stdalign.h>', '#include <stdio.h>', '#include "api/abi/abi.h"',
             "int main(void) {"]
    lines += ['  printf("%%lld\\n", (long long)%s);' % e for e in expressions]
    lines += ["  return 0;", "}", ""]
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "m.c"), os.path.join(folder, "m")
        with open(source, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))
        subprocess.run([compiler, "-std=c11", "-I" + include, source, "-o", program], check=True)
        output = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout
    return dict(zip(expressions, map(int, output.split())))


def record(header_text, include=_ROOT, compiler="cc"):
    """The lines that describe a header: {key: value}, in order."""
    structs, constants, functions = parse(header_text)
    numbers = measure(structs, constants, compiler, include)
    lines = {}
    for name in constants:
        lines["constant " + name] = str(numbers[name])
    for struct in structs:
        lines["struct " + struct.name] = "size %d align %d%s" % (
            numbers["sizeof(%s)" % struct.name], numbers["alignof(%s)" % struct.name],
            " may grow" if struct.may_grow else "")
        for name, kind in struct.members:
            lines["member %s.%s" % (struct.name, name)] = "offset %d size %d type %s" % (
                numbers["offsetof(%s, %s)" % (struct.name, name)],
                numbers["sizeof(((%s*)0)->%s)" % (struct.name, name)], kind)
    for name, kind in functions.items():
        lines["function " + name] = kind
    return lines


def read_lock(text):
    lines = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, value = line.split(": ", 1)
            lines[key] = value
    return lines


def compare(locked, actual):
    """(broken promises, additions), as lists of text."""
    broken, added = [], []
    for key, value in locked.items():
        now = actual.get(key)
        if now is None:
            broken.append("%s is gone" % key)
        elif now != value and not _has_grown(key, value, now):
            broken.append("%s was \"%s\" and is \"%s\"" % (key, value, now))
    for key, value in actual.items():
        if key in locked:
            continue
        added.append("%s: %s" % (key, value))
        owner = "struct " + key.split(" ")[1].split(".")[0]
        if key.startswith("member ") and owner in locked:
            end = int(locked[owner].split()[1])
            offset = int(value.split()[1])
            if not locked[owner].endswith("may grow"):
                broken.append("%s is new, but its struct may not grow" % key)
            elif offset < end:
                broken.append("%s is new, but lies before the end" % key)
    return broken, added


def _has_grown(key, before, now):
    if not key.startswith("struct ") or not before.endswith("may grow"):
        return False
    old, new = before.split(), now.split()
    return int(new[1]) > int(old[1]) and new[2:] == old[2:]


_TOP = """\
# What abi.h promises, on 64-bit machines. Read by abi_test.py; see abi_lock.py.
"""


def write(lines, path=LOCK):
    with open(path, "w", encoding="utf-8") as out:
        out.write(_TOP)
        for key, value in lines.items():
            out.write("%s: %s\n" % (key, value))


def main():
    with open(HEADER, encoding="utf-8") as header:
        actual = record(header.read())
    locked = {}
    if os.path.exists(LOCK):
        with open(LOCK, encoding="utf-8") as lock:
            locked = read_lock(lock.read())
    broken, added = compare(locked, actual)
    for text in broken:
        print("broken: " + text)
    for text in added:
        print("new: " + text)
    if broken:
        return 1
    if added and sys.argv[1:] == ["--write"]:
        write(actual)
    return 0


if __name__ == "__main__":
    sys.exit(main())
