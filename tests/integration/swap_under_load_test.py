"""A changed definition is taken up under load without a failed request; each answer is of the old or
of the new one."""

import datetime
import json
import statistics
import threading
import unittest

from tests.support import harness, http1, load


def _ms(entry):
    return datetime.datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp() * 1000


def _swap_times(gateway):
    """Milliseconds from noticing a change until the new definition is in force, each."""
    times = zip(gateway.events("reload"), gateway.events("snapshot_active")[1:])
    return [_ms(active) - _ms(noticed) for noticed, active in times]


class SwapUnderLoadTest(harness.TestCase):

    def test_12_swaps_fail_no_request(self):
        with load.Upstream(b"one") as first, load.Upstream(b"two") as second:
            upstreams = [first, second]
            path = self.write("proxy.json", harness.proxy_definition(first.url))
            gateway = self.start_postern(path)
            with load.Load(gateway.address(), connections=32).start() as clients:
                clients.wait_for(200)
                for number in range(12):
                    self.write("proxy.json", harness.proxy_definition(upstreams[(number + 1) % 2].url))
                    gateway.wait_for_event("snapshot_active", number + 2)
                    seen = upstreams[(number + 1) % 2].requests
                    clients.wait_for(clients.answered + 200)
                    self.assertGreater(upstreams[(number + 1) % 2].requests, seen)
                clients.finish()
                self.assertEqual(clients.broken, [])
                self.assertEqual(set(clients.statuses), {200})
                self.assertEqual(clients.answered, clients.sent)
            took = _swap_times(gateway)
            self.assertEqual(len(took), 12)
            self.assertLess(statistics.median(took), 50)
            print("swaps: median %.1f ms, most %.1f ms; slowest request %.1f ms of %d" % (
                statistics.median(took), max(took), max(clients.latencies) * 1e3,
                clients.answered))

    def test_exchanges_under_way_end_with_the_definition_they_began_with(self):
        upstream = self.start_upstream()
        gate = threading.Event()
        old = self.start_upstream([http1.after(gate, http1.Reply(body=b"old"))])
        path = self.write("proxy.json", harness.proxy_definition(old.url))
        gateway = self.start_postern(path)
        with gateway.connect() as client:
            client.send(http1.encode_request())
            old.wait_for_requests(1)
            self.write("proxy.json", harness.proxy_definition(upstream.url))
            gateway.wait_for_event("snapshot_active", 2)
            self.assertEqual(gateway.request().body, b"hello")
            gate.set()
            self.assertEqual(client.read_response().body, b"old")
            self.assertEqual(client.request().body, b"hello")

    def test_a_broken_definition_changes_nothing(self):
        upstream = self.start_upstream()
        path = self.write("proxy.json", harness.proxy_definition(upstream.url))
        gateway = self.start_postern(path)
        for broken in ("{", "[]", json.dumps({"openapi": "9"}), ""):
            refused = len(gateway.events("definition_refused"))
            self.write("proxy.json", broken)
            gateway.wait_for_event("definition_refused", refused + 1)
            self.assertEqual(gateway.request().body, b"hello")
            self.assertEqual(gateway.admin("/ready").status, 200)
        active = len(gateway.events("snapshot_active"))
        self.write("proxy.json", harness.proxy_definition(upstream.url, title="again"))
        gateway.wait_for_event("snapshot_active", active + 1)
        self.assertEqual(gateway.request().body, b"hello")


if __name__ == "__main__":
    unittest.main()
