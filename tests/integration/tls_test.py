"""HTTPS: ALPN, certificates by server name, client certificates, files that are replaced."""

import os
import socket
import ssl
import threading
import time
import unittest

from tests.support import harness, http1, load


class TlsUpstream:
    """An HTTPS server that asks for client certificates of `roots`; `seen` has their names."""

    def __init__(self, certificate, roots):
        self._roots = roots
        self._lock = threading.Lock()
        self._open = set()
        self._context = None
        self.seen = set()
        self.use(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def use(self, certificate):
        """Shows this one from the next connection on."""
        context = certificate.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        for root in self._roots:
            context.load_verify_locations(root.certificate)
        self._context = context

    def drop_connections(self):
        """Ends all that are open, in order, as a server that restarts does."""
        with self._lock:
            ending, self._open = self._open, set()
        for sock in ending:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self._listener.close()
        self.drop_connections()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock, self._context), daemon=True).start()

    def _serve(self, sock, context):
        try:
            with context.wrap_socket(sock, server_side=True) as tls:
                subject = dict(pair for part in tls.getpeercert()["subject"] for pair in part)
                self.seen.add(subject["commonName"])
                with self._lock:
                    self._open.add(tls)
                data = b""
                while True:
                    while b"\r\n\r\n" not in data:
                        more = tls.recv(65536)
                        if not more:
                            return
                        data += more
                    data = data[data.index(b"\r\n\r\n") + 4:]
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        except OSError:
            pass


