"""The systemd units are well-formed, give the program options that it knows, and confine it."""

import configparser
import os
import re
import shutil
import subprocess
import tempfile
import unittest

_UNITS = ("postern-control.service", "postern-sidecar.service")


class Unit(dict):
    """[Service] of a unit; what comes several times is put together."""

    def __init__(self, name):
        super().__init__()
        with open("deploy/systemd/" + name, encoding="utf-8") as file:
            section = file.read().split("[Service]\n")[1].split("[Install]\n")[0]
        for line in section.splitlines():
            if line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self[key] = self[key] + " " + value if key in self else value


class SystemdTest(unittest.TestCase):

    def test_units_confine_the_program(self):
        for name in _UNITS:
            unit = Unit(name)
            self.assertEqual(unit["User"], "postern")
            for key, value in (("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""),
                               ("ProtectSystem", "strict"), ("NoNewPrivileges", "yes"),
                               ("PrivateTmp", "yes"), ("MemoryDenyWriteExecute", "yes"),
                               ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX")):
                self.assertEqual(unit[key], value, key)
            self.assertIn("@system-service", unit["SystemCallFilter"])
            self.assertIn("StateDirectory", unit)
            self.assertEqual(unit["Restart"], "always")

    def test_a_drain_ends_before_systemd_loses_patience(self):
        unit = Unit("postern-sidecar.service")
        timeout_ms = int(re.search(r"--drain-timeout (\d+)", unit["ExecStart"]).group(1))
        self.assertLess(timeout_ms + 5000, int(unit["TimeoutStopSec"].rstrip("s")) * 1000)

    def test_options_are_those_of_the_program(self):
        for name in _UNITS:
            words = Unit(name)["ExecStart"].split()
            self.assertEqual(words[0], "/usr/bin/postern")
            shown = subprocess.run([os.environ["POSTERN_BINARY"], words[1], "--help"],
                                   stdout=subprocess.PIPE, text=True, check=True).stdout
            with open("deploy/systemd/" + name, encoding="utf-8") as file:
                options = re.findall(r"(--[a-z-]+)", file.read())
            self.assertTrue(options)
            for option in options:
                self.assertIn("\n  %s " % option, shown)

    def test_files_parse(self):
        for name in _UNITS:
            parser = configparser.ConfigParser(strict=False, interpolation=None)
            parser.optionxform = str
            parser.read("deploy/systemd/" + name)
            self.assertEqual(parser.sections(), ["Unit", "Service", "Install"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_systemd_agrees(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in _UNITS:
                # Its program is not installed here.
                with open("deploy/systemd/" + name, encoding="utf-8") as file:
                    text = file.read().replace("/usr/bin/postern", "/bin/true")
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                verify = subprocess.run(["systemd-analyze", "verify", "--man=no", path],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        check=False)
                mine = [l for l in verify.stdout.splitlines() if name in l and "manual" not in l]
                self.assertEqual(mine, [])
                rated = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--threshold=20", path],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(rated.returncode, 0, rated.stdout[-2000:])


if __name__ == "__main__":
    unittest.main()
