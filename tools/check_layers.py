#!/usr/bin/env python3
"""Checks the arrows between folders (tools/layers.py) in #include lines, imports of .proto files
and BUILD files, and that each source includes its own header first.

usage: tools/check_layers [ROOT]
Prints `file:line: what is wrong` and exits with 1 if anything is.
"""

import ast
import os
import re
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tools import layers  # pylint: disable=wrong-import-position

_INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
_IMPORT = re.compile(r'\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"')
_SOURCES = (".h", ".cc", ".c", ".inc")
_TEST_FILE = re.compile(r"_(test|fuzz|benchmark)\.(cc|h)$")
_TEST_RULE = re.compile(r"_(test|benchmark)$")

_TOP = sorted({folder.split("/")[0] for folder in list(layers.USES) + layers.OUTSIDE})


def folder_of(path):
    """The row of the table that a path belongs to, or None."""
    parts = path.split("/")
    if parts[0] in layers.OUTSIDE:
        return parts[0]
    for end in range(len(parts), 0, -1):
        prefix = "/".join(parts[:end])
        if prefix in layers.USES:
            return prefix
        if end > 1 and "/".join(parts[:end - 1] + ["*"]) in layers.USES:
            return "/".join(parts[:end - 1] + ["*"])
    return None


def allowed(folder, seen=None):
    """Every folder that `folder` may use: what its row names, and what those may use."""
    seen = set() if seen is None else seen
    for used in layers.USES.get(folder, []):
        if used not in seen:
            seen.add(used)
            allowed(used, seen)
    return seen


def arrow_error(source, target):
    """What is wrong with `source` (a path) using `target` (a path), or None."""
    if any(target == s or target.startswith(s + "/") for s in layers.BUILD_SUPPORT):
        return None
    source_folder, target_folder = folder_of(source), folder_of(target)
    if source_folder is None:
        return "%s has no row in tools/layers.py" % (os.path.dirname(source) or source)
    if source_folder in layers.OUTSIDE:
        return None
    if target_folder is None:
        return "%s has no row in tools/layers.py" % target
    if target_folder in layers.OUTSIDE:
        return "nothing may use %s" % target_folder
    if source_folder == target_folder:
        # Filters are one row and yet strangers to each other.
        if source_folder == "filters/*" and source.split("/")[1] != target.split("/")[1]:
            return "a filter may not use another filter (%s)" % target
        return None
    for used in allowed(source_folder):
        if used == target_folder or target == used or target.startswith(used + "/"):
            return None
    return "%s may not use %s" % (source_folder, target_folder)


def library_error(source, library, is_test):
    """What is wrong with `source` using a library of the system, or None."""
    if is_test and library in layers.TEST_LIBRARIES:
        return None
    folder = folder_of(source)
    if library in layers.TEST_LIBRARIES and folder not in layers.OUTSIDE:
        return "only tests may use %s" % library
    if folder in layers.LIBRARIES and library not in layers.LIBRARIES[folder]:
        return "%s may not use the library %s" % (folder, library)
    return None


def _library_of_header(header):
    matches = [start for start in layers.HEADERS if header.startswith(start)]
    return layers.HEADERS[max(matches, key=len)] if matches else None


def standard_error(source, header):
    """What is wrong with a file that may use the language alone including `header`, or None."""
    if folder_of(source) not in layers.STANDARD_ONLY or re.fullmatch(r"[a-z_0-9]+", header):
        return None
    if header in layers.STANDARD_C:
        return None
    return "%s may include standard headers alone" % folder_of(source)


def check_source(path, text, own_header_exists):
    """Yields (line, message) for a C or C++ file."""
    is_test = bool(_TEST_FILE.search(path))
    own_header = os.path.splitext(path)[0] + ".h"
    first = True
    for number, line in enumerate(text.splitlines(), 1):
        match = _INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        if first and own_header_exists and not path.endswith(".h") and header != own_header:
            yield number, "the first include must be %s" % own_header
        first = False
        if header.split("/")[0] in _TOP and "/" in header:
            error = arrow_error(path, header)
        else:
            library = _library_of_header(header)
            error = library_error(path, library, is_test) if library else None
            if not library:
                error = standard_error(path, header)
            if quote == '"' and os.path.exists(os.path.join(os.path.dirname(path) or ".", header)):
                error = "write includes from the repository root"
        if error:
            yield number, error


def check_proto(path, text):
    """Yields (line, message) for a .proto file."""
    for number, line in enumerate(text.splitlines(), 1):
        match = _IMPORT.match(line)
        if match and not match.group(1).startswith("google/protobuf/"):
            error = arrow_error(path, match.group(1))
            if error:
                yield number, error


def _labels(call):
    """(line, label) of every string in a rule that can name a target."""
    for keyword in call.keywords:
        if keyword.arg in ("name", "visibility", "tags"):
            continue
        for node in ast.walk(keyword.value):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.match(r"(//|@\w+(//|$))", node.value):
                    yield node.lineno, node.value


def check_build(path, text):
    """Yields (line, message) for a BUILD.bazel file."""
    package = os.path.dirname(path)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield error.lineno or 1, "cannot be read: %s" % error.msg
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        rule = getattr(call.func, "id", "")
        if rule in ("load", "package", "package_group", "select", "glob"):
            continue
        is_test = bool(_TEST_RULE.search(rule)) or any(
            k.arg == "testonly" and getattr(k.value, "value", False) for k in call.keywords)
        for line, label in _labels(call):
            if label.startswith("//conditions:"):
                continue
            if label.startswith("//"):
                target = label[2:].split(":")[0]
                error = arrow_error(path, target) if package else None
            else:
                library = label.split(":")[-1].split("/")[-1].lstrip("@")
                error = library_error(path, library, is_test)
            if error:
                yield line, "%s: %s" % (label, error)


def check_tree(root):
    """Every error of the tree, as (path, line, message), in order."""
    errors = []
    previous = os.getcwd()
    os.chdir(root)
    try:
        for top in _TOP:
            for folder, folders, files in os.walk(top):
                folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
                for name in sorted(files):
                    path = os.path.join(folder, name)
                    if name in ("BUILD.bazel", "BUILD"):
                        check = check_build
                    elif name.endswith(".proto"):
                        check = check_proto
                    elif name.endswith(_SOURCES):
                        check = check_source
                    else:
                        continue
                    with open(path, encoding="utf-8") as source:
                        text = source.read()
                    if check is check_source:
                        own = os.path.exists(os.path.splitext(path)[0] + ".h")
                        found = check_source(path, text, own)
                    else:
                        found = check(path, text)
                    errors += [(path, line, message) for line, message in found]
                    if folder_of(path) is None:
                        errors.append((path, 1, "%s has no row in tools/layers.py" % folder))
    finally:
        os.chdir(previous)
    return errors


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(
        os.path.dirname(os.path.abspath(__file__)))
    errors = check_tree(root)
    for path, line, message in errors:
        print("%s:%d: %s" % (path, line, message))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
