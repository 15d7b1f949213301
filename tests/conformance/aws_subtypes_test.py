"""HTTP APIs that call AWS services by a subtype (http-api.md 10): parameters to the service's own
protocol, signed, answers as the service gave them."""

import json
import unittest

from tests.support import fake_aws, harness

_ROLE = "arn:aws:iam::111122223333:role/caller"


def _subtype(name, parameters, **more):
    return {"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "integrationSubtype": name, "payloadFormatVersion": "1.0",
        "requestParameters": parameters, **more}}


class SubtypesTest(harness.TestCase):

    def start_api(self, paths, aws, *args, env=None):
        document = {"openapi": "3.0.1", "info": {"title": "web", "version": "1"}, "paths": paths}
        return self.start_postern(
            self.write("web.json", document), "--aws-endpoint", aws.url, "--region", "eu-west-1",
            *args, env=fake_aws.environment() if env is None else env)

    # 10, row SQS-*: "SQS answers in XML".
    def test_sqs(self):
        aws = self.start_aws()
        queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders"
        gateway = self.start_api({
            "/messages/{id}": {
                "post": _subtype("SQS-SendMessage", {
                    "QueueUrl": queue, "MessageBody": "$request.body.text",
                    "MessageGroupId": "${request.path.id}-${request.querystring.g}"}),
                "get": _subtype("SQS-ReceiveMessage", {"QueueUrl": queue}),
                "delete": _subtype("SQS-PurgeQueue", {"QueueUrl": queue})},
        }, aws)
        response = gateway.request("POST", "/messages/7?g=x&g=y", [("Content-Type", "text/plain")],
                                   b'{"text": "hello & good bye"}')
        self.assertEqual(response.status, 200, response.body)
        self.assertIn(b"<SendMessageResponse>", response.body)
        self.assertEqual(response.value("content-type"), "text/xml")
        self.assertEqual(aws.messages, {"/111122223333/orders": ["hello & good bye"]})
        service, operation, scope, request = aws.calls[0]
        self.assertEqual((service, operation, scope.region), ("sqs", "SendMessage", "eu-west-1"))
        self.assertIn(b"&MessageGroupId=7-x%2Cy", request.body)
        self.assertIn(b"hello", gateway.request("GET", "/messages/7").body)
        self.assertEqual(gateway.request("DELETE", "/messages/7").status, 200)
        self.assertEqual(aws.messages, {"/111122223333/orders": []})
        # A parameter that the request has no value for.
        missing = gateway.request("POST", "/messages/7", (), b"{}")
        self.assertEqual(missing.status, 400)
        self.assertEqual(len(aws.calls), 3)
        self.assertEqual(aws.refused, [])

    def test_json_services(self):
        aws = self.start_aws()
        machine = "arn:aws:states:eu-west-1:111122223333:stateMachine:m"
        gateway = self.start_api({
            "/events": {"post": _subtype("EventBridge-PutEvents", {
                "Detail": "$request.body", "DetailType": "order", "Source": "$context.apiId",
                "Resources": '["r1"]'})},
            "/records": {"post": _subtype("Kinesis-PutRecord", {
                "StreamName": "s", "Data": "$request.body.data",
                "PartitionKey": "$request.header.x-key"})},
            "/start": {"post": _subtype("StepFunctions-StartExecution", {
                "StateMachineArn": machine, "Input": "$request.body"})},
            "/sync": {"post": _subtype("StepFunctions-StartSyncExecution", {
                "StateMachineArn": machine, "Input": "$request.body"})},
            "/stop": {"post": _subtype("StepFunctions-StopExecution", {
                "ExecutionArn": "$request.body.arn", "Cause": "done"})},
            "/config": {"get": _subtype("AppConfig-GetConfiguration", {
                "Application": "a b", "Environment": "e", "Configuration": "c",
                "ClientId": "$request.querystring.id", "Region": "us-west-2"})},
        }, aws)
        post = lambda path, value, headers=(): gateway.request(
            "POST", path, headers, json.dumps(value).encode())
        response = post("/events", {"n": 1})
        self.assertEqual(json.loads(response.body)["FailedEntryCount"], 0)
        self.assertEqual(aws.events[0]["Detail"], '{"n": 1}')
        self.assertEqual(aws.events[0]["Resources"], ["r1"])
        post("/records", {"data": "bytes"}, [("X-Key", "k")])
        self.assertEqual(aws.records, [("s", "k", b"bytes")])
        self.assertEqual(json.loads(post("/start", {"a": 1}).body)["executionArn"], "arn:e1")
        self.assertEqual(json.loads(post("/sync", {"a": 2}).body)["output"], '{"a": 2}')
        self.assertEqual(aws.executions, [(machine, '{"a": 1}'), (machine, '{"a": 2}')])
        self.assertEqual(post("/stop", {"arn": "e"}).status, 200)
        config = gateway.request("GET", "/config?id=me")
        self.assertEqual(config.body,
                         b"/applications/a%20b/environments/e/configurations/c?client_id=me")
        self.assertEqual(aws.calls[-1][2].region, "us-west-2")
        self.assertEqual(aws.refused, [])

    # Errors of a service are its own answers.
    def test_errors_of_the_service_pass(self):
        aws = self.start_aws(secrets={})
        gateway = self.start_api({"/x": {"post": _subtype("Kinesis-PutRecord", {
            "StreamName": "s", "Data": "d", "PartitionKey": "p"})}}, aws)
        response = gateway.request("POST", "/x")
        self.assertEqual(response.status, 400)
        self.assertIn("InvalidClientTokenId", json.loads(response.body)["__type"])

    # 18: what cannot be signed or reached.
    def test_failures_of_the_gateway(self):
        aws = self.start_aws()
        paths = {"/x": {"post": _subtype("Kinesis-PutRecord", {
            "StreamName": "s", "Data": "d", "PartitionKey": "p"})}}
        env = fake_aws.environment(AWS_ACCESS_KEY_ID="")
        gateway = self.start_api(paths, aws, env=env)
        response = gateway.request("POST", "/x")
        self.assertEqual((response.status, response.body),
                         (500, b'{"message":"Internal Server Error"}'))
        self.assertEqual(aws.calls, [])

    # authorization.md 12.1: AssumeRole with the gateway's identity.
    def test_roles(self):
        aws = self.start_aws()
        aws.trusted_roles = [_ROLE]
        record = {"StreamName": "s", "Data": "d", "PartitionKey": "p"}
        paths = {
            "/own": {"post": _subtype("Kinesis-PutRecord", record)},
            "/role": {"post": _subtype("Kinesis-PutRecord", record, credentials=_ROLE)},
            "/denied": {"post": _subtype("Kinesis-PutRecord", record, credentials=_ROLE + "2")},
        }
        gateway = self.start_api(paths, aws)
        self.assertEqual(gateway.request("POST", "/own").status, 200)
        self.assertEqual(gateway.request("POST", "/role").status, 200)
        self.assertEqual(gateway.request("POST", "/denied").status, 500)
        keys = [scope.access_key_id for service, _, scope, _ in aws.calls if service == "kinesis"]
        self.assertEqual(keys, [fake_aws.KEY[0], "ASIA000000000001"])
        self.assertEqual(aws.refused, [])
        # What is logged of credentials is no secret.
        log = gateway.tail()
        self.assertNotIn("secret-", log)
        self.assertNotIn(fake_aws.KEY[1], log)

        mapped = self.start_api(paths, aws, "--aws-role", _ROLE + "*=gateway")
        aws.calls.clear()
        self.assertEqual(mapped.request("POST", "/denied").status, 200)
        self.assertEqual(aws.calls[0][2].access_key_id, fake_aws.KEY[0])

    def test_wrong_definitions_name_the_place(self):
        path = self.write("web.json", {
            "openapi": "3.0.1", "info": {"title": "web", "version": "1"}, "paths": {
                "/x": {"post": _subtype("SQS-SendMessage", {"QueueUrl": "q", "Body": "x"})}}})
        ran = self.run_postern("check", path)
        self.assertNotEqual(ran.returncode, 0)
        out = ran.stdout + ran.stderr
        self.assertIn("SQS-SendMessage has no parameter Body", out)
        self.assertIn("SQS-SendMessage needs the parameter MessageBody", out)
        self.assertRegex(out, r"web\.json:\d+")


if __name__ == "__main__":
    unittest.main()
