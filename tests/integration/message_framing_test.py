"""Content passes whatever its framing: lengths, chunks, trailers, HEAD, 204, 304, 100-continue."""

import threading
import unittest

from tests.support import harness, http1


class MessageFramingTest(harness.TestCase):

    def test_chunks_pass_in_both_directions_as_they_come(self):
        """Each part is seen by the other side before the next one is sent."""
        arrived = [threading.Event() for _ in range(3)]
        answer = [threading.Event() for _ in range(3)]

        def action(connection, request):
            del request
            for number in range(3):
                self.assertEqual(connection.read_until(b"\r\n"), b"2\r\n")
                self.assertEqual(connection.read_exactly(4), b"r%d\r\n" % number)
                arrived[number].set()
            self.assertEqual(connection.read_exactly(5), b"0\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(3):
                self.assertTrue(answer[number].wait(http1.TIMEOUT))
                connection.send(http1.chunk(b"a%d" % number))
            connection.send(b"0\r\n\r\n")
            return True

        gateway = self.start_proxy(self.start_upstream([action], read_body=False))
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(3):
                client.send(http1.chunk(b"r%d" % number))
                self.assertTrue(arrived[number].wait(http1.TIMEOUT))
            client.send(b"0\r\n\r\n")
            head = client.read_until(b"\r\n\r\n")
            self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", head)
            for number in range(3):
                answer[number].set()
                self.assertEqual(client.read_exactly(7), b"2\r\na%d\r\n" % number)
            self.assertEqual(client.read_exactly(5), b"0\r\n\r\n")

    def test_trailers_pass_in_both_directions(self):
        """RFC 9110 6.5; an answer's go to clients that have said TE: trailers."""
        upstream = self.start_upstream(http1.Reply(
            200, [("Trailer", "X-Sum")], [b"abc"], chunked=True,
            trailers=[("X-Sum", "1"), ("X-Sum", "2")]))
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n"
                        b"3\r\nabc\r\n0\r\nX-Check: c\r\n\r\n")
            response = client.read_response()
        self.assertEqual(response.body, b"abc")
        self.assertEqual(response.trailers, [("X-Sum", "1"), ("X-Sum", "2")])
        request = upstream.requests[0]
        self.assertEqual((request.body, request.trailers), (b"abc", [("X-Check", "c")]))

    def test_head_has_the_fields_of_get_and_no_content(self):
        gateway = self.start_proxy(self.start_upstream(http1.Reply(200, [("X-A", "b")], b"12345")))
        with gateway.connect() as client:
            for _ in range(2):
                response = client.request("HEAD")
                self.assertEqual((response.status, response.value("content-length")), (200, "5"))
                self.assertEqual(response.value("x-a"), "b")
            self.assertEqual(client.request("GET").body, b"12345")

    def test_answers_without_content(self):
        """RFC 9110 15.3.5, 15.4.5."""
        upstream = self.start_upstream([
            http1.Reply(204), http1.Reply(304, [("ETag", '"a"'), ("Content-Length", "77")]),
            http1.Reply(205, body=b""), http1.Reply(200, body=b"")])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            response = client.request()
            self.assertEqual((response.status, response.values("content-length")), (204, []))
            self.assertEqual(response.values("transfer-encoding"), [])
            response = client.request()
            self.assertEqual((response.status, response.value("etag")), (304, '"a"'))
            self.assertEqual(client.request().status, 205)
            response = client.request()
            self.assertEqual((response.status, response.value("content-length")), (200, "0"))

    def test_content_up_to_the_end_of_the_upstreams_connection(self):
        """RFC 9112 6.3 rule 8: the client gets it in chunks and keeps its connection."""
        upstream = self.start_upstream(
            [http1.then_close(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            for _ in range(2):
                response = client.request()
                self.assertEqual(response.body, b"until the end")
                self.assertEqual(response.value("transfer-encoding"), "chunked")

    def test_expect_continue(self):
        """RFC 9110 10.1.1: the content is asked for, and the field goes no further."""
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        b"Content-Length: 4\r\n\r\n")
            self.assertEqual(client.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.send(b"body")
            self.assertEqual(client.read_response().body, b"hello")
        self.assertEqual(upstream.requests[0].body, b"body")
        self.assertEqual(upstream.requests[0].values("expect"), [])

    def test_expect_continue_is_not_asked_for_what_is_refused(self):
        gateway = self.start_proxy(self.start_upstream(), "--max-body", "3")
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        b"Content-Length: 4\r\n\r\n")
            response = client.read_response()
            self.assertEqual((response.status, response.informational), (413, []))

    def test_interim_answers_of_the_upstream_do_not_end_the_exchange(self):
        upstream = self.start_upstream(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            for _ in range(2):
                response = client.request()
                self.assertEqual((response.status, response.body), (200, b"ok"))

    def test_hop_by_hop_fields_pass_in_neither_direction(self):
        """RFC 9110 7.6.1."""
        upstream = self.start_upstream(http1.Reply(
            200, [("Connection", "x-hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"),
                  ("Proxy-Connection", "keep-alive"), ("X-End", "1")], b"hello"))
        gateway = self.start_proxy(upstream)
        response = gateway.request(headers=[
            ("Connection", "X-Private, close"), ("X-Private", "1"), ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "close"), ("TE", "trailers"), ("Upgrade", "h2c"), ("X-End", "1")])
        self.assertEqual(response.body, b"hello")
        for name in ("x-hop", "keep-alive", "proxy-connection"):
            self.assertEqual(response.values(name), [], name)
        self.assertEqual(response.value("x-end"), "1")
        request = upstream.requests[0]
        for name in ("connection", "x-private", "keep-alive", "proxy-connection", "te", "upgrade"):
            self.assertEqual(request.values(name), [], name)
        self.assertEqual(request.value("x-end"), "1")


if __name__ == "__main__":
    unittest.main()
