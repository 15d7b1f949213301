"""Clients that close half or all of their connection."""

import threading
import unittest

from tests.support import harness, http1


class ClientGoneTest(harness.TestCase):

    def test_a_half_closed_client_gets_its_answer(self):
        """RFC 9112 9.6."""
        gate = threading.Event()
        upstream = self.start_upstream([http1.after(gate, http1.Reply(body=b"hello"))])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request("POST", body=b"abc"))
            client.finish_writing()
            upstream.wait_for_requests(1)
            gate.set()
            self.assertEqual(client.read_response().body, b"hello")
            self.assertTrue(client.at_end())

    def test_an_abort_cancels_the_request_upstream(self):
        upstream = self.start_upstream([http1.silent])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request())
            upstream.wait_for_requests(1)
            client.reset()
        upstream.wait_until_idle()

    def test_an_abort_in_the_middle_of_the_content_cancels(self):
        """A chunked request that lacks its end must not reach the upstream as whole."""
        for reset in (False, True):
            upstream = self.start_upstream([], read_body=True)
            gateway = self.start_proxy(upstream)
            client = gateway.connect()
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            upstream.wait_until(lambda u=upstream: u.accepted == 1)
            if reset:
                client.reset()
            else:
                client.close()
            upstream.wait_until_idle()
            self.assertEqual(upstream.requests, [])
            self.assertIsInstance(upstream.errors[0], http1.Incomplete)

    def test_an_abort_in_the_middle_of_the_answer_cancels(self):
        def endless(connection, request):
            del request
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    connection.send(http1.chunk(b"x" * 1000))
            except OSError:
                return False

        upstream = self.start_upstream([endless])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request())
            client.read_until(b"xxxx")
            client.reset()
        upstream.wait_until_idle()

    def test_a_reset_http_2_stream_cancels_the_request_upstream(self):
        upstream = self.start_upstream(lambda request: (
            http1.silent if request.target == "/silent" else http1.Reply(body=b"hello")))
        gateway = self.start_proxy(upstream)
        with gateway.connect_h2() as client:
            stream = client.start("GET", "/silent")
            upstream.wait_for_requests(1)
            client.send_reset(stream)
            self.assertTrue(client.synchronise())
            upstream.wait_until_idle()
            self.assertEqual(client.request().body, b"hello")

    def test_nothing_of_the_cancelled_remains(self):
        upstream = self.start_upstream([http1.silent])
        gateway = self.start_proxy(upstream)
        for i in range(20):
            with gateway.connect() as client:
                client.send(http1.encode_request())
                # Cut any earlier, the connection may stay in the pool unused, and rightly so.
                upstream.wait_for_requests(i + 1)
                client.reset()
        upstream.wait_until_idle()
        metrics = gateway.metrics()
        self.assertEqual(metrics["postern_streams_open"], 0)
        self.assertEqual(metrics["postern_connections_open"], 0)


if __name__ == "__main__":
    unittest.main()
