"""Filters in a live gateway: order at every point, content of any size through filters that pause,
collect and change it, refusals and failures that pass the filters in front, and modules that stall,
crash or do not get ready (plugin-abi.md §6, §7, §9)."""

import json
import os
import signal
import time
import unittest

from tests.integration.module_folder import ModuleFolder
from tests.support import harness, http1

_TEXT = b"The quick brown fox jumps over the lazy dog. " * 20000  # 900 kB


def conduct(name, action, point="request", **fields):
    """A filter of modules/conduct.cc."""
    return {"name": name, "module": "test.conduct", "point": point, "config": {"do": action}, **fields}


class FiltersTest(harness.TestCase):

    def start_filtered(self, filters, upstream=None, *args, **kwargs):
        """A gateway that passes everything on through these filters."""
        self.modules = ModuleFolder(self.folder)
        with open("tests/integration/modules/conduct.so", "rb") as file:
            self.modules.put(file.read(), "conduct.so")
        self.upstream = upstream or self.start_upstream(self.echo)
        self.define(filters)
        return self.start_postern(
            self.write("api.json", self.document), "--modules", self.modules.path, *args, **kwargs)

    def define(self, filters):
        self.document = harness.proxy_definition(
            self.upstream.url, **{"x-postern-filters": list(filters)})

    @staticmethod
    def echo(request):
        """The request's content, and the order of filters that it has met."""
        return http1.Reply(200, [("X-Met", ",".join(request.values("x-order")))], request.body)

    def test_every_point_in_order(self):
        points = ["response", "request", "authorize", "before_integration", "after_integration"]
        # As a definition may list them: out of order.
        gateway = self.start_filtered([conduct(p, "mark", p) for p in reversed(points)])
        response = gateway.request("POST", "/a", body=b"content")
        self.assertEqual(response.value("x-met").split(","), points)
        self.assertEqual(response.values("x-order"), list(reversed(points)))
        self.assertEqual(response.body, b"content")
        with gateway.connect_h2() as client:
            response = client.request("GET", "/b")
            self.assertEqual(response.status, 200)
            self.assertEqual(response.values("x-order"), list(reversed(points)))

    def test_content_through_filters_that_pause_collect_and_change(self):
        for actions in (["wake"], ["timer"], ["buffer"], ["rewrite"],
                        ["wake", "rewrite", "timer", "buffer", "wake"],
                        ["buffer", "upper", "wake"]):
            with self.subTest(actions=actions):
                self.setUp()
                gateway = self.start_filtered(
                    [conduct("f%d" % i, a) for i, a in enumerate(actions)])
                expected = _TEXT.upper() if "upper" in actions else _TEXT
                self.assertEqual(gateway.request("POST", "/a", body=_TEXT).body, expected)
                self.assertEqual(gateway.request("GET", "/a").status, 200)
                with gateway.connect_h2() as client:
                    self.assertEqual(client.request("POST", "/b", body=_TEXT).body, expected)
                chunked = [("Transfer-Encoding", "chunked")]
                with gateway.connect() as client:
                    client.send(http1.encode_request("POST", "/c", chunked))
                    for at in range(0, len(_TEXT), 50000):
                        client.send(http1.chunk(_TEXT[at:at + 50000]))
                    client.send(b"0\r\n\r\n")
                    self.assertEqual(client.read_response().body, expected)

    def test_expect_continue_is_answered_by_who_collects(self):
        gateway = self.start_filtered([conduct("b", "buffer")])
        with gateway.connect() as client:
            client.send(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
                        b"Expect: 100-continue\r\n\r\n")
            self.assertIn(b"HTTP/1.1 100", client.read_until(b"\r\n\r\n"))
            client.send(b"body")
            self.assertEqual(client.read_response().body, b"body")

    def test_refusals_and_failures_pass_the_filters_in_front(self):
        gateway = self.start_filtered([
            conduct("front", "mark", "response"), conduct("guard", "deny", "authorize"),
            conduct("behind", "mark", "before_integration")])
        response = gateway.request("POST", "/a", body=b"x" * 100000)
        self.assertEqual(response.status, 403)
        self.assertEqual(response.values("x-order"), ["front"])
        self.assertEqual(json.loads(response.body)["Message"][:4], "User")
        self.assertEqual(self.upstream.requests, [])

    def test_an_upstream_that_is_gone_and_routes_that_do_not_exist(self):
        upstream = self.start_upstream(self.echo)
        gateway = self.start_filtered([conduct("front", "mark", "response")], upstream)
        upstream.stop()
        response = gateway.request("GET", "/a")
        self.assertEqual(response.status, 504)
        self.assertEqual(response.values("x-order"), ["front"])

    def test_failures_of_filters(self):
        for action, policy, status in (("fail", "deny", 500), ("fail", "skip", 200)):
            with self.subTest(action=action, policy=policy):
                self.setUp()
                gateway = self.start_filtered(
                    [conduct("bad", action, onFailure=policy), conduct("next", "mark")])
                self.assertEqual(gateway.request("GET", "/a").status, status)
                self.assertEqual(gateway.wait_for_event("filter_failed")["filter"], "bad")
                self.assertEqual(gateway.request("GET", "/a").status, status)

    def test_abort_closes_without_an_answer(self):
        gateway = self.start_filtered([conduct("bad", "abort")])
        with gateway.connect() as client:
            client.send(http1.encode_request())
            self.assertEqual(client.read_to_end(), b"")

    def test_a_stalled_filter_is_ended(self):
        gateway = self.start_filtered([
            conduct("front", "mark", "response"), conduct("slow", "stall", pauseLimitMs=100)])
        response = gateway.request("GET", "/a")
        self.assertEqual(response.status, 500)
        self.assertEqual(response.values("x-order"), ["front"])
        self.assertEqual(gateway.wait_for_event("filter_stalled")["filter"], "slow")

    def test_clients_that_leave_while_filters_hold_their_request(self):
        gateway = self.start_filtered([conduct("slow", "stall", pauseLimitMs=60000)])
        clients = [gateway.connect() for _ in range(20)]
        for client in clients:
            client.send(http1.encode_request("POST", "/a", body=b"x" * 1000))
        for client in clients:
            client.reset()
        # They end at once, long before the pause limit.
        deadline = time.monotonic() + http1.TIMEOUT
        while gateway.metrics()["postern_streams_open"] > 0:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(gateway.events("filter_stalled"), [])

    def test_a_crash_names_its_module(self):
        gateway = self.start_filtered([conduct("bad", "crash")])
        self.assertEqual(gateway.request("GET", "/a").status, 200)
        with gateway.connect() as client:
            client.send(http1.encode_request(headers=[("x-crash", "1")]))
            client.read_to_end()
        self.assertEqual(gateway.wait(), -signal.SIGSEGV)
        fault = gateway.wait_for_event("fault")
        self.assertEqual((fault["filter"], fault["module"], fault["hook"], fault["signal"]),
                         ("bad", "test.conduct", "request_headers", "SIGSEGV"))

    def crash(self, gateway):
        with gateway.connect() as client:
            client.send(http1.encode_request(headers=[("x-crash", "1")]))
            client.read_to_end()
        self.assertEqual(gateway.wait(), -signal.SIGSEGV)

    def test_a_module_that_crashes_again_and_again_is_left_out_where_it_is_not_required(self):
        record = os.path.join(self.folder, "faults")
        args = ["--fault-record", record]
        filters = [conduct("bad", "crash", required=False), conduct("good", "mark")]
        self.crash(self.start_filtered(filters, None, *args))
        path = os.path.join(self.folder, "api.json")
        for times in (1, 2):
            gateway = self.start_postern(path, "--modules", self.modules.path, *args)
            fault = gateway.wait_for_event("earlier_fault")
            self.assertEqual((fault["module"], fault["hook"], fault["times"]),
                             ("test.conduct", "request_headers", times))
            self.crash(gateway)
        with open(record, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 3)
        gateway = self.start_postern(path, "--modules", self.modules.path, *args)
        self.assertIn("has ended the process", gateway.wait_for_event("snapshot_note")["what"])
        response = gateway.request("GET", "/a", headers=[("x-crash", "1")])
        self.assertEqual(response.status, 200)
        self.assertEqual(response.value("x-met"), "good", "of the same module, but required")
        routes = json.loads(gateway.admin("/config").body)
        self.assertNotIn("bad@", json.dumps(routes["apis"]))

    def test_who_is_not_required_is_left_out_after_many_failures(self):
        gateway = self.start_filtered([conduct("bad", "fail", required=False)], None,
                                      "--workers", "1")
        statuses = [gateway.request("GET", "/a").status for _ in range(12)]
        self.assertEqual(statuses, [500] * 10 + [200] * 2)
        self.assertEqual(gateway.wait_for_event("filter_quarantined")["filter"], "bad")

    def test_misuse_is_refused_or_where_asked_for_ends_the_process(self):
        gateway = self.start_filtered([conduct("bad", "misuse")])
        self.assertEqual(gateway.request("GET", "/a").status, 200)
        line = gateway.wait_for_event("filter_misuse")
        self.assertEqual((line["filter"], line["function"], line["hook"]),
                         ("bad", "resume", "request_headers"))
        self.setUp()
        gateway = self.start_filtered([conduct("bad", "misuse")], None, "--abort-on-filter-misuse")
        with gateway.connect() as client:
            client.send(http1.encode_request())
            client.read_to_end()
        self.assertEqual(gateway.wait(), -signal.SIGABRT)
        self.assertEqual(gateway.wait_for_event("fault")["module"], "test.conduct")

    def test_a_module_that_does_not_come_back_from_its_configuration(self):
        self.modules = ModuleFolder(self.folder)
        with open("tests/integration/modules/conduct.so", "rb") as file:
            self.modules.put(file.read(), "conduct.so")
        self.upstream = self.start_upstream(self.echo)
        self.define([conduct("bad", "spin")])
        gateway = self.start_postern(
            self.write("api.json", self.document), "--modules", self.modules.path,
            "--stuck-filter", "200", ready=False)
        self.assertEqual(gateway.wait(), -signal.SIGABRT)
        self.assertEqual(gateway.wait_for_event("filter_stuck")["hook"], "config_create")
        self.assertEqual(gateway.wait_for_event("fault")["module"], "test.conduct")

    def test_the_admin_endpoint_shows_filters(self):
        gateway = self.start_filtered([conduct("outer", "mark", "response"), conduct("f", "mark")])
        config = json.loads(gateway.admin("/config").body)
        route = config["apis"][0]["stages"][0]["deployment"]["routes"][0]
        self.assertTrue(route.endswith(" | outer@response | f@request"), route)
        shown = config["filters"][0]
        self.assertEqual((shown["name"], shown["module"], shown["version"]),
                         ("outer", "test.conduct", "1.0.0"))
        self.assertEqual(len(shown["digest"]), 64)
        self.assertEqual(shown["capabilities"], ["BODY", "THREADS"])

    def test_workers_that_are_ready_late_or_never(self):
        gateway = self.start_filtered([conduct("f", "late")])
        self.assertEqual(gateway.request("GET", "/a").status, 200)
        self.define([conduct("f", "never")])
        self.write("api.json", self.document)
        entry = gateway.wait_for_log(
            lambda log: next((line for line in log if "not ready within" in json.dumps(line)), None))
        self.assertIn("filter \\\"f\\\" (test.conduct 1.0.0)", json.dumps(entry))
        self.assertEqual(gateway.request("GET", "/a").status, 200)  # the snapshot before stays

    def test_what_filters_count(self):
        gateway = self.start_filtered([conduct("f", "mark")])
        for _ in range(5):
            gateway.request("GET", "/a")
        metrics = gateway.metrics()
        counts = [v for k, v in metrics.items() if k.startswith("postern_filter_hook_seconds_count")]
        # stream_create, and the headers and body of the response for each, at least.
        self.assertGreaterEqual(sum(counts), 15)


if __name__ == "__main__":
    unittest.main()
