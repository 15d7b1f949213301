"""Every kind of wrong arrow is caught, and right ones are not."""

import os
import subprocess
import sys
import tempfile
import unittest

from tools import check_layers, layers


class CheckLayersTest(unittest.TestCase):

    def errors(self, files):
        """What check_tree finds in a tree of `files` (path -> text), as (path, line)."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as out:
                    out.write(text)
            return [(path, line) for path, line, _ in check_layers.check_tree(root)]

    def include(self, path, header):
        return self.errors({path: '#pragma once\n#include "%s"\n' % header})

    def test_arrows_of_the_design(self):
        for path, header in (
            ("lib/json/a.h", "lib/text/b.h"),
            ("core/base/a.h", "lib/text/b.h"),
            ("core/net/a.h", "core/base/b.h"),  # by way of core/event
            ("core/http/a.h", "lib/text/b.h"),  # by way of core/base
            ("core/config/a.h", "proto/snapshot/b.pb.h"),
            ("core/server/a.h", "core/net/b.h"),
            ("filters/jwt/a.h", "filters/common/b.h"),
            ("filters/jwt/a.h", "proto/filters/b.pb.h"),
            ("control/import/a.h", "control/compile/b.h"),
            ("examples/hello/a.h", "api/b.h"),
            ("tests/integration/a.h", "core/server/b.h"),
            ("tools/postern/a.h", "control/import/b.h"),
        ):
            self.assertEqual(self.include(path, header), [], (path, header))

    def test_wrong_arrows(self):
        for path, header in (
            ("api/a.h", "lib/text/b.h"),
            ("lib/json/a.h", "core/base/b.h"),
            ("core/base/a.h", "core/event/b.h"),
            ("core/http/a.h", "core/net/b.h"),
            ("core/http/a.h", "core/event/b.h"),
            ("core/net/a.h", "core/http/b.h"),
            ("core/upstream/a.h", "core/session/b.h"),
            ("core/session/a.h", "proto/snapshot/b.pb.h"),
            ("core/server/a.h", "control/import/b.h"),
            ("control/import/a.h", "core/base/b.h"),
            ("filters/jwt/a.h", "core/base/b.h"),
            ("filters/jwt/a.h", "filters/cache/b.h"),
            ("filters/jwt/a.h", "proto/snapshot/b.pb.h"),
            ("examples/hello/a.h", "lib/text/b.h"),
            ("core/server/a.h", "tests/support/b.h"),
            ("core/server/a.h", "tools/postern/b.h"),
        ):
            self.assertEqual(self.include(path, header), [(path, 2)], (path, header))

    def test_angle_brackets_are_no_way_round(self):
        self.assertEqual(
            self.errors({"core/http/a.cc": "# include <core/net/b.h>\n"}), [("core/http/a.cc", 1)])

    def test_folder_without_a_row(self):
        self.assertEqual(self.errors({"core/misc/a.h": "#pragma once\n"}), [("core/misc/a.h", 1)])
        self.assertEqual(self.include("core/server/a.h", "core/misc/b.h"), [("core/server/a.h", 2)])

    def test_libraries(self):
        for path, header in (
            ("lib/a.h", "uv.h"),
            ("lib/a.h", "sys/socket.h"),
            ("core/http/a.h", "openssl/ssl.h"),
            ("core/http/a.h", "uv.h"),
            ("api/a.h", "absl/strings/str_cat.h"),
            ("core/net/a.h", "gtest/gtest.h"),
        ):
            self.assertEqual(self.include(path, header), [(path, 2)], (path, header))
        for path, header in (
            ("lib/a.h", "openssl/sha.h"),
            ("core/http/a.h", "nghttp2/nghttp2.h"),
            ("core/net/a.h", "uv.h"),
            ("core/http/a_test.cc", "gtest/gtest.h"),
        ):
            self.assertEqual(self.include(path, header), [], (path, header))

    def test_api_stands_on_the_language_alone(self):
        for header in ("vector", "string_view", "string.h", "dlfcn.h"):
            self.assertEqual(self.errors({"api/sdk/a.h": "#include <%s>\n" % header}), [], header)
        for header in ("unistd.h", "boost/any.hpp", "jansson.h", "sys/mman.h", "other.h"):
            self.assertEqual(self.errors({"api/sdk/a.h": "#include <%s>\n" % header}),
                             [("api/sdk/a.h", 1)], header)
        self.assertEqual(self.errors({"lib/text/a.h": "#include <unistd.h>\n"}), [])
        self.assertEqual(self.errors({"api/sdk/a_test.cc": "#include <gtest/gtest.h>\n"}), [])

    def test_own_header_first(self):
        header = "#pragma once\n"
        good = '// Why.\n\n#include "lib/a.h"\n\n#include <string>\n'
        self.assertEqual(self.errors({"lib/a.h": header, "lib/a.cc": good}), [])
        bad = '#include <string>\n#include "lib/a.h"\n'
        self.assertEqual(self.errors({"lib/a.h": header, "lib/a.cc": bad}), [("lib/a.cc", 1)])
        self.assertEqual(self.errors({"lib/main.cc": "#include <string>\n"}), [])

    def test_includes_from_the_root(self):
        self.assertEqual(
            self.errors({"lib/b.h": "#pragma once\n", "lib/a.h": '#include "b.h"\n'}), [("lib/a.h", 1)])

    def test_build_files(self):
        rule = 'load("//tools/bazel:defs.bzl", "x")\n%s(\n    name = "a",\n    deps = [%s],\n)\n'
        for path, kind, label, wrong in (
            ("core/net/BUILD.bazel", "postern_cc_library", '"//core/event"', False),
            ("core/net/BUILD.bazel", "postern_cc_library", '"//core/session:session"', True),
            ("core/http/BUILD.bazel", "postern_cc_library", '"//core/net"', True),
            ("core/http/BUILD.bazel", "postern_cc_library", '"@system//:uv"', True),
            ("core/http/BUILD.bazel", "postern_cc_library", '"@llhttp"', False),
            ("core/http/BUILD.bazel", "postern_cc_library", '"@system//:gmock"', True),
            ("core/http/BUILD.bazel", "postern_cc_test", '"@system//:gmock"', False),
            ("core/server/BUILD.bazel", "postern_cc_test", '"//tests/support:fakes"', True),
            ("core/net/BUILD.bazel", "x", 'select({"//tools/bazel:fuzz": ["//core/route"]})', True),
            ("core/net/BUILD.bazel", "x", '"//conditions:default"', False),
            ("core/net/BUILD.bazel", "x", '"//tools/bazel:suppressions"', False),
            ("tools/postern/BUILD.bazel", "x", '"//control/import"', False),
            ("examples/BUILD.bazel", "x", '"//core/http"', True),
        ):
            found = self.errors({path: rule % (kind, label)})
            self.assertEqual(found, [(path, 4)] if wrong else [], (path, label))

    def test_unreadable_build_file_is_an_error(self):
        self.assertEqual(len(self.errors({"lib/BUILD.bazel": "x(\n"})), 1)

    def test_proto_imports(self):
        good = 'import "google/protobuf/duration.proto";\nimport "proto/a.proto";\n'
        self.assertEqual(self.errors({"proto/snapshot/b.proto": good}), [])
        bad = 'import public "control/a.proto";\n'
        self.assertEqual(self.errors({"proto/b.proto": bad}), [("proto/b.proto", 1)])

    def test_exit_status(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/lib")
            with open(root + "/lib/a.h", "w", encoding="utf-8") as out:
                out.write('#include "core/base/log.h"\n')
            ran = subprocess.run(
                [sys.executable, check_layers.__file__, root],
                stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(ran.stdout, "lib/a.h:1: lib may not use core/base\n")


class TableTest(unittest.TestCase):

    def test_every_arrow_points_up(self):
        rows = list(layers.USES)
        for row, uses in layers.USES.items():
            for used in uses:
                above = rows[:rows.index(row)]
                self.assertTrue(used in above or used.split("/")[0] in above, (row, used))


class ThisTreeTest(unittest.TestCase):

    def test_no_wrong_arrow(self):
        # The file is a link into the source tree (the target is tagged local).
        root = os.path.dirname(os.path.dirname(os.path.realpath(check_layers.__file__)))
        self.assertTrue(os.path.exists(os.path.join(root, "WORKSPACE")), root)
        self.assertEqual(check_layers.check_tree(root), [])


if __name__ == "__main__":
    unittest.main()
