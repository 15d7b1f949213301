"""Secrets by reference: read where the gateway runs, taken up anew when they change, and told to
nobody (proto/snapshot/secret.proto)."""

import glob
import json
import os
import shutil
import ssl
import unittest

from tests.control import control_plane
from tests.support import harness, http1

_SECRET = "s3cr3t-\"one\""
_OTHER = "s3cr3t-two"


def show(reference="${secret:token}"):
    """A filter that shows what it was configured with."""
    return {"name": "show", "module": "sample.add_header", "point": "response",
            "config": {"name": "x-shown", "value": reference}}


class MountedSecret:
    """A folder as Kubernetes mounts a secret: an update replaces the link ..data by a rename."""

    def __init__(self, folder, **files):
        self.folder = folder
        self._number = 0
        os.mkdir(folder)
        self.update(**files)
        for name in files:
            os.symlink(os.path.join("..data", name), os.path.join(folder, name))

    def update(self, **files):
        self._number += 1
        stamp = "..2026_%d" % self._number
        os.mkdir(os.path.join(self.folder, stamp))
        for name, content in files.items():
            with open(os.path.join(self.folder, stamp, name), "w", encoding="utf-8") as file:
                file.write(content)
        link = os.path.join(self.folder, "..data_tmp")
        os.symlink(stamp, link)
        os.rename(link, os.path.join(self.folder, "..data"))
        for old in glob.glob(os.path.join(self.folder, "..2026_*")):
            if os.path.basename(old) != stamp:
                shutil.rmtree(old)

    def path(self, name):
        return os.path.join(self.folder, name)


