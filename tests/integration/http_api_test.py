"""HTTP APIs: routes, payload format 2.0, errors and CORS, of the whole program (http-api.md)."""

import json
import unittest

from tests.support import fake_lambda, harness, http1

_ARN = "arn:aws:lambda:eu-west-1:111122223333:function:f"


def _function(version="2.0"):
    return {"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "httpMethod": "POST", "uri": _ARN, "payloadFormatVersion": version}}


def _proxy(uri):
    return {"x-amazon-apigateway-integration": {
        "type": "http_proxy", "httpMethod": "ANY", "uri": uri, "payloadFormatVersion": "1.0"}}


def _definition(paths, **fields):
    return {"openapi": "3.0.1", "info": {"title": "web", "version": "1"}, "paths": paths, **fields}


class HttpApiTest(harness.TestCase):

    def start_api(self, paths, function=None, args=(), **fields):
        if function is not None:
            server = fake_lambda.FakeLambda(lambda invocation: function(invocation.event))
            self.addCleanup(server.stop)
            args = [*args, "--lambda", "f=invoke+" + server.url]
        return self.start_postern(self.write("web.json", _definition(paths, **fields)), *args)

    def test_a_function_gets_format_2_and_answers_simply(self):
        events = []

        def function(event):
            events.append(event)
            return {"hello": event.get("pathParameters", {}).get("id")}

        gateway = self.start_api({"/pets/{id}": {"get": _function()}}, function)
        response = gateway.request(target="/pets/7?a=1&a=2", headers=[("Cookie", "x=1; y=2")])
        self.assertEqual(response.status, 200)
        self.assertEqual(json.loads(response.body), {"hello": "7"})
        self.assertEqual(response.value("content-type"), "application/json")
        self.assertIsNone(response.value("x-amzn-requestid"))
        event = events[0]
        self.assertEqual(event["version"], "2.0")
        self.assertEqual(event["routeKey"], "GET /pets/{id}")
        self.assertEqual(event["rawPath"], "/pets/7")
        self.assertEqual(event["cookies"], ["x=1", "y=2"])
        self.assertEqual(event["queryStringParameters"], {"a": "1,2"})
        self.assertEqual(event["requestContext"]["stage"], "$default")
        self.assertEqual(event["requestContext"]["requestId"], response.value("apigw-requestid"))

    def test_cookies_and_errors_of_functions(self):
        answers = [{"statusCode": 201, "cookies": ["a=1", "b=2"], "body": "x"}, {"statusCode": "no"}]
        gateway = self.start_api({"/$default": {"x-amazon-apigateway-any-method": {
            "isDefaultRoute": True, **_function()}}}, lambda event: answers.pop(0))
        made = gateway.request("POST", "/any/where")
        self.assertEqual((made.status, made.values("set-cookie")), (201, ["a=1", "b=2"]))
        broken = gateway.request()
        self.assertEqual((broken.status, broken.body), (500, b'{"message":"Internal Server Error"}'))
        self.assertIsNone(broken.value("x-amzn-errortype"))

    def test_format_1(self):
        gateway = self.start_api({"/": {"get": _function("1.0")}}, lambda event: {
            "statusCode": 200, "body": event["version"] + event["requestContext"]["resourceId"]})
        self.assertEqual(gateway.request().body, b"1.0GET /")

    def test_routes_stages_and_refusals(self):
        upstream = self.start_upstream()
        gateway = self.start_api({"/pets/{proxy+}": {"get": _proxy(upstream.url + "/up/{proxy}")}},
                                 args=["--stage", "dev"])
        self.assertEqual(gateway.request(target="/pets/").status, 200)
        for target in ("/pets", "/nothing"):
            response = gateway.request(target=target)
            self.assertEqual((response.status, response.body), (404, b'{"message":"Not Found"}'))
        self.assertEqual(gateway.request("POST", "/pets/1").status, 404)
        self.assertEqual(upstream.requests[0].target, "/up/")

    def test_default_route_sends_the_whole_path_and_the_fields_on(self):
        upstream = self.start_upstream([http1.Reply(
            body=b"hi", headers=[("Server", "mine"), ("X-Amzn-Thing", "1")])])
        gateway = self.start_api({"/$default": {"x-amazon-apigateway-any-method": {
            "isDefaultRoute": True, **_proxy(upstream.url + "/base")}}})
        response = gateway.request("PUT", "/a/b?c=d", headers=[("X-Own", "1")], body=b"x",
                                   host="api.test")
        self.assertEqual(response.body, b"hi")
        self.assertEqual(response.value("server"), "mine")
        self.assertEqual(response.value("x-amzn-thing"), "1")
        sent = upstream.requests[0]
        self.assertEqual((sent.method, sent.target), ("PUT", "/base/a/b?c=d"))
        self.assertEqual(sent.value("forwarded"), "for=127.0.0.1;host=api.test;proto=http")
        self.assertEqual(sent.value("via"), "HTTP/1.1 AmazonAPIGateway")
        self.assertEqual(sent.value("x-own"), "1")
        self.assertIsNone(sent.value("x-forwarded-for"))

    def test_an_upstream_that_is_not_there_is_503(self):
        gateway = self.start_api({"/": {"get": _proxy("http://127.0.0.1:1/")}})
        response = gateway.request()
        self.assertEqual((response.status, response.body), (503, b'{"message":"Service Unavailable"}'))

    def test_cors(self):
        upstream = self.start_upstream([http1.Reply(
            body=b"hi", headers=[("Access-Control-Allow-Origin", "backend")])])
        gateway = self.start_api({"/pets": {"get": _proxy(upstream.url + "/")}}, **{
            "x-amazon-apigateway-cors": {
                "allowOrigins": ["https://a.test"], "allowMethods": ["GET", "PUT"], "maxAge": 60}})
        preflight = gateway.request("OPTIONS", "/pets", headers=[
            ("Origin", "https://a.test"), ("Access-Control-Request-Method", "PUT")])
        self.assertEqual((preflight.status, preflight.body), (204, b""))
        self.assertEqual(preflight.value("access-control-allow-origin"), "https://a.test")
        self.assertEqual(preflight.value("access-control-allow-methods"), "GET,PUT")
        self.assertEqual(preflight.value("access-control-max-age"), "60")
        self.assertEqual(upstream.requests, [])
        got = gateway.request(target="/pets", headers=[("Origin", "https://a.test")])
        self.assertEqual(got.values("access-control-allow-origin"), ["https://a.test"])
        self.assertEqual(gateway.request("OPTIONS", "/pets").status, 404)

    def start_cors(self, routes, **cors):
        cors.setdefault("allowOrigins", ["https://a.test"])
        return self.start_api(routes, **{"x-amazon-apigateway-cors": cors})

    def preflight(self, gateway, target, origin="https://a.test"):
        return gateway.request("OPTIONS", target, headers=[
            ("Origin", origin), ("Access-Control-Request-Method", "PUT")])

    def test_preflights_are_answered_whatever_the_path(self):
        upstream = self.start_upstream()
        gateway = self.start_cors({
            "/pets": {"options": _proxy(upstream.url + "/")},
            "/all": {"x-amazon-apigateway-any-method": _proxy(upstream.url + "/")}},
            allowMethods=["*"], allowHeaders=["*"], allowCredentials=True)
        for target in ["/pets", "/all", "/nowhere", "/pets/7/8"]:
            answer = self.preflight(gateway, target)
            self.assertEqual((answer.status, answer.body), (204, b""), target)
            self.assertEqual(answer.value("access-control-allow-origin"), "https://a.test")
            self.assertEqual(answer.value("vary"), "origin")
            self.assertEqual(answer.value("access-control-allow-methods"), "*")
            self.assertEqual(answer.value("access-control-allow-headers"), "*")
            self.assertEqual(answer.value("access-control-allow-credentials"), "true")
            self.assertIsNone(answer.value("access-control-max-age"))
            self.assertIsNotNone(answer.value("apigw-requestid"))
            self.assertIsNotNone(answer.value("date"))
        refused = self.preflight(gateway, "/nowhere", "https://b.test")
        self.assertEqual(refused.status, 204)
        self.assertIsNone(refused.value("access-control-allow-origin"))
        self.assertEqual(upstream.requests, [])
        # One of the two fields alone: routed.
        self.assertEqual(gateway.request("OPTIONS", "/nowhere", headers=[
            ("Origin", "https://a.test")]).status, 404)
        self.assertEqual(gateway.request("OPTIONS", "/pets", headers=[
            ("Access-Control-Request-Method", "PUT")]).status, 200)
        self.assertEqual(len(upstream.requests), 1)

    def test_refusals_carry_cors_fields(self):
        gateway = self.start_cors({"/pets": {"get": _proxy("http://127.0.0.1:1/")}},
                                  exposeHeaders=["x-a", "x-b"])
        for target, status in [("/pets", 503), ("/nowhere", 404)]:
            answer = gateway.request(target=target, headers=[("Origin", "https://a.test")])
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.value("access-control-allow-origin"), "https://a.test")
            self.assertEqual(answer.value("access-control-expose-headers"), "x-a,x-b")
            plain = gateway.request(target=target)
            self.assertEqual(plain.status, status)
            self.assertIsNone(plain.value("access-control-allow-origin"))

    def test_a_cors_configuration_that_cannot_work_is_refused(self):
        path = self.write("web.json", _definition({"/pets": {
            "get": _proxy("http://127.0.0.1:1/")}}, **{
                "x-amazon-apigateway-cors": {"allowOrigins": ["https://a.test/"]}}))
        result = self.run_postern("check", path, status=3)
        self.assertIn('filter "postern.cors"', result.stdout + result.stderr)
        self.assertIn("is not an origin", result.stdout + result.stderr)
        self.assertRegex(result.stderr, r"web\.json:\d+:\d+ /x-amazon-apigateway-cors\)")


if __name__ == "__main__":
    unittest.main()
