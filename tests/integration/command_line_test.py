"""How the program ends: 2 for a wrong command line, 1 for what could not be done, 3 for a definition
that is refused; each with a message that names the cause (docs/operations.md)."""

import os
import socket
import subprocess
import unittest

from tests.support import harness


class CommandLineTest(harness.TestCase):

    def good(self):
        return self.write("good.json", harness.proxy_definition("http://127.0.0.1:9"))

    def check(self, status, message, *args):
        ran = self.run_postern(*args, status=status)
        self.assertIn(message, ran.stderr)
        return ran

    def run_with(self, *args):
        return ["run", self.good(), "--listen", "127.0.0.1:0", "--admin", "none", *args]

    def test_wrong_command_lines(self):
        self.check(2, "usage")
        self.check(2, "no command", "walk")
        self.check(2, "an argument is missing", "run")
        self.check(2, "--no-such", "run", self.good(), "--no-such")
        self.check(2, "--workers", "run", self.good(), "--workers", "many")
        self.check(2, "--tls-key", *self.run_with("--tls-cert", "a.pem"))
        self.check(2, "--listen", "run", self.good(), "--listen", "nonsense:port", "--admin", "none")
        self.check(2, "--log-level", *self.run_with("--log-level", "loud"))

    def test_help_and_version(self):
        self.assertIn("usage", self.run_postern("run", "--help", status=0).stdout)
        self.assertIn("postern", self.run_postern("version", status=0).stdout)

    def test_a_missing_file(self):
        missing = os.path.join(self.folder, "missing.json")
        self.check(1, missing, "run", missing, "--listen", "127.0.0.1:0", "--admin", "none")
        self.check(1, missing, "check", missing)

    def test_a_folder_in_place_of_a_file(self):
        self.check(1, "folder", "run", self.folder, "--listen", "127.0.0.1:0", "--admin", "none")

    def test_a_broken_definition(self):
        broken = self.write("broken.yaml", "openapi: 3.0.1\npaths: [\n")
        ran = self.check(3, "broken.yaml", "run", broken, "--listen", "127.0.0.1:0", "--admin", "none")
        self.assertIn("refused", ran.stderr)

    def test_a_port_in_use_disturbs_nobody(self):
        gateway = self.start_proxy(self.start_upstream(), "--workers", "2")
        host, port = gateway.address()
        used = "%s:%d" % (host, port)
        self.check(1, "in use", "run", self.good(), "--listen", used, "--admin", "none")
        admin = "%s:%d" % gateway.address("admin")
        self.check(1, "in use", "run", self.good(), "--listen", "127.0.0.1:0", "--admin", admin)
        for _ in range(20):  # none of them went to somebody else
            self.assertEqual(gateway.request().body, b"hello")

    def test_certificates(self):
        certificate = self.certificate()
        other = self.certificate("other")
        missing = os.path.join(self.folder, "none.pem")
        self.check(1, missing, *self.run_with("--tls-cert", missing, "--tls-key", certificate.key))
        self.check(1, certificate.certificate,
                   *self.run_with("--tls-cert", certificate.certificate, "--tls-key", other.key))
        rubbish = self.write("rubbish.pem", "rubbish")
        self.check(1, rubbish, *self.run_with("--tls-cert", rubbish, "--tls-key", certificate.key))

    def test_an_expired_certificate(self):
        key = self.certificate().key
        expired = self.expired(key)
        self.check(1, "expired", *self.run_with("--tls-cert", expired, "--tls-key", key))

    def expired(self, key):
        """A certificate of 2020."""
        config = self.write("ca.conf", """
[ca]
default_ca = here
[here]
database = %s
new_certs_dir = %s
serial = %s
default_md = sha256
policy = any
[any]
commonName = supplied
""" % (self.write("index", ""), self.folder, self.write("serial", "01")))
        out = os.path.join(self.folder, "expired.crt")
        request = os.path.join(self.folder, "request")
        for command in (
                ["req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request],
                ["ca", "-batch", "-config", config, "-selfsign", "-keyfile", key, "-in", request,
                 "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
                 "-out", out]):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        return out

    def test_a_unix_socket_in_use(self):
        path = os.path.join(self.folder, "s")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            self.check(1, "in use", "run", self.good(), "--listen", "unix:" + path, "--admin", "none")
        gateway = self.start_proxy(self.start_upstream(), "--listen", "unix:" + path)  # stale now
        self.assertEqual(gateway.request().body, b"hello")
        self.assertEqual(gateway.stop(), 0)
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