class TlsTest(harness.TestCase):

    def start(self, *args, upstream=None, certificates=None):
        """A gateway with https alone."""
        options = []
        for certificate in certificates or [self.certificate()]:
            options += ["--tls-cert", certificate.certificate, "--tls-key", certificate.key]
        return self.start_proxy(upstream or self.start_upstream(), *options, *args)

    def test_alpn_chooses_the_version(self):
        certificate = self.certificate()
        gateway = self.start(certificates=[certificate])
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"),
                                (["http/1.1", "h2"], "h2"), ([], None)):
            context = certificate.client_context()
            if offered:
                context.set_alpn_protocols(offered)
            with gateway.connect("https", tls=context) as client:
                self.assertEqual(client.sock.selected_alpn_protocol(), chosen)
                if chosen != "h2":
                    self.assertEqual(client.request().body, b"hello")
        with gateway.connect_h2("https", tls=certificate.client_context()) as client:
            self.assertEqual(client.request(scheme="https").body, b"hello")

    def test_protocol_versions(self):
        certificate = self.certificate()
        for minimum, version, served in (("1.2", ssl.TLSVersion.TLSv1_2, True),
                                         ("1.2", ssl.TLSVersion.TLSv1_3, True),
                                         ("1.3", ssl.TLSVersion.TLSv1_2, False),
                                         ("1.3", ssl.TLSVersion.TLSv1_3, True)):
            gateway = self.start("--tls-min-version", minimum, certificates=[certificate])
            context = certificate.client_context()
            context.minimum_version = context.maximum_version = version
            if served:
                with gateway.connect("https", tls=context) as client:
                    self.assertEqual(client.request().body, b"hello")
            else:
                with self.assertRaises(ssl.SSLError):
                    gateway.connect("https", tls=context)

    def test_the_server_name_chooses_the_certificate(self):
        one, two = self.certificate("one.test", hosts=["one.test"]), self.certificate(
            "two.test", hosts=["two.test", "*.two.test"])
        gateway = self.start(certificates=[one, two])
        for certificate, name in ((one, "one.test"), (two, "two.test"), (two, "a.two.test")):
            with gateway.connect("https", tls=certificate.client_context(), server_name=name) as client:
                self.assertEqual(client.request(host=name).body, b"hello")
        context = one.client_context()  # no name, or one that nobody has: the first
        context.check_hostname = False
        for name in (None, "unknown.test"):
            with gateway.connect("https", tls=context, server_name=name) as client:
                self.assertEqual(client.request().body, b"hello")

    def test_client_certificates(self):
        server = self.certificate()
        authority = self.certificate("ca", authority=True, hosts=[])
        good = self.certificate("client", issuer=authority)
        stranger = self.certificate("stranger")
        for mode in ("require", "optional"):
            gateway = self.start("--client-ca", authority.certificate, "--client-auth", mode,
                                 certificates=[server])
            with gateway.connect("https", tls=server.client_context(good)) as client:
                self.assertEqual(client.request().body, b"hello")
            with self.assertRaises((OSError, http1.Incomplete)):
                with gateway.connect("https", tls=server.client_context(stranger)) as client:
                    client.request()
            if mode == "optional":
                with gateway.connect("https", tls=server.client_context()) as client:
                    self.assertEqual(client.request().body, b"hello")
            else:
                with self.assertRaises((OSError, http1.Incomplete)):
                    with gateway.connect("https", tls=server.client_context()) as client:
                        client.request()

    def test_a_replaced_certificate_is_used_and_no_connection_drops(self):
        old = self.certificate()
        gateway = self.start(certificates=[old])
        context = old.client_context()
        with gateway.connect("https", tls=context) as kept:
            self.assertEqual(kept.request().body, b"hello")
            before = kept.sock.getpeercert(binary_form=True)
            loaded = len(gateway.events("certificates_loaded"))
            new = self.certificate("new", hosts=["localhost"])
            os.replace(new.key, old.key)
            os.replace(new.certificate, old.certificate)
            gateway.wait_for_log(lambda log: self.shown(gateway) != before, "the new certificate")
            self.assertGreater(len(gateway.events("certificates_loaded")), loaded)
            self.assertEqual(kept.request().body, b"hello")

    def test_rotated_files_towards_upstreams_are_used_and_no_request_fails(self):
        """architecture 8, "reload of rotated files": a new root and a new client certificate, by
        rename, under load; the upstream changes over to them as well."""
        hosts = ["127.0.0.1"]
        roots = [self.certificate("ca%d" % i, authority=True, hosts=[]) for i in range(2)]
        servers = [self.certificate("up%d" % i, hosts=hosts, issuer=roots[i]) for i in range(2)]
        clients = [self.certificate("client%d" % i, issuer=roots[i]) for i in range(2)]
        bundle = self.write("bundle.pem", open(roots[0].certificate, encoding="ascii").read())
        upstream = TlsUpstream(servers[0], roots)
        self.addCleanup(upstream.stop)
        gateway = self.start_proxy(
            upstream, "--upstream-ca", bundle, "--upstream-cert", clients[0].certificate,
            "--upstream-key", clients[0].key)
        with load.Load(gateway.address(), connections=4).start() as running:
            running.wait_for(100)
            self.assertEqual(upstream.seen, {"client0"})
            # First both roots are trusted, then the upstream changes, then the certificate.
            both = "".join(open(r.certificate, encoding="ascii").read() for r in roots)
            os.replace(self.write("both.pem", both), bundle)
            gateway.wait_for_event("certificates_loaded")
            upstream.use(servers[1])
            upstream.drop_connections()
            running.wait_for(running.answered + 100)
            os.replace(clients[1].key, clients[0].key)
            os.replace(clients[1].certificate, clients[0].certificate)
            gateway.wait_for_log(
                lambda log: (upstream.drop_connections(), "client1" in upstream.seen)[1],
                "the new client certificate")
            running.wait_for(running.answered + 100)
            running.finish()
            self.assertEqual(running.broken, [])
            self.assertEqual(set(running.statuses), {200})

    def test_a_broken_replacement_towards_upstreams_is_refused(self):
        root = self.certificate("ca", authority=True, hosts=[])
        upstream = TlsUpstream(self.certificate("up", hosts=["127.0.0.1"], issuer=root), [root])
        self.addCleanup(upstream.stop)
        client = self.certificate("client", issuer=root)
        gateway = self.start_proxy(
            upstream, "--upstream-ca", root.certificate, "--upstream-cert", client.certificate,
            "--upstream-key", client.key)
        self.assertEqual(gateway.request().status, 200)
        with open(client.key, "w", encoding="ascii") as file:
            file.write("rubbish")
        refused = gateway.wait_for_event("certificates_refused")
        self.assertEqual(refused["cluster"], upstream.url)
        self.assertIn(client.key, refused["reason"])
        upstream.drop_connections()
        self.assertEqual(gateway.request().status, 200)

    def shown(self, gateway):
        with gateway.connect("https", tls=self.trusting_all()) as client:
            return client.sock.getpeercert(binary_form=True)

    def test_a_broken_replacement_is_refused(self):
        certificate = self.certificate()
        gateway = self.start(certificates=[certificate])
        with open(certificate.certificate, "w", encoding="ascii") as file:
            file.write("rubbish")
        gateway.wait_for_event("certificates_refused")
        with gateway.connect("https", tls=self.trusting_all()) as client:
            self.assertEqual(client.request().body, b"hello")

    def trusting_all(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def test_a_client_that_is_not_tls_is_closed(self):
        gateway = self.start()
        with gateway.connect("https") as client:
            client.send(http1.encode_request())
            client.read_to_end()  # an alert at most
        # The client may see the end before it is counted.
        deadline = time.monotonic() + http1.TIMEOUT
        while gateway.metrics()["postern_tls_handshake_failures_total"] != 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_sessions_are_resumed(self):
        certificate = self.certificate()
        gateway = self.start(certificates=[certificate])
        context = certificate.client_context()
        address = gateway.address("https")
        session = None
        for resumed in (False, True):
            sock = socket.create_connection(address, http1.TIMEOUT)
            with context.wrap_socket(sock, server_hostname="localhost", session=session) as tls:
                tls.sendall(http1.encode_request(headers=[("Connection", "close")]))
                while tls.recv(65536):
                    pass
                self.assertEqual(tls.session_reused, resumed)
                session = tls.session

    def test_upstreams_over_tls_are_verified_unless_told_otherwise(self):
        """rest-api.md 6.6 tlsConfig."""
        identity = self.certificate("127.0.0.1", hosts=["127.0.0.1"])
        upstream = self.start_upstream(tls=identity.server_context())
        gateway = self.start_proxy(upstream)
        self.assertEqual(gateway.request().status, 504)
        trusting = self.start_proxy(upstream, env={"SSL_CERT_FILE": identity.certificate})
        self.assertEqual(trusting.request().body, b"hello")

    def test_stopping_over_tls_says_close_notify(self):
        certificate = self.certificate()
        gateway = self.start(certificates=[certificate])
        context = certificate.client_context()
        with gateway.connect("https", tls=context) as client:
            self.assertEqual(client.request().body, b"hello")
            stop = threading.Thread(target=gateway.stop)
            stop.start()
            self.assertEqual(client.sock.recv(1), b"")  # not an SSLEOFError
            stop.join()


if __name__ == "__main__":
    unittest.main()
