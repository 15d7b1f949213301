"""docs/write-a-filter.md, followed literally in an empty folder: its files, its commands, what it
says comes of them."""

import os
import re
import shutil
import subprocess
import unittest

from tests.support import harness

_GUIDE = "docs/write-a-filter.md"


def _files():
    """{name: text} of the files that the guide tells to write."""
    with open(_GUIDE, encoding="utf-8") as guide:
        return dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", guide.read(), re.S | re.M))


class WriteAFilterTest(harness.TestCase):

    def _run(self, *command, cwd=None):
        ran = subprocess.run(command, cwd=cwd, env=dict(os.environ, HOME=self.folder), text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def test_from_nothing_to_a_loaded_filter(self):
        if shutil.which("make") is None:
            self.skipTest("make is not installed")
        work = os.path.join(self.folder, "need_header")
        os.mkdir(work)
        self._run("api/install", os.path.join(self.folder, ".local"))
        files = _files()
        self.assertEqual(sorted(files), ["Makefile", "api.yaml", "need_header.cc",
                                         "need_header_test.cc"])
        for name, text in files.items():
            self.write(os.path.join(work, name), text)

        self._run("make", cwd=work)
        self.assertIn("[  PASSED  ] 3 tests.", self._run("make", "check", cwd=work))

        module = os.path.join(work, "need_header.so")
        self._run("chmod", "go-w", work, module)
        told = self.run_postern("module", module, status=0).stdout
        self.assertIn("acme.need_header 1.0.0", told)
        definition = os.path.join(work, "api.yaml")
        self.run_postern("check", "--modules", work, definition, status=0)

        gateway = self.start_postern("--modules", work, definition)
        refused = gateway.request(target="/hello")
        self.assertEqual(refused.status, 400)
        self.assertEqual(refused.body, b'{"message": "Header x-tenant is missing"}')
        self.assertEqual(gateway.request(target="/hello", headers=[("X-Tenant", "7")]).status, 200)

        wrong = files["api.yaml"].replace("{header: x-tenant}", "{heade: x-tenant}")
        refused = self.run_postern("check", "--modules", work,
                                   self.write(os.path.join(work, "wrong.yaml"), wrong))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("header: is required", refused.stdout + refused.stderr)
        self.assertIn("heade: is not known", refused.stdout + refused.stderr)


if __name__ == "__main__":
    unittest.main()
