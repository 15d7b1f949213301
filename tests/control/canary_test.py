"""Canaries and stage variables by the control plane: a share of the requests, overrides, promotion,
and no new deployment where only a stage changes (rest-api.md 13.3, 13.4)."""

import collections
import json
import unittest

from tests.control import control_plane
from tests.support import harness, http1, load

_REQUESTS = 2000


def answers(sidecar, count=_REQUESTS):
    """How often each body came."""
    with load.Load(sidecar.address(), connections=8).start() as clients:
        clients.wait_for(count)
        clients.finish()
        return clients


class CanaryTest(control_plane.TestCase):

    def share(self, one, other, sidecar):
        """Share of the requests that `other` got."""
        before = (one.requests, other.requests)
        clients = answers(sidecar)
        self.assertEqual(clients.broken, [])
        self.assertEqual(set(clients.statuses), {200})
        return (other.requests - before[1]) / (
            one.requests - before[0] + other.requests - before[1])

    def shown_canary(self):
        return self.stages()["stages"][0]["settings"].get("canary")

    def test_a_canary_gets_its_share_and_is_promoted(self):
        with load.Upstream(b"one") as one, load.Upstream(b"two") as two:
            self.start_control()
            sidecar = self.start_sidecar("s", ready=False)
            # No stage, no canary.
            refused = self.deploy(one, "--canary", "10", status=3)
            self.assertIn("must be there before", refused.stderr)
            self.deploy(one, to=sidecar)
            self.assertEqual(self.share(one, two, sidecar), 0)

            self.deploy(two, "--canary", "25", name="two.json")
            # 2000 requests: five standard deviations are 0.048.
            self.assertAlmostEqual(self.share(one, two, sidecar), 0.25, delta=0.06)
            self.assertEqual(self.shown_canary()["percent_traffic"], 25)
            self.assertRegex(self.command("stages").stdout, r"[0-9a-f]{12} 25%")
            # What is served stays meanwhile, and no third deployment comes.
            self.deploy(two, name="two.json", status=3)
            self.command("update", "prod", "--canary", "100")
            self.assertEqual(self.share(one, two, sidecar), 1)
            self.command("update", "prod", "--canary", "0")
            self.assertEqual(self.share(one, two, sidecar), 0)

            self.command("update", "prod", "--canary", "50")
            self.command("promote", "prod")
            self.assertEqual(self.share(one, two, sidecar), 1)
            self.assertIsNone(self.shown_canary())
            self.command("promote", "prod", status=3)
            self.command("rollback", "prod")
            self.assertEqual(self.share(one, two, sidecar), 0)
            # A deployment that is there already.
            digest = json.loads(
                self.command("deployments", "--json").stdout)["deployments"][0]["digest"]
            self.command("update", "prod", "--canary", "100", "--canary-deployment", digest[:10])
            self.assertEqual(self.share(one, two, sidecar), 1)
            self.command("update", "prod", "--canary", "none")
            self.assertEqual(self.share(one, two, sidecar), 0)
            self.command("update", "prod", "--canary", "5", status=2)
            self.command("update", "prod", "--canary", "101", status=2)
            actions = [r["action"] for r in json.loads(
                self.command("audit", "--json").stdout)["records"]]
            self.assertEqual(actions.count("promote"), 1)

    def test_variables_change_without_a_deployment(self):
        one = self.start_upstream([http1.Reply(body=b"one")] * 9)
        two = self.start_upstream([http1.Reply(body=b"two")] * 9)
        self.start_control()
        sidecar = self.start_sidecar("s", ready=False)
        definition = self.write("v.json", harness.proxy_definition("http://${stageVariables.to}"))
        self.command("deploy", definition, "--var", "to=" + one.address)
        sidecar.wait_until_ready()
        self.assertEqual(sidecar.request().body, b"one")
        self.command("update", "prod", "--var", "to=" + two.address)
        self.assertEqual(sidecar.request().body, b"two")
        # Of the canary alone.
        digest = self.stages()["stages"][0]["deployment_digest"]
        self.command("update", "prod", "--canary", "100", "--canary-deployment", digest,
                     "--canary-var", "to=" + one.address)
        self.assertEqual(sidecar.request().body, b"one")
        self.command("update", "prod", "--canary", "0")
        self.assertEqual(sidecar.request().body, b"two")
        # Its overrides are promoted with it.
        self.command("promote", "prod")
        self.assertEqual(sidecar.request().body, b"one")
        self.assertEqual(self.stages()["stages"][0]["settings"]["variables"], {"to": one.address})
        self.assertEqual(len(json.loads(
            self.command("deployments", "--json").stdout)["deployments"]), 1)
        self.command("update", "nowhere", "--var", "a=b", status=1)
        self.command("update", "prod", "--var", "a", status=2)


if __name__ == "__main__":
    unittest.main()
