"""Where clients come from: IPv4, IPv6, Unix sockets, behind proxies (PROXY protocol, X-Forwarded-*)."""

import os
import socket
import struct
import unittest

from tests.support import harness, http1

_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def _v2(command, family, addresses):
    return _V2 + struct.pack(">BBH", 0x20 | command, family, len(addresses)) + addresses


class ListenersTest(harness.TestCase):

    def has_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")

    def forwarded(self, upstream):
        request = upstream.requests[-1]
        return tuple(request.value("x-forwarded-" + name) for name in ("for", "proto", "port"))

    def test_ipv6(self):
        self.has_ipv6()
        upstream = self.start_upstream(host="::1")
        gateway = self.start_proxy(upstream, "--listen", "[::1]:0")
        self.assertEqual(gateway.request().body, b"hello")
        self.assertEqual(self.forwarded(upstream)[0], "::1")

    def test_every_address(self):
        gateway = self.start_proxy(self.start_upstream(), "--listen", ":0")
        port = gateway.address()[1]
        for host in ("127.0.0.1", "::1"):
            if host == "::1":
                self.has_ipv6()
            with http1.Client((host, port)) as client:
                self.assertEqual(client.request().body, b"hello")

    def test_unix_socket(self):
        path = os.path.join(self.folder, "s")
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream, "--listen", "unix:" + path)
        self.assertEqual(gateway.request().body, b"hello")
        with gateway.connect_h2() as client:
            self.assertEqual(client.request().body, b"hello")

    def test_several_listeners(self):
        certificate = self.certificate()
        gateway = self.start_proxy(
            self.start_upstream(), "--listen", "http://127.0.0.1:0", "--listen", "127.0.0.1:0",
            "--tls-cert", certificate.certificate, "--tls-key", certificate.key)
        self.assertEqual(gateway.request().body, b"hello")
        with gateway.connect("https", tls=certificate.client_context()) as client:
            self.assertEqual(client.request().body, b"hello")

    def test_forwarded_fields_say_where_the_request_came_from(self):
        """rest-api.md 6.9."""
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream)
        port = str(gateway.address()[1])
        gateway.request()
        self.assertEqual(self.forwarded(upstream), ("127.0.0.1", "http", port))
        # What a client says of itself is passed on with the truth behind it, and believed by nobody.
        gateway.request(headers=[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"),
                                 ("X-Forwarded-Port", "443")])
        self.assertEqual(self.forwarded(upstream), ("1.2.3.4, 127.0.0.1", "http", port))

    def test_trusted_hops(self):
        log = os.path.join(self.folder, "access.log")
        upstream = self.start_upstream()
        gateway = self.start_proxy(
            upstream, "--workers", "1", "--trusted-hops", "2", "--access-log", "$context.identity.sourceIp $context.requestId",
            "--access-log-file", log)
        gateway.request(headers=[("X-Forwarded-For", "6.6.6.6, 5.5.5.5"), ("X-Forwarded-For", "4.4.4.4"),
                                 ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "8443")])
        self.assertEqual(self.forwarded(upstream), ("6.6.6.6, 5.5.5.5, 4.4.4.4, 127.0.0.1", "https", "8443"))
        gateway.request(headers=[("X-Forwarded-For", "not an address")])
        gateway.request()
        self.assertEqual(gateway.stop(), 0)
        with open(log, encoding="ascii") as lines:
            self.assertEqual([line.split()[0] for line in lines],
                             ["5.5.5.5", "127.0.0.1", "127.0.0.1"])

    def proxied(self, header, *args, tls=None):
        """What the upstream is told of a client that sends a PROXY header first."""
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream, "--proxy-protocol", *args)
        with gateway.connect("https" if tls else "http") as client:
            client.send(header)
            if tls:
                client.sock = tls.wrap_socket(client.sock, server_hostname="localhost")
            self.assertEqual(client.request().body, b"hello")
        return self.forwarded(upstream)

    def test_proxy_protocol_v1(self):
        self.assertEqual(self.proxied(b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 443\r\n"),
                         ("203.0.113.9", "http", "443"))
        self.assertEqual(self.proxied(b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 80\r\n"),
                         ("2001:db8::9", "http", "80"))
        self.assertEqual(self.proxied(b"PROXY UNKNOWN\r\n")[0], "127.0.0.1")

    def test_proxy_protocol_v2(self):
        four = socket.inet_aton("203.0.113.9") + socket.inet_aton("198.51.100.1") + struct.pack(
            ">HH", 40000, 443)
        self.assertEqual(self.proxied(_v2(1, 0x11, four)), ("203.0.113.9", "http", "443"))
        six = socket.inet_pton(socket.AF_INET6, "2001:db8::9") + socket.inet_pton(
            socket.AF_INET6, "2001:db8::1") + struct.pack(">HH", 40000, 80)
        self.assertEqual(self.proxied(_v2(1, 0x21, six)), ("2001:db8::9", "http", "80"))
        self.assertEqual(self.proxied(_v2(0, 0, b""))[0], "127.0.0.1")  # LOCAL

    def test_proxy_protocol_before_tls(self):
        certificate = self.certificate()
        told = self.proxied(
            b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 443\r\n", "--tls-cert", certificate.certificate,
            "--tls-key", certificate.key, tls=certificate.client_context())
        self.assertEqual(told, ("203.0.113.9", "https", "443"))

    def test_without_the_proxy_header_nobody_is_served(self):
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream, "--proxy-protocol")
        for first in (http1.encode_request(), b"PROXY TCP4 nonsense\r\n" + http1.encode_request(),
                      _V2 + b"\xff\xff\xff\xff"):
            with gateway.connect() as client:
                client.send(first)
                self.assertEqual(client.read_to_end(), b"")
        self.assertEqual(upstream.requests, [])


if __name__ == "__main__":
    unittest.main()
