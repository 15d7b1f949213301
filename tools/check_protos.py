"""Whether every file, message, field, enum, value, service and call below proto/ is documented: has
a comment directly above it.

    tools/check_protos.py    prints what has none, and fails if anything has
"""

import os
import re
import sys

# Statements that are no declarations.
_PLAIN = ("syntax", "package", "import", "option", "reserved", "extensions")
_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[;{}]|\n|[^\s;{}"\'/]+|/|[^\S\n]+',
                    re.DOTALL)


def check_text(text):
    """Declarations without a comment: a list of (line, what)."""
    found = []
    statement = []  # its words so far
    begun = 0  # the line it begins on
    commented = 0  # the line that the last comment ends on
    own_line = True  # nothing but space so far on this line
    line = 1
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.startswith(("//", "/*")):
            # One behind a declaration is not above the next.
            if own_line and re.search(r"[^\s/*=#-]", token):
                commented = line + token.count("\n")
        elif token == "\n":
            own_line = True
        elif not token.isspace():
            own_line = False
            if token in ";{}":
                if statement and statement[0] not in _PLAIN and begun - commented != 1:
                    found.append((begun, " ".join(statement)))
                statement = []
            else:
                if not statement:
                    begun = line
                statement.append(token)
        line += token.count("\n")
    first = text.lstrip().split("\n", maxsplit=1)[0]
    if not first.startswith("//"):
        found.insert(0, (1, "the file"))
    return found


def check_tree(root):
    """The same of every .proto file below `root`/proto: a list of (path, line, what)."""
    found = []
    for folder, _, names in sorted(os.walk(os.path.join(root, "proto"))):
        for name in sorted(names):
            if name.endswith(".proto"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    found += [(os.path.relpath(path, root), line, what)
                              for line, what in check_text(file.read())]
    return found


def main():
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    found = check_tree(root)
    for path, line, what in found:
        print("%s:%d: has no comment above it: %s" % (path, line, what))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
