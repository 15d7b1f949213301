"""Floods of HTTP/2 frames end with GOAWAY (RFC 9113 10.5), reach no upstream, and cost no memory."""

import os
import threading
import time
import unittest

from tests.support import harness, http1, http2

_MOST_UPSTREAM = 100
_MOST_KIB = 2048


class FloodsTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        self.upstream = self.start_upstream()
        self.gateway = self.start_proxy(self.upstream, "--workers", "1")
        self.assertEqual(self.gateway.request().body, b"hello")

    def flood(self, frames, start=None, **kwargs):
        """Sends what frames(client) gives, until told off; returns what the client has seen."""
        before = self.gateway.rss_kib()
        served = len(self.upstream.requests)
        with self.gateway.connect_h2(**kwargs) as client:
            if start is not None:
                start(client)
            pieces = list(frames(client))

            def send():
                try:
                    for piece in pieces:
                        client.send_raw(piece)
                except OSError:
                    pass

            sender = threading.Thread(target=send)
            began = time.monotonic()
            sender.start()
            client.process_until(lambda: client.goaway is not None)
            took = time.monotonic() - began
            try:
                client.process_to_end()
            except (http1.Incomplete, OSError):
                pass
            sender.join()
            print("%s: GOAWAY after %.0f ms, %d requests upstream, %d KiB" % (
                self.id().rsplit(".", 1)[-1], took * 1000, len(self.upstream.requests) - served,
                self.gateway.rss_kib() - before))
            self.assertIsNotNone(client.goaway, "no GOAWAY")
            self.assertNotEqual(client.goaway[1], http2.ErrorCode.NO_ERROR)
        self.assertLessEqual(len(self.upstream.requests) - served, _MOST_UPSTREAM)
        if not os.environ.get("POSTERN_SANITIZER"):  # they hold freed memory back
            self.assertLess(self.gateway.rss_kib() - before, _MOST_KIB)
        self.assertEqual(self.gateway.request().body, b"hello")
        return client

    def test_rapid_reset(self):
        def frames(client):
            for number in range(20000):
                stream = 2 * number + 1
                block = client.encode_fields([(":method", "GET"), (":scheme", "http"), (":path", "/"),
                                              (":authority", "localhost")])
                yield (http2.Frame(http2.FrameType.HEADERS, 5, stream, block).encode() +
                       http2.Frame(http2.FrameType.RST_STREAM, 0, stream, b"\0\0\0\x08").encode())

        self.flood(frames)

    def repeat(self, frame, count=20000):
        data = frame.encode() * 100

        def frames(client):
            del client
            for _ in range(count // 100):
                yield data

        return frames

    def test_ping(self):
        self.flood(self.repeat(http2.Frame(http2.FrameType.PING, 0, 0, b"12345678")))

    def test_settings(self):
        self.flood(self.repeat(http2.Frame(http2.FrameType.SETTINGS, 0, 0, b"\0\3\0\0\0\x64")))

    def test_window_updates(self):
        self.flood(self.repeat(http2.Frame(http2.FrameType.WINDOW_UPDATE, 0, 0, b"\0\0\0\1")))

    def test_continuation(self):
        def frames(client):
            block = client.encode_fields([(":method", "GET"), (":scheme", "http"), (":path", "/"),
                                          (":authority", "localhost")])
            yield http2.Frame(http2.FrameType.HEADERS, 1, 1, block).encode()
            more = http2.Frame(http2.FrameType.CONTINUATION, 0, 1, b"").encode()
            for _ in range(2000):
                yield more * 100

        self.flood(frames)

    def test_empty_data(self):
        def start(client):
            client.start("POST", end_stream=False)

        self.flood(self.repeat(http2.Frame(http2.FrameType.DATA, 0, 1, b"")), start)

    def test_hpack_bomb(self):
        """One large field in the table, and then references to it: a byte for each 4 KiB."""

        def frames(client):
            name = b"a" * 10
            value = b"b" * 3900
            literal = (b"\x82\x86\x84\x41\x09localhost" + b"\x40" + bytes([len(name)]) + name +
                       b"\x7f" + self.varint(len(value) - 127) + value)
            yield http2.Frame(http2.FrameType.HEADERS, 5, 1, literal).encode()
            bomb = b"\x82\x86\x84\x41\x09localhost" + b"\xbe" * 12000
            for number in range(1, 200):
                yield http2.Frame(http2.FrameType.HEADERS, 5, 2 * number + 1, bomb).encode()

        self.flood(frames)

    @staticmethod
    def varint(value):
        out = b""
        while value >= 128:
            out += bytes([value % 128 + 128])
            value //= 128
        return out + bytes([value])


if __name__ == "__main__":
    unittest.main()
