"""What goes wrong between control plane and sidecars: each time the old configuration is in force, or
the new one whole, and a message says what to do."""

import json
import os
import resource
import time
import unittest

from tests.control import control_plane
from tests.support import harness, http1, load


class FaultsTest(control_plane.TestCase):

    def messages(self, program, event):
        return " ".join(e["reason"] for e in program.events(event))

    # ---- pushes that cannot be taken up ----

    def test_a_filter_that_is_not_there(self):
        upstream = self.start_upstream([http1.Reply(body=b"one")] * 20)
        self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(upstream, to=sidecar)
        path = self.write("filtered.json", harness.proxy_definition(
            upstream.url,
            **{"x-postern-filters": [{"name": "f", "module": "acme.missing", "point": "request"}]}))
        refused = self.command("deploy", path, status=3)
        self.assertIn("refused by s", refused.stderr)
        self.assertIn("acme.missing", refused.stderr)
        self.assertEqual(sidecar.request().body, b"one")
        self.assertEqual(self.configuration(sidecar)["version"], 1)
        self.assertEqual(sidecar.admin("/ready").status, 200)
        # It is asked again only for something new.
        self.command("rollback", "prod")
        self.assertEqual(self.applied(), 1)

    # ---- certificates that do not match ----

    def test_a_key_of_another_certificate(self):
        authority = self.certificate("authority", hosts=(), authority=True)
        server, other, client = (self.certificate(n, hosts=("localhost",), issuer=authority)
                                 for n in ("server", "other", "client"))
        store = os.path.join(self.folder, "control.db")
        tls = ["--tls-cert", server.certificate, "--tls-key", other.key, "--client-ca",
               authority.certificate]
        refused = self.run_postern("control", "--store", store, "--listen", "127.0.0.1:0",
                                   "--admin", "none", *tls, status=1)
        self.assertIn(other.key, refused.stderr)
        tls[3] = server.key
        control = self.start_control(*tls)
        self.control_address = "localhost:%d" % self.control_port
        own = ["--control-ca", authority.certificate, "--control-cert", client.certificate,
               "--control-key", client.key]
        upstream = self.start_upstream([http1.Reply(body=b"one")] * 20)
        sidecar = self.start_sidecar("s", *own, ready=False)
        self.deploy(upstream, *own, to=sidecar)
        # A command says what is wrong; a sidecar too, and serves what it kept.
        wrong = own[:-1] + [other.key]
        said = self.command("stages", *wrong, status=1)
        self.assertIn(other.key, said.stderr)
        sidecar.stop()
        sidecar = self.start_sidecar("s", *wrong)
        self.assertIn(other.key, self.messages(sidecar, "control_certificate_unusable"))
        self.assertEqual(sidecar.request().body, b"one")
        self.assertFalse(self.configuration(sidecar)["connected"])
        # While files of a control plane do not fit, who is connected stays; then all is as before.
        sidecar.stop()
        sidecar = self.start_sidecar("s", *own)
        sidecar.wait_for_event("control_current")
        os.rename(server.key, server.key + ".right")
        with open(other.key, "rb") as key:
            self.write(os.path.basename(server.key), key.read().decode())
        time.sleep(2.5)  # the files are looked at every second
        self.assertTrue(self.configuration(sidecar)["connected"])
        os.rename(server.key + ".right", server.key)
        self.wait_until(lambda: self.run_postern(
            "stages", "--control", self.control_address, *own).returncode == 0, "the right key")
        self.assertIsNone(control.returncode)

    # ---- stores and disks ----

    def test_a_half_written_store_is_refused(self):
        upstream = self.start_upstream()
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        for i in range(5):
            self.deploy(upstream, "--var", "i=%d" % i, title="api-%d" % i, name="%d.json" % i, to=sidecar)
        control.stop()
        path = os.path.join(self.folder, "control.db")
        with open(path, "r+b") as store:
            store.truncate(os.path.getsize(path) // 2)
        refused = self.run_postern("control", "--store", path, "--listen",
                                   "127.0.0.1:%d" % self.control_port, "--admin", "none", status=1)
        self.assertIn("is damaged", refused.stderr)
        self.assertIn("restore it from a backup", refused.stderr)
        self.assertEqual(sidecar.request().body, b"hello")

    def limit_files(self, program, size):
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_a_full_disk_of_the_control_plane(self):
        one = self.start_upstream([http1.Reply(body=b"one")] * 20)
        two = self.start_upstream([http1.Reply(body=b"two")] * 20)
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(one, to=sidecar)
        before = self.stages()
        # As a disk that takes not a byte more.
        self.limit_files(control, 4096)
        refused = self.deploy(two, name="two.json", status=1)
        self.assertIn("nothing has changed", refused.stderr)
        self.assertIn("disk", refused.stderr)
        self.assertEqual(sidecar.request().body, b"one")
        self.assertEqual(self.stages()["stages"], before["stages"])
        self.limit_files(control, resource.RLIM_INFINITY)
        self.deploy(two, name="two.json")
        self.assertEqual(sidecar.request().body, b"two")

    def test_a_full_disk_of_a_sidecar(self):
        one = self.start_upstream([http1.Reply(body=b"one")] * 20)
        two = self.start_upstream([http1.Reply(body=b"two")] * 20)
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(one, to=sidecar)
        self.limit_files(sidecar, 16)
        # It is served all the same, and told.
        self.deploy(two, name="two.json")
        self.assertEqual(sidecar.request().body, b"two")
        self.assertIn("cannot be written", self.messages(sidecar, "snapshot_not_kept"))
        self.assertEqual(sidecar.metrics()["postern_control_snapshots_not_kept_total"], 1)
        # Without a control plane, it would start with the one before, whole.
        control.kill()
        sidecar.stop()
        sidecar = self.start_sidecar("s")
        self.assertEqual(sidecar.request().body, b"one")
        self.assertEqual(self.configuration(sidecar)["version"], 1)

    # ---- how to start ----

    def test_start_wait_serves_nothing_that_nobody_has_confirmed(self):
        self.keep(self.start_upstream())
        sidecar = self.start_sidecar("s", "--start", "wait", ready=False)
        sidecar.wait_for_event("control_lost")
        self.assertEqual(sidecar.admin("/ready").status, 503)
        self.assertEqual(self.configuration(sidecar)["source"], "none")
        control = self.start_control()
        sidecar.wait_until_ready()
        self.assertEqual(sidecar.request().body, b"hello")
        # Nothing was sent that it had.
        self.assertEqual(control.metrics()["postern_push_deployment_bytes_total"], 0)

    def test_start_fail_ends_without_a_control_plane(self):
        self.keep(self.start_upstream())
        sidecar = self.start_sidecar("s", "--start", "fail", "--start-timeout", "300", ready=False)
        self.assertEqual(sidecar.wait(), 1)
        self.assertIn("--start fail", self.messages(sidecar, "control_unusable"))
        self.start_control()
        sidecar = self.start_sidecar("s", "--start", "fail")
        self.assertEqual(sidecar.request().body, b"hello")
        self.run_postern("sidecar", "--control", self.control_address, "--start", "never", status=2)

    # ---- when to be ready ----

    def test_not_ready_when_too_old(self):
        upstream = self.start_upstream()
        control = self.start_control()
        gated = self.start_sidecar("gated", "--ready-max-staleness", "1", ready=False)
        plain = self.start_sidecar("plain", ready=False)
        self.deploy(upstream, to=plain)
        gated.wait_until_ready()
        control.kill()
        self.wait_until(lambda: gated.admin("/ready").status == 503, "the gate to close")
        shown = json.loads(gated.admin("/ready").body)
        self.assertFalse(shown["conditions"]["snapshot"])
        self.assertIn("--ready-max-staleness", " ".join(map(str, shown["reasons"])))
        self.assertEqual(plain.admin("/ready").status, 200)
        # It serves whoever comes all the same, and lives.
        self.assertEqual(gated.request().body, b"hello")
        self.assertEqual(gated.admin("/live").status, 200)
        self.start_control()
        gated.wait_until_ready()

    def test_not_ready_before_a_version(self):
        upstream = self.start_upstream()
        self.start_control()
        sidecar = self.start_sidecar("s", "--ready-min-version", "2", ready=False)
        self.deploy(upstream)
        self.wait_until(lambda: "--ready-min-version" in sidecar.admin("/ready").body.decode(),
                        "the gate to close")
        self.assertEqual(sidecar.admin("/ready").status, 503)
        self.command("update", "prod", "--var", "a=b")
        sidecar.wait_until_ready()

    # ---- one store, two control planes ----

    def test_a_second_control_plane_takes_over_when_the_first_is_gone(self):
        upstream = self.start_upstream()
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(upstream, to=sidecar)
        with load.Upstream(b"two") as second:
            arguments = ["control", "--store", os.path.join(self.folder, "control.db"), "--listen",
                         "127.0.0.1:%d" % self.control_port, "--admin", "none"]
            refused = self.run_postern(*arguments, status=1)
            self.assertIn(str(control.pid), refused.stderr)
            control.kill()
            self.start_control()
            self.wait_until(lambda: self.applied() == 1, "the sidecar")
            self.deploy(second, name="two.json")
            self.assertEqual(sidecar.request().body, b"two")


if __name__ == "__main__":
    unittest.main()
