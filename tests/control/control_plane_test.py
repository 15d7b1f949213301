"""One control plane and its sidecars, as processes: what is deployed is served, and goes on being
served whatever part is killed."""

import json
import os
import random
import socket
import subprocess
import time
import unittest

from tests.control import control_plane
from tests.support import harness, http1, load


class ControlPlaneTest(control_plane.TestCase):

    # ---- the way of a change ----

    def test_deploy_promote_rollback(self):
        first = self.start_upstream([http1.Reply(body=b"one")] * 100)
        second = self.start_upstream([http1.Reply(body=b"two")] * 100)
        self.start_control()
        test = self.start_sidecar("test-1", group="test", ready=False)
        prod = self.start_sidecar("prod-1", group="prod", ready=False)
        self.assertEqual(prod.admin("/ready").status, 503)
        self.deploy(first, "--stage", "test", "--group", "test")
        self.deploy(first, "--stage", "prod", "--group", "prod")
        for sidecar in (test, prod):
            sidecar.wait_until_ready()
            self.assertEqual(sidecar.request().body, b"one")
        # One deployment, shared by both stages.
        deployments = json.loads(self.command("deployments", "--json").stdout)["deployments"]
        self.assertEqual(len(deployments), 1)
        self.assertEqual(sorted(deployments[0]["stages"]), ["prod", "test"])

        self.deploy(second, "--stage", "test")
        self.assertEqual(test.request().body, b"two")
        self.assertEqual(prod.request().body, b"one")
        self.command("promote", "test", "prod")
        self.assertEqual(prod.request().body, b"two")
        self.command("rollback", "prod")
        self.assertEqual(prod.request().body, b"one")
        self.command("rollback", "prod")
        self.assertEqual(prod.request().body, b"two")

        new, old = (d["digest"] for d in json.loads(
            self.command("deployments", "--json").stdout)["deployments"])
        diff = json.loads(self.command("diff", old[:12], new, "--json").stdout)["differences"]
        self.assertTrue(diff)
        self.assertTrue(all(d["kind"] == "KIND_CHANGED" for d in diff), diff)
        self.command("diff", old, old, "--exit-code")
        self.command("diff", old, new, "--exit-code", status=1)
        audit = json.loads(self.command("audit", "--json").stdout)["records"]
        self.assertEqual([r["action"] for r in audit[:3]], ["rollback", "rollback", "promote"])
        self.assertEqual(audit[0]["who"], "anonymous")
        self.assertTrue(audit[0]["from"].startswith("127.0.0.1:"), audit[0])

    def test_three_sidecars_and_each_part_killed_under_load(self):
        done = []  # loads that have ended

        def end(clients):
            clients.finish()
            done.append(clients)

        with load.Upstream(b"one") as first, load.Upstream(b"two") as second:
            control = self.start_control()
            sidecars = [self.start_sidecar("s%d" % i, ready=False) for i in range(3)]
            self.deploy(first)

            def begin(sidecar):
                sidecar.wait_until_ready()
                return load.Load(sidecar.address(), connections=8, think=0.002).start()

            loads = [begin(sidecar) for sidecar in sidecars]

            def go_on(upstream=None):
                """Everybody is answered some more, by `upstream` among others."""
                seen = upstream.requests if upstream else 0
                for clients in loads:
                    clients.wait_for(clients.answered + 50)
                if upstream:
                    self.assertGreater(upstream.requests, seen)

            # Changes: a stage that nobody serves is tried, promoted, and taken back again.
            go_on(first)
            self.deploy(second, "--stage", "next", "--group", "nobody")
            go_on(first)
            self.command("promote", "next", "prod")
            go_on(second)
            self.command("rollback", "prod")
            go_on(first)
            # The control plane dies; everything goes on.
            control.kill()
            go_on(first)
            for sidecar in sidecars:
                self.wait_until(lambda s=sidecar: not self.configuration(s)["connected"],
                                "the sidecar to notice")
                self.assertEqual(sidecar.admin("/ready").status, 200)
            # A new one, on the same store: nothing is lost, and everybody comes back.
            self.start_control()
            self.wait_until(lambda: self.applied() == 3, "three sidecars")
            self.command("promote", "next", "prod")
            go_on(second)
            # Each sidecar dies in turn, once nobody asks it: the others do not notice, a change does
            # not wait for it, and it comes back with what it had and takes up what it missed.
            for i, upstream in enumerate((first, second, first)):
                end(loads.pop(0))
                sidecars[i].kill()
                go_on()
                self.command("rollback", "prod")
                go_on(upstream)
                sidecars[i] = self.start_sidecar("s%d" % i)
                loads.append(begin(sidecars[i]))
                self.wait_until(lambda: self.applied() == 3, "the sidecar to come back")
                go_on(upstream)
            for clients in loads:
                end(clients)
            for clients in done:
                self.assertEqual(clients.broken, [])
                self.assertEqual(set(clients.statuses), {200})
                self.assertEqual(clients.answered, clients.sent)
            print("%d requests, none failed; slowest %.1f ms" % (
                sum(c.answered for c in done), 1e3 * max(max(c.latencies) for c in done)))

    def test_killed_at_any_moment_of_a_change(self):
        chance = random.Random(7)
        with load.Upstream(b"one") as first, load.Upstream(b"two") as second:
            definitions = [self.write("%d.json" % i, harness.proxy_definition(u.url))
                           for i, u in enumerate((first, second))]
            control = self.start_control()
            sidecar = self.start_sidecar("s", ready=False)
            other = self.start_sidecar("t", ready=False)
            self.command("deploy", definitions[0])
            clients = load.Load(sidecar.address(), connections=8, think=0.002).start()

            def begin_change(number):
                return subprocess.Popen(
                    [harness.binary(), "deploy", definitions[number % 2], "--no-wait", "--control",
                     self.control_address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

            for number in range(8):
                change = begin_change(number + 1)
                time.sleep(chance.uniform(0, 0.06))
                control.kill()
                change.wait(http1.TIMEOUT)
                control = self.start_control()
                clients.wait_for(clients.answered + 20)
            for number in range(6):
                change = begin_change(number + 1)
                time.sleep(chance.uniform(0, 0.06))
                other.kill()
                change.wait(http1.TIMEOUT)
                other = self.start_sidecar("t")
                self.assertIn(other.request().body, (b"one", b"two"))
            self.wait_until(lambda: self.applied() == 2, "both sidecars")
            self.command("deploy", definitions[0])
            self.assertEqual(other.request().body, b"one")
            self.assertEqual(sidecar.request().body, b"one")
            clients.finish()
            self.assertEqual(clients.broken, [])
            self.assertEqual(set(clients.statuses), {200})
            records = json.loads(self.command("audit", "--json").stdout)["records"]
            numbers = [int(r["sequence"]) for r in records]
            self.assertEqual(numbers, list(range(len(numbers), 0, -1)))

    def test_garbage_on_its_port_hurts_nobody(self):
        upstream = self.start_upstream()
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(upstream, to=sidecar)
        chance = random.Random(3)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for content in (b"", b"GET / HTTP/1.1\r\n\r\n", preface, chance.randbytes(5000),
                        preface + chance.randbytes(5000), preface + b"\0" * 5000):
            with socket.create_connection(("127.0.0.1", self.control_port)) as client:
                client.sendall(content)
        self.assertEqual(self.applied(), 1)
        self.assertIsNone(control.returncode)
        self.assertEqual(sidecar.request().body, b"hello")

    # ---- without a control plane ----

    def test_a_sidecar_starts_from_what_it_kept(self):
        self.keep(self.start_upstream())
        sidecar = self.start_sidecar("s")
        self.assertEqual(sidecar.request().body, b"hello")
        shown = self.configuration(sidecar)
        self.assertEqual((shown["version"], shown["source"]), (1, "disk"))
        self.assertFalse(shown["connected"])
        metrics = sidecar.metrics()
        self.assertEqual(metrics["postern_control_connected"], 0)
        self.assertEqual(metrics["postern_control_snapshot_version"], 1)
        # It holds the deployment: only the pointer is sent, not even that.
        control = self.start_control()
        sidecar.wait_for_event("control_current")
        self.assertEqual(sidecar.metrics()["postern_control_staleness_seconds"], 0)
        self.assertEqual(control.metrics()["postern_push_deployment_bytes_total"], 0)

    def test_a_damaged_file_is_refused_and_the_one_before_it_used(self):
        first = self.start_upstream([http1.Reply(body=b"one")] * 9)
        second = self.start_upstream([http1.Reply(body=b"two")] * 9)
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(first, to=sidecar)
        self.deploy(second)
        self.assertEqual(sidecar.request().body, b"two")
        sidecar.stop()
        control.kill()
        path = os.path.join(self.folder, "state-s", "default.snapshot")
        with open(path, "r+b") as kept:
            kept.seek(-1, os.SEEK_END)
            kept.write(b"\xff")
        sidecar = self.start_sidecar("s")
        self.assertIn("digest", sidecar.events("kept_snapshot_refused")[0]["reason"])
        self.assertEqual(sidecar.request().body, b"one")
        sidecar.stop()
        for name in ("default.snapshot", "default.snapshot.before"):
            self.write(os.path.join("state-s", name), "no snapshot at all")
        sidecar = self.start_sidecar("s", ready=False)
        sidecar.wait_for_event("kept_snapshot_refused", 2)
        self.assertEqual(sidecar.admin("/ready").status, 503)
        self.start_control()
        sidecar.wait_until_ready()
        self.assertEqual(sidecar.request().body, b"two")

    def test_only_what_is_missing_is_sent(self):
        first = self.start_upstream([http1.Reply(body=b"one")] * 9)
        second = self.start_upstream([http1.Reply(body=b"two")] * 9)
        control = self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(first, title="a", name="a.json", to=sidecar)
        after_first = control.metrics()["postern_push_deployment_bytes_total"]
        self.assertGreater(after_first, 0)
        self.deploy(second, "--path", "b", title="b", name="b.json")
        after_second = control.metrics()["postern_push_deployment_bytes_total"]
        self.assertLess(after_second - after_first, 1.5 * after_first)
        self.command("deploy", os.path.join(self.folder, "a.json"), "--var", "x=y")
        self.assertEqual(control.metrics()["postern_push_deployment_bytes_total"], after_second)
        self.assertEqual(sidecar.request().body, b"one")
        self.assertEqual(sidecar.request(target="/b/").body, b"two")
        # A stage that is deleted is served no longer.
        self.command("delete", "--api", "b", "--stage", "prod")
        self.wait_until(lambda: self.configuration(sidecar)["version"] == 4, "version 4")
        self.assertNotEqual(sidecar.request(target="/b/").body, b"two")

    # ---- refusals ----

    def test_what_a_sidecar_cannot_do_is_refused_and_told(self):
        upstream = self.start_upstream()
        self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        self.deploy(upstream, to=sidecar)
        before = self.stages()["stages"][0]["deployment_digest"]
        # Files of the sidecar are its own matter: the control plane cannot know that this one is
        # missing.
        definition = harness.proxy_definition("https://localhost:1")
        path = self.write("tls.json", definition)
        result = self.command("deploy", path, "--upstream-ca", "/nowhere/ca.pem", status=3)
        self.assertIn("/nowhere/ca.pem", result.stderr)
        self.assertEqual(sidecar.request().body, b"hello")
        stages = self.stages()
        self.assertEqual((stages["stages"][0]["applied"], stages["stages"][0]["refused"]), (0, 1))
        self.assertIn("/nowhere/ca.pem", stages["sidecars"][0]["problems"][0])
        self.assertEqual(stages["sidecars"][0]["state"], "STATE_REFUSED")
        self.assertIn("/nowhere/ca.pem", self.command("stages").stdout)
        self.assertEqual(sidecar.metrics()["postern_control_pushes_refused_total"], 1)
        # And out of it again.
        self.command("rollback", "prod", "--no-wait")
        self.command("deploy", os.path.join(self.folder, "proxy.json"), "--upstream-ca", "none")
        self.assertEqual(self.stages()["stages"][0]["deployment_digest"], before)
        self.assertEqual(self.applied(), 1)

    def test_what_cannot_be_is_refused_at_once(self):
        upstream = self.start_upstream()
        self.start_control()
        self.assertIn("openapi", self.command(
            "deploy", self.write("bad.json", {"info": {}}), status=3).stderr.lower())
        self.deploy(upstream, "--stage", "no spaces", status=3)
        self.deploy(upstream, "--var", "nonsense", status=2)
        self.deploy(upstream)
        self.deploy(upstream, "--path", "/", title="other", name="other.json", status=3)
        self.command("rollback", "prod", "--api", "proxy", status=3)
        self.command("promote", "prod", "nowhere", status=1)
        self.command("diff", "abc", "def", status=3)
        self.command("diff", "abcdef0123", "abcdef0124", status=1)
        self.assertEqual(len(self.stages()["stages"]), 1)
        self.run_postern("stages", status=2)
        self.run_postern("stages", "--control", "example.com:1", status=2)
        self.run_postern("stages", "--control", "127.0.0.1:1", status=1)

    # ---- the store ----

    def test_a_store_has_one_control_plane(self):
        self.start_control()
        second = self.run_postern("control", "--store", os.path.join(self.folder, "control.db"),
                                  "--listen", "127.0.0.1:0", "--admin", "none", status=1)
        self.assertIn("has it open", second.stderr)

    def test_a_foreign_file_is_no_store(self):
        path = self.write("other.db", "SQLite format 4\0" + "x" * 4000)
        refused = self.run_postern("control", "--store", path, "--admin", "none", status=1)
        self.assertIn("no store of Postern", refused.stderr)

    # ---- mutual TLS ----

    def test_mutual_tls_with_certificates_that_change(self):
        authority = self.certificate("authority", hosts=(), authority=True)
        other = self.certificate("other-authority", hosts=(), authority=True)

        def identity(name, issuer=authority):
            return self.certificate(name, hosts=("localhost", name + ".example"), issuer=issuer)

        server, operator, sidecar_identity = map(identity, ("server", "operator", "sidecar"))
        self.start_control("--tls-cert", server.certificate, "--tls-key", server.key, "--client-ca",
                           authority.certificate, "--manager", "operator.example")
        self.control_address = "localhost:%d" % self.control_port

        def tls(one, ca=authority):
            return ["--control-ca", ca.certificate, "--control-cert", one.certificate,
                    "--control-key", one.key]

        upstream = self.start_upstream()
        sidecar = self.start_sidecar("s", *tls(sidecar_identity), ready=False)
        self.deploy(upstream, *tls(operator))
        self.assertEqual(sidecar.request().body, b"hello")
        audit = json.loads(self.command("audit", "--json", *tls(operator)).stdout)["records"]
        self.assertIn(audit[0]["who"], ("localhost", "operator.example"))
        # Not a manager; nobody known; no certificate; no TLS; somebody else in the server's place.
        denied = self.command("stages", *tls(sidecar_identity), status=1)
        self.assertIn("none of a manager", denied.stderr)
        self.command("stages", *tls(identity("stranger", issuer=other)), status=1)
        self.command("stages", "--control-ca", authority.certificate, status=1)
        self.command("stages", status=1)
        self.command("stages", *tls(operator, ca=other), status=1)
        self.command("stages", *tls(operator), "--control-name", "wrong.example", status=1)

        # Another authority for everybody, by files that change.
        for old, name in ((server, "server2"), (operator, "operator2")):
            new = self.certificate(name, hosts=("localhost", "operator.example"), issuer=other)
            os.replace(new.key, old.key)
            os.replace(new.certificate, old.certificate)
        os.replace(other.certificate, authority.certificate)

        def taken_up():
            ran = self.run_postern("stages", "--control", self.control_address, *tls(operator))
            return ran.returncode == 0

        self.wait_until(taken_up, "the new certificates")

    def test_what_can_be_reached_from_elsewhere_needs_tls(self):
        store = os.path.join(self.folder, "x.db")
        for listen in ("0.0.0.0:0", "[::]:0", ":0"):
            self.run_postern("control", "--store", store, "--listen", listen, status=2)
        self.run_postern("sidecar", "--control", "control.example:9443", status=2)


if __name__ == "__main__":
    unittest.main()
