"""`postern run --store`: a control plane and its sidecar in one process, with the same store, compiler
and activation."""

import json
import os
import sqlite3
import unittest

from tests.control import control_plane
from tests.support import harness, http1


class RunStoreTest(control_plane.TestCase):

    def start_run(self, *args, **kwargs):
        gateway = self.start_postern(
            *args, "--store", os.path.join(self.folder, "run.db"), "--control-listen",
            "127.0.0.1:0", **kwargs)
        self.control_address = "127.0.0.1:%d" % gateway.address("control")[1]
        return gateway

    def test_versions_are_kept_and_taken_back(self):
        one = self.start_upstream([http1.Reply(body=b"one")] * 20)
        two = self.start_upstream([http1.Reply(body=b"two")] * 20)
        path = self.write("api.json", harness.proxy_definition(one.url))
        gateway = self.start_run(path)
        self.assertEqual(gateway.request().body, b"one")
        self.write("api.json", harness.proxy_definition(two.url))
        self.wait_until(lambda: gateway.request().body == b"two", "the new definition")
        stage, = self.stages()["stages"]
        self.assertEqual((stage["name"], stage["applied"], stage["group_version"]),
                         ("prod", 1, "2"))
        self.command("rollback", "prod")
        self.assertEqual(gateway.request().body, b"one")
        self.assertEqual(len(json.loads(
            self.command("deployments", "--json").stdout)["deployments"]), 2)
        # Refused: nothing changes, in the store either.
        self.write("api.json", "{")
        gateway.wait_for_event("definition_refused")
        self.assertEqual(gateway.request().body, b"one")
        # What the file says is what is served after a restart; history stays.
        self.write("api.json", harness.proxy_definition(two.url))
        gateway.stop()
        gateway = self.start_run(path)
        self.assertEqual(gateway.request().body, b"two")
        self.assertEqual(len(json.loads(
            self.command("deployments", "--json").stdout)["deployments"]), 2)
        records = json.loads(self.command("audit", "--json").stdout)["records"]
        self.assertEqual([r["action"] for r in records],
                         ["publish", "rollback", "publish", "publish"])
        self.assertEqual(records[0]["who"], "postern run")
        gateway.stop()
        # Nothing new is nothing recorded.
        gateway = self.start_run(path)
        self.assertEqual(len(json.loads(
            self.command("audit", "--json").stdout)["records"]), 4)

    def test_several_files_are_one_change(self):
        one = self.start_upstream([http1.Reply(body=b"one")] * 20)
        two = self.start_upstream([http1.Reply(body=b"two")] * 20)
        a = self.write("a.json", harness.proxy_definition(one.url, title="First API"))
        b = self.write("b.json", harness.proxy_definition(two.url, title="b"))
        gateway = self.start_run(a, b, "--var", "x=y")
        # As without a store.
        plain = self.start_postern(a, b, "--var", "x=y")
        for each in (gateway, plain):
            self.assertEqual(each.request(target="/first-api/").body, b"one")
            self.assertEqual(each.request(target="/b/").body, b"two")
        self.assertEqual({s["group_version"] for s in self.stages()["stages"]}, {"1"})
        gateway.stop()
        # One file less: its stage is gone, its deployment is not.
        gateway = self.start_run(b, "--var", "x=y")
        self.assertEqual(gateway.request().body, b"two")
        stage, = self.stages()["stages"]
        self.assertEqual(stage["api_name"], "b")
        self.assertEqual(len(json.loads(
            self.command("deployments", "--json").stdout)["deployments"]), 2)
        # Two files of one API.
        twice = self.run_postern("run", b, b, "--store", os.path.join(self.folder, "x.db"),
                                 "--listen", "127.0.0.1:0", "--admin", "none", status=3)
        self.assertIn("x-postern-api-id", twice.stderr)

    def test_refusals_at_the_start(self):
        path = self.write("bad.json", "{}")
        store = os.path.join(self.folder, "run.db")
        ends = ["--listen", "127.0.0.1:0", "--admin", "none"]
        self.run_postern("run", path, "--store", store, *ends, status=3)
        missing = self.write("tls.json", harness.proxy_definition("https://localhost:1"))
        refused = self.run_postern("run", missing, "--store", store, "--upstream-ca", "/nowhere",
                                   *ends, status=3)
        self.assertIn("/nowhere", refused.stderr)
        foreign = self.write("other.db", "SQLite format 4\0" + "x" * 4000)
        self.assertIn("no store of Postern", self.run_postern(
            "run", missing, "--store", foreign, *ends, status=1).stderr)
        self.run_postern("run", missing, "--control-listen", "127.0.0.1:0", *ends, status=2)
        self.run_postern("run", missing, "--store", store, "--control-listen", "0.0.0.0:0", *ends,
                         status=2)

    def test_what_is_kept_is_what_a_control_plane_keeps(self):
        upstream = self.start_upstream([http1.Reply(body=b"one")] * 20)
        path = self.write("api.json", harness.proxy_definition(upstream.url))
        gateway = self.start_run(path)
        gateway.stop()
        self.start_control(store="run.db")
        sidecar = self.start_sidecar("s", group="run")
        self.assertEqual(sidecar.request().body, b"one")
        store = sqlite3.connect(os.path.join(self.folder, "run.db"))
        self.assertEqual(store.execute("PRAGMA user_version").fetchone()[0], 2)
        store.close()


if __name__ == "__main__":
    unittest.main()
