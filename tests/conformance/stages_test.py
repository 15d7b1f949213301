"""Stages of REST APIs (rest-api.md §2.2, §13): variables wherever they are allowed, canaries, method
settings, custom domains with base paths and routing rules, as `postern run --settings` serves
them."""

import json
import os
import re

from tests.support import harness, http1

_ARN = ("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:us-east-1:000000000000:function:%s/invocations")
_LOG = ('{"canary":"$context.isCanaryRequest","deployment":"$context.deploymentId",'
        '"stage":"$context.stage","path":"$context.path","resource":"$context.resourcePath",'
        '"base":"$context.customDomain.basePathMatched",'
        '"rule":"$context.customDomain.routingRuleIdMatched","domain":"$context.domainName",'
        '"prefix":"$context.domainPrefix","id":"$context.requestId"}')


def _definition(paths, title="staged", **fields):
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1"},
        "paths": {
            path: {
                "get": {
                    "responses": {"200": {"description": "ok", "headers": {
                        n: {"schema": {"type": "string"}} for n in ("X-Variable", "X-Which")}}},
                    "x-amazon-apigateway-integration": integration,
                },
            } for path, integration in paths.items()
        },
        **fields,
    }


def _mock(which="'main'", **parameters):
    return {
        "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseParameters": {
            "method.response.header.X-Which": which,
            "method.response.header.X-Variable": "stageVariables.colour", **parameters}}},
    }


