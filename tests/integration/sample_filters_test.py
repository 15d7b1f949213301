"""The sample filters (examples/filters) and the two real ones (filters/cors, filters/compress) in a
live gateway: each does what its README says, together and over HTTP/1.1 and HTTP/2."""

import gzip
import json
import os
import unittest

from tests.integration.module_folder import ModuleFolder
from tests.support import harness, http1

_MODULES = [
    "examples/filters/add_header.so", "examples/filters/ext_auth.so",
    "examples/filters/hex_pairs.so", "examples/filters/max_body.so", "filters/cors/cors.so",
    "filters/compress/compress.so"
]
_ORIGIN = "https://shop.example"

ADD_HEADER = {"name": "hello", "module": "sample.add_header", "point": "response",
              "config": {"name": "x-hello", "value": "world"}}
CORS = {"name": "cors", "module": "postern.cors", "point": "request",
        "config": {"allowOrigins": [_ORIGIN], "allowMethods": ["GET", "PUT"]}}
COMPRESS = {"name": "compress", "module": "postern.compress", "point": "request",
            "config": {"minimumCompressionSize": 1024, "codings": ["gzip"]}}
EXT_AUTH = {"name": "auth", "module": "sample.ext_auth", "point": "authorize",
            "config": {"upstream": "auth"}}
HEX_PAIRS = {"name": "hex", "module": "sample.hex_pairs", "point": "after_integration"}
MAX_BODY = {"name": "most", "module": "sample.max_body", "point": "before_integration",
            "config": {"limit": 1000}}


class SampleFiltersTest(harness.TestCase):

    def start_with(self, filters, script=None, *args, **fields):
        modules = ModuleFolder(self.folder)
        for path in _MODULES:
            with open(path, "rb") as file:
                modules.put(file.read(), os.path.basename(path))
        self.upstream = self.start_upstream(script or http1.Reply(body=b"fine"))
        definition = harness.proxy_definition(
            self.upstream.url, **{"x-postern-filters": filters}, **fields)
        return self.start_postern(
            self.write("api.json", definition), "--modules", modules.path, *args)

    def start_authorized(self, filters, *args):
        def decide(request):
            if request.value("authorization") == "good":
                return http1.Reply(200, [("X-Principal", "alice")])
            return http1.Reply(403)

        self.auth = self.start_upstream(decide)
        return self.start_with(filters, None, *args,
                               **{"x-postern-upstreams": {"auth": self.auth.url}})

    def test_add_header(self):
        gateway = self.start_with([ADD_HEADER])
        self.assertEqual(gateway.request().value("x-hello"), "world")
        with gateway.connect_h2() as client:
            self.assertEqual(client.request("GET", "/").value("x-hello"), "world")

    def test_external_authorization_and_headers_on_refusals(self):
        gateway = self.start_authorized(
            [ADD_HEADER, CORS, EXT_AUTH], "--access-log",
            '{"id":"$context.requestId","who":"$context.authorizer.principalId",'
            '"status":"$context.status"}')
        origin = ("Origin", _ORIGIN)
        response = gateway.request("GET", "/a", [origin, ("Authorization", "good")])
        self.assertEqual((response.status, response.body), (200, b"fine"))
        response = gateway.request("GET", "/a", [origin, ("Authorization", "bad")])
        self.assertEqual(response.status, 403)
        self.assertEqual(response.value("access-control-allow-origin"), _ORIGIN)
        self.assertEqual(response.value("x-hello"), "world")
        response = gateway.request("GET", "/a", [origin])
        self.assertEqual(response.status, 401)
        self.assertEqual(response.value("access-control-allow-origin"), _ORIGIN)
        preflight = gateway.request(
            "OPTIONS", "/a", [origin, ("Access-Control-Request-Method", "PUT")])
        self.assertEqual(preflight.status, 204)
        self.assertEqual(preflight.value("access-control-allow-methods"), "GET,PUT")
        self.assertEqual(len(self.auth.requests), 2)
        self.assertEqual(len(self.upstream.requests), 1)
        self.auth.stop()
        response = gateway.request("GET", "/a", [origin, ("Authorization", "good")])
        self.assertEqual(response.status, 500)
        self.assertEqual(response.value("x-amzn-errortype"), "AuthorizerFailureException")
        gateway.stop()
        lines = [json.loads(line) for line in gateway.output]
        # Lines of two workers come in any order.
        self.assertCountEqual(
            [(line["who"], line["status"]) for line in lines],
            [("alice", "200"), ("-", "403"), ("-", "401"), ("-", "204"), ("-", "500")])

    def test_streams_are_transformed(self):
        pieces = [b"abc", b"d", b"efg"]
        gateway = self.start_with([HEX_PAIRS], http1.Reply(200, [], pieces, chunked=True))
        expected = b"6162 6364 6566 67"
        self.assertEqual(gateway.request().body, expected)
        with gateway.connect_h2() as client:
            self.assertEqual(client.request("GET", "/").body, expected)

    def test_collected_content_has_a_limit(self):
        gateway = self.start_with([ADD_HEADER, MAX_BODY])
        self.assertEqual(gateway.request("POST", "/a", body=b"x" * 1000).status, 200)
        self.assertEqual(self.upstream.requests[0].body, b"x" * 1000)
        response = gateway.request("POST", "/a", body=b"x" * 1001)
        self.assertEqual(response.status, 413)
        self.assertEqual(response.value("x-hello"), "world")

    def test_responses_are_compressed_as_they_stream(self):
        text = b"The quick brown fox jumps over the lazy dog. " * 30000
        pieces = [text[at:at + 10000] for at in range(0, len(text), 10000)]
        reply = http1.Reply(200, [("Content-Type", "text/plain")], pieces, chunked=True)
        gateway = self.start_with([COMPRESS], reply)
        accept = [("Accept-Encoding", "gzip")]
        response = gateway.request("GET", "/", accept)
        self.assertEqual(response.value("content-encoding"), "gzip")
        self.assertLess(len(response.body), len(text) // 20)
        self.assertEqual(gzip.decompress(response.body), text)
        self.assertEqual(gateway.request().body, text)
        with gateway.connect_h2() as client:
            response = client.request("GET", "/", [("accept-encoding", "gzip")])
            self.assertEqual(gzip.decompress(response.body), text)

    def test_all_of_them_together(self):
        gateway = self.start_authorized([ADD_HEADER, CORS, COMPRESS, EXT_AUTH, MAX_BODY, HEX_PAIRS])
        for _ in range(20):
            response = gateway.request(
                "POST", "/a", [("Origin", _ORIGIN), ("Authorization", "good")], b"x" * 500)
            self.assertEqual((response.status, response.body), (200, b"6669 6e65 "))
            self.assertEqual(response.value("x-hello"), "world")


if __name__ == "__main__":
    unittest.main()
