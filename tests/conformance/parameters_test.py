"""The integration request of HTTP backends: parameter mapping from every source, what passes by
default, URIs, special headers, what the gateway adds (rest-api.md §6.2, §6.3, §6.5, §6.8, §6.9)."""

import json

from tests.conformance import mapped_api
from tests.conformance.mapped_api import http
from tests.support import http1

_BODY = json.dumps({"a": {"b": [1, "two"]}, "n": 7, "t": True, "z": None}).encode()
_JSON = [("Content-Type", "application/json")]


class ParametersTest(mapped_api.TestCase):

    VARIABLES = {"table": "Users", "host": "example.com"}

    def start(self, routes):
        self.backend = self.start_upstream(lambda request: http1.Reply(200, [], b"ok"))
        self.serve({
            route: integration(self.backend.url) if callable(integration) else integration
            for route, integration in routes.items()
        })

    def sent(self):
        return self.backend.requests[-1]

    def test_every_source(self):
        sources = {
            "P": ("method.request.path.id", "a%20b"),
            "Q": ("method.request.querystring.q", "x y"),
            "QAll": ("method.request.multivaluequerystring.q", "1,x y"),
            "H": ("method.request.header.X-A", "last"),
            "HAll": ("method.request.multivalueheader.X-A", "first,last"),
            "Body": ("method.request.body", _BODY.decode()),
            "Field": ("method.request.body.a.b[1]", "two"),
            "Object": ("method.request.body.a", '{"b":[1,"two"]}'),
            "Number": ("method.request.body.n", "7"),
            "Bool": ("method.request.body.t", "true"),
            "Stage": ("stageVariables.table", "Users"),
            "Context": ("context.httpMethod", "POST"),
            "Nested": ("context.identity.sourceIp", "127.0.0.1"),
            "Literal": ("'text, as it is'", "text, as it is"),
            # Dropped: missing, empty, of another case, no string.
            "D1": ("method.request.querystring.none", None),
            "D2": ("method.request.querystring.empty", None),
            "D3": ("method.request.header.x-a", None),
            "D4": ("method.request.body.none", None),
            "D5": ("method.request.body.z", None),
            "D6": ("stageVariables.none", None),
            "D7": ("context.requestTimeEpoch", None),
            "D8": ("context.identity.user", None),
            "D9": ("method.request.header.Content-Length", None),
        }
        self.start({"POST /u/{id}": lambda url: http(url + "/x", requestParameters={
            "integration.request.header.X-" + name: source
            for name, (source, _) in sources.items()})})
        response = self.ask(
            "POST", "/u/a%20b?q=1&q=x+y&empty=", _JSON + [("X-A", "first"), ("X-A", "last")], _BODY)
        self.assertEqual(response.status, 200)
        for name, (source, value) in sources.items():
            with self.subTest(source=source):
                self.assertEqual(self.sent().value("x-" + name), value)
        # Names go out as they are spelled.
        self.assertIn(b"\r\nX-QAll: ", self.sent().raw_head)

    def test_bodies_that_are_no_json(self):
        self.start({"POST /u": lambda url: http(url + "/x", requestParameters={
            "integration.request.header.X-F": "method.request.body.a"})})
        for body in (b"plain", b"7", b""):
            self.assertEqual(self.ask("POST", "/u", _JSON, body).status, 200)
            self.assertIsNone(self.sent().value("x-f"))

    def test_what_passes_by_default(self):
        """Nothing but the body and its type (§6.3, recorded)."""
        self.start({"POST /u": lambda url: http(url + "/base"),
                    "GET /u": lambda url: http(url + "/base", method="POST"),
                    "ANY /any": lambda url: http(url + "/base", method="ANY")})
        self.ask("POST", "/u?x=1", [("Content-Type", "text/x"), ("X-Mine", "1"), ("Cookie", "c"),
                                    ("User-Agent", "me"), ("Accept", "text/html")], b"body")
        sent = self.sent()
        self.assertEqual((sent.method, sent.target, sent.body), ("POST", "/base", b"body"))
        self.assertEqual(sorted(sent.names()), [
            "accept", "content-length", "content-type", "host", "user-agent",
            "x-amzn-apigateway-api-id", "x-amzn-trace-id"])
        self.assertEqual(sent.value("accept"), "application/json")
        self.assertEqual(sent.value("content-type"), "text/x")
        self.assertEqual(sent.value("host"), self.backend.url[len("http://"):])
        self.assertRegex(sent.value("user-agent"), "^AmazonAPIGateway_[a-z0-9]+$")
        self.assertRegex(sent.value("x-amzn-trace-id"), "^Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
        self.ask("GET", "/u", [("Content-Type", "text/x")])
        self.assertEqual(self.sent().method, "POST")
        self.assertIsNone(self.sent().value("content-type"))
        self.ask("DELETE", "/any")
        self.assertEqual(self.sent().method, "DELETE")

    def test_uri(self):
        """Placeholders, stage variables, queries (§6.5)."""
        self.start({
            "GET /a/{id}": lambda url: http(
                url + "/v/{id}/{other}?fixed=1&p={q}&t=${stageVariables.table}${stageVariables.no}",
                requestParameters={
                    "integration.request.path.id": "method.request.path.id",
                    "integration.request.path.q": "method.request.querystring.q",
                    "integration.request.querystring.all": "method.request.multivaluequerystring.q",
                    "integration.request.querystring.gone": "method.request.querystring.none",
                    "integration.request.querystring.s": "context.httpMethod"}),
            # A parameter of the method is not used by itself.
            "GET /b/{id}": lambda url: http(url + "/v/{id}"),
        })
        self.ask("GET", "/a/x%2Fy?q=1&q=a%26b")
        self.assertEqual(
            self.sent().target,
            "/v/x%2Fy/%7Bother%7D?fixed=1&p=a%26b&t=Users&all=1&all=a%26b&s=GET")
        self.ask("GET", "/b/7")
        self.assertEqual(self.sent().target, "/v/%7Bid%7D")

    def test_special_headers(self):
        """§6.8, column HTTP."""
        sent = ["Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding",
                "Content-MD5", "Content-Type", "Date", "Max-Forwards", "Pragma", "Range", "Server",
                "User-Agent", "Warn", "WWW-Authenticate", "Referer", "Authorization"]
        dropped = ["Connection", "Expect", "Proxy-Authenticate", "TE", "Via"]
        failing = ["Content-Length", "Transfer-Encoding", "x-amzn-trace-id",
                   "X-Amzn-Apigateway-Api-Id"]
        self.start({
            "POST /%s" % name.lower(): lambda url, n=name: http(url + "/x", requestParameters={
                "integration.request.header." + n: "'mapped'"})
            for name in sent + dropped + failing + ["Host"]})
        for name in sent:
            with self.subTest(sent=name):
                self.assertEqual(self.ask("POST", "/" + name.lower(), _JSON, b"b").status, 200)
                self.assertEqual(self.sent().value(name), "mapped")
        for name in dropped:
            with self.subTest(dropped=name):
                self.assertEqual(self.ask("POST", "/" + name.lower(), _JSON, b"b").status, 200)
                self.assertNotIn("mapped", self.sent().values(name))
        self.ask("POST", "/host")
        self.assertEqual(self.sent().value("host"), "mapped")
        before = len(self.backend.requests)
        for name in failing:
            with self.subTest(failing=name):
                self.assert_refused(
                    self.ask("POST", "/" + name.lower()), name + " header already present")
        self.assertEqual(len(self.backend.requests), before)
