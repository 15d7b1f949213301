"""Connections are kept, pipelined requests are answered in order (RFC 9112 9.3)."""

import threading
import unittest

from tests.support import harness, http1


class KeepAliveTest(harness.TestCase):

    def test_one_connection_on_either_side_carries_many_exchanges(self):
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream, "--workers", "1")
        with gateway.connect() as client:
            for number in range(50):
                response = client.request("POST", "/n%d" % number, body=b"x" * number)
                self.assertEqual((response.status, response.body), (200, b"hello"))
        self.assertEqual(upstream.accepted, 1)
        self.assertEqual([r.target for r in upstream.requests], ["/n%d" % n for n in range(50)])
        self.assertEqual([len(r.body) for r in upstream.requests], list(range(50)))

    def test_pipelined_requests_are_answered_in_order(self):
        def echo(request):
            return http1.Reply(body=request.target.encode() + b" " + request.body)

        gateway = self.start_proxy(self.start_upstream(echo))
        with gateway.connect() as client:
            client.send(b"".join(
                http1.encode_request("POST" if n % 2 else "GET", "/%d" % n, body=b"b%d" % n if n % 2 else b"")
                for n in range(40)))
            for number in range(40):
                body = b"b%d" % number if number % 2 else b""
                self.assertEqual(client.read_response().body, b"/%d %s" % (number, body))

    def test_a_pipelined_request_waits_for_the_answer_before_it(self):
        gate = threading.Event()
        upstream = self.start_upstream([
            http1.after(gate, http1.Reply(body=b"first")), http1.Reply(body=b"second")])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request() + http1.encode_request())
            upstream.wait_for_requests(1)
            self.assertEqual(gateway.request(target="/").body, b"second")
            gate.set()
            self.assertEqual(client.read_response().body, b"first")
            self.assertEqual(client.read_response().body, b"second")

    def test_connection_close_is_asked_for_and_granted(self):
        gateway = self.start_proxy(self.start_upstream())
        with gateway.connect() as client:
            response = client.request(headers=[("Connection", "close")])
            self.assertEqual((response.body, response.value("connection")), (b"hello", "close"))
            self.assertTrue(client.at_end())

    def test_http_1_0_is_closed_unless_it_asks_to_be_kept(self):
        """RFC 9112 9.3; chunks are not for HTTP/1.0 (6.1)."""
        upstream = self.start_upstream(http1.Reply(body=[b"hel", b"lo"], chunked=True))
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            response = client.read_response()
            self.assertEqual(response.body, b"hello")
            self.assertEqual(response.values("transfer-encoding"), [])
            self.assertTrue(client.at_end())
        kept = self.start_proxy(self.start_upstream())
        with kept.connect() as client:
            for _ in range(2):
                client.send(b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
                response = client.read_response()
                self.assertEqual((response.body, response.value("connection")),
                                 (b"hello", "keep-alive"))

    def test_a_connection_the_upstream_will_close_is_not_used_again(self):
        upstream = self.start_upstream(http1.Reply(200, [("Connection", "close")], b"bye"))
        gateway = self.start_proxy(upstream, "--workers", "1")
        with gateway.connect() as client:
            for _ in range(3):
                response = client.request()
                self.assertEqual((response.body, response.value("connection")), (b"bye", "keep-alive"))
        self.assertEqual(upstream.accepted, 3)


if __name__ == "__main__":
    unittest.main()
