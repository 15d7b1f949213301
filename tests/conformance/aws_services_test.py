"""REST APIs that call AWS services (rest-api.md 6, 8, 9.1): the examples of DynamoDB and S3 as users
write them, and the other services, each request signed and mapped in both directions."""

import json
import unittest

from tests.support import fake_aws, harness

_ROLE = "arn:aws:iam::111122223333:role/ApiGatewayDynamoDBRole"
_PUT_ITEM = """{
"TableName": "Items",
"Item": {
"id": {"S": "$input.path('$.id')"},
"name": {"S": "$input.path('$.name')"}
}
}
"""
_QUERY = """{
  "TableName": "Items",
  "KeyConditionExpression": "id = :id",
  "ExpressionAttributeValues": {
    ":id": {
      "S": "$input.params('user_id')"
    }
  }
}"""
_USER = """#set($inputRoot = $input.path('$'))
{
  "user": {
    "id": "$inputRoot.Items[0].id.S",
    "name": "$inputRoot.Items[0].name.S"
  }
}"""


def _arn(service, call):
    return "arn:aws:apigateway:eu-west-1:%s:%s" % (service, call)


def _method(service, call, method="POST", statuses=("200",), responses=None, **more):
    return {
        "responses": {s: {"description": "", "headers": {
            "Content-Type": {"schema": {"type": "string"}}}} for s in statuses},
        "x-amazon-apigateway-integration": {
            "type": "aws", "httpMethod": method, "uri": _arn(service, call),
            "responses": responses or {"default": {"statusCode": "200"}}, **more}}


def _parameters(*names):
    return [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}}
            for n in names]


