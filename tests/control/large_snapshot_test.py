"""An API as large as they come is taken up under load, and many swaps are: no request fails, none
waits for it, memory stays. Prints the figures of docs/performance.md."""

import json
import os
import subprocess
import time
import unittest

from tests.control import control_plane
from tests.support import harness, http1, load

_ROUTES = 9998  # and "/": an API has at most 10,000 resources, its root included
# A test of every day; POSTERN_SWAPS=1000 gives the figure.
_SWAPS = int(os.environ.get("POSTERN_SWAPS", "300"))


def large(url, routes=_ROUTES):
    """A definition with so many routes and one more, "/"."""

    def operation(path):
        return {"get": {
            "responses": {"200": {"description": "ok"}},
            "x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "GET", "uri": url + path},
        }}

    paths = {"/": operation("/")}
    for i in range(routes):
        paths["/resource%d" % i] = operation("/r%d" % i)
    return {"openapi": "3.0.1", "info": {"title": "large", "version": "1"}, "paths": paths}


class LargeSnapshotTest(control_plane.TestCase):

    def quiet(self, clients, seconds=2):
        """The slowest request while nothing happens: what the machine does by itself."""
        begun = len(clients.latencies)
        time.sleep(seconds)
        return max(clients.latencies[begun:])

    def test_ten_thousand_routes_are_taken_up_under_load(self):
        with load.Upstream(b"one") as one, load.Upstream(b"two") as two:
            self.start_control()
            sidecar = self.start_sidecar("s", ready=False)
            paths = [self.write("%d.json" % i, large(u.url)) for i, u in enumerate((one, two))]
            self.command("deploy", paths[0])
            sidecar.wait_until_ready()
            with load.Load(sidecar.address(), connections=4, think=0.002).start() as clients:
                clients.wait_for(200)
                by_itself = self.quiet(clients)
                slowest, took = [], []
                # Deployed before, so that the work of the control plane is not on the same cores.
                self.command("deploy", paths[1], "--stage", "next", "--group", "nobody")
                for _ in range(5):
                    begun = len(clients.latencies)
                    self.command("promote", "next", "prod")
                    clients.wait_for(clients.answered + 100)
                    took.append(sidecar.metrics()["postern_control_update_seconds"])
                    self.command("rollback", "prod")
                    clients.wait_for(clients.answered + 100)
                    took.append(sidecar.metrics()["postern_control_update_seconds"])
                    slowest.append(max(clients.latencies[begun:]))
                clients.finish()
                self.assertEqual(clients.broken, [])
                self.assertEqual(set(clients.statuses), {200})
                self.assertEqual(clients.answered, clients.sent)
            print("9,999 routes: in force after %s ms; slowest request %s ms, and %.1f ms while "
                  "nothing happens" % (
                      ", ".join("%.0f" % (1e3 * t) for t in sorted(took)),
                      ", ".join("%.1f" % (1e3 * s) for s in sorted(slowest)), 1e3 * by_itself))

    def test_swaps_leave_memory_flat_and_fail_no_request(self):
        with load.Upstream(b"one") as one, load.Upstream(b"two") as two:
            self.start_control()
            sidecar = self.start_sidecar("s", ready=False)
            for i, upstream in enumerate((one, two)):
                path = self.write("%d.json" % i, large(upstream.url, routes=50))
                self.command("deploy", path)
                sidecar.wait_until_ready()
            with load.Load(sidecar.address(), connections=8, think=0.005).start() as clients:
                clients.wait_for(200)

                def swap(count):
                    for _ in range(count):
                        subprocess.run(
                            [harness.binary(), "rollback", "prod", "--no-wait", "--control",
                             self.control_address], check=True, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
                    self.wait_until(lambda: self.applied() == 1, "the last version")

                # The first ones fill pools.
                swap(_SWAPS // 3)
                before = sidecar.rss_kib()
                swap(_SWAPS - _SWAPS // 3)
                after = sidecar.rss_kib()
                clients.wait_for(clients.answered + 100)
                clients.finish()
                self.assertEqual(clients.broken, [])
                self.assertEqual(set(clients.statuses), {200})
                self.assertEqual(clients.answered, clients.sent)
            version = self.configuration(sidecar)["version"]
            self.assertEqual(version, _SWAPS + 2)
            swaps = sidecar.metrics()["postern_control_pushes_total"]
            print("%d versions, %d swaps, %d requests, none failed; RSS %d -> %d KiB" % (
                version, swaps, clients.answered, before, after))
            self.assertGreater(swaps, _SWAPS / 2)
            self.assertLess(after - before, 2048)


if __name__ == "__main__":
    unittest.main()
