"""An upstream that never answers is 504 at timeoutInMillis (rest-api.md 6.6)."""

import socket
import time
import types
import unittest

from tests.support import harness, http1

_LIMIT_MS = 300


class UpstreamTimeoutTest(harness.TestCase):

    def gateway(self, upstream):
        definition = harness.proxy_definition(upstream.url)
        for path in definition["paths"].values():
            operation = path["x-amazon-apigateway-any-method"]
            operation["x-amazon-apigateway-integration"]["timeoutInMillis"] = _LIMIT_MS
        return self.start_postern(self.write("proxy.json", definition))

    def test_the_limit_is_kept(self):
        upstream = self.start_upstream([http1.silent])
        gateway = self.gateway(upstream)
        over = []
        with gateway.connect() as client:
            for _ in range(5):
                began = time.monotonic()
                response = client.request()
                over.append((time.monotonic() - began) * 1000 - _LIMIT_MS)
                self.assertEqual(response.status, 504)
                self.assertEqual(response.body, b'{"message": "Endpoint request timed out"}')
        print("beyond the limit, ms:", ["%.1f" % ms for ms in over])
        self.assertGreaterEqual(min(over), 0)
        self.assertLess(min(over), 10)  # the others may have waited for the machine
        upstream.wait_until_idle()

    def test_a_post_is_not_repeated(self):
        upstream = self.start_upstream([http1.silent])
        gateway = self.gateway(upstream)
        self.assertEqual(gateway.request("POST", body=b"x").status, 504)
        self.assertEqual(len(upstream.requests), 1)

    def test_a_stalled_answer_is_broken_off(self):
        """cluster.proto, response_idle_timeout_ms: whichever way it is framed, it does not look
        complete."""
        heads = {
            "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "until the end": b"HTTP/1.1 200 OK\r\n\r\nabc",
        }
        for name, head in heads.items():
            with self.subTest(name), socket.create_server(("127.0.0.1", 0)) as listener:
                upstream = types.SimpleNamespace(
                    url="http://127.0.0.1:%d" % listener.getsockname()[1])
                gateway = self.start_proxy(upstream, "--upstream-idle-timeout", "200")
                with gateway.connect() as client:
                    client.send(http1.encode_request())
                    began = time.monotonic()
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(head)
                        with self.assertRaises((http1.Incomplete, OSError)):
                            client.read_response()
                took = time.monotonic() - began
                self.assertGreaterEqual(took, 0.2)
                self.assertLess(took, 2)


if __name__ == "__main__":
    unittest.main()
