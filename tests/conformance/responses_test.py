"""Responses of integrations with mapping in a live gateway: which one is chosen, its parameters, its
template, outgoing headers; functions behind templates (rest-api.md §8, §9.7, §4.5)."""

import json

from tests.conformance import mapped_api
from tests.conformance.mapped_api import answer, function, http
from tests.support import http1
from tests.support.fake_lambda import FunctionError, InvokeError

_JSON = [("Content-Type", "application/json")]


class HttpResponsesTest(mapped_api.TestCase):

    VARIABLES = {"table": "Users"}

    def start(self, routes, reply=None):
        self.reply = reply or http1.Reply(200, [], b"{}")
        self.backend = self.start_upstream(lambda request: self.reply)
        self.serve({route: integration(self.backend.url) for route, integration in routes.items()})

    def test_selection_by_status(self):
        """§8.1: recorded, first match, default, none."""
        self.start({
            "GET /a": lambda url: http(url + "/x", responses={
                "4\\d{2}": {"statusCode": "400"}, "5..": {"statusCode": "502"},
                "50[0-9]": {"statusCode": "503"}, "default": {"statusCode": "200"}}),
            "GET /none": lambda url: http(url + "/x", responses={"4..": {"statusCode": "400"}}),
            "GET /undeclared": lambda url: dict(http(url + "/x"), undeclared=["200"]),
        })
        for backend, status in ((404, 400), (201, 200), (503, 502), (302, 200), (200, 200)):
            self.reply = http1.Reply(backend, [], b"x")
            self.assertEqual(self.ask("GET", "/a").status, status)
        self.reply = http1.Reply(200, [], b"x")
        self.assert_refused(
            self.ask("GET", "/none"),
            "No match for output mapping and no default output mapping configured. Endpoint Response "
            "Status Code: 200")
        self.assert_refused(self.ask("GET", "/undeclared"),
                            "Output mapping refers to an invalid method response: 200")

    def test_parameters(self):
        """§8.2."""
        sources = {
            "A": ("integration.response.header.X-A", "2"),
            "B": ("integration.response.multivalueheader.X-A", "1,2"),
            "C": ("integration.response.body.a.b", "v"),
            "D": ("integration.response.body.a", '{"b":"v"}'),
            "E": ("integration.response.body", '{"a":{"b":"v"}}'),
            "F": ("context.httpMethod", "GET"),
            "G": ("stageVariables.table", "Users"),
            "H": ("'it'", "it"),
            "I": ("integration.response.header.x-a", None),
            "J": ("integration.response.header.None", None),
            "K": ("integration.response.body.none", None),
        }
        self.start({"GET /a": lambda url: http(url + "/x", responses={"default": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X-" + name: source
                                   for name, (source, _) in sources.items()}}})})
        self.reply = http1.Reply(200, [("X-A", "1"), ("X-A", "2"), ("X-Other", "o")],
                                 b'{"a":{"b":"v"}}')
        response = self.ask("GET", "/a")
        for name, (source, value) in sources.items():
            with self.subTest(source=source):
                self.assertEqual(response.value("x-" + name), value)
        self.assertIsNone(response.value("x-other"))
        self.assertEqual(response.body, b'{"a":{"b":"v"}}')

    def test_body_and_type(self):
        """§8.3."""
        templates = {"text/xml": "xml", "application/json": "json"}
        self.start({
            "GET /pass": lambda url: http(url + "/x"),
            "GET /two": lambda url: http(url + "/x", responses={"default": {
                "statusCode": "200", "responseTemplates": templates}}),
            "GET /first": lambda url: http(url + "/x", responses={"default": {
                "statusCode": "200", "responseTemplates": {"a/b": "1", "c/d": "2"}}}),
            "GET /empty": lambda url: http(url + "/x", responses={"default": answer("")}),
            "GET /typed": lambda url: http(url + "/x", responses={"default": {
                "statusCode": "200", "responseParameters": {
                    "method.response.header.Content-Type":
                        "integration.response.header.Content-Type"}}}),
            "GET /both/{id}": lambda url: http(url + "/x", responses={"default": answer(
                "$input.json('$.r') $input.params('id') $input.params('q') $input.params('X-A')")}),
        })
        self.reply = http1.Reply(200, [("Content-Type", "text/html"), ("X-A", "1")], b'{"r":"res"}')
        response = self.ask("GET", "/pass")
        self.assertEqual(response.body, b'{"r":"res"}')
        self.assertEqual(response.value("content-type"), "application/json")
        self.assertIsNone(response.value("x-a"))
        for accept, body in (("text/xml;q=0.1, application/json", b"xml"),
                             ("application/json", b"json"), ("image/gif", b"json"), (None, b"json")):
            headers = [("Accept", accept)] if accept else []
            self.assertEqual(self.ask("GET", "/two", headers).body, body)
        self.assertEqual(self.ask("GET", "/first").body, b"1")
        self.assertEqual(self.ask("GET", "/empty").body, b"")
        self.assertEqual(self.ask("GET", "/typed").value("content-type"), "text/html")
        self.assertEqual(self.ask("GET", "/both/7?q=2", [("X-A", "h")]).body, b'"res" 7 2 h')

    def test_outgoing_headers(self):
        """§8.4, column 1; §4.5."""
        as_is = ["Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Type", "Pragma",
                 "Range", "Referer", "Warn", "Content-Encoding", "Via", "Set-Cookie"]
        remapped = ["Authorization", "Content-MD5", "Max-Forwards", "User-Agent", "WWW-Authenticate",
                    "Connection", "Content-Length", "Date", "Server", "Expect", "Host",
                    "Proxy-Authenticate", "Trailer", "Upgrade"]
        self.start({"GET /a": lambda url: http(url + "/x", responses={"default": {
            "statusCode": "200", "responseParameters": {
                "method.response.header." + name: "'mapped'"
                for name in as_is + remapped + ["Transfer-Encoding"]}}})})
        response = self.ask("GET", "/a")
        for name in as_is:
            self.assertEqual(response.values(name), ["mapped"], name)
        for name in remapped:
            self.assertIn(("x-amzn-Remapped-" + name, "mapped"), response.headers)
            self.assertNotIn("mapped", response.values(name))
        self.assertNotIn("x-amzn-remapped-transfer-encoding", response.names())
        self.assertRegex(response.value("x-amzn-trace-id"), "^Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
        self.assertEqual(response.names()[-1], "x-amzn-trace-id")

    def test_a_backend_that_fails_is_not_mapped(self):
        """§4.1, §6.6: the gateway's own answer passes as it is."""
        self.start({"GET /a": lambda url: http(
            url + "/x", timeoutInMillis=60, responses={"default": answer("mapped")})})
        self.reply = http1.silent
        response = self.ask("GET", "/a")
        self.assertEqual(response.status, 504)
        self.assertEqual(response.body, b'{"message": "Endpoint request timed out"}')
        self.reply = http1.truncated(http1.Reply(200, [], b"0123456789"))
        self.assertEqual(self.ask("GET", "/a").status, 502)


class FunctionsTest(mapped_api.TestCase):
    """AWS with a function (§9.7)."""

    def start(self, routes, script):
        self.functions = self.start_lambda(script)
        self.serve(routes, "--lambda", "f=" + self.functions.url)

    def test_results(self):
        results = {"string": "Pass", "object": {"a": 1}, "bytes": b"7"}
        self.start({
            "POST /pass": function("f"),
            "GET /pass": function("f"),
            "POST /map": function("f", requestTemplates={
                "application/json": '{"which": $input.json(\'$.w\')}'},
                responses={"default": answer('{"got": $input.json(\'$.a\')}')}),
        }, lambda call: results[call.event.get("which", "object")])
        response = self.ask("POST", "/pass", _JSON, b'{"which": "string"}')
        self.assertEqual((response.status, response.body), (200, b'"Pass"'))
        self.assertIsNotNone(response.value("x-amzn-trace-id"))
        # A GET without a template sends {}.
        self.ask("GET", "/pass")
        call = self.functions.invocations[-1]
        self.assertEqual(call.event, {})
        self.assertRegex(call.request.value("user-agent"), "^AmazonAPIGateway_")
        self.assertTrue(call.request.value("x-amz-source-arn").endswith("/GET/pass"))
        response = self.ask("POST", "/map", _JSON, b'{"w": "object"}')
        self.assertEqual(self.functions.invocations[-1].event, {"which": "object"})
        self.assertEqual(response.body, b'{"got": 1}')

    def test_selection_by_error_message(self):
        """§8.1, recorded."""
        self.start({
            "POST /a": function("f", responses={
                ".*four hundred.*": answer("$input.path('$.errorMessage')", "405"),
                ".+": {"statusCode": "502"},
                "default": {"statusCode": "200"}}),
            "POST /b": function("f", responses={
                "200": {"statusCode": "299"}, "default": {"statusCode": "200"}}),
            "POST /raw": function("f"),
        }, lambda call: FunctionError(call.event["fail"]) if "fail" in call.event else {"ok": True})
        response = self.ask("POST", "/a", _JSON, b'{"fail": "it is four hundred"}')
        self.assertEqual((response.status, response.body), (405, b"it is four hundred"))
        self.assertEqual(self.ask("POST", "/a", _JSON, b'{"fail": "else"}').status, 502)
        self.assertEqual(self.ask("POST", "/a", _JSON, b'{}').status, 200)
        self.assertEqual(self.ask("POST", "/b", _JSON, b'{}').status, 200)
        response = self.ask("POST", "/raw", _JSON, b'{"fail": "x"}')
        self.assertEqual(response.status, 200)
        self.assertEqual(json.loads(response.body)["errorMessage"], "x")

    def test_asynchronous(self):
        """X-Amz-Invocation-Type, constant or from the request: 200 with no content."""
        self.start({
            "POST /event": function("f", requestParameters={
                "integration.request.header.X-Amz-Invocation-Type": "'Event'"}),
            "POST /chosen": function("f", requestParameters={
                "integration.request.header.X-Amz-Invocation-Type":
                    "method.request.header.InvocationType"}),
        }, lambda call: http1.Reply(202, [], b"")
            if call.request.value("x-amz-invocation-type") == "Event" else {"ok": True})
        response = self.ask("POST", "/event", _JSON, b"{}")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(self.functions.invocations[-1].request.value("x-amz-invocation-type"), "Event")
        response = self.ask("POST", "/chosen", _JSON + [("InvocationType", "Event")], b"{}")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(self.ask("POST", "/chosen", _JSON, b"{}").body, b'{"ok": true}')

    def test_special_headers_and_refusals(self):
        """§6.8, column AWS; an invocation that Lambda refuses."""
        names = ["Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE",
                 "Content-Length", "Transfer-Encoding"]
        self.start(dict({
            "POST /%s" % name.lower(): function("f", requestParameters={
                "integration.request.header." + name: "'mapped'"}) for name in names},
            **{"POST /refused": function("f")}), lambda call: InvokeError(403, "AccessDenied", "no"))
        for name in names:
            with self.subTest(name=name):
                self.assert_refused(self.ask("POST", "/" + name.lower(), _JSON, b"{}"),
                                    name + " header already present")
        self.assertEqual(self.functions.invocations, [])
        self.assert_refused(self.ask("POST", "/refused", _JSON, b"{}"))
