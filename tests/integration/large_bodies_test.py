"""Content of any size streams through in bounded memory: a gateway that passes on a quarter of a
gibibyte in either direction stays below 40 MiB."""

import hashlib
import os
import threading
import unittest

from tests.support import harness, http1

_PIECE = bytes(range(256)) * 256  # 64 KiB
_MIB = 1 << 20
_SIZE = int(os.environ.get("POSTERN_LARGE_BODY_MIB", "256")) * _MIB
_MOST_KIB = 40 * 1024


def _pieces(size=_SIZE):
    return (_PIECE for _ in range(size // len(_PIECE)))


def _digest(size=_SIZE):
    digest = hashlib.sha256()
    for piece in _pieces(size):
        digest.update(piece)
    return digest.hexdigest()


class LargeBodiesTest(harness.TestCase):

    def check_memory(self, gateway):
        if os.environ.get("POSTERN_SANITIZER"):
            return  # sanitizers hold freed memory back
        self.assertLess(gateway.peak_rss_kib(), _MOST_KIB)

    def download(self, reply, connect):
        gateway = self.start_proxy(self.start_upstream(reply))
        connect(gateway)
        self.check_memory(gateway)

    def read_all(self, gateway):
        with gateway.connect() as client:
            client.send(http1.encode_request())
            response = client.read_response(keep_body=False)
        self.assertEqual((response.body_size, response.body_sha256), (_SIZE, _digest()))

    def test_download_with_a_length(self):
        self.download(http1.Reply(200, [("Content-Length", str(_SIZE))], list(_pieces())),
                      self.read_all)

    def test_download_in_chunks(self):
        self.download(http1.Reply(200, [], list(_pieces()), chunked=True), self.read_all)

    def test_upload_with_a_length(self):
        upstream = self.start_upstream(keep_body=False)
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request("PUT", headers=[("Content-Length", str(_SIZE))]))
            for piece in _pieces():
                client.send(piece)
            self.assertEqual(client.read_response().body, b"hello")
        self.assertEqual(upstream.requests[0].body_sha256, _digest())
        self.check_memory(gateway)

    def test_upload_in_chunks(self):
        upstream = self.start_upstream(keep_body=False)
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request("PUT", headers=[("Transfer-Encoding", "chunked")]))
            for piece in _pieces():
                client.send(http1.chunk(piece))
            client.send(b"0\r\n\r\n")
            self.assertEqual(client.read_response().body, b"hello")
        self.assertEqual(upstream.requests[0].body_sha256, _digest())
        self.check_memory(gateway)

    def test_echo_both_ways_at_once(self):
        """An upstream that answers while it is still being sent to."""
        size = 32 * _MIB

        def echo(connection, request):
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"
                            % request.value("content-length").encode())
            left = size
            while left:
                data = connection.read_some()
                connection.send(data)
                left -= len(data)
            return True

        gateway = self.start_proxy(self.start_upstream([echo], read_body=False))
        with gateway.connect() as client:

            def send():
                client.send(http1.encode_request("PUT", headers=[("Content-Length", str(size))]))
                for piece in _pieces(size):
                    client.send(piece)

            sender = threading.Thread(target=send)
            sender.start()
            response = client.read_response(keep_body=False)
            sender.join()
        self.assertEqual((response.body_size, response.body_sha256), (size, _digest(size)))
        self.check_memory(gateway)

    def test_a_slow_reader_holds_the_upstream_back(self):
        """What waits in the gateway is bounded, so the sender is made to wait (backpressure)."""
        sent = [0]

        def endless(connection, request):
            del request
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.sock.settimeout(2)
            try:
                for piece in _pieces():
                    connection.send(http1.chunk(piece))
                    sent[0] += len(piece)
            except OSError:
                pass
            return False

        upstream = self.start_upstream([endless])
        gateway = self.start_proxy(upstream)
        with gateway.connect() as client:
            client.send(http1.encode_request())
            client.read_until(b"\r\n\r\n")
            upstream.wait_until_idle()  # its send has timed out
            self.assertLess(sent[0], _SIZE // 4)
            self.check_memory(gateway)


if __name__ == "__main__":
    unittest.main()
