"""Definitions of REST APIs whose integrations map, and a gateway that serves one."""

import json
import time

from tests.support import harness, http1

INTERNAL_ERROR = b'{"message": "Internal server error"}'


def mock(template='{"statusCode": 200}', responses=None, **fields):
    """A MOCK integration."""
    return {
        "type": "mock",
        "requestTemplates": {"application/json": template},
        "responses": responses or {"default": {"statusCode": "200"}},
        **fields,
    }


def answer(body, status="200", **fields):
    """An integration response with one template."""
    return {"statusCode": status, "responseTemplates": {"application/json": body}, **fields}


def http(uri, method="POST", responses=None, **fields):
    """An HTTP integration."""
    return {
        "type": "http",
        "httpMethod": method,
        "uri": uri,
        "responses": responses or {"default": {"statusCode": "200"}},
        **fields,
    }


def function(name, responses=None, **fields):
    """AWS with a function."""
    return {
        "type": "aws",
        "httpMethod": "POST",
        "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
               "arn:aws:lambda:eu-west-1:111122223333:function:%s/invocations" % name,
        "responses": responses or {"default": {"statusCode": "200"}},
        **fields,
    }


def _parameters(integration, path):
    """What the method has to declare for its mappings."""
    found = [{"name": part.strip("{}+"), "in": "path", "required": True, "schema": {"type": "string"}}
             for part in path.split("/") if part.startswith("{")]
    seen = set()
    for source in integration.get("requestParameters", {}).values():
        for prefix, place in (("method.request.querystring.", "query"),
                              ("method.request.multivaluequerystring.", "query"),
                              ("method.request.header.", "header"),
                              ("method.request.multivalueheader.", "header")):
            name = source[len(prefix):] if source.startswith(prefix) else None
            if name and (place, name) not in seen:
                seen.add((place, name))
                found.append({"name": name, "in": place, "schema": {"type": "string"}})
    return found


def definition(routes, **fields):
    """`routes`: {"METHOD /path": integration}. Statuses and headers that integrations answer with
    are declared, but for those an integration has under "undeclared"."""
    paths = {}
    for route, integration in routes.items():
        method, path = route.split(" ")
        integration = dict(integration)
        undeclared = integration.pop("undeclared", [])
        responses = {}
        for response in integration.get("responses", {}).values():
            status = str(response["statusCode"])
            if status in undeclared:
                continue
            declared = responses.setdefault(status, {"description": "", "headers": {}})
            for name in response.get("responseParameters", {}):
                declared["headers"][name.rsplit(".", 1)[1]] = {"schema": {"type": "string"}}
        operation = {
            "responses": responses,
            "x-amazon-apigateway-integration": integration,
        }
        parameters = _parameters(integration, path)
        if parameters:
            operation["parameters"] = parameters
        key = "x-amazon-apigateway-any-method" if method == "ANY" else method.lower()
        paths.setdefault(path, {})[key] = operation
    return {"openapi": "3.0.1", "info": {"title": "mapped", "version": "1"}, "paths": paths, **fields}


class TestCase(harness.TestCase):
    """Serves one definition with the stage variables of VARIABLES."""

    VARIABLES = {}
    requests_made = 0

    def serve(self, routes, *args, **fields):
        """Starts the gateway; its access log is JSON lines in self.access_log."""
        self.access_log = self.write("access.log", "")
        options = []
        for name, value in self.VARIABLES.items():
            options += ["--var", "%s=%s" % (name, value)]
        self.gateway = self.start_postern(
            self.write("api.json", definition(routes, **fields)), "--workers", "1",
            "--access-log",
            '{"id":"$context.requestId","error":"$context.integration.error"}',
            "--access-log-file", self.access_log, *options, *args)
        return self.gateway

    def logged_error(self):
        """What the last request's line of the access log says of the integration."""
        end = time.monotonic() + http1.TIMEOUT
        while time.monotonic() < end:
            with open(self.access_log, encoding="utf-8") as log:
                lines = log.read().splitlines()
            if len(lines) >= self.requests_made:
                return json.loads(lines[-1])["error"]
            time.sleep(0.01)
        raise AssertionError("the request was not logged")

    def ask(self, method, target, headers=(), body=b"", **kwargs):
        self.requests_made += 1
        return self.gateway.request(method, target, headers, body, **kwargs)

    def assert_refused(self, response, why=None):
        """500 with AWS's 36 bytes, and the reason in the log alone."""
        self.assertEqual(response.status, 500)
        self.assertEqual(response.body, INTERNAL_ERROR)
        if why is not None:
            self.assertEqual(
                self.logged_error(), "Execution failed due to configuration error: " + why)
