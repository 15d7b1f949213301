"""`postern invoke` runs one request through the gateway and shows what the console's test tab shows
(management-and-import.md §1.10); `postern explain` says what a request would meet."""

import json
import re

from tests.support import harness, http1

_MOCK = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
         "responses": {"default": {"statusCode": "200", "responseTemplates": {
             "application/json": '{"petId": "123"}'}}}}


def _operation(integration, **fields):
    return {"responses": {"200": {"description": "ok"}},
            "x-amazon-apigateway-integration": integration, **fields}


def _definition(paths, title="tested"):
    return {"openapi": "3.0.1", "info": {"title": title, "version": "1"}, "paths": paths}


class InvokeTest(harness.TestCase):

    def define(self, paths, name="api.json", **fields):
        return self.write(name, _definition(paths, **fields))

    def log(self, text):
        """Lines without their times."""
        first, *lines = text.splitlines()
        self.assertRegex(first, "^Execution log for request [0-9a-f-]{36}$")
        for line in lines:
            self.assertRegex(line, r"^\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4} : ")
        return [line.split(" : ", 1)[1] for line in lines]

    def test_a_mock(self):
        path = self.define({"/pets/{petId}": {"get": _operation(_MOCK, parameters=[
            {"name": "petId", "in": "path", "required": True}])}})
        ran = self.run_postern("invoke", path, "get", "/pets/123?foo=bar", "--json", status=0)
        reply = json.loads(ran.stdout)
        self.assertEqual((reply["status"], reply["body"]), (200, '{"petId": "123"}'))
        self.assertEqual(reply["headers"]["Content-Type"], "application/json")
        self.assertEqual(reply["multiValueHeaders"]["Content-Type"], ["application/json"])
        self.assertGreaterEqual(reply["latency"], 0)
        lines = self.log(reply["log"])
        self.assertRegex(lines[0], "^Starting execution for request: [0-9a-f-]{36}$")
        self.assertEqual(lines[1:4], [
            "HTTP Method: GET, Resource Path: /pets/123",
            "Method request path: {petId=123}",
            "Method request query string: {foo=bar}",
        ])
        self.assertRegex(lines[4], r"^Method request headers: \{Host=testPrefix\.testDomainName")
        self.assertEqual(lines[5], "Method request body before transformations: ")
        self.assertEqual(lines[6], 'Method response body after transformations: {"petId": "123"}')
        self.assertEqual(lines[7], "Method response headers: {Content-Type=application/json}")
        self.assertEqual(lines[8:], ["Successfully completed execution",
                                     "Method completed with status: 200"])

    def test_a_backend_with_content_and_stage_variables(self):
        upstream = self.start_upstream(
            lambda request: http1.Reply(201, [("X-Seen", request.value("x-a"))], request.body[::-1]))
        path = self.define({"/p": {"post": _operation(
            {"type": "http_proxy", "httpMethod": "POST",
             "uri": "http://${stageVariables.host}/q"})}})
        ran = self.run_postern(
            "invoke", path, "POST", "/p", "--body", "content", "--header", "X-A: b", "--var",
            "host=" + upstream.address, status=0)
        self.assertRegex(ran.stdout, r"(?s)^Request: POST /p\nStatus: 201\nLatency: \d+ ms\n\n"
                         r"Response headers:\n.*  X-Seen: b\n.*\nResponse body:\ntnetnoc\n\nLog:\n")
        lines = self.log(ran.stdout.partition("\nLog:\n")[2])
        self.assertIn("Sending request to %s/q" % upstream.url, lines)
        self.assertTrue([l for l in lines if re.match(
            r"Received response\. Status: 201, Integration latency: \d+ ms$", l)])

    def test_failures(self):
        path = self.define({"/x": {"get": _operation(
            {**_MOCK, "requestTemplates": {"application/json": "{}"}})}})
        ran = self.run_postern("invoke", path, "GET", "/x", "--json", status=0)
        reply = json.loads(ran.stdout)
        self.assertEqual((reply["status"], reply["body"]),
                         (500, '{"message": "Internal server error"}'))
        self.assertEqual(reply["headers"]["x-amzn-ErrorType"], "InternalServerErrorException")
        self.assertEqual(self.log(reply["log"])[-2:], [
            "Execution failed due to configuration error: Unable to parse statusCode. It should be "
            "an integer that is defined in the request template.",
            "Method completed with status: 500"])
        self.assertEqual(
            json.loads(self.run_postern("invoke", path, "GET", "/no", "--json").stdout)["status"],
            403)
        for args, problem in ((("GET",), "an argument is missing"),
                              (("GET", "no"), "begins with a slash"),
                              (("GET", "/", "--header", "x"), "write NAME: VALUE"),
                              (("GET", "/", "--api", "no"), 'there is no API "no"')):
            ran = self.run_postern("invoke", path, *args)
            self.assertNotEqual(ran.returncode, 0)
            self.assertIn(problem, ran.stderr)


