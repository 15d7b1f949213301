"""HTTP/2 by prior knowledge and over TLS, in front of an HTTP/1.1 upstream (RFC 9113)."""

import os
import signal
import subprocess
import threading
import unittest

from tests.support import harness, http1, http2

_BIG = 64 << 20


class Http2Test(harness.TestCase):

    def test_exchanges_side_by_side(self):
        gates = {"/%d" % n: threading.Event() for n in range(20)}

        def script(request):
            return http1.after(gates[request.target], http1.Reply(body=request.target.encode()))

        upstream = self.start_upstream(script)
        gateway = self.start_proxy(upstream)
        with gateway.connect_h2() as client:
            streams = [client.start("GET", "/%d" % n) for n in range(20)]
            upstream.wait_for_requests(20)
            for number in reversed(range(20)):  # the last asked is answered first
                gates["/%d" % number].set()
                message = client.response(streams[number])
                self.assertEqual((message.status, message.body), (200, b"/%d" % number))

    def test_content_and_trailers_in_both_directions(self):
        upstream = self.start_upstream(http1.Reply(
            200, [], [b"answer"], chunked=True, trailers=[("X-Sum", "9")]))
        gateway = self.start_proxy(upstream)
        with gateway.connect_h2() as client:
            message = client.request("POST", "/", [("te", "trailers")], b"question",
                                     trailers=[("x-check", "1")])
        self.assertEqual((message.status, message.body), (200, b"answer"))
        self.assertEqual(message.trailers, [("x-sum", "9")])
        request = upstream.requests[0]
        self.assertEqual((request.body, request.trailers), (b"question", [("x-check", "1")]))
        self.assertEqual(request.value("transfer-encoding"), "chunked")

    def test_fields_of_the_connection_are_refused(self):
        """RFC 9113 8.2.2: HTTP/1 upstreams never see them."""
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream)
        for field in (("connection", "close"), ("transfer-encoding", "chunked"), ("upgrade", "x"),
                      ("keep-alive", "1"), ("proxy-connection", "x"), ("te", "gzip")):
            with gateway.connect_h2() as client:
                message = client.request(headers=[field])
                self.assertTrue(message.reset is not None or message.status == 400, field)
        self.assertEqual(upstream.requests, [])

    def test_a_drain_takes_two_steps(self):
        """RFC 9113 6.8: a warning that refuses nothing, then the last stream that is answered."""
        gate = threading.Event()
        upstream = self.start_upstream([http1.after(gate, http1.Reply(body=b"late"))])
        gateway = self.start_proxy(upstream)
        with gateway.connect_h2() as client:
            stream = client.start()
            upstream.wait_for_requests(1)
            gateway.signal(signal.SIGTERM)
            client.process_until(lambda: len(client.goaways) == 1)
            self.assertEqual(client.goaways[0][:2], (0x7FFFFFFF, http2.ErrorCode.NO_ERROR))
            second = client.start()  # still answered
            client.process_until(lambda: len(client.goaways) == 2)
            self.assertEqual(client.goaways[1][:2], (second, http2.ErrorCode.NO_ERROR))
            gate.set()
            self.assertEqual(client.response(stream).body, b"late")
            self.assertEqual(client.response(second).body, b"late")
            client.process_to_end()
        self.assertEqual(gateway.wait(), 0)

    def test_a_drain_ends_idle_connections(self):
        gateway = self.start_proxy(self.start_upstream())
        with gateway.connect_h2() as used, gateway.connect_h2() as fresh:
            self.assertEqual(used.request().body, b"hello")
            gateway.signal(signal.SIGTERM)
            for client in (used, fresh):
                client.process_to_end()
                self.assertEqual(client.goaways[-1][1], http2.ErrorCode.NO_ERROR)
        self.assertEqual(gateway.wait(), 0)

    def test_100_streams_that_nobody_reads_hold_2_mib(self):
        answered = threading.Semaphore(0)

        def large(connection, request):
            del request
            connection.sock.settimeout(1)
            try:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n" + b"x" * (8 << 20))
            except OSError:
                pass
            answered.release()
            connection.sock.settimeout(http1.TIMEOUT)
            connection.read_to_end()
            return False

        upstream = self.start_upstream([large])
        gateway = self.start_proxy(upstream)
        before = gateway.rss_kib()
        with gateway.connect_h2(open_windows=False) as client:
            for _ in range(100):
                client.start()
            for _ in range(100):
                self.assertTrue(answered.acquire(timeout=http1.TIMEOUT))
            grown = gateway.rss_kib() - before
            print("100 unread streams: %d KiB" % grown)
            if not os.environ.get("POSTERN_SANITIZER"):  # they hold freed memory back
                self.assertLess(grown, 2048 + 1024)  # and their upstream connections

    def curl(self, gateway, *args, scheme="http", name="http"):
        ran = subprocess.run(
            ["curl", "-sS", "--max-time", "60", *args, "%s://localhost:%d/" % (
                scheme, gateway.address(name)[1])],
            capture_output=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout

    def test_large_content_to_and_from_curl(self):
        upstream = self.start_upstream([
            http1.Reply(200, [("Content-Length", str(_BIG))], [b"x" * 65536] * (_BIG // 65536)),
            http1.Reply(body=b"hello")], keep_body=False)
        gateway = self.start_proxy(upstream)
        wrote = self.curl(gateway, "--http2-prior-knowledge", "-o", "/dev/null", "-w",
                          "%{http_version} %{size_download}")
        self.assertEqual(wrote.split(), [b"2", str(_BIG).encode()])
        path = os.path.join(self.folder, "large")
        with open(path, "wb") as file:
            file.truncate(_BIG)
        self.assertEqual(self.curl(gateway, "--http2-prior-knowledge", "-T", path), b"hello")
        self.assertEqual(upstream.requests[1].body_size, _BIG)
        if not os.environ.get("POSTERN_SANITIZER"):
            self.assertLess(gateway.peak_rss_kib(), 40 * 1024)

    def test_over_tls_with_curl(self):
        certificate = self.certificate()
        gateway = self.start_proxy(self.start_upstream(), "--tls-cert", certificate.certificate,
                                   "--tls-key", certificate.key)
        wrote = self.curl(gateway, "--http2", "--cacert", certificate.certificate, "-w",
                          " %{http_version}", scheme="https", name="https")
        self.assertEqual(wrote, b"hello 2")

    def test_versions_can_be_turned_off(self):
        gateway = self.start_proxy(self.start_upstream(), "--http", "1.1")
        with gateway.connect() as client:
            client.send(http2.PREFACE)
            self.assertIn(client.read_response().status, (400, 505))
        gateway = self.start_proxy(self.start_upstream(), "--http", "2")
        with gateway.connect() as client:
            client.send(http1.encode_request())
            self.assertNotIn(b"HTTP/1.1 200", client.read_to_end())
        with gateway.connect_h2() as client:
            self.assertEqual(client.request().body, b"hello")


if __name__ == "__main__":
    unittest.main()
