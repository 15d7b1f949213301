"""The admin endpoint says how the gateway is and what it serves."""

import json
import unittest

from tests.support import harness


class AdminTest(harness.TestCase):

    def test_live_and_ready(self):
        gateway = self.start_proxy(self.start_upstream())
        self.assertEqual(gateway.admin("/live").status, 200)
        self.assertEqual(gateway.admin("/ready").status, 200)

    def test_metrics_count_what_happened(self):
        gateway = self.start_proxy(self.start_upstream())
        for _ in range(3):
            gateway.request()
        with gateway.connect_h2() as client:
            client.request()
        metrics = gateway.metrics()
        self.assertEqual(metrics['postern_http_requests_total{version="1.1"}'], 3)
        self.assertEqual(metrics['postern_http_requests_total{version="2"}'], 1)
        self.assertEqual(sum(v for k, v in metrics.items()
                             if k.startswith("postern_upstream_requests_total")), 4)

    def test_labels_do_not_grow_with_what_clients_ask(self):
        gateway = self.start_proxy(self.start_upstream())
        gateway.request(target="/path")  # a route is shown once it is used
        before = len(gateway.metrics())
        for number in range(50):
            gateway.request(target="/path/%d" % number, host="host-%d" % number)
        self.assertEqual(len(gateway.metrics()), before)

    def test_config_and_clusters(self):
        upstream = self.start_upstream()
        gateway = self.start_proxy(upstream)
        gateway.request()
        config = json.loads(gateway.admin("/config").body)
        self.assertTrue(config["active"])
        self.assertEqual([api["name"] for api in config["apis"]], ["proxy"])
        self.assertEqual(config["clusters"], [upstream.url])
        clusters = json.loads(gateway.admin("/clusters").body)
        endpoints = [e for w in clusters["workers"] for c in w["clusters"] for e in c["endpoints"]]
        self.assertEqual({e["address"] for e in endpoints}, {upstream.address})
        self.assertEqual(sum(e["attempts"] for e in endpoints), 1)

    def test_config_and_clusters_of_many_routes_come_in_pieces(self):
        paths = {}
        for i in range(1500):
            paths["/r%d" % i] = {"get": {"x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:%d/" % (i + 1)}}}
        gateway = self.start_postern(self.write("many.json", {
            "openapi": "3.0.1", "info": {"title": "many", "version": "1"}, "paths": paths}))
        response = gateway.admin("/config")
        self.assertIsNone(response.value("content-length"))
        config = json.loads(response.body)
        routes = config["apis"][0]["stages"][0]["deployment"]["routes"]
        self.assertEqual(len(routes), 1500)
        self.assertIn("GET /r7 HTTP_PROXY", routes)
        self.assertEqual(len(config["clusters"]), 1500)
        for worker in json.loads(gateway.admin("/clusters").body)["workers"]:
            self.assertTrue(worker["answered"])
            self.assertEqual(len({c["name"] for c in worker["clusters"]}), 1500)
        with gateway.connect("admin") as client:
            self.assertEqual(client.request("HEAD", "/config").status, 200)
            self.assertEqual(client.request("GET", "/live").status, 200)

    def test_drain_without_ending(self):
        gateway = self.start_proxy(self.start_upstream())
        self.assertEqual(gateway.admin("/drain", "POST").status // 100, 2)
        self.assertEqual(gateway.admin("/ready").status, 503)
        gateway.wait_for_event("drained")
        self.assertIsNone(gateway.returncode)
        self.assertEqual(gateway.admin("/live").status, 200)

    def test_log_level(self):
        gateway = self.start_proxy(self.start_upstream())
        self.assertEqual(gateway.admin("/log?level=debug", "POST").status // 100, 2)
        self.assertEqual(gateway.admin("/log?level=loud", "POST").status, 400)

    def test_what_is_not_there(self):
        gateway = self.start_proxy(self.start_upstream())
        self.assertEqual(gateway.admin("/nothing").status, 404)
        self.assertEqual(gateway.admin("/drain").status, 405)  # a look must change nothing
        self.assertEqual(gateway.request().body, b"hello")


if __name__ == "__main__":
    unittest.main()
