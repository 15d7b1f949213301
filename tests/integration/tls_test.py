"""HTTPS: ALPN, certificates by server name, client certificates, files that are replaced."""

import os
import socket
import ssl
import threading
import time
import unittest

from tests.support import harness, http1


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
