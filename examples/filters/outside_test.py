"""Modules built without Bazel: with make, away from the tree; and in Rust."""

import os
import pwd
import shutil
import subprocess
import tempfile
import unittest

_SAMPLES = "examples/filters"


def _run(*command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)


class OutsideTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _check(self, command, **kwargs):
        result = _run(*command, **kwargs)
        self.assertEqual(result.returncode, 0, result.stdout)

    def _check_module(self, path):
        self._check(["tools/bazel/check_module.py", path])

    def test_with_make_from_an_installation(self):
        if shutil.which("make") is None:
            self.skipTest("make is not installed")
        work = os.path.join(self.folder, "work")
        os.mkdir(work)
        self._check(["api/install", os.path.join(self.folder, "prefix")])
        for name in ("Makefile", "add_header.cc", "max_body.c"):
            shutil.copy(os.path.join(_SAMPLES, name), work)
        api = os.path.join(self.folder, "prefix", "include", "api")
        self._check(["make", "API=" + api, "MODULES=add_header max_body"], cwd=work)
        for name in ("add_header.so", "max_body.so"):
            self._check_module(os.path.join(work, name))

    def test_in_rust(self):
        home = pwd.getpwuid(os.getuid()).pw_dir
        path = os.environ.get("PATH", "") + os.pathsep + os.path.join(home, ".cargo", "bin")
        env = dict(os.environ, HOME=home, PATH=path)
        rustc = shutil.which("rustc", path=path)
        if rustc is None or _run(rustc, "--version", env=env).returncode != 0:
            self.skipTest("rustc is not installed")
        module = os.path.join(self.folder, "block_agent.so")
        self._check([rustc, "--edition", "2021", "--crate-type", "cdylib", "-O", "-o", module,
                     os.path.join(_SAMPLES, "block_agent.rs")], env=env)
        self._check_module(module)
        self._check([os.path.join(_SAMPLES, "block_agent_check"), module])


if __name__ == "__main__":
    unittest.main()
