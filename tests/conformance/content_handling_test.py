"""Binary media types and contentHandling of integrations with mapping in a live gateway
(rest-api.md §10.1 to §10.3, §7.8)."""

from tests.conformance import mapped_api
from tests.conformance.mapped_api import answer, http, mock
from tests.support import http1

_PNG = b"\x89PNG\xff\x00"
_BASE64 = b"iVBOR/8A"
_REPLACED = "\ufffdPNG\ufffd\x00".encode()


class ContentHandlingTest(mapped_api.TestCase):

    def start(self, routes, types):
        self.reply = http1.Reply(200, [], b"{}")
        self.backend = self.start_upstream(lambda request: self.reply)
        self.serve({route: integration(self.backend.url) if callable(integration) else integration
                    for route, integration in routes.items()},
                   **{"x-amazon-apigateway-binary-media-types": types})

    @staticmethod
    def routes():
        """/req/{handling} and /res/{handling}."""
        out = {}
        for handling in ("NONE", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"):
            fields = {} if handling == "NONE" else {"contentHandling": handling}
            out["POST /req/" + handling] = lambda url, f=fields: http(url + "/x", **f)
            out["POST /res/" + handling] = lambda url, f=fields: http(
                url + "/x", responses={"default": dict(f, statusCode="200")})
        return out

    def test_requests(self):
        """§10.2."""
        rows = [
            # type, handling, what the client sends, what the backend gets
            ("text/plain", "NONE", _PNG, _REPLACED),
            ("text/plain", "CONVERT_TO_TEXT", _PNG, _REPLACED),
            ("text/plain", "CONVERT_TO_BINARY", _BASE64, _PNG),
            ("image/png", "NONE", _PNG, _PNG),
            ("image/png;x=y", "CONVERT_TO_BINARY", _PNG, _PNG),
            ("IMAGE/png", "CONVERT_TO_TEXT", _PNG, _BASE64),
        ]
        self.start(self.routes(), ["image/png"])
        for content_type, handling, sent, received in rows:
            with self.subTest(type=content_type, handling=handling):
                response = self.ask(
                    "POST", "/req/" + handling, [("Content-Type", content_type)], sent)
                self.assertEqual(response.status, 200)
                self.assertEqual(self.backend.requests[-1].body, received)
        self.assert_refused(
            self.ask("POST", "/req/CONVERT_TO_BINARY", [("Content-Type", "text/plain")], b"*"),
            "Unable to base64 decode the body.")

    def test_requests_without_binary_types(self):
        """§10.2, list empty."""
        self.start(self.routes(), [])
        for handling, sent, received in (("NONE", _PNG, _REPLACED),
                                         ("CONVERT_TO_TEXT", _PNG, _REPLACED),
                                         ("CONVERT_TO_BINARY", _BASE64, _PNG)):
            self.ask("POST", "/req/" + handling, [("Content-Type", "image/png")], sent)
            self.assertEqual(self.backend.requests[-1].body, received, handling)

    def test_responses(self):
        """§10.3."""
        rows = [
            # backend's type, Accept, and for each handling: what the backend sends, the client gets
            ("text/plain", "text/plain", (_PNG, _REPLACED), (_BASE64, _PNG), (b"text", b"text")),
            ("text/plain", "image/png", (_BASE64, _PNG), (_BASE64, _PNG), (b"text", b"text")),
            ("image/png", "text/plain", (_PNG, _BASE64), (_PNG, _PNG), (_PNG, _BASE64)),
            ("image/png", "image/png, text/plain", (_PNG, _PNG), (_PNG, _PNG), (_PNG, _BASE64)),
            # The first of Accept counts alone.
            ("image/png", "text/plain, image/png", (_PNG, _BASE64), (_PNG, _PNG), (_PNG, _BASE64)),
        ]
        self.start(self.routes(), ["image/png"])
        for content_type, accept, *cells in rows:
            for handling, (sent, received) in zip(
                    ("NONE", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"), cells):
                with self.subTest(type=content_type, accept=accept, handling=handling):
                    self.reply = http1.Reply(200, [("Content-Type", content_type)], sent)
                    response = self.ask("POST", "/res/" + handling, [("Accept", accept)])
                    self.assertEqual(response.status, 200)
                    self.assertEqual(response.body, received)
        self.reply = http1.Reply(200, [("Content-Type", "text/plain")], b"*")
        self.assert_refused(self.ask("POST", "/res/CONVERT_TO_BINARY"),
                            "Unable to base64 decode the body.")

    def test_which_types_match(self):
        """§10.1, the table, as it decides of requests."""
        for entry, matching, others in (
                ("image/png", ["image/png"], ["image/*", "*/*", "image/jpeg", "malformed"]),
                ("application/*", ["application/x", "application/*"], ["text/plain"]),
                ("*/test", [], ["a/test", "*/test"]),
                ("*/*", ["a/b", "text/plain"], [])):
            with self.subTest(entry=entry):
                self.setUp()
                self.requests_made = 0
                self.start({"POST /a": lambda url: http(url + "/x")}, [entry])
                for content_type, received in [(t, _PNG) for t in matching] + [
                        (t, _REPLACED) for t in others]:
                    self.ask("POST", "/a", [("Content-Type", content_type)], _PNG)
                    self.assertEqual(self.backend.requests[-1].body, received, content_type)

    def test_bytes_meet_no_template(self):
        """§7.8, in both directions; base64 text may be used by its name."""
        self.start({
            "POST /req": lambda url: http(url + "/x", requestTemplates={"image/png": "T"}),
            "POST /text": lambda url: http(
                url + "/x", requestTemplates={"image/png": "<$input.body>"},
                contentHandling="CONVERT_TO_TEXT"),
            "POST /res": lambda url: http(url + "/x", responses={"default": answer("T")}),
            "GET /mock": mock(),
        }, ["image/png"])
        png = [("Content-Type", "image/png")]
        self.assert_refused(self.ask("POST", "/req", png, _PNG), "Unable to transform request")
        self.assertEqual(self.ask("POST", "/text", png, _PNG).status, 200)
        self.assertEqual(self.backend.requests[-1].body, b"<" + _BASE64 + b">")
        self.reply = http1.Reply(200, [("Content-Type", "image/png")], _PNG)
        self.assert_refused(self.ask("POST", "/res", [("Accept", "image/png")]),
                            "Unable to transform response")
        self.assertEqual(self.ask("GET", "/mock").status, 200)
