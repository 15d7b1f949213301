"""Compressed payloads of REST APIs (rest-api.md §10.4, §1.1 row 3, §10.5)."""

import gzip
import json
import zlib

from tests.support import harness, http1

_LIMIT = 10485760
_TEXT = json.dumps({"text": "to be or not to be " * 200}).encode()


class CompressionTest(harness.TestCase):

    def start(self, minimum=None, content=_TEXT, fields=(("Content-Type", "application/json"),)):
        """A gateway that passes everything on; the upstream answers with `content`."""
        self.content, self.fields = content, list(fields)
        self.upstream = self.start_upstream(
            lambda request: http1.Reply(200, self.fields, self.content))
        more = {}
        if minimum is not None:
            more["x-amazon-apigateway-minimum-compression-size"] = minimum
        path = self.write("api.json", harness.proxy_definition(self.upstream.url, **more))
        self.gateway = self.start_postern(path, "--workers", "1")

    # ---- Requests ----

    def test_requests_are_decoded(self):
        for minimum in (0, _LIMIT):
            self.start(minimum)
            for coding, body in (("gzip", gzip.compress(_TEXT)), ("deflate", zlib.compress(_TEXT)),
                                 ("identity", _TEXT)):
                with self.subTest(minimum=minimum, coding=coding):
                    response = self.gateway.request(
                        "POST", "/a", [("Content-Encoding", coding)], body)
                    self.assertEqual(response.status, 200)
                    request = self.upstream.requests[-1]
                    self.assertEqual(request.body, _TEXT)
                    self.assertEqual(request.value("content-length"), str(len(_TEXT)))
                    if coding != "identity":
                        self.assertIsNone(request.value("content-encoding"))
            with self.gateway.connect_h2() as client:
                response = client.request(
                    "POST", "/a", [("content-encoding", "gzip")], gzip.compress(_TEXT))
                self.assertEqual(response.status, 200)
                self.assertEqual(self.upstream.requests[-1].body, _TEXT)

    def test_requests_that_cannot_be_decoded(self):
        """Unknown codings and corrupt data: 415; nothing reaches the backend."""
        self.start(0)
        good = gzip.compress(_TEXT)
        for coding, body in (("br", b"x"), ("zstd", b"x"), ("gzip, gzip", gzip.compress(good)),
                             ("gzip", _TEXT), ("deflate", good), ("gzip", good[:-1]),
                             ("gzip", good + b"x")):
            with self.subTest(coding=coding, body=body[:10]):
                response = self.gateway.request("POST", "/a", [("Content-Encoding", coding)], body)
                self.assertEqual(response.status, 415)
                self.assertEqual(json.loads(response.body), {"message": "Unsupported Media Type"})
        self.assertEqual(self.upstream.requests, [])
        self.assertEqual(self.gateway.request("GET", "/a", [("Content-Encoding", "br")]).status, 200)

    def test_bombs(self):
        """§10.5: 10 MB, decoded."""
        self.start(0)

        def status(size):
            body = gzip.compress(b"a" * size)
            self.assertLess(len(body), 1 << 20)
            return self.gateway.request("POST", "/a", [("Content-Encoding", "gzip")], body).status

        self.assertEqual(status(_LIMIT), 200)
        self.assertEqual(status(_LIMIT + 1), 413)
        self.assertEqual(status(200 << 20), 413)
        self.assertEqual(len(self.upstream.requests), 1)
        self.assertLess(self.gateway.peak_rss_kib(), 200 * 1024)

    # ---- Responses ----

    def coding(self, accept, target="/a"):
        """The coding of an answer, which decodes to the content."""
        headers = [] if accept is None else [("Accept-Encoding", accept)]
        response = self.gateway.request("GET", target, headers)
        self.assertEqual(response.status, 200)
        coding = response.value("content-encoding")
        if coding == "gzip":
            self.assertEqual(gzip.decompress(response.body), self.content)
        elif coding == "deflate":
            self.assertEqual(zlib.decompress(response.body), self.content)
        elif coding is None:
            self.assertEqual(response.body, self.content)
        if coding is not None:
            self.assertNotEqual(response.value("content-length"), str(len(self.content)))
        return coding

    def test_accept_encoding(self):
        self.start(0)
        for accept, expected in (
                (None, None), ("", None), ("*", None), ("identity", None), ("gzip", "gzip"),
                ("deflate", "deflate"), ("x", None), ("GZIP", "gzip"), ("gzip, deflate", "gzip"),
                ("gzip;q=0.5, deflate", "deflate"), ("gzip;q=0.2, identity;q=0.9", None),
                ("gzip;q=0", None), ("gzip;q=0, deflate;q=0.1", "deflate"),
                # As browsers ask: the coding that AWS would take. Brotli is an extension.
                ("gzip, deflate, br", "gzip"), ("gzip;q=0.8, br;q=0.9", "br"), ("br", "br")):
            with self.subTest(accept=accept):
                self.assertEqual(self.coding(accept), expected)

    def test_minimum_and_types(self):
        self.start(1000)
        for size, expected in ((999, None), (1000, "gzip"), (1001, "gzip")):
            self.content = b"a" * size
            self.assertEqual(self.coding("gzip"), expected)
        # The rule knows no types.
        for fields in ([("Content-Type", "image/png")], []):
            self.fields = fields
            self.assertEqual(self.coding("gzip"), "gzip")

    def test_what_is_encoded_already_stays(self):
        self.start(0)
        self.fields = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]
        self.content = gzip.compress(_TEXT)
        response = self.gateway.request("GET", "/a", [("Accept-Encoding", "gzip")])
        self.assertEqual(response.values("content-encoding"), ["gzip"])
        self.assertEqual(response.body, self.content)

    def test_off_by_default(self):
        self.start()
        self.assertIsNone(self.coding("gzip"))

    def test_range_of_the_minimum(self):
        """[V]"""
        for value in (-1, 10485761):
            path = self.write("api.json", harness.proxy_definition(
                "http://localhost", **{"x-amazon-apigateway-minimum-compression-size": value}))
            ran = self.run_postern("check", path)
            self.assertNotEqual(ran.returncode, 0)
            self.assertIn("Invalid minimum compression size, must be between 0 and 10485760",
                          ran.stdout + ran.stderr)


if __name__ == "__main__":
    harness.unittest.main()