class StagesTest(harness.TestCase):

    def start(self, settings, definitions, *args):
        self.settings = self.write("postern.json", settings)
        files = [self.write("api%d.json" % i, d) for i, d in enumerate(definitions)]
        return self.start_postern(*files, "--settings", self.settings, "--workers", "1", *args)

    def access_log(self, gateway):
        self.assertEqual(gateway.stop(), 0)
        return [json.loads(line) for line in gateway.output]

    def test_variables_wherever_they_are_allowed(self):
        """§13.3: parameter mappings, URI of host, path and query, function and alias, events."""
        upstream = self.start_upstream(
            lambda request: http1.Reply(200, [("X-Seen", request.target)], b""))
        function = self.start_lambda(lambda call: {
            "statusCode": 200,
            "body": json.dumps([call.function, call.event["stageVariables"]])})
        variables = {"host": "127.0.0.1:%d" % upstream.port, "path": "v1", "query": "red",
                     "fn": "orders", "alias": "live", "colour": "blue"}
        gateway = self.start(
            {"stages": {"prod": {"variables": variables}}},
            [_definition({
                "/http": {
                    "type": "http_proxy", "httpMethod": "GET",
                    "uri": "http://${stageVariables.host}/${stageVariables.path}/x"
                           "?c=${stageVariables.query}",
                    "requestParameters": {
                        "integration.request.querystring.mapped": "stageVariables.colour"},
                },
                "/lambda": {"type": "aws_proxy", "httpMethod": "POST",
                            "uri": _ARN % "${stageVariables.fn}:${stageVariables.alias}"},
                "/mock": _mock(),
            })],
            "--lambda", "*=invoke+" + function.url)
        target = gateway.request("GET", "/http").value("x-seen")
        path, _, query = target.partition("?")
        self.assertEqual((path, sorted(query.split("&"))), ("/v1/x", ["c=red", "mapped=blue"]))
        name, seen = json.loads(gateway.request("GET", "/lambda").body)
        self.assertRegex(name, "orders")
        self.assertIn("live", name + function.requests[0].target)
        self.assertEqual(seen, variables)
        self.assertEqual(gateway.request("GET", "/mock").value("x-variable"), "blue")

    def test_a_variable_takes_effect_without_another_deployment(self):
        settings = {"stages": {"prod": {
            "variables": {"colour": "red"},
            "accessLogSettings": {"format": _LOG}}}}
        gateway = self.start(settings, [_definition({"/": _mock()})])
        self.assertEqual(gateway.request("GET", "/").value("x-variable"), "red")
        settings["stages"]["prod"]["variables"]["colour"] = "green"
        self.write("postern.json", settings)
        gateway.wait_for_event("snapshot_active", 2)
        self.assertEqual(gateway.request("GET", "/").value("x-variable"), "green")
        before, after = self.access_log(gateway)
        self.assertEqual(before["deployment"], after["deployment"])

    def test_several_stages(self):
        """§2.1: by the first segment of the path on an API's own host."""
        gateway = self.start(
            {"stages": {
                "prod": {"variables": {"colour": "red"}},
                "test": {"variables": {"colour": "green"}},
            }}, [_definition({"/x": _mock()}, **{"x-postern-api-id": "abcde12345"})])
        host = "abcde12345.execute-api.localhost"
        self.assertEqual(gateway.request("GET", "/prod/x", host=host).value("x-variable"), "red")
        self.assertEqual(gateway.request("GET", "/test/x", host=host).value("x-variable"), "green")
        # Stage names are case-sensitive.
        self.assertEqual(gateway.request("GET", "/Test/x", host=host).status, 403)
        # The first is the one of every other host.
        self.assertEqual(gateway.request("GET", "/x").value("x-variable"), "red")

    def start_canary(self, percent, **fields):
        canary = self.write("canary.json", _definition({"/": _mock("'canary'")}))
        self.canary = {"definition": canary, "percentTraffic": percent,
                       "stageVariableOverrides": {"colour": "green", "more": "x"}}
        return self.start(
            {"stages": {"prod": {
                "variables": {"colour": "red", "same": "s"}, "canarySettings": self.canary,
                "accessLogSettings": {"format": _LOG}, **fields}}},
            [_definition({"/": _mock()})])

    def test_a_canary_gets_its_share(self):
        """§13.4: chosen at random for each request; its own deployment and variables."""
        gateway = self.start_canary(25)
        seen = []
        with gateway.connect() as client:
            for _ in range(1200):
                response = client.request("GET", "/")
                seen.append((response.value("x-which"), response.value("x-variable")))
        self.assertEqual(set(seen), {("main", "red"), ("canary", "green")})
        # Seven standard deviations around 300.
        self.assertTrue(195 < seen.count(("canary", "green")) < 405, seen.count(("canary", "green")))
        # Not sticky.
        self.assertGreater(sum(a != b for a, b in zip(seen, seen[1:])), 200)
        entries = self.access_log(gateway)
        self.assertEqual([e["canary"] == "true" for e in entries], [w == "canary" for w, _ in seen])
        self.assertEqual({e["canary"] for e in entries}, {"true", "false"})
        self.assertEqual(len({e["deployment"] for e in entries}), 2)

    def test_a_canary_of_none_and_of_all(self):
        for percent, which in ((0, "main"), (100, "canary")):
            with self.subTest(percent=percent):
                self.setUp()
                gateway = self.start_canary(percent)
                for _ in range(50):
                    self.assertEqual(gateway.request("GET", "/").value("x-which"), which)

    def test_without_a_canary_there_is_no_such_variable(self):
        gateway = self.start(
            {"stages": {"prod": {"accessLogSettings": {"format": _LOG}}}},
            [_definition({"/": _mock()})])
        gateway.request("GET", "/")
        self.assertEqual(self.access_log(gateway)[0]["canary"], "-")

    def test_lines_of_a_canary_are_in_a_group_of_their_own(self):
        """§13.6."""
        log = os.path.join(self.folder, "execution.log")
        gateway = self.start_canary(
            100, executionLogSettings={"destination": log},
            methodSettings={"*/*": {"loggingLevel": "INFO"}})
        gateway.request("GET", "/")
        self.assertEqual(gateway.stop(), 0)
        with open(log, encoding="utf-8") as file:
            groups = {json.loads(line)["log_group"] for line in file}
        self.assertRegex(groups.pop(), "^API-Gateway-Execution-Logs_[a-z0-9]{10}/prod/Canary$")

    def test_detailed_metrics_of_methods(self):
        """§13.2, §13.8: by the exact entry, else that of all."""
        gateway = self.start(
            {"stages": {"prod": {"methodSettings": {
                "*/*": {"metricsEnabled": False}, "a~1b/GET": {"metricsEnabled": True}}}}},
            [_definition({"/a/b": _mock(), "/c": _mock()}, title="metered")])
        gateway.request("GET", "/a/b")
        gateway.request("GET", "/c")
        detailed = {re.search('resource="([^"]*)"', name).group(1)
                    for name in gateway.metrics() if name.startswith("postern_route_latency")}
        self.assertEqual(detailed, {"/a/b"})
        samples = gateway.metrics()
        requests = [v for n, v in samples.items() if n.startswith("postern_api_requests_total")]
        self.assertEqual(requests, [2])
        self.assertTrue([n for n in samples if n.startswith("postern_api_info")
                         and 'api_name="metered"' in n])

    def test_settings_that_make_no_sense_are_refused(self):
        definition = self.write("api.json", _definition({"/": _mock()}))
        for settings, problem in (
                ({}, "say at least one stage"),
                ({"stages": {"prod": {"colour": "red"}}}, 'there is no setting "colour" here'),
                ({"stages": {"prod": {"methodSettings": {"x": {}}}}}, "write PATH/METHOD"),
                ({"stages": {"prod": {"methodSettings": {"x/GET": {}}}}}, "no API has a method GET /x"),
                ({"stages": {"prod": {"methodSettings": {"*/*": {"loggingLevel": "ALL"}}}}},
                 "write OFF, ERROR or INFO"),
                ({"stages": {"prod": {"canarySettings": {"percentTraffic": 1}}}},
                 'say the "definition" of the canary'),
                ({"stages": {"prod": {}}, "domains": {"a.b": {"mappings": {"": {"api": "no"}}}}},
                 'there is no API "no"'),
        ):
            with self.subTest(problem=problem):
                ran = self.run_postern("run", definition, "--listen", "127.0.0.1:0", "--admin",
                                       "none", "--settings", self.write("s.json", settings))
                self.assertNotEqual(ran.returncode, 0)
                self.assertIn(problem, ran.stderr)
                self.assertIn("s.json:" if "API \"" not in problem else "domain", ran.stderr)


