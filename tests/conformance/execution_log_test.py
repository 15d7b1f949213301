"""Execution logs of REST APIs (rest-api.md §13.6, §13.7): lines in API Gateway's order, by level and
data trace, masked and cut."""

import json
import os
import re

from tests.support import fake_lambda, harness, http1

_ARN = ("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:us-east-1:000000000000:function:f/invocations")


class ExecutionLogTest(harness.TestCase):

    def start(self, settings, paths, *args):
        self.log_file = os.path.join(self.folder, "execution.log")
        definition = {
            "openapi": "3.0.1",
            "info": {"title": "logged", "version": "1"},
            "paths": {
                path: {
                    method: {
                        "responses": {"200": {"description": "ok"}},
                        "parameters": [{"name": n, "in": "path", "required": True}
                                       for n in re.findall(r"\{(\w+)\}", path)],
                        "x-amazon-apigateway-integration": integration,
                    },
                } for path, (method, integration) in paths.items()
            },
        }
        self.write("postern.json", {"stages": {"prod": {
            "executionLogSettings": {"destination": self.log_file}, "methodSettings": settings}}})
        return self.start_postern(
            self.write("api.json", definition), "--settings",
            os.path.join(self.folder, "postern.json"), "--workers", "1", *args)

    def lines(self, gateway):
        """Texts of all lines by request id, once the gateway has ended."""
        self.assertEqual(gateway.stop(), 0)
        found = {}
        with open(self.log_file, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                self.assertRegex(entry["log_group"], "^API-Gateway-Execution-Logs_[a-z0-9]{10}/prod$")
                self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertLessEqual(len(entry["message"].encode()), 1024)
                identity, text = re.match(r"\(([0-9a-f-]{36})\) (.*)\Z", entry["message"],
                                          re.DOTALL).groups()
                found.setdefault(identity, []).append(text)
        return found

    def check(self, lines, patterns):
        """Each line matches its pattern, and there are no others."""
        for line, pattern in zip(lines, patterns):
            self.assertRegex(line, "^(?:%s)$" % pattern)
        self.assertEqual(len(lines), len(patterns), "\n".join(lines))

    @staticmethod
    def front(identity, method, path):
        return [
            "Extended Request Id: [A-Za-z0-9+/]{15}=",
            "Verifying Usage Plan for request: %s. API Key:  API Stage: [a-z0-9]{10}/prod" % identity,
            "API Key  authorized because method '%s %s' does not require API Key. Request will not "
            "contribute to throttle or quota limits" % (method, re.escape(path)),
            "Usage Plan check succeeded for API Key  and API Stage [a-z0-9]{10}/prod",
            "Starting execution for request: %s" % identity,
        ]

    def test_a_function_at_info_with_data_trace(self):
        function = self.start_lambda(lambda _: {"statusCode": 200, "headers": {"X-A": "b"},
                                                "body": "hello"})
        gateway = self.start(
            {"*/*": {"loggingLevel": "INFO", "dataTraceEnabled": True}},
            {"/pets/{id}": ("post", {"type": "aws_proxy", "httpMethod": "POST", "uri": _ARN})},
            "--lambda", "f=invoke+" + function.url)
        headers = [("Authorization", "Bearer 0123456789"), ("x-api-key", "abcdefghijkl"),
                   ("Content-Type", "text/plain")]
        response = gateway.request("POST", "/pets/7?a=b&c=d+e", headers, b"content")
        self.assertEqual((response.status, response.body), (200, b"hello"))
        lines = self.lines(gateway)
        identity = response.value("x-amzn-requestid")
        self.assertEqual(list(lines), [identity])
        uri = r"http://127\.0\.0\.1:\d+/2015-03-31/functions/.*/invocations"
        self.check(lines[identity], self.front(identity, "POST", "/pets/{id}") + [
            "HTTP Method: POST, Resource Path: /pets/7",
            r"Method request path: \{id=7\}",
            r"Method request query string: \{a=b, c=d e\}",
            r"Method request headers: \{Host=localhost, .*Authorization=\*{11}456789, "
            r"x-api-key=\*{6}ghijkl, Content-Type=text/plain.*\}",
            "Method request body before transformations: content",
            "Endpoint request URI: " + uri,
            r"Endpoint request headers: \{.*X-Amz-Source-Arn=arn:aws:execute-api:us-east-1:"
            r"000000000000:[a-z0-9]{10}/prod/POST/pets/\{id\}\}",
            r'Endpoint request body after transformations: \{"resource":"/pets/\{id\}",.* '
            r"\[TRUNCATED\]",
            "Sending request to " + uri,
            r"Received response\. Status: 200, Integration latency: \d+ ms",
            r"Endpoint response headers: \{.*\}",
            r'Endpoint response body before transformations: \{.*"body": ?"hello".*\}',
            "Method response body after transformations: hello",
            r"Method response headers: \{X-A=b, Content-Type=application/json\}",
            "Successfully completed execution",
            "Method completed with status: 200",
            "X-ray Tracing ID : 1-[0-9a-f]{8}-[0-9a-f]{24}",
        ])

    def test_a_mock_at_info(self):
        gateway = self.start(
            {"*/*": {"loggingLevel": "INFO"}},
            {"/m": ("get", {"type": "mock", "requestTemplates": {
                "application/json": '{"statusCode": 200}'},
                            "responses": {"default": {"statusCode": "200"}}})})
        response = gateway.request("GET", "/m")
        identity = response.value("x-amzn-requestid")
        self.check(self.lines(gateway)[identity], self.front(identity, "GET", "/m") + [
            "HTTP Method: GET, Resource Path: /m",
            "Successfully completed execution",
            "Method completed with status: 200",
            "X-ray Tracing ID : 1-[0-9a-f]{8}-[0-9a-f]{24}",
        ])

    def test_failures_by_their_texts(self):
        """§13.7, and at ERROR only requests that fail (§13.6)."""
        answers = {"threw": fake_lambda.FunctionError("boom"), "malformed": "text",
                   "throttled": fake_lambda.InvokeError(),
                   "denied": fake_lambda.InvokeError(403, "AccessDeniedException", "no")}
        function = self.start_lambda(
            lambda call: answers.get(call.function.rpartition(":")[2], {"statusCode": 200}))
        upstream = self.start_upstream(lambda _: http1.silent)

        def proxy(name):
            return ("get", {"type": "aws_proxy", "httpMethod": "POST",
                            "uri": _ARN.replace(":f/", ":%s/" % name)})

        gateway = self.start(
            {"*/*": {"loggingLevel": "ERROR"}},
            {
                **{"/" + name: proxy(name) for name in [*answers, "fine"]},
                "/mock": ("get", {"type": "mock", "requestTemplates": {"application/json": "{}"},
                                  "responses": {"default": {"statusCode": "200"}}}),
                "/late": ("get", {"type": "http_proxy", "httpMethod": "GET", "uri": upstream.url,
                                  "timeoutInMillis": 50}),
                "/gone": ("get", {"type": "http_proxy", "httpMethod": "GET",
                                  "uri": "http://127.0.0.1:1"}),
            }, "--lambda", "*=invoke+" + function.url)
        configuration = "Execution failed due to configuration error: "
        rows = {
            "/threw": (502, ["Lambda execution failed with status 200 due to customer function "
                             "error: boom. Lambda request id: .*"]),
            "/malformed": (502, [configuration + "Malformed Lambda proxy response"]),
            "/throttled": (500, ["Lambda invocation failed with status: 429. Lambda request id: .*",
                                 configuration + r"Rate Exceeded\."]),
            "/denied": (500, [configuration + "Invalid permissions on Lambda function"]),
            "/mock": (500, [configuration + "Unable to parse statusCode. It should be an integer "
                            "that is defined in the request template."]),
            "/late": (504, ["Execution failed due to a timeout error"]),
            "/gone": (504, ["Execution failed due to a network error communicating with endpoint"]),
            "/fine": (200, None),
        }
        identities = {}
        for target, (status, _) in rows.items():
            response = gateway.request("GET", target)
            self.assertEqual(response.status, status, target)
            identities[target] = response.value("x-amzn-requestid")
        lines = self.lines(gateway)
        for target, (status, texts) in rows.items():
            with self.subTest(target=target):
                if texts is None:
                    self.assertNotIn(identities[target], lines)
                    continue
                own = lines[identities[target]]
                end = own.index("Method completed with status: %d" % status)
                self.check(own[end - len(texts):end], texts)
                self.assertNotIn("Successfully completed execution", own)

    def test_settings_of_a_method(self):
        """§13.2: the exact entry counts, else that of all; off by default."""
        mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
                "responses": {"default": {"statusCode": "200"}}}
        paths = {"/a/{id}": ("get", mock), "/b": ("get", mock)}
        gateway = self.start({"a~1{id}/GET": {"loggingLevel": "INFO"}}, paths)
        logged = gateway.request("GET", "/a/1").value("x-amzn-requestid")
        gateway.request("GET", "/b")
        self.assertEqual(list(self.lines(gateway)), [logged])
        os.remove(self.log_file)
        gateway = self.start({"*/*": {"loggingLevel": "INFO"}, "~1b/GET": {"loggingLevel": "OFF"}},
                             paths)
        logged = gateway.request("GET", "/a/1").value("x-amzn-requestid")
        gateway.request("GET", "/b")
        self.assertEqual(list(self.lines(gateway)), [logged])

    def test_lines_are_cut_and_stay_lines(self):
        upstream = self.start_upstream(lambda request: http1.Reply(200, body=request.body))
        gateway = self.start(
            {"*/*": {"loggingLevel": "INFO", "dataTraceEnabled": True}},
            {"/p": ("post", {"type": "http_proxy", "httpMethod": "POST", "uri": upstream.url})})
        content = "\n\"é\"\x00".encode() + b"\xff" + "é".encode() * 3000
        response = gateway.request("POST", "/p", body=content)
        self.assertEqual(response.body, content)
        lines = self.lines(gateway)[response.value("x-amzn-requestid")]
        bodies = [l for l in lines if " body " in l]
        self.assertEqual(len(bodies), 4)
        for body in bodies:
            self.assertRegex(body, "^[A-Za-z ]+: \n\"é\"\x00\N{REPLACEMENT CHARACTER}é+ "
                             r"\[TRUNCATED\]$")


if __name__ == "__main__":
    harness.unittest.main()
