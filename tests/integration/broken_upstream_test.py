"""A malformed or truncated answer becomes 502 or a broken-off answer, never one that looks whole;
a request that could not be delivered, or only its answer not be awaited, 504 (rest-api.md 6.6)."""

import socket
import time
import unittest

from tests.support import harness, http1, http2

_LENGTH = http1.Reply(body=b"0123456789")
_CHUNKED = http1.Reply(body=[b"01234", b"56789"], chunked=True)


class BrokenUpstreamTest(harness.TestCase):

    def gateway_response(self, response, status, message):
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.body, b'{"message": "%s"}' % message.encode())
        self.assertEqual(response.value("content-type"), "application/json")
        self.assertEqual(response.value("x-amzn-errortype"), "InternalServerErrorException")

    def test_garbage_is_502(self):
        for answer in (b"NOT HTTP AT ALL\r\n\r\n", b"\0" * 100,
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100000 + b"\r\n\r\n"):
            upstream = self.start_upstream([http1.then_close(answer)])
            gateway = self.start_proxy(upstream)
            self.gateway_response(gateway.request(), 502, "Internal server error")
            self.assertEqual(len(upstream.requests), 1)

    def test_a_head_that_breaks_off_is_502(self):
        upstream = self.start_upstream([http1.then_close(b"HTTP/1.1 200 OK\r\nContent-Le")])
        self.gateway_response(self.start_proxy(upstream).request(), 502, "Internal server error")

    def test_content_that_breaks_off_does_not_look_whole(self):
        """With a length the connection is reset, in chunks the last is missing."""
        for reply, missing in ((_LENGTH, 1), (_LENGTH, 5), (_CHUNKED, 1), (_CHUNKED, 5), (_CHUNKED, 8)):
            for abortively in (False, True):
                action = http1.truncated(reply, missing, abortively)
                gateway = self.start_proxy(self.start_upstream([action]))
                with gateway.connect() as client:
                    with self.assertRaises(http1.Incomplete, msg="%r %d" % (reply, missing)):
                        client.request()
                    self.assertTrue(client.at_end())

    def test_broken_chunks_do_not_look_whole(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        for rest in (b"xyz\r\n", b"5\r\nhelloworld", b"-1\r\n", b"0\r\nbad trailer\r\n\r\n"):
            gateway = self.start_proxy(self.start_upstream(head + rest))
            with gateway.connect() as client:
                with self.assertRaises(http1.Incomplete, msg=rest):
                    client.request()

    def test_http_2_clients_see_a_reset_stream(self):
        gateway = self.start_proxy(self.start_upstream([http1.truncated(_LENGTH, 5)]))
        with gateway.connect_h2() as client:
            message = client.request()
            self.assertEqual((message.status, message.complete), (200, False))
            self.assertIsNotNone(message.reset)
            self.assertNotEqual(message.reset, http2.ErrorCode.NO_ERROR)
            self.assertTrue(client.synchronise())  # the connection goes on

    def test_more_than_the_length_is_not_passed_on(self):
        """RFC 9112 9.2: what follows must not answer the next request."""
        upstream = self.start_upstream(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"
            b"Content-Length: 4\r\n\r\nevil")
        gateway = self.start_proxy(upstream, "--workers", "1")
        with gateway.connect() as client:
            for _ in range(3):
                self.assertEqual(client.request().body, b"hello")
        self.assertEqual(upstream.accepted, 3)

    def test_nobody_there_is_504(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
            url = "http://127.0.0.1:%d" % unused.getsockname()[1]
            path = self.write("proxy.json", harness.proxy_definition(url))
            gateway = self.start_postern(path)
            response = gateway.request()
            self.gateway_response(response, 504, "Network error communicating with endpoint")

    def test_closed_without_an_answer_is_504(self):
        for action in (http1.close, http1.reset):
            upstream = self.start_upstream([action])
            gateway = self.start_proxy(upstream)
            response = gateway.request("POST", body=b"x")
            self.gateway_response(response, 504, "Network error communicating with endpoint")
            self.assertEqual(len(upstream.requests), 1)  # a POST is not sent twice

    def test_the_clients_connection_goes_on_after_a_gateway_response(self):
        upstream = self.start_upstream([http1.reset, http1.then_close(b"rubbish"), _LENGTH])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            self.assertEqual(client.request("POST", body=b"a").status, 504)
            self.assertEqual(client.request("POST", body=b"b").status, 502)
            self.assertEqual(client.request("POST", body=b"c").body, b"0123456789")

    def test_an_early_answer_is_passed_on_while_the_client_still_sends(self):
        """RFC 9112 9.5: the answer counts, the rest of the request does not."""
        upstream = self.start_upstream(
            [http1.then_close(http1.Reply(413, [("Connection", "close")], b"too much"))],
            read_body=False)
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
            response = client.read_response()
            self.assertEqual((response.status, response.body), (413, b"too much"))


if __name__ == "__main__":
    unittest.main()