class DomainsTest(harness.TestCase):
    """§2.2."""

    def start(self, domains, *args):
        settings = {
            "stages": {
                "prod": {"accessLogSettings": {"format": _LOG}},
                "test": {"accessLogSettings": {"format": _LOG}},
            },
            "domains": domains,
        }
        files = [
            self.write("%s.json" % name, _definition(
                {path: _mock("'%s'" % name) for path in ("/", "/x", "/v1/{proxy+}")}, title=name))
            for name in ("pets", "orders")]
        return self.start_postern(*files, "--settings", self.write("postern.json", settings),
                                  "--workers", "1", *args)

    def look(self, gateway, rows):
        """Rows of host, target, further headers, which API (None: 403), and what is logged."""
        expected = []
        for host, target, headers, which, logged in rows:
            response = gateway.request("GET", target, headers, host=host)
            self.assertEqual((response.status, response.value("x-which")),
                             (403, None) if which is None else (200, which), (host, target, headers))
            if logged is not None:
                expected.append(logged)
        self.assertEqual(gateway.stop(), 0)
        entries = [json.loads(line) for line in gateway.output]
        self.assertEqual(len(entries), len(expected))
        for entry, logged in zip(entries, expected):
            self.assertEqual({k: entry[k] for k in logged}, logged)

    def test_base_paths_of_several_levels(self):
        gateway = self.start({
            "api.example.com": {"mappings": {
                "(none)": {"api": "pets"},
                "v1": {"api": "orders"},
                "v1/a/b": {"api": "pets", "stage": "test"},
            }},
            "*.example.com": {"mappings": {"only": {"api": "orders"}}},
        })
        host = "api.example.com"
        self.look(gateway, [
            (host, "/x", [], "pets", {"base": "-", "stage": "prod", "path": "/x", "domain": host,
                                      "prefix": "api"}),
            (host, "/v1/x", [], "orders", {"base": "v1", "stage": "prod", "path": "/v1/x",
                                           "resource": "/x"}),
            (host, "/v1", [], "orders", {"base": "v1", "resource": "/"}),
            (host, "/v1/", [], "orders", {"base": "v1", "resource": "/"}),
            # The longest prefix of whole segments; resources are not looked at.
            (host, "/v1/a/b/x", [], "pets", {"base": "v1/a/b", "stage": "test", "resource": "/x"}),
            (host, "/v1/a/bx", [], None, {"base": "v1"}),
            (host, "/v12", [], None, {"base": "-"}),
            # Case: of hosts no, of paths yes.
            ("API.Example.COM", "/x", [], "pets", {"base": "-"}),
            (host, "/V1/x", [], None, {"base": "-"}),
            # An exact name wins over the wildcard; without a catch-all the rest is refused.
            ("other.example.com", "/only/x", [], "orders", {"base": "only"}),
            ("other.example.com", "/x", [], None, None),
        ])

    def test_routing_rules(self):
        rules = [
            {"priority": 20, "id": "second", "headers": {"X-Version": "v2*"}, "api": "orders"},
            {"priority": 10, "id": "first", "headers": {"X-Version": "v2-beta", "X-Group": "*a*"},
             "api": "pets", "stage": "test"},
            {"priority": 30, "id": "path", "basePath": "shop", "stripBasePath": True,
             "api": "orders"},
            {"priority": 40, "id": "kept", "basePath": "v1/kept", "api": "orders"},
        ]
        gateway = self.start({
            "both.example.com": {"routingMode": "ROUTING_RULE_THEN_API_MAPPING", "rules": rules,
                                 "mappings": {"(none)": {"api": "pets"}}},
            "rules.example.com": {"routingMode": "ROUTING_RULE_ONLY", "rules": rules,
                                  "mappings": {"(none)": {"api": "pets"}}},
            "maps.example.com": {"rules": rules, "mappings": {"(none)": {"api": "pets"}}},
        })
        both = "both.example.com"
        self.look(gateway, [
            (both, "/x", [("X-Version", "v2-alpha")], "orders",
             {"rule": "second", "base": "-", "stage": "prod"}),
            # The lowest number that matches, whatever the order; all conditions hold.
            (both, "/x", [("x-version", "v2-beta"), ("X-Group", "banana")], "pets",
             {"rule": "first", "stage": "test"}),
            (both, "/x", [("X-Version", "v2-beta"), ("X-Group", "none")], "orders",
             {"rule": "second"}),
            (both, "/shop/x", [], "orders", {"rule": "path", "resource": "/x", "path": "/shop/x"}),
            (both, "/v1/kept", [], "orders", {"rule": "kept", "resource": "/v1/{proxy+}"}),
            (both, "/x", [], "pets", {"rule": "-", "base": "-"}),
            ("rules.example.com", "/x", [("X-Version", "v2")], "orders", {"rule": "second"}),
            ("rules.example.com", "/x", [], None, None),
            ("maps.example.com", "/x", [("X-Version", "v2")], "pets", {"rule": "-"}),
        ])


if __name__ == "__main__":
    harness.unittest.main()