class SecretsTest(control_plane.TestCase):

    def setUp(self):
        super().setUp()
        self.modules = os.path.join(self.folder, "modules")
        os.mkdir(self.modules, 0o755)
        shutil.copy("examples/filters/add_header.so", self.modules)
        self.upstream = self.start_upstream([http1.Reply(body=b"fine")] * 100)
        self.definition = self.write("api.json", harness.proxy_definition(
            self.upstream.url, **{"x-postern-filters": [show()]}))

    def shown(self, gateway):
        return gateway.request().value("x-shown")

    def told_nobody(self, *programs):
        """No value is in a log, a dump or a file but those that hold it."""
        for program in programs:
            texts = ["\n".join(map(str, program.log)), "\n".join(program.output)]
            texts += [program.admin(t).body.decode() for t in ("/config", "/clusters", "/metrics",
                                                               "/ready")]
            for text in texts:
                for value in ("s3cr3t", "PRIVATE KEY"):
                    self.assertNotIn(value, text)
        for path in glob.glob(os.path.join(self.folder, "**"), recursive=True):
            if os.path.isfile(path) and "secret" not in path and not path.endswith(".pem"):
                with open(path, "rb") as file:
                    self.assertNotIn(b"s3cr3t", file.read(), path)

    def test_a_mounted_secret_is_rotated_without_a_restart(self):
        secret = MountedSecret(os.path.join(self.folder, "secret"), token=_SECRET + "\n")
        gateway = self.start_postern(
            self.definition, "--modules", self.modules, "--secret",
            "token=file:" + secret.path("token"))
        self.assertEqual(self.shown(gateway), _SECRET)
        secret.update(token=_OTHER)
        self.wait_until(lambda: self.shown(gateway) == _OTHER, "the new secret")
        # What cannot be used changes nothing.
        secret.update(token="")
        gateway.wait_for_event("reload_refused")
        self.assertEqual(self.shown(gateway), _OTHER)
        self.assertEqual(gateway.admin("/ready").status, 200)
        secret.update(token=_SECRET)
        self.wait_until(lambda: self.shown(gateway) == _SECRET, "the secret to come back")
        self.told_nobody(gateway)

    def test_an_environment_variable(self):
        gateway = self.start_postern(
            self.definition, "--modules", self.modules, "--secret", "token=env:TOKEN",
            env={"TOKEN": _SECRET})
        self.assertEqual(self.shown(gateway), _SECRET)
        self.told_nobody(gateway)

    def test_what_is_missing_is_named(self):
        run = lambda *args: self.run_postern(
            "check", self.definition, "--modules", self.modules, *args, status=3).stderr
        self.assertIn('there is no secret "token"', run())
        self.assertIn("/nowhere: cannot be read: No such file",
                      run("--secret", "token=file:/nowhere"))
        self.assertIn("variable NOT_SET is not set", run("--secret", "token=env:NOT_SET"))
        for wrong in ("token", "token=s3cr3t", "token=file:relative", "to ken=env:A"):
            said = self.run_postern("run", self.definition, "--secret", wrong)
            self.assertNotEqual(said.returncode, 0)
            self.assertNotIn("s3cr3t", said.stdout + said.stderr)

    def test_sidecars_read_what_the_control_plane_only_names(self):
        secret = MountedSecret(os.path.join(self.folder, "secret"), token=_SECRET)
        own = MountedSecret(os.path.join(self.folder, "secret-of-b"), token="of b")
        control = self.start_control()
        options = ["--modules", self.modules, "--allow-unpinned-modules"]
        a = self.start_sidecar("a", *options, ready=False)
        # What its own command line says goes first.
        b = self.start_sidecar("b", *options, "--secret", "token=file:" + own.path("token"),
                               ready=False)
        self.wait_until(lambda: len(self.stages()["sidecars"]) == 2, "both to connect")
        # Nobody knows where it is but b.
        refused = self.command("deploy", self.definition, status=3)
        self.assertIn('refused by a: ', refused.stderr)
        self.assertIn('there is no secret "token"', refused.stderr)
        self.assertEqual(self.shown(b), "of b")
        self.command("update", "prod", "--secret", "token=file:" + secret.path("token"))
        self.assertEqual(self.shown(a), _SECRET)
        self.assertEqual(self.shown(b), "of b")
        secret.update(token=_OTHER)
        self.wait_until(lambda: self.shown(a) == _OTHER, "the new secret")
        self.assertEqual(self.shown(b), "of b")
        self.assertEqual(self.applied(), 2)
        self.told_nobody(a, b)
        self.assertNotIn("s3cr3t", "\n".join(map(str, control.log)))
        # It starts with it from what it kept.
        control.kill()
        a.stop()
        a = self.start_sidecar("a", *options)
        self.assertEqual(self.shown(a), _OTHER)

    def test_keys_of_tls(self):
        authority = self.certificate("authority", hosts=(), authority=True)
        first, second = (self.certificate(n, hosts=("localhost",), issuer=authority)
                         for n in ("first", "second"))

        def text(path):
            with open(path, encoding="ascii") as file:
                return file.read()

        secret = MountedSecret(os.path.join(self.folder, "secret-tls"),
                               **{"crt": text(first.certificate), "key": text(first.key)})
        plain = self.write("plain.json", harness.proxy_definition(self.upstream.url))
        gateway = self.start_postern(
            plain, "--listen", "https://127.0.0.1:0", "--tls-cert", "secret:crt", "--tls-key",
            "secret:key", "--secret", "crt=file:" + secret.path("crt"), "--secret",
            "key=file:" + secret.path("key"))

        def served():
            pem = ssl.get_server_certificate(gateway.address("https"))
            return pem.strip() in text(second.certificate)

        self.assertFalse(served())
        secret.update(crt=text(second.certificate), key=text(second.key))
        self.wait_until(served, "the new certificate")
        self.told_nobody(gateway)
        gateway = self.start_postern(
            plain, "--listen", "https://127.0.0.1:0", "--tls-cert", first.certificate, "--tls-key",
            "secret:key", "--secret", "key=env:KEY", env={"KEY": text(first.key)})
        self.assertIn(ssl.get_server_certificate(gateway.address("https")).strip(),
                      text(first.certificate))
        self.told_nobody(gateway)


if __name__ == "__main__":
    unittest.main()
