"""Traces of REST APIs (rest-api.md §9.8, §13.9): the trace header from client to backend, and
segments to the X-Ray daemon."""

import json
import socket

from tests.support import harness, http1

_ROOT = "1-5759e988-bd862e3fe1be46a994272793"
_NEW = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
_ID = "[0-9a-f]{16}"


class Daemon:
    """Takes segments as the X-Ray daemon does."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def next(self, timeout=http1.TIMEOUT):
        """The next segment; None if none comes."""
        self.socket.settimeout(timeout)
        try:
            header, document = self.socket.recv(65536).split(b"\n", 1)
        except socket.timeout:
            return None
        assert json.loads(header) == {"format": "json", "version": 1}, header
        return json.loads(document)


class TracingTest(harness.TestCase):

    def start(self, tracing=True):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.socket.close)
        self.upstream = self.start_upstream(lambda request: http1.Reply(
            404 if request.target == "/missing" else 200,
            [("X-Seen", request.value("x-amzn-trace-id"))], b"hello"))

        def proxy(path):
            return {"get": {"responses": {}, "x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "GET", "uri": self.upstream.url + path}}}

        definition = {"openapi": "3.0.1", "info": {"title": "Traced", "version": "1"},
                      "paths": {"/x": proxy("/x"), "/missing": proxy("/missing")},
                      "x-postern-api-id": "abcde12345"}
        settings = self.write("postern.json", {"stages": {"prod": {"tracingEnabled": tracing}}})
        return self.start_postern(self.write("api.json", definition), "--settings", settings,
                                  "--workers", "1",
                                  env={"AWS_XRAY_DAEMON_ADDRESS": "udp:" + self.daemon.address})

    def test_a_header_passes_without_tracing(self):
        gateway = self.start(tracing=False)
        for sent, seen in (
                (None, "Root=" + _NEW),
                ("Root=%s" % _ROOT, "Self=%s;Root=%s;Parent=%s;Sampled=0" % (_NEW, _ROOT, _ID)),
                ("Root=%s;Parent=53995c3f42cd8ad8;Sampled=1" % _ROOT,
                 "Self=%s;Root=%s;Parent=53995c3f42cd8ad8;Sampled=1" % (_NEW, _ROOT)),
                ("Root=%s;Parent=53995c3f42cd8ad8" % _ROOT,
                 "Self=%s;Root=%s;Parent=53995c3f42cd8ad8;Sampled=1" % (_NEW, _ROOT)),
                ("Root=%s;Lineage=1:2:3;Mine=x;Sampled=0" % _ROOT,
                 "Self=%s;Root=%s;Lineage=1:2:3;Mine=x;Sampled=0;Parent=%s" % (_NEW, _ROOT, _ID)),
                ("nonsense", "Root=" + _NEW),
        ):
            with self.subTest(sent=sent):
                headers = [("X-Amzn-Trace-Id", sent)] if sent is not None else []
                response = gateway.request("GET", "/x", headers)
                self.assertRegex(response.value("x-seen"), "^%s$" % seen)
        self.assertIsNone(self.daemon.next(0.2))

    def test_a_sampled_request_has_a_segment(self):
        gateway = self.start()
        response = gateway.request(
            "GET", "/x?secret=1",
            [("X-Amzn-Trace-Id", "Root=%s;Parent=53995c3f42cd8ad8;Sampled=1;Mine=x" % _ROOT)],
            host="api.example.com")
        segment = self.daemon.next()
        self.assertEqual(segment["name"], "Traced/prod")
        self.assertEqual(segment["trace_id"], _ROOT)
        self.assertEqual(segment["parent_id"], "53995c3f42cd8ad8")
        self.assertRegex(segment["id"], "^%s$" % _ID)
        self.assertEqual(segment["origin"], "AWS::ApiGateway::Stage")
        self.assertEqual(segment["resource_arn"],
                         "arn:aws:apigateway:us-east-1::/restapis/abcde12345/stages/prod")
        self.assertEqual(segment["annotations"],
                         {"aws:api_id": "abcde12345", "aws:api_stage": "prod"})
        self.assertEqual(segment["aws"]["api_gateway"], {
            "account_id": "000000000000", "rest_api_id": "abcde12345", "stage": "prod",
            "request_id": response.value("x-amzn-requestid")})
        self.assertEqual(segment["metadata"]["default"], {
            "extended_request_id": response.value("x-amz-apigw-id"),
            "request_id": response.value("x-amzn-requestid")})
        self.assertEqual(segment["http"], {
            "request": {"url": "http://api.example.com/x", "method": "GET",
                        "client_ip": "127.0.0.1", "x_forwarded_for": False},
            "response": {"status": 200, "content_length": 5}})
        self.assertLessEqual(segment["start_time"], segment["end_time"])
        call, = segment["subsegments"]
        self.assertEqual((call["name"], call["namespace"]), (self.upstream.address, "remote"))
        self.assertEqual(call["http"]["request"], {"url": self.upstream.url + "/x", "method": "GET"})
        # What the backend does hangs below the call.
        self.assertRegex(response.value("x-seen"), "^Self=%s;Root=%s;Mine=x;Parent=%s;Sampled=1$" % (
            _NEW, _ROOT, call["id"]))

    def test_a_decision_that_comes_along_is_followed(self):
        gateway = self.start()
        for _ in range(30):
            response = gateway.request(
                "GET", "/x", [("X-Amzn-Trace-Id", "Root=%s;Sampled=0" % _ROOT)])
            self.assertRegex(response.value("x-seen"), "^Self=%s;Root=%s;Sampled=0$" % (_NEW, _ROOT))
        self.assertIsNone(self.daemon.next(0.2))
        for _ in range(30):
            gateway.request("GET", "/x", [("X-Amzn-Trace-Id", "Root=%s;Sampled=1" % _ROOT)])
        self.assertEqual([self.daemon.next()["trace_id"] for _ in range(30)], [_ROOT] * 30)
        self.assertEqual(gateway.metrics()["postern_xray_segments_total"], 30)

    def test_the_default_rule(self):
        """The first request of a second, and five of a hundred of the rest."""
        gateway = self.start()
        sampled = 0
        with gateway.connect() as client:
            for i in range(2000):
                response = client.request("GET", "/x")
                seen = response.value("x-seen")
                self.assertRegex(seen, "^Root=%s;(Parent=%s;Sampled=1|Sampled=0)$" % (_NEW, _ID))
                sampled += seen.endswith("Sampled=1")
                if i == 0:
                    self.assertEqual(sampled, 1)
        # Seven standard deviations around 100, and one for each second.
        self.assertGreater(sampled, 30)
        self.assertLess(sampled, 170 + 2 * http1.TIMEOUT)
        samples = gateway.metrics()
        self.assertEqual(samples["postern_xray_segments_total"] +
                         samples["postern_xray_segments_lost_total"], sampled)

    def test_errors_are_flagged(self):
        gateway = self.start()
        gateway.request("GET", "/missing", [("X-Amzn-Trace-Id", "Root=%s;Sampled=1" % _ROOT)])
        segment = self.daemon.next()
        self.assertEqual((segment["error"], segment.get("fault")), (True, None))
        self.upstream.stop()
        gateway.request("GET", "/x", [("X-Amzn-Trace-Id", "Root=%s;Sampled=1" % _ROOT)])
        segment = self.daemon.next()
        self.assertEqual((segment["fault"], segment.get("error")), (True, None))

    def test_a_daemon_that_is_nowhere(self):
        definition = harness.proxy_definition(self.start_upstream().url)
        settings = self.write("s.json", {"stages": {"prod": {"tracingEnabled": True}}})
        gateway = self.start_postern(self.write("api.json", definition), "--settings", settings,
                                     env={"AWS_XRAY_DAEMON_ADDRESS": "nonsense"})
        self.assertRegex(gateway.wait_for_event("xray_daemon_not_found")["reason"], "nonsense")
        self.assertEqual(gateway.request().status, 200)
        self.assertEqual(gateway.metrics()["postern_xray_segments_lost_total"], 1)


if __name__ == "__main__":
    harness.unittest.main()
