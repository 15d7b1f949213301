"""Mapping templates of requests in a live gateway: which one is taken, what it sees, what it may
override, what a mock makes of it (rest-api.md §6.4, §7)."""

import json

from tests.conformance import mapped_api
from tests.conformance.mapped_api import answer, http, mock
from tests.support import http1

_JSON = [("Content-Type", "application/json")]


class TemplatesTest(mapped_api.TestCase):

    VARIABLES = {"table": "Users"}

    def start(self, routes, **fields):
        self.backend = self.start_upstream(lambda request: http1.Reply(200, [], b"{}"))
        self.serve({
            route: integration(self.backend.url) if callable(integration) else integration
            for route, integration in routes.items()
        }, **fields)

    def sent(self):
        return self.backend.requests[-1]

    def render(self, templates, cases):
        """`templates`: name to source; `cases`: (name, method, target suffix, headers, body,
        expected). What the backend gets is the rendered text."""
        self.start({
            "ANY /%s/{id}" % name: lambda url, t=source: http(
                url + "/x", requestTemplates={"application/json": t})
            for name, source in templates.items()})
        for name, method, suffix, headers, body, expected in cases:
            with self.subTest(name=name, suffix=suffix, body=body):
                response = self.ask(method, "/" + name + suffix, headers, body)
                self.assertEqual(response.status, 200, response.body)
                self.assertEqual(self.sent().body.decode(), expected)

    def test_which_template(self):
        """The matrix of §6.4."""
        templates = {
            "none": {},
            "match": {"application/json": "T"},
            "other": {"text/xml": "T"},
            "default": {"text/xml": "X", "$default": "T"},
        }
        expected = {
            "none": ("body", "body", 415), "match": ("T", "T", "T"),
            "other": ("body", 415, 415), "default": ("T", "T", "T"),
        }
        behaviours = ("when_no_match", "when_no_templates", "never")
        self.start({
            "POST /%s/%s" % (name, behaviour): lambda url, t=found, b=behaviour: http(
                url + "/x", requestTemplates=t, passthroughBehavior=b)
            for name, found in templates.items() for behaviour in behaviours})
        for name, outcomes in expected.items():
            for behaviour, outcome in zip(behaviours, outcomes):
                with self.subTest(templates=name, behaviour=behaviour):
                    before = len(self.backend.requests)
                    response = self.ask("POST", "/%s/%s" % (name, behaviour), _JSON, b"body")
                    if outcome == 415:
                        self.assertEqual(response.status, 415)
                        self.assertEqual(response.body, b'{"message": "Unsupported Media Type"}')
                        self.assertEqual(len(self.backend.requests), before)
                    else:
                        self.assertEqual(response.status, 200)
                        self.assertEqual(self.sent().body.decode(), outcome)
        # Without parameters, whatever the case; JSON where there is no type.
        for headers in ([("Content-Type", "APPLICATION/json; charset=utf-8")], []):
            self.ask("POST", "/match/never", headers, b"body")
            self.assertEqual(self.sent().body, b"T")
            self.assertEqual(self.sent().value("content-type"), "application/json")

    def test_input(self):
        """§7.2: the body, parameters, printing."""
        body = json.dumps({
            "foo": "bar", "o": {"foo": "bar"}, "l": [{"foo": "bar"}], "n": {"foo": [{"nested": "bar"}]},
            "e": [], "t": True, "i": 7, "z": None}).encode()
        self.render({
            "body": "$input.body",
            "json": "$input.json('$.o') $input.json('$.none') $input.json('$.i')",
            "print": "$input.path('$.o')|$input.path('$.l')|$input.path('$.n')|"
                     "$input.path('$.l')[0]|$input.path('$.e')|$input.path('$.t')|$input.path('$.z')|"
                     "$input.path('$.l').foo|$input.body.foo",
            "null": "#if($input.path('$.z') == $null)null#end #if($input.path('$.none') == '')empty#end",
            "params": "$input.params('id') $input.params('q') $input.params('X-A') "
                      "[$input.params('none')] $input.params().path.id "
                      "$input.params().querystring.get('q') $input.params().header.get('X-A') "
                      "[$input.params().header.get('x-a')] $input.params().keySet()",
            "stage": "$stageVariables.table ${stageVariables.table} $stageVariables['table'] "
                     "${stageVariables['table']} [$stageVariables.none]",
            "util": "$util.urlEncode($input.body)|$util.base64Encode('a')|$util.base64Decode('YQ==')|"
                    "$util.escapeJavaScript('\"')|$util.parseJson('{\"a\":[1]}').a|"
                    "$util.urlDecode('a+b%20c')",
        }, [
            ("body", "POST", "/1", _JSON, b" any text ", " any text "),
            ("body", "GET", "/1", [], b"", "{}"),
            ("json", "POST", "/1", _JSON, body, '{"foo":"bar"} "" 7'),
            ("print", "POST", "/1", _JSON, body,
             '{foo=bar}|[{"foo":"bar"}]|{foo=[{"nested":"bar"}]}|{foo=bar}|[]|true|||'),
            ("null", "POST", "/1", _JSON, body, "null empty"),
            ("params", "GET", "/a%20b?q=1&q=x+y", [("X-A", "1"), ("X-A", "2")], b"",
             "a%20b x y 2 [] a%20b x y 2 [] [path, querystring, header]"),
            ("stage", "GET", "/1", [], b"", "Users Users Users Users []"),
            ("util", "GET", "/1", [], b"", '%7B%7D|YQ==|a|\\"|[1]|a b c'),
        ])

    def test_context(self):
        """§7.6: single variables, and all of them as a map in the recorded order."""
        names = ["apiId", "stage", "httpMethod", "resourcePath", "path", "protocol", "accountId",
                 "identity.sourceIp", "identity.userAgent", "identity.user", "authorizer.claims",
                 "isCanaryRequest", "none"]
        self.render({
            "one": "|".join("$context." + name for name in names),
            "all": "#foreach($k in $context.keySet())$k #end| "
                   "#foreach($k in $context.identity.keySet())$k #end| $context.identity| $context",
        }, [])
        self.ask("GET", "/one/7", [("User-Agent", "me")])
        values = self.sent().body.decode().split("|")
        self.assertRegex(values[0], "^[a-z0-9]{10}$")
        self.assertEqual(values[2:], [
            "GET", "/one/{id}", "/one/7", "HTTP/1.1", "000000000000", "127.0.0.1", "me", "", "", "", ""])
        self.ask("GET", "/all/7")
        self.assertEqual(
            self.sent().body.decode(),
            "resourceId resourcePath httpMethod extendedRequestId requestTime path accountId protocol "
            "requestOverride stage domainPrefix requestTimeEpoch requestId identity domainName "
            "deploymentId responseOverride apiId | cognitoIdentityPoolId accountId cognitoIdentityId "
            "caller sourceIp principalOrgId accessKey cognitoAuthenticationType "
            "cognitoAuthenticationProvider userArn userAgent user | | ")

    def test_request_overrides(self):
        """§7.7."""
        self.start({
            "POST /u/{id}": lambda url: http(
                url + "/u/{id}?k=1",
                requestParameters={
                    "integration.request.path.id": "method.request.path.id",
                    "integration.request.querystring.q": "'mapped'",
                    "integration.request.header.X-A": "'mapped'",
                    "integration.request.header.X-B": "'mapped'"},
                requestTemplates={"application/json": """\
#set($context.requestOverride.header.X-A = "over")
#set($context.requestOverride.header['List'] = ["1", "2"])
#set($context["requestOverride"].querystring.q = "a b")
$context.requestOverride.path.put("id", "other")
body"""}),
            "POST /twice": lambda url: http(url + "/x", requestTemplates={"application/json": """\
#set($context.requestOverride.header.A = "1")
#set($context.requestOverride.header.A = "2")"""}),
        })
        self.ask("POST", "/u/7", _JSON, b"{}")
        sent = self.sent()
        self.assertEqual(sent.target, "/u/other?k=1&q=a%20b")
        self.assertEqual(sent.value("x-a"), "over")
        self.assertEqual(sent.value("x-b"), "mapped")
        self.assertEqual(sent.values("list"), ["1", "2"])
        self.assertEqual(sent.body.strip(), b"body")
        self.assert_refused(self.ask("POST", "/twice", _JSON, b"{}"))
        self.assertIn("template:2:", self.logged_error())

    def test_response_overrides(self):
        """§7.7: also from the request template, also without a response template."""
        self.start({
            "GET /request": mock("""\
#set($context.responseOverride.status = 418)
#set($context.responseOverride.header.X-O = "over")
#set($context.requestOverride.header.Kept = "kept")
{"statusCode": 200}""", {"default": {
    "statusCode": "200",
    "responseParameters": {"method.response.header.X-O": "'mapped'"}}}),
            "GET /kept": mock(
                '#set($context.requestOverride.header.Kept = "kept"){"statusCode": 200}',
                {"default": answer("$context.requestOverride.header.Kept")}),
            "GET /response": mock(responses={"default": answer("""\
#set($context.responseOverride.status = 404)
#set($context.responseOverride.header.X-O = ["a", "b"])
gone""")}),
            "GET /text": mock(responses={
                "default": answer("#set($context.responseOverride.status = '404')")}),
            "GET /large": mock(responses={
                "default": answer("#set($context.responseOverride.status = 600)")}),
        })
        response = self.ask("GET", "/request")
        self.assertEqual((response.status, response.value("x-o"), response.body), (418, "over", b""))
        self.assertEqual(self.ask("GET", "/kept").body, b"kept")
        response = self.ask("GET", "/response")
        self.assertEqual((response.status, response.values("x-o")), (404, ["a", "b"]))
        self.assertEqual(response.body.strip(), b"gone")
        self.assertEqual(self.ask("GET", "/text").status, 200)
        self.assertEqual(self.ask("GET", "/large").status, 200)

    def test_mock(self):
        """§7.9."""
        unparsable = ("Unable to parse statusCode. It should be an integer that is defined in the "
                      "request template.")
        responses = {"4\\d{2}": answer("bad", "400"), "default": answer("good $input.body")}
        self.start({
            "ANY /json": mock('{"statusCode": 404, "x": 1}', responses),
            "ANY /bare": mock("{statusCode: 200}", responses),
            "ANY /computed": mock(
                "{\"statusCode\": #if($input.params('bad') == '1')400#{else}201#end}", responses),
            "ANY /string": mock('{"statusCode": "200"}', responses),
            "ANY /missing": mock("{}", responses),
            "ANY /empty": mock(),
            "ANY /nothing": {"type": "mock", "responses": {
                "200": answer("chosen", "201"), "default": answer("default")}},
            "ANY /nomatch": mock('{"statusCode": 300}', {"200": {"statusCode": "200"}}),
        })
        for target, status, body in (("/json", 400, b"bad"), ("/bare", 200, b"good {}"),
                                     ("/computed", 200, b"good {}"), ("/computed?bad=1", 400, b"bad"),
                                     ("/empty", 200, b""), ("/nothing", 200, b"default")):
            with self.subTest(target=target):
                response = self.ask("GET", target)
                self.assertEqual((response.status, response.body), (status, body))
                self.assertEqual(response.value("content-type"), "application/json")
                self.assertIsNone(response.value("x-amzn-trace-id"))
                self.assertIsNotNone(response.value("x-amzn-requestid"))
        # Content of another type passes through as the template's output.
        response = self.ask("POST", "/json", [("Content-Type", "text/plain")], b"{statusCode: 200}")
        self.assertEqual((response.status, response.body), (200, b"good {}"))
        for target in ("/string", "/missing"):
            self.assert_refused(self.ask("GET", target), unparsable)
        self.assert_refused(self.ask("POST", "/json", [("Content-Type", "text/plain")], b"x"),
                            unparsable)
        self.assert_refused(
            self.ask("GET", "/nomatch"),
            "No match for output mapping and no default output mapping configured. Endpoint Response "
            "Status Code: 300")

    def test_templates_that_fail(self):
        """The client gets 36 bytes, the log the place and the reason."""
        self.start({
            "POST /throw": lambda url: http(url + "/x", requestTemplates={
                "application/json": "a\n  $input.body.substring(5, 2)"}),
            "GET /loop": mock(responses={"default": answer(
                "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end"
                "#end")}),
        })
        before = len(self.backend.requests)
        self.assert_refused(self.ask("POST", "/throw", _JSON, b"abc"))
        self.assertIn("template:2:", self.logged_error())
        self.assertEqual(len(self.backend.requests), before)
        self.assert_refused(self.ask("GET", "/loop"))
        self.assertIn("template:1:", self.logged_error())

    def test_templates_that_are_refused(self):
        """At import, with file, line, pointer and the place inside the template."""
        path = self.write("broken.yaml", """\
openapi: 3.0.1
info: {title: t, version: "1"}
paths:
  /a:
    post:
      responses: {"200": {description: ""}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates:
          application/json: |
            {"statusCode": 200}
            #if($x
        responses:
          default:
            statusCode: "200"
            responseParameters:
              method.response.header.X: integration.response.body.a[
          "(": {statusCode: "200"}
""")
        ran = self.run_postern("check", path, status=3)
        text = ran.stdout + ran.stderr
        for part in ("broken.yaml:10:", "template:2:", "requestTemplates/application~1json",
                     "broken.yaml:17:", "JSONPath 'a['", "broken.yaml:18:", "missing )"):
            self.assertIn(part, text)
