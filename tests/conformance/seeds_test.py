"""Definitions as guides print them run as they are written (testdata)."""

import json
import re

from tests.support import harness, http1
from tests.support.fake_lambda import FunctionError

_JSON = [("Content-Type", "application/json")]


class SeedsTest(harness.TestCase):

    @staticmethod
    def definition(name):
        return "tests/conformance/testdata/%s.yaml" % name

    def test_mock_response_and_user_model(self):
        gateway = self.start_postern(self.definition("mock_users"))
        response = gateway.request("GET", "/users")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.value("content-type"), "application/json")
        self.assertEqual(json.loads(response.body), {
            "users": [
                {"id": "user123", "name": "John Doe", "email": "john@example.com"},
                {"id": "user456", "name": "Jane Smith", "email": "jane@example.com"},
            ],
            "count": 2,
        })
        user = {"id": "user789", "name": "Ann", "email": "ann@example.com"}
        response = gateway.request("POST", "/users", _JSON, json.dumps(user).encode())
        self.assertEqual((response.status, response.body), (201, b'{"message": "User created"}'))
        for wrong in ({"id": "user789", "name": "Ann"}, {"id": 7, "name": "Ann", "email": "e"}):
            response = gateway.request("POST", "/users", _JSON, json.dumps(wrong).encode())
            self.assertEqual(
                (response.status, response.body), (400, b'{"message": "Invalid request body"}'))

    def test_mapping_templates(self):
        def function(call):
            if call.event["userId"] == "none":
                return FunctionError("user not found")
            return {"userId": call.event["userId"], "name": "Ann", "email": "ann@example.com"}

        functions = self.start_lambda(function)
        backend = self.start_upstream(
            lambda request: http1.Reply(200, _JSON, b'{"body": {"changed": true}}'))
        gateway = self.start_postern(
            self.definition("mapping_templates"), "--var", "environment=dev",
            "--var", "backend=" + backend.url[len("http://"):],
            "--lambda", "users-dev=" + functions.url)
        response = gateway.request("GET", "/users/42")
        self.assertEqual(response.status, 200, response.body)
        self.assertEqual(functions.invocations[-1].event, {"userId": "42", "operation": "getUser"})
        self.assertEqual(json.loads(response.body), {
            "user": {"id": "42", "name": "Ann", "email": "ann@example.com"}})
        response = gateway.request("GET", "/users/none")
        self.assertEqual((response.status, response.body), (404, b'{"message": "user not found"}'))

        response = gateway.request("PUT", "/users/42", _JSON, b'{"name": "B\\"b"}')
        self.assertEqual(response.status, 200, response.body)
        sent = backend.requests[-1]
        self.assertEqual((sent.method, sent.target), ("PUT", "/resource"))
        body = json.loads(sent.body)
        self.assertEqual((body["userId"], body["name"]), ("42", 'B"b'))
        self.assertRegex(body["timestamp"], r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$")
        answer = json.loads(response.body)
        self.assertEqual(answer["user"], {"changed": True})
        self.assertTrue(re.match("[0-9a-f-]{36}$", answer["metadata"]["requestId"]))
        # No such variable: empty.
        self.assertEqual(answer["metadata"]["timestamp"], "")
