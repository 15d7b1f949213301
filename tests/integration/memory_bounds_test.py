"""What a client or an upstream can make the gateway hold is bounded."""

import os
import resource
import threading
import time
import unittest

from tests.support import harness, http1, load

_SLACK_KIB = 1024  # allocators round up


@unittest.skipIf(os.environ.get("POSTERN_SANITIZER"), "sanitizers hold freed memory back")
class MemoryBoundsTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def connections(self, gateway, count):
        for _ in range(count):
            client = gateway.connect()
            self.addCleanup(client.close)
            yield client

    def check_growth(self, gateway, before, count, most_kib, what):
        grown = gateway.rss_kib() - before
        print("%s: %.2f KiB each" % (what, grown / count))
        self.assertLess(grown, most_kib * count + _SLACK_KIB)

    def settled(self, gateway, sample, value):
        """Waits until a metric has a value."""
        deadline = time.monotonic() + http1.TIMEOUT
        while gateway.metrics()[sample] != value:
            self.assertLess(time.monotonic(), deadline, sample)
            time.sleep(0.05)

    def test_a_slow_head_costs_4_kib(self):
        count = 3000
        gateway = self.start_proxy(self.start_upstream(), "--header-timeout", "60000")
        self.assertEqual(gateway.request().body, b"hello")
        before = gateway.rss_kib()
        clients = list(self.connections(gateway, count))
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 500)
        self.assertEqual(gateway.request().body, b"hello")
        self.settled(gateway, "postern_connections_open", count)
        self.check_growth(gateway, before, count, 4, "slow heads")

    def test_an_idle_connection_costs_4_kib(self):
        count = 3000
        gateway = self.start_proxy(self.start_upstream())
        self.assertEqual(gateway.request().body, b"hello")
        before = gateway.rss_kib()
        for client in self.connections(gateway, count):
            self.assertEqual(client.request().body, b"hello")
        self.check_growth(gateway, before, count, 4, "idle connections")

    def test_a_reader_that_never_reads_costs_64_kib(self):
        count = 100

        def endless(connection, request):
            del request
            connection.sock.settimeout(1)
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(1000):
                    connection.send(http1.chunk(b"x" * 65536))
            except OSError:
                stuck.release()
            connection.sock.settimeout(http1.TIMEOUT)
            connection.read_to_end()
            return False

        stuck = threading.Semaphore(0)
        upstream = self.start_upstream([endless])
        gateway = self.start_proxy(upstream)
        before = gateway.rss_kib()
        for client in self.connections(gateway, count):
            client.send(http1.encode_request())
        for _ in range(count):
            self.assertTrue(stuck.acquire(timeout=http1.TIMEOUT))
        self.check_growth(gateway, before, count, 64, "readers that never read")

    def test_an_upload_to_a_deaf_upstream_costs_64_kib(self):
        count = 100
        gate = threading.Event()
        self.addCleanup(gate.set)
        upstream = self.start_upstream([http1.after(gate, http1.Reply())], read_body=False)
        gateway = self.start_proxy(upstream)
        before = gateway.rss_kib()
        for client in self.connections(gateway, count):
            client.send(http1.encode_request("PUT", headers=[("Content-Length", str(64 << 20))]))
            client.sock.setblocking(False)
            deadline = time.monotonic() + 0.1
            while time.monotonic() < deadline:
                try:
                    client.sock.send(b"x" * 65536)
                except BlockingIOError:
                    time.sleep(0.01)
        upstream.wait_for_requests(count)
        self.check_growth(gateway, before, count, 64, "uploads to a deaf upstream")

    def test_memory_does_not_grow_with_requests(self):
        with load.Upstream() as upstream:
            gateway = self.start_postern(
                self.write("proxy.json", harness.proxy_definition(upstream.url)))
            with load.Load(gateway.address(), connections=32).start() as clients:
                clients.wait_for(40000, timeout=120)
                early = gateway.rss_kib()
                clients.wait_for(200000, timeout=240)
                late = gateway.rss_kib()
                self.assertEqual(clients.broken, [])
        print("growth from request 40,000 to 200,000: %d KiB" % (late - early))
        self.assertLessEqual(late - early, 16)


if __name__ == "__main__":
    unittest.main()