class ExplainTest(harness.TestCase):

    def explain(self, *args, status=0):
        ran = self.run_postern("explain", *args, "--json", status=status)
        return json.loads(ran.stdout)

    def test_what_a_request_meets(self):
        path = self.write("api.json", _definition({
            "/pets/{id}": {"get": _operation(
                {"type": "http_proxy", "httpMethod": "GET", "uri": "http://backend:8080/p/{id}",
                 "timeoutInMillis": 500,
                 "requestParameters": {"integration.request.path.id": "method.request.path.id"}},
                parameters=[{"name": "id", "in": "path", "required": True}])},
            "/{proxy+}": {"x-amazon-apigateway-any-method": _operation(_MOCK, parameters=[
                {"name": "proxy", "in": "path", "required": True}])},
        }))
        said = self.explain(path, "GET", "/pets/7")
        self.assertRegex(said["API"][0], r"^tested \([a-z0-9]{10}\)$")
        self.assertRegex(said["stage"][0], "^prod, deployment [a-z0-9]{6}$")
        self.assertEqual(said["resource"], ["/pets/{id}"])
        self.assertEqual(said["parameters"], ["id = 7"])
        self.assertEqual(said["method"], ["GET"])
        self.assertEqual(said["before"],
                         ["/{proxy+}: matches too, but is less specific from the left"])
        self.assertEqual((said["authorization"], said["API key"], said["validation"]),
                         (["NONE"], ["not required"], ["none"]))
        self.assertRegex(said["integration"][0], r"^HTTP_PROXY GET backend:8080/p/\{id\} \(cluster ")
        self.assertEqual(said["timeout"], ["500 ms"])
        said = self.explain(path, "POST", "/pets/7")
        self.assertEqual(said["resource"], ["/{proxy+}"])
        self.assertEqual(said["method"], ["ANY: the resource has no POST"])
        self.assertEqual(said["before"], ["/pets/{id}: matches, but does not serve POST"])

    def test_why_not(self):
        path = self.write("api.json", _definition({
            "/pets/{id}": {"get": _operation(_MOCK, parameters=[
                {"name": "id", "in": "path", "required": True}])},
            "/pets/{id}/toys": {"get": _operation(_MOCK, parameters=[
                {"name": "id", "in": "path", "required": True}])}}))
        said = self.explain(path, "DELETE", "/pets/7", status=1)
        self.assertEqual(said["answer"], ["MISSING_AUTHENTICATION_TOKEN, 403"])
        self.assertEqual(said["why not"],
                         ["/pets/{id} matches the path, but has GET and not DELETE"])
        said = self.explain(path, "GET", "/pets", status=1)
        self.assertEqual(said["why not"], ["/pets matches the path, but has no methods"])
        said = self.explain(path, "GET", "/pets/7/names", status=1)
        self.assertEqual(said["why not"], ["no resource of the API matches the path"])
        self.assertEqual(said["nearest"], ["/pets/{id}, /pets/{id}/toys"])


if __name__ == "__main__":
    harness.unittest.main()
