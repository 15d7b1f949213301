"""With descriptors exhausted the gateway idles, and serves again as soon as there are some."""

import resource
import time
import unittest

from tests.support import harness, http1

_MOST = 64


class DescriptorLimitTest(harness.TestCase):

    def test_it_idles_and_comes_back(self):
        upstream = self.start_upstream()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        gateway = self.start_proxy(upstream, "--workers", "1")
        self.assertEqual(gateway.request().body, b"hello")  # the pool holds its connection
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (_MOST, hard))
        clients = [gateway.connect() for _ in range(_MOST * 2)]
        for client in clients:
            self.addCleanup(client.close)
        gateway.wait_for_event("accept_paused")
        time.sleep(0.2)
        began, cpu = time.monotonic(), gateway.cpu_seconds()
        time.sleep(1)
        share = (gateway.cpu_seconds() - cpu) / (time.monotonic() - began)
        print("with no descriptor left: %.2f %% CPU" % (share * 100))
        self.assertLess(share, 0.05)
        # Who is in is served meanwhile.
        self.assertEqual(clients[0].request().body, b"hello")
        for client in clients[1:-1]:
            client.close()
        began = time.monotonic()
        response = clients[-1].request()
        took = time.monotonic() - began
        print("back after %.0f ms" % (took * 1000))
        self.assertEqual(response.body, b"hello")
        self.assertLess(took, 1)  # 0.1 s on a machine of one's own

    def test_the_limit_of_connections_closes_those_beyond_it(self):
        gateway = self.start_proxy(self.start_upstream(), "--max-connections", "10")
        with gateway.connect() as first:
            self.assertEqual(first.request().body, b"hello")
            others = [gateway.connect() for _ in range(9)]
            for client in others:
                self.addCleanup(client.close)
                self.assertEqual(client.request().body, b"hello")
            with gateway.connect() as beyond:
                self.assertTrue(beyond.at_end())
            self.assertEqual(first.request().body, b"hello")
        deadline = time.monotonic() + http1.TIMEOUT
        while True:
            with gateway.connect() as client:  # the place of the first is free again
                try:
                    self.assertEqual(client.request().body, b"hello")
                    return
                except (http1.Incomplete, OSError):
                    self.assertLess(time.monotonic(), deadline)


if __name__ == "__main__":
    unittest.main()
