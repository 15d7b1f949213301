"""Request validation of REST APIs (rest-api.md §5), and how it shows to clients and owners (§4.4)."""

import json
import re

from tests.support import harness, http1

_PARAMETERS = "Missing required request parameters: [%s]"
_BODY = "Invalid request body"
_NOT_PARSED = "[Unknown error parsing request body]"

_VALIDATORS = {
    "x-amazon-apigateway-request-validators": {
        "all": {"validateRequestBody": True, "validateRequestParameters": True},
        "body": {"validateRequestBody": True, "validateRequestParameters": False},
        "parameters": {"validateRequestBody": False, "validateRequestParameters": True},
        "none": {"validateRequestBody": False, "validateRequestParameters": False},
    },
}

# The pet store of the AWS documents (api-gateway-request-validation-set-up.md).
_PET = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "type": {"type": "string", "enum": ["dog", "cat", "fish"]},
        "price": {"type": "number", "minimum": 25.0, "maximum": 500.0},
    },
    "required": ["type", "price"],
}


def _parameter(place, name, required=True):
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def _body(model, content_type="application/json"):
    schema = {"$ref": "#/components/schemas/" + model} if isinstance(model, str) else model
    return {"content": {content_type: {"schema": schema}}}


class ValidationTest(harness.TestCase):

    def start(self, paths, schemas=None, **fields):
        """A gateway for {path: {method: operation}} in front of an upstream that echoes."""
        self.upstream = self.start_upstream(lambda r: http1.Reply(200, [], r.body))
        document = {
            "openapi": "3.0.1",
            "info": {"title": "validation", "version": "1"},
            "components": {"schemas": schemas or {}},
            "paths": {},
            **_VALIDATORS,
            **fields,
        }
        for path, methods in paths.items():
            document["paths"][path] = {}
            for method, operation in methods.items():
                document["paths"][path][method] = {
                    "responses": {"200": {"description": "ok"}},
                    "x-amazon-apigateway-integration": {
                        "type": "http_proxy", "httpMethod": "POST", "uri": self.upstream.url},
                    **operation,
                }
        path = self.write("api.json", document)
        self.gateway = self.start_postern(path, "--workers", "1")
        return self.gateway

    def send(self, target="/x", method="POST", body=b"", headers=()):
        """(status, message) of one exchange; the message of a success is None."""
        if isinstance(body, str):
            body = body.encode()
        before = len(self.upstream.requests)
        response = self.gateway.request(method, target, headers, body)
        if response.status == 200:
            self.assertEqual(len(self.upstream.requests), before + 1)
            self.assertEqual(response.body, body)
            return 200, None
        # Nothing that is refused reaches an integration.
        self.assertEqual(len(self.upstream.requests), before)
        self.assertEqual(response.value("content-type"), "application/json")
        self.assertEqual(response.value("x-amzn-errortype"), "BadRequestException")
        message = json.loads(response.body)["message"]
        self.assertEqual(response.body.decode(), '{"message": "%s"}' % message)
        return response.status, message

    def check(self, expected, *args, **kwargs):
        self.assertEqual(self.send(*args, **kwargs),
                         (200, None) if expected is None else (400, expected))

    # ---- §5.1 ----

    def test_5_1_validators(self):
        """Default and override; `required` without a validator is not enforced; what parameters
        are besides never is."""
        typed = {"name": "n", "in": "query", "required": True,
                 "schema": {"type": "integer", "enum": [1, 2], "pattern": "^[0-9]$"}}
        operation = {"parameters": [typed], "requestBody": _body(_PET)}

        def with_validator(name):
            return {"post": {**operation, "x-amazon-apigateway-request-validator": name}}

        self.start({
            "/default": {"post": operation},
            "/all": with_validator("all"),
            "/body": with_validator("body"),
            "/none": with_validator("none"),
        }, **{"x-amazon-apigateway-request-validator": "parameters"})
        self.check(_PARAMETERS % "n", "/default", body="x")
        self.check(None, "/default?n=text", body="x")
        self.check(_PARAMETERS % "n", "/all", body="x")
        self.check(_BODY, "/all?n=text", body="x")
        self.check(None, "/all?n=text", body='{"type": "dog", "price": 30}')
        self.check(_BODY, "/body", body="x")
        self.check(None, "/body", body='{"type": "dog", "price": 30}')
        self.check(None, "/none", body="x")

    def test_5_1_without_default(self):
        self.start({"/x": {"post": {"parameters": [_parameter("query", "n")],
                                    "requestBody": _body(_PET)}}})
        self.check(None, body="x")

    def test_5_1_names_are_unique_over_locations(self):
        """[V] Parameter names must be unique across querystring, header and path."""
        document = {
            "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
            "paths": {"/x": {"get": {
                "parameters": [_parameter("query", "n"), _parameter("header", "n")],
                "responses": {},
                "x-amazon-apigateway-integration": {
                    "type": "mock", "requestTemplates": {"application/json": '{"statusCode":200}'}},
            }}}}
        ran = self.run_postern("check", self.write("api.json", document))
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("Parameter names must be unique across querystring, header and path",
                      ran.stdout + ran.stderr)

    # ---- §5.2 ----

    def test_5_2_required_parameters(self):
        self.start({"/x": {"post": {
            "parameters": [_parameter("query", "q"), _parameter("header", "X-Tenant"),
                           _parameter("query", "optional", False)],
            "x-amazon-apigateway-request-validator": "parameters"}}})
        tenant = [("X-Tenant", "t")]
        self.check(None, "/x?q=1", headers=tenant)
        self.check(None, "/x?a=b;q=%20x", headers=tenant)
        # Not there, empty, blank, of another name: Appendix B 21.
        for query in ("", "?", "?q", "?q=", "?q=%20", "?q=+", "?Q=1", "?qq=1", "?optional=1"):
            self.check(_PARAMETERS % "q", "/x" + query, headers=tenant)
        for headers in ([], [("X-Tenant", "")], [("X-Tenant", " \t ")], [("X-Tenants", "t")]):
            self.check(_PARAMETERS % "X-Tenant", "/x?q=1", headers=headers)
        with self.gateway.connect_h2() as client:
            self.assertEqual(client.request("POST", "/x?q=1", [("x-tenant", "t")]).status, 200)
            refused = client.request("POST", "/x?q=1", [])
            self.assertEqual(refused.body.decode(),
                             '{"message": "%s"}' % (_PARAMETERS % "X-Tenant"))

    def test_5_2_recorded_orders(self):
        """[V] one of each place, the path's not in the template; [F] 2021 two of the query."""
        self.start({
            "/x": {"post": {
                "parameters": [_parameter("query", "qs1"), _parameter("header", "x-header-param"),
                               _parameter("path", "issuer")],
                "x-amazon-apigateway-request-validator": "parameters"}},
            "/divide": {"post": {
                "parameters": [_parameter("query", "dividend"), _parameter("query", "divisor")],
                "x-amazon-apigateway-request-validator": "parameters"}},
        })
        self.check(_PARAMETERS % "x-header-param, issuer, qs1")
        self.check(_PARAMETERS % "divisor, dividend", "/divide")
        # [V] a path parameter that the template has not is missing always.
        self.check(_PARAMETERS % "issuer", "/x?qs1=a&issuer=b",
                   headers=[("x-header-param", "a"), ("issuer", "b")])

    def test_5_2_path_parameters_of_the_template_are_there(self):
        self.start({"/{issuer}/{rest+}": {"post": {
            "parameters": [_parameter("path", "issuer"), _parameter("path", "rest")],
            "x-amazon-apigateway-request-validator": "parameters"}}})
        self.check(None, "/me/a/b")

    # ---- §5.3, §5.7 ----

    def test_5_3_models_by_content_type(self):
        self.start({
            "/x": {"post": {
                "requestBody": {"content": {
                    "application/json": {"schema": {"type": "object"}},
                    "text/list": {"schema": {"type": "array"}}}},
                "x-amazon-apigateway-request-validator": "body"}},
            "/default": {"post": {
                "requestBody": {"content": {
                    "application/json": {"schema": {"type": "object"}},
                    "$default": {"schema": {"type": "array"}}}},
                "x-amazon-apigateway-request-validator": "body"}},
        })

        def of(content_type):
            return [("Content-Type", content_type)]

        self.check(None, body="{}")  # A missing Content-Type is application/json.
        self.check(_BODY, body="[]")
        self.check(None, body="{}", headers=of("application/json; charset=utf-8"))
        self.check(_BODY, body="[]", headers=of("application/json;charset=utf-8"))
        self.check(None, body="[]", headers=of("text/list"))
        self.check(_BODY, body="{}", headers=of("text/list"))
        # §5.7: no model matches.
        self.check(None, body="anything", headers=of("text/plain"))
        self.check(_BODY, "/default", body="anything", headers=of("text/plain"))
        self.check(None, "/default", body="[1]", headers=of("text/plain"))
        self.check(_BODY, "/default", body="[1]", headers=of("application/json"))

    def test_5_3_what_is_no_json(self):
        self.start({"/x": {"post": {"requestBody": _body(_PET),
                                    "x-amazon-apigateway-request-validator": "body"},
                           "get": {"requestBody": _body(_PET),
                                   "x-amazon-apigateway-request-validator": "body"}}})
        for body in ("", " ", "{", "text", '{"type": "dog", "price": 30} x', "{'type': 'dog'}"):
            self.check(_BODY, body=body)
        self.check(_BODY, method="GET")  # [V]
        self.check(None, body='{"type": "dog", "price": 30}')
        self.check(_BODY, body='{"type": "dog", "price": 3}')
        self.check(_BODY, body='{"type": "bird", "price": 30}')

    def test_5_3_parameters_before_body(self):
        """§1.2: when both would fail only the parameter error is returned."""
        self.start({"/x": {"post": {"parameters": [_parameter("query", "q")],
                                    "requestBody": _body(_PET),
                                    "x-amazon-apigateway-request-validator": "all"}}})
        self.check(_PARAMETERS % "q", body="no json")
        self.check(_BODY, "/x?q=1", body="no json")

    def test_1_1_order_of_checks(self):
        """§1.1: validation (14, 15) comes before the content-type decision (17)."""
        self.start({"/x": {"post": {
            "parameters": [_parameter("query", "q")],
            "requestBody": _body(_PET),
            "x-amazon-apigateway-request-validator": "all",
            "x-amazon-apigateway-integration": {
                "type": "mock", "passthroughBehavior": "never",
                "requestTemplates": {"text/other": '{"statusCode": 200}'},
                "responses": {"default": {"statusCode": "200"}}},
        }}})
        self.check(_PARAMETERS % "q", body="no json")
        self.check(_BODY, "/x?q=1", body="no json")
        response = self.gateway.request("POST", "/x?q=1", [], b'{"type": "dog", "price": 30}')
        self.assertEqual(response.status, 415)

    # ---- §5.4, §5.5 ----

    def test_5_4_models(self):
        """[V] the default models' schemas, arrays of references, oneOf with null, recursion."""
        self.start(
            {path: {"post": {"requestBody": _body(model),
                             "x-amazon-apigateway-request-validator": "body"}}
             for path, model in {"/empty": "Empty", "/error": "Error", "/tree": "Tree",
                                 "/list": "List", "/maybe": "Maybe", "/inner": "Inner"}.items()},
            {
                "Empty": {"$schema": "http://json-schema.org/draft-04/schema#",
                          "title": "Empty Schema", "type": "object"},
                "Error": {"$schema": "http://json-schema.org/draft-04/schema#",
                          "title": "Error Schema", "type": "object",
                          "properties": {"message": {"type": "string"}}},
                "Tree": {"type": "object", "required": ["name"], "additionalProperties": False,
                         "properties": {"name": {"type": "string"},
                                        "children": {"type": "array", "items": {
                                            "$ref": "#/components/schemas/Tree"}}}},
                "List": {"type": "array", "items": {
                    "$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Tree"}},
                "Maybe": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Tree"}]},
                "Inner": {"$ref": "#/components/schemas/WithDefinitions"},
                "WithDefinitions": {"definitions": {"Name": {"type": "string"}}, "type": "array",
                                    "items": {"$ref": "#/definitions/Name"}},
            })
        rows = [
            ("/empty", "{}", None), ("/empty", '{"a": 1}', None), ("/empty", "[]", _BODY),
            ("/error", '{"message": "m"}', None), ("/error", '{"message": 1}', _BODY),
            ("/tree", '{"name": "a", "children": [{"name": "b"}]}', None),
            ("/tree", '{"name": "a", "children": [{"name": 2}]}', _BODY),
            ("/tree", '{"name": "a", "other": 1}', _BODY),
            ("/list", '[{"name": "a"}, {"name": "b", "children": []}]', None),
            ("/list", '[{"name": "a"}, {}]', _BODY),
            ("/maybe", "null", None), ("/maybe", '{"name": "a"}', None), ("/maybe", "{}", _BODY),
            ("/inner", '["a"]', None), ("/inner", "[1]", _BODY),
        ]
        for path, body, expected in rows:
            with self.subTest(path=path, body=body):
                self.check(expected, path, body=body)

    def test_5_4_models_of_swagger_2(self):
        self.upstream = self.start_upstream(lambda r: http1.Reply(200, [], r.body))
        document = {
            "swagger": "2.0", "info": {"title": "t", "version": "1"}, **_VALIDATORS,
            "x-amazon-apigateway-request-validator": "all",
            "definitions": {"Pet": _PET,
                            "Pets": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}},
            "paths": {"/x": {"post": {
                "consumes": ["application/json", "text/json"],
                "parameters": [{"in": "body", "name": "Pets", "required": True,
                                "schema": {"$ref": "#/definitions/Pets"}}],
                "responses": {"200": {"description": "ok"}},
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy", "httpMethod": "POST", "uri": self.upstream.url}}}}}
        self.gateway = self.start_postern(self.write("api.json", document))
        for content_type in ("application/json", "text/json"):
            headers = [("Content-Type", content_type)]
            self.check(None, body='[{"type": "dog", "price": 30}]', headers=headers)
            self.check(_BODY, body='[{"type": "dog"}]', headers=headers)

    def test_5_5_keywords(self):
        """Which are validated, which are dropped when a document is imported."""
        schemas = {
            "maxItems": ({"maxItems": 1}, "[1, 2, 3]", None),
            "minItems": ({"minItems": 1}, "[]", None),
            "exclusiveMinimum": ({"minimum": 1, "exclusiveMinimum": True}, "1", None),
            "nullable": ({"type": "string", "nullable": True}, "null", _BODY),
            "int32": ({"type": "integer", "format": "int32"}, "99999999999", None),
            "pattern": ({"pattern": "^a"}, '"b"', _BODY),
            "multipleOf": ({"multipleOf": 2}, "3", _BODY),
            "uniqueItems": ({"uniqueItems": True}, "[1, 1]", _BODY),
            "patternProperties": ({"patternProperties": {"^a": {"type": "string"}}}, '{"ab": 1}',
                                  _BODY),
            "dependencies": ({"dependencies": {"a": ["b"]}}, '{"a": 1}', _BODY),
            "not": ({"not": {"type": "string"}}, '"a"', _BODY),
            "allOf": ({"allOf": [{"type": "string"}, {"minLength": 2}]}, '"a"', _BODY),
            "anyOf": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "1", _BODY),
            "maxLength": ({"maxLength": 1}, '"\u00e9\u00e9"', _BODY),
        }
        self.start({"/" + name: {"post": {"requestBody": _body(schema),
                                          "x-amazon-apigateway-request-validator": "body"}}
                    for name, (schema, _, _) in schemas.items()})
        for name, (_, body, expected) in schemas.items():
            with self.subTest(keyword=name):
                self.check(expected, "/" + name, body=body)

    # ---- §5.6, §4.4 ----

    def test_5_6_validation_error_string(self):
        """[F] 2022, 2026: in gateway responses as owners write them, and in the access log."""
        self.start(
            {"/" + name: {"post": {"parameters": [_parameter("query", "q")],
                                   "requestBody": _body(schema),
                                   "x-amazon-apigateway-request-validator": "all"}}
             for name, schema in {
                 "closed": {"type": "object", "required": ["bar"], "properties": {"bar": {}},
                            "additionalProperties": False},
                 "required": {"type": "object", "required": ["distributor_sender_id"]},
                 "number": {"properties": {"a": {"type": "number"}}}}.items()},
            **{"x-amazon-apigateway-gateway-responses": {
                "BAD_REQUEST_BODY": {
                    "statusCode": 422,
                    "responseParameters": {"gatewayresponse.header.X-Type": "context.error.responseType"},
                    "responseTemplates": {
                        "text/plain": "$context.error.message: $context.error.validationErrorString"}},
                "BAD_REQUEST_PARAMETERS": {"responseTemplates": {
                    "application/json":
                        '{"message":$context.error.messageString,'
                        '"why":"$context.error.validationErrorString"}'}}}})
        rows = [
            ("/closed?q=1", '{"foo": 1}',
             '[object has missing required properties (["bar"]), object instance has properties '
             'which are not allowed by the schema: ["foo"]]'),
            ("/required?q=1", "{}",
             '[object has missing required properties (["distributor_sender_id"])]'),
            ("/number?q=1", '{"a": "x"}',
             '[instance type (string) does not match any allowed primitive type (allowed: '
             '["integer","number"])]'),
            ("/number?q=1", "", _NOT_PARSED),
            ("/number?q=1", "{", _NOT_PARSED),
        ]
        for target, body, expected in rows:
            with self.subTest(target=target, body=body):
                response = self.gateway.request("POST", target, [], body.encode())
                self.assertEqual(response.status, 422)
                self.assertEqual(response.value("x-type"), "BAD_REQUEST_BODY")
                self.assertEqual(response.body.decode(), "Invalid request body: " + expected)
        response = self.gateway.request("POST", "/number", [], b"")
        self.assertEqual((response.status, response.body.decode()),
                         (400, '{"message":"%s","why":"%s"}' % ((_PARAMETERS % "q",) * 2)))

    def test_5_6_in_the_access_log(self):
        upstream = self.start_upstream()
        path = self.write("api.json", {
            "openapi": "3.0.1", "info": {"title": "t", "version": "1"}, **_VALIDATORS,
            "paths": {"/x": {"post": {
                "requestBody": _body({"type": "string"}), "responses": {},
                "x-amazon-apigateway-request-validator": "body",
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy", "httpMethod": "POST", "uri": upstream.url}}}}})
        log = self.folder + "/access.log"
        gateway = self.start_postern(
            path, "--access-log-file", log, "--access-log",
            "$context.status|$context.error.responseType|$context.error.validationErrorString|"
            "$context.requestId")
        self.assertEqual(gateway.request("POST", "/x", [], b"[").status, 400)
        gateway.stop()
        with open(log, encoding="utf-8") as lines:
            self.assertRegex(
                lines.read(), r"^400\|BAD_REQUEST_BODY\|%s\|[0-9a-f-]{36}\n$" % re.escape(_NOT_PARSED))

    # ---- Hostile bodies ----

    def test_bodies_are_bounded(self):
        """§10.5, and what a small request must not make expensive."""
        self.start({"/x": {"post": {
            "requestBody": _body({"type": "object", "additionalProperties": {
                "uniqueItems": True, "items": {"pattern": "^(a|b|ab)*$"}}}),
            "x-amazon-apigateway-request-validator": "body"}}})
        for body in ("[" * 1_000_000, '{"a":' * 500_000, '{"a": ' + "9" * 1_000_000 + "}",
                     '{"a": 1e999999999}', '{"a": ["' + "ab" * 500_000 + 'c"]}',
                     '{"a": [' + "[0]," * 500_000 + "0]}"):
            with self.subTest(body=body[:20]):
                status, _ = self.send(body=body)
                self.assertIn(status, (200, 400))
        # Of two members of a name the last counts; bytes that are no UTF-8 are read as U+FFFD.
        self.check(None, body='{"a": ["x"], "a": 1}')
        self.check(None, body=b'{"a": ["\xff"], "a": 1}')
        response = self.gateway.request("POST", "/x", [], b"{" + b" " * 10485760)
        self.assertEqual(response.status, 413)
        self.assertEqual(response.value("x-amzn-errortype"), "RequestTooLargeException")
        self.assertLess(self.gateway.peak_rss_kib(), 400 * 1024)

    # ---- Definitions that are refused ----

    def test_schemas_are_refused_where_they_are_wrong(self):
        document = {
            "openapi": "3.0.1", "info": {"title": "t", "version": "1"}, **_VALIDATORS,
            "x-amazon-apigateway-request-validator": "all",
            "components": {"schemas": {"Pet": {"properties": {"a": {"type": "text"},
                                                              "b": {"pattern": "(?=x)"}}}}},
            "paths": {"/x": {"post": {
                "requestBody": _body("Pet"), "responses": {},
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy", "httpMethod": "POST", "uri": "http://localhost"}}}}}
        path = self.write("api.json", document)
        lines = open(path, encoding="utf-8").read().splitlines()
        ran = self.run_postern("check", path)
        self.assertNotEqual(ran.returncode, 0)
        for pointer, text in (("properties/a/type", '"type": "text"'),
                              ("properties/b/pattern", '"pattern": "(?=x)"')):
            line = 1 + next(i for i, l in enumerate(lines) if text in l)
            self.assertRegex(ran.stdout + ran.stderr,
                             r"api\.json:%d:\d+  /components/schemas/Pet/%s" % (line, pointer))


if __name__ == "__main__":
    harness.unittest.main()
