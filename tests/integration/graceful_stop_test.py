"""Stopping under load breaks no request; a second signal stops at once."""

import signal
import threading
import time
import unittest

from tests.support import harness, http1, load


class GracefulStopTest(harness.TestCase):

    def stop_under(self, **kwargs):
        with load.Upstream() as upstream:
            gateway = self.start_postern(
                self.write("proxy.json", harness.proxy_definition(upstream.url)))
            with load.Load(gateway.address(), **kwargs).start() as clients:
                clients.wait_for(500)
                gateway.signal(signal.SIGTERM)
                self.assertEqual(gateway.wait(), 0)
                clients.wait_until_given_up()
                self.assertEqual(clients.broken, [])
                self.assertEqual(set(clients.statuses), {200})
                self.assertEqual(clients.answered, clients.sent)

    def test_64_busy_clients_lose_nothing_in_five_runs(self):
        for _ in range(5):
            self.stop_under(connections=64)

    def test_clients_that_pause_between_requests_lose_nothing(self):
        for _ in range(2):
            self.stop_under(connections=64, think=0.03)

    def test_exchanges_under_way_end_and_idle_connections_are_closed(self):
        gate = threading.Event()
        upstream = self.start_upstream(lambda request: (
            http1.after(gate, http1.Reply(body=b"late")) if request.target == "/late"
            else http1.Reply(body=b"hello")))
        gateway = self.start_proxy(upstream)
        with gateway.connect() as idle, gateway.connect() as busy, gateway.connect() as fresh:
            self.assertEqual(idle.request().body, b"hello")
            busy.send(http1.encode_request(target="/late"))
            upstream.wait_for_requests(2)
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_event("draining")
            self.assertEqual(gateway.admin("/ready").status, 503)
            self.assertEqual(gateway.admin("/live").status, 200)
            self.assertTrue(idle.at_end())
            self.assertTrue(fresh.at_end())
            self.assertIsNone(gateway.returncode)
            gate.set()
            response = busy.read_response()
            self.assertEqual((response.body, response.value("connection")), (b"late", "close"))
            self.assertTrue(busy.at_end())
        self.assertEqual(gateway.wait(), 0)

    def test_clients_that_have_left_hold_nothing_up(self):
        """A client that closed its connection while its answer was awaited, or came in pieces."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def slow(connection, request):
            del request
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + http1.chunk(b"a"))
            gate.wait()
            return False

        upstream = self.start_upstream(lambda request: (
            http1.silent if request.target == "/silent" else slow))
        gateway = self.start_proxy(upstream)
        for target in ("/silent", "/slow"):
            with gateway.connect() as client:
                client.send(http1.encode_request(target=target))
                upstream.wait_for_requests(1 if target == "/silent" else 2)
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        self.assertEqual(gateway.wait(), 0)
        self.assertLess(time.monotonic() - began, 8)

    def test_a_connection_that_was_just_made_is_served(self):
        gateway = self.start_proxy(self.start_upstream())
        with gateway.connect() as client:
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_event("draining")
            time.sleep(0.15)  # the listeners are closed by now
            response = client.request()
            self.assertEqual((response.body, response.value("connection")), (b"hello", "close"))
        self.assertEqual(gateway.wait(), 0)

    def test_the_second_signal_stops_at_once(self):
        upstream = self.start_upstream([http1.silent])
        for second in (signal.SIGTERM, signal.SIGINT):
            gateway = self.start_proxy(upstream)
            with gateway.connect() as client:
                client.send(http1.encode_request())
                upstream.wait_until(lambda: upstream.open_connections == 1)
                gateway.signal(signal.SIGTERM)
                gateway.wait_for_event("draining")
                self.assertIsNone(gateway.returncode)
                began = time.monotonic()
                gateway.signal(second)
                self.assertEqual(gateway.wait(), 0)
                self.assertLess(time.monotonic() - began, 2)
                with self.assertRaises(http1.Incomplete):
                    client.read_response()
            upstream.wait_until_idle()

    def test_what_does_not_end_is_cut_after_the_drain_timeout(self):
        upstream = self.start_upstream([http1.silent])
        gateway = self.start_proxy(upstream, "--drain-timeout", "300")
        with gateway.connect() as client:
            client.send(http1.encode_request())
            upstream.wait_for_requests(1)
            self.assertEqual(gateway.stop(), 0)
        self.assertEqual(gateway.wait_for_event("drain_timeout")["open_connections"], 1)

    def test_the_drain_delay_keeps_accepting_while_not_ready(self):
        gateway = self.start_proxy(self.start_upstream(), "--drain-delay", "600")
        gateway.signal(signal.SIGTERM)
        gateway.wait_for_event("draining")
        self.assertEqual(gateway.admin("/ready").status, 503)
        self.assertEqual(gateway.request().body, b"hello")
        self.assertEqual(gateway.wait(), 0)


if __name__ == "__main__":
    unittest.main()
