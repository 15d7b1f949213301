"""abi.h compiles wherever a module may be built, and keeps what abi.lock promises."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from api.abi import abi_lock

_C = [(c, std) for c in ("gcc", "clang") for std in ("c99", "c11", "c17")]
_CXX = [(c, std) for c in ("g++", "clang++") for std in ("c++17", "c++20")]
_STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]

# A module as small as one can be, so that macros are expanded and both symbols defined.
_MODULE = """\
#include "api/abi/abi.h"
static const postern_filter kFilter = {sizeof(postern_filter), 0, NULL, NULL, NULL, NULL, NULL, NULL,
                                       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
const postern_manifest postern_module_manifest = {
    POSTERN_ABI_MAGIC, sizeof(postern_manifest), POSTERN_ABI_MAJOR, 0, POSTERN_CAP_BODY, "m", "1"};
postern_status postern_module_init(const postern_host* host, postern_self* self, void** module,
                                   const postern_filter** filter) {
  uint64_t any = POSTERN_SHARED_ANY + POSTERN_SHARED_ABSENT;
  (void)self;
  *module = NULL;
  *filter = &kFilter;
  if (!POSTERN_HOST_HAS(host, worker_ready) || any == 0) return POSTERN_E_INVALID;
  return POSTERN_FILTER_HAS(&kFilter, stream_create) ? POSTERN_E_INVALID : POSTERN_OK;
}
"""


def _header():
    with open(abi_lock.HEADER, encoding="utf-8") as header:
        return header.read()


def _locked():
    with open(abi_lock.LOCK, encoding="utf-8") as lock:
        return abi_lock.read_lock(lock.read())


class Compiles(unittest.TestCase):

    def _compile(self, compiler, suffix, options, text=_MODULE):
        if shutil.which(compiler) is None:
            self.skipTest(compiler + " is not installed (tools/install dev)")
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "m" + suffix)
            with open(source, "w", encoding="utf-8") as out:
                out.write(text)
            result = subprocess.run([compiler, "-I.", *_STRICT, *options, source],
                                    stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_as_c(self):
        for compiler, std in _C:
            with self.subTest(compiler=compiler, std=std):
                self._compile(compiler, ".c", ["-std=" + std])

    def test_as_cxx(self):
        for compiler, std in _CXX:
            with self.subTest(compiler=compiler, std=std):
                self._compile(compiler, ".cc", ["-std=" + std])

    def test_layout_on_other_machines(self):
        """The offsets of the lock hold on 64-bit Arm too, asked of a compiler for it."""
        structs, constants, _ = abi_lock.parse(_header())
        lines = ['#include "api/abi/abi.h"']
        for key, value in _locked().items():
            kind, name = key.split(" ")
            words = value.split()
            if kind == "constant" and name in constants:
                number = words[0] + ("u" if int(words[0]) >= 0 else "")
                number = "UINT64_MAX" if name == "POSTERN_SHARED_ANY" else number
                lines.append("_Static_assert(%s == %s, \"%s\");" % (name, number, name))
            elif kind == "struct":
                lines.append("_Static_assert(sizeof(%s) == %s, \"%s\");" % (name, words[1], name))
            elif kind == "member":
                struct, member = name.split(".", 1)
                lines.append("_Static_assert(offsetof(%s, %s) == %s, \"%s\");" %
                             (struct, member, words[1], name))
        self.assertGreater(len(lines), len(structs) + len(constants))
        for target in ("x86_64-linux-gnu", "aarch64-linux-gnu"):
            with self.subTest(target=target):
                self._compile("clang", ".c", ["-std=c11", "-ffreestanding", "--target=" + target],
                              "\n".join(lines) + "\n")


class Lock(unittest.TestCase):

    def test_keeps_its_promises(self):
        broken, added = abi_lock.compare(_locked(), abi_lock.record(_header(), "."))
        self.assertEqual(broken, [], "see api/abi/abi_lock.py")
        for text in added:
            print("not promised yet (api/abi/abi_lock.py --write): " + text)

    def test_covers_all(self):
        structs, constants, functions = abi_lock.parse(_header())
        self.assertEqual(len([s for s in structs if s.name == "postern_host"][0].members), 3 + 31)
        self.assertEqual(len([s for s in structs if s.name == "postern_filter"][0].members), 2 + 16)
        self.assertIn("POSTERN_SHARED_ANY", constants)
        self.assertIn("POSTERN_ABI_MAGIC", constants)
        # Each constant in the text, but for macros with arguments and the guard.
        named = set(re.findall(r"\b(POSTERN_[A-Z0-9_]+)\b", re.sub(r"/\*.*?\*/", "", _header(),
                                                                   flags=re.S)))
        self.assertEqual(named - set(constants), {
            "POSTERN_ABI_H_", "POSTERN_HOST_HAS", "POSTERN_FILTER_HAS", "POSTERN_EXPORT"})
        self.assertEqual(functions["postern_module_init"],
                         "postern_status (*)(const postern_host *, postern_self *, void * *, "
                         "const postern_filter * *)")

    def test_includes_two_headers_alone(self):
        self.assertEqual(re.findall(r"#include\s+(\S+)", _header()), ["<stddef.h>", "<stdint.h>"])

    def test_names_every_gateway_response_type(self):
        """rest-api.md section 4.1 has 21; they are numbered without gaps from 10 on."""
        kinds = {key: int(value) for key, value in _locked().items()
                 if key.startswith("constant POSTERN_REPLY_")}
        self.assertEqual(sorted(kinds.values()), [0, 1] + list(range(10, 31)))


class Compare(unittest.TestCase):
    """What counts as an addition, and what as a broken promise."""

    BEFORE = {
        "constant A": "1",
        "struct s": "size 16 align 8",
        "member s.a": "offset 0 size 8 type void *",
        "struct t": "size 16 align 8 may grow",
        "member t.size": "offset 0 size 4 type uint32_t",
        "member t.f": "offset 8 size 8 type void (*)(int)",
    }

    def _compare(self, **changes):
        actual = dict(self.BEFORE)
        for key, value in changes.items():
            key = key.replace("__", " ").replace("_DOT_", ".")
            if value is None:
                del actual[key]
            else:
                actual[key] = value
        return abi_lock.compare(self.BEFORE, actual)

    def test_nothing(self):
        self.assertEqual(self._compare(), ([], []))

    def test_additions(self):
        broken, added = self._compare(
            constant__B="2", struct__u="size 8 align 8", struct__t="size 24 align 8 may grow",
            member__t_DOT_g="offset 16 size 8 type void (*)(void)")
        self.assertEqual(broken, [])
        self.assertEqual(len(added), 3)

    def test_broken(self):
        for changes in ({"constant__A": "2"}, {"constant__A": None},
                        {"struct__s": "size 24 align 8"},
                        {"struct__t": "size 8 align 8 may grow"},
                        {"struct__t": "size 24 align 16 may grow"},
                        {"member__t_DOT_f": "offset 16 size 8 type void (*)(int)"},
                        {"member__t_DOT_f": "offset 8 size 8 type void (*)(long)"},
                        {"member__t_DOT_g": "offset 8 size 8 type void *"},
                        {"member__s_DOT_b": "offset 16 size 8 type void *"}):
            with self.subTest(changes=changes):
                self.assertEqual(len(self._compare(**changes)[0]), 1)


if __name__ == "__main__":
    unittest.main()
