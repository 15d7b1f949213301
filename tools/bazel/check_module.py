#!/usr/bin/env python3
"""Checks the dynamic symbols and libraries of a filter module.

usage: check_module.py MODULE.so [LIBRARY...]

It must define postern_module_manifest and postern_module_init and nothing else: other symbols would
be shared between modules. Copies of functions of the C++ library do not count: the linker shows
those that a shared library of the module uses too, and all copies are alike. It may need the
libraries of C and C++ and those named.
"""

import subprocess
import sys

_SYMBOLS = {"postern_module_manifest", "postern_module_init"}
_STANDARD = ("_ZNSt", "_ZNKSt", "_ZSt")  # of namespace std
_LIBRARIES = {
    "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6",
    "libpthread.so.0", "libstdc++.so.6",
}


def _readelf(option, path):
    result = subprocess.run(["readelf", "--wide", option, path], check=True, text=True,
                            stdout=subprocess.PIPE)
    return result.stdout.splitlines()


def errors_of(path, libraries):
    """What is wrong with a module, a line each."""
    errors = []
    defined = set()
    for line in _readelf("--dyn-syms", path):
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit() or fields[6] == "UND":
            continue
        name = fields[7].split("@")[0]
        if fields[3:5] == ["FUNC", "WEAK"] and name.startswith(_STANDARD):
            continue
        defined.add(name)
        if fields[4] == "UNIQUE":
            errors.append("%s is unique across the process" % name)
        if name not in _SYMBOLS:
            errors.append("%s must not be visible" % name)
    errors += ["%s is missing" % name for name in sorted(_SYMBOLS - defined)]
    for line in _readelf("--dynamic", path):
        if "(NEEDED)" in line:
            library = line.split("[")[1].rstrip("]")
            if library not in _LIBRARIES and library not in libraries:
                errors.append("%s must not be needed" % library)
    return errors


def main():
    errors = errors_of(sys.argv[1], set(sys.argv[2:]))
    for error in errors:
        print("%s: %s" % (sys.argv[1], error))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