class ServicesTest(harness.TestCase):

    def start_api(self, paths, aws, *args, **fields):
        document = {"openapi": "3.0.1", "info": {"title": "items", "version": "1"},
                    "paths": paths, **fields}
        return self.start_postern(self.write("items.json", document), "--aws-endpoint", aws.url,
                                  *args, env=fake_aws.environment())

    # The examples of the DynamoDB integration: PutItem with a template, Query by a parameter, the
    # answer mapped.
    def test_dynamodb(self):
        aws = self.start_aws()
        saved = {"default": {"statusCode": "200", "responseTemplates": {
            "application/json": '{"message": "Item saved"}'}}}
        gateway = self.start_api({
            "/items": {"put": _method("dynamodb", "action/PutItem", credentials=_ROLE,
                                      responses=saved,
                                      requestTemplates={"application/json": _PUT_ITEM})},
            "/users/{user_id}": {"get": {
                **_method("dynamodb", "action/Query", responses={"default": {
                    "statusCode": "200", "responseTemplates": {"application/json": _USER}}},
                    requestTemplates={"application/json": _QUERY}),
                "parameters": _parameters("user_id")}},
            "/raw/{user_id}": {"get": {
                **_method("dynamodb", "action/GetItem", requestTemplates={
                    "application/json":
                        '{"TableName": "Items", "Key": {"id": {"S": "$input.params(\'user_id\')"}}}'
                }),
                "parameters": _parameters("user_id")}},
        }, aws)
        response = gateway.request("PUT", "/items", [("Content-Type", "application/json")],
                                   b'{"id": "7", "name": "Ada"}')
        self.assertEqual((response.status, response.body), (200, b'{"message": "Item saved"}'))
        self.assertEqual(aws.tables, {"Items": [{"id": {"S": "7"}, "name": {"S": "Ada"}}]})
        # By the role, which was assumed for it.
        scope = [s for service, op, s, _ in aws.calls if op == "PutItem"][0]
        self.assertEqual((scope.access_key_id, scope.region, scope.service),
                         ("ASIA000000000001", "eu-west-1", "dynamodb"))
        user = gateway.request("GET", "/users/7")
        self.assertEqual(json.loads(user.body), {"user": {"id": "7", "name": "Ada"}})
        raw = gateway.request("GET", "/raw/7")
        self.assertEqual(json.loads(raw.body)["Item"]["name"], {"S": "Ada"})
        self.assertEqual(aws.refused, [])

    # 8.1: answers are chosen by the service's status.
    def test_errors_are_chosen_by_status(self):
        aws = self.start_aws()
        method = _method(
            "dynamodb", "action/Nothing", statuses=("200", "422"),
            requestTemplates={"application/json": '{"TableName": "Items"}'},
            responses={"4\\d{2}": {"statusCode": "422", "responseTemplates": {
                "application/json": '{"problem": "$input.path(\'$.__type\')"}'}},
                "default": {"statusCode": "200"}})
        gateway = self.start_api({"/x": {"post": method}}, aws)
        response = gateway.request("POST", "/x")
        self.assertEqual(response.status, 422)
        self.assertEqual(json.loads(response.body)["problem"],
                         "com.amazonaws#UnknownOperationException")

    # The examples of the S3 integration: path override /bucket-name/{key}, the content type passed
    # through in both directions.
    def test_s3(self):
        aws = self.start_aws()
        mapped = {"integration.request.path.key": "method.request.path.key"}
        typed = {**mapped,
                 "integration.request.header.Content-Type": "method.request.header.Content-Type"}
        back = {"default": {"statusCode": "200", "responseParameters": {
            "method.response.header.Content-Type": "integration.response.header.Content-Type"}},
            "404": {"statusCode": "404"}}
        header = {"name": "Content-Type", "in": "header", "schema": {"type": "string"}}
        gateway = self.start_api({"/files/{key}": {
            "parameters": _parameters("key") + [header],
            "get": _method("s3", "path/my-bucket/{key}", "GET", ("200", "404"), back,
                           requestParameters=mapped),
            "put": _method("s3", "path/my-bucket/{key}", "PUT", requestParameters=typed)}}, aws)
        key = "a%20b%2Bc@d.txt"
        put = gateway.request("PUT", "/files/" + key, [("Content-Type", "text/x-mine")], b"hello")
        self.assertEqual(put.status, 200, put.body)
        self.assertEqual(aws.objects, {"/my-bucket/a b+c@d.txt": ("text/x-mine", b"hello")})
        got = gateway.request("GET", "/files/" + key)
        self.assertEqual((got.status, got.body), (200, b"hello"))
        self.assertEqual(got.value("content-type"), "text/x-mine")
        gone = gateway.request("GET", "/files/nothing")
        self.assertEqual(gone.status, 404)
        self.assertIn(b"NoSuchKey", gone.body)
        self.assertEqual(aws.refused, [])

    def test_binary_objects(self):
        aws = self.start_aws()
        content = bytes(range(256))
        gateway = self.start_api({"/o": {
            "put": _method("s3", "path/b/o", "PUT"),
            "get": _method("s3", "path/b/o", "GET")}}, aws,
            **{"x-amazon-apigateway-binary-media-types": ["*/*"]})
        gateway.request("PUT", "/o", [("Content-Type", "image/png")], content)
        self.assertEqual(aws.objects["/b/o"], ("image/png", content))
        self.assertEqual(gateway.request("GET", "/o", [("Accept", "image/png")]).body, content)

    # Query protocols: by path with a form, and by action.
    def test_sqs_and_sns(self):
        aws = self.start_aws()
        form = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
        topic = {"integration.request.querystring.TopicArn": "'arn:aws:sns:eu-west-1:1:t'",
                 "integration.request.querystring.Message": "method.request.querystring.text"}
        gateway = self.start_api({
            "/queue": {"post": _method(
                "sqs", "path/111122223333/orders", requestParameters=form, requestTemplates={
                    "application/json":
                        "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"})},
            "/topic": {"post": {**_method("sns", "action/Publish", requestParameters=topic),
                                "parameters": [{"name": "text", "in": "query",
                                                "schema": {"type": "string"}}]}},
        }, aws)
        sent = gateway.request("POST", "/queue", [("Content-Type", "application/json")],
                               b'{"a": "b & c"}')
        self.assertEqual(sent.status, 200, sent.body)
        self.assertEqual(aws.messages, {"/111122223333/orders": ['{"a": "b & c"}']})
        gateway.request("POST", "/topic?text=hi%20there")
        self.assertEqual(aws.published, [("arn:aws:sns:eu-west-1:1:t", "hi there")])
        self.assertEqual(aws.refused, [])

    def test_json_services(self):
        aws = self.start_aws()
        start = ('{"stateMachineArn": "arn:m", "input": "$util.escapeJavaScript($input.body)"}')
        gateway = self.start_api({
            "/start": {"post": _method("states", "action/StartExecution",
                                       requestTemplates={"application/json": start})},
            "/sync": {"post": _method("states", "action/StartSyncExecution",
                                      requestTemplates={"application/json": start})},
            "/events": {"post": _method("events", "action/PutEvents", requestTemplates={
                "application/json": '{"Entries": [{"Detail": "{}", "Source": "s"}]}'})},
            "/records": {"post": _method("kinesis", "action/PutRecord", requestTemplates={
                "application/json": '{"StreamName": "s", "PartitionKey": "p", '
                                    '"Data": "$util.base64Encode($input.body)"}'})},
        }, aws)
        body = [("Content-Type", "application/json")], b'{"n": 1}'
        for path in ("/start", "/sync", "/events", "/records"):
            response = gateway.request("POST", path, *body)
            self.assertEqual(response.status, 200, response.body)
        self.assertEqual(aws.executions, [("arn:m", '{"n": 1}')] * 2)
        self.assertEqual(aws.events[0]["Source"], "s")
        self.assertEqual(aws.records, [("s", "p", b'{"n": 1}')])
        self.assertEqual(aws.refused, [])

    # 6.5: stage variables in the URI.
    def test_stage_variables(self):
        aws = self.start_aws()
        gateway = self.start_api(
            {"/o": {"put": _method("s3", "path/${stageVariables.bucket}/o", "PUT")}}, aws,
            "--var", "bucket=of-the-stage")
        gateway.request("PUT", "/o", (), b"x")
        self.assertEqual(list(aws.objects), ["/of-the-stage/o"])

    # 4.1, 6.6
    def test_failures(self):
        aws = self.start_aws()
        aws.trusted_roles = []
        gateway = self.start_api(
            {"/x": {"post": _method("sqs", "path/1/q", credentials=_ROLE)}}, aws)
        response = gateway.request("POST", "/x")
        self.assertEqual((response.status, response.body),
                         (500, b'{"message": "Internal server error"}'))
        self.assertEqual(response.value("x-amzn-errortype"), "InternalServerErrorException")

    def test_wrong_uris_name_the_place(self):
        for uri in ("arn:aws:apigateway:eu-west-1:sqs:q", "arn:aws:apigateway:eu west:sqs:path/q",
                    "arn:aws:apigateway:eu-west-1:sqs:action/", "https://sqs"):
            method = _method("sqs", "path/q")
            method["x-amazon-apigateway-integration"]["uri"] = uri
            path = self.write("items.json", {
                "openapi": "3.0.1", "info": {"title": "items", "version": "1"},
                "paths": {"/x": {"post": method}}})
            ran = self.run_postern("check", path)
            self.assertEqual(ran.returncode, 3, uri)
            self.assertRegex(ran.stdout + ran.stderr, r"items\.json:\d+")
            self.assertIn("/paths/~1x/post/x-amazon-apigateway-integration/uri",
                          ran.stdout + ran.stderr)


if __name__ == "__main__":
    unittest.main()
