"""The access log has one line an exchange, in the format that was asked for."""

import json
import os
import signal
import unittest

from tests.support import harness, http1

_FORMAT = ('{"id":"$context.requestId","method":"$context.httpMethod","path":"$context.path",'
           '"status":"$context.status","ip":"$context.identity.sourceIp"}')


class AccessLogTest(harness.TestCase):

    def test_json_lines_in_a_file(self):
        path = os.path.join(self.folder, "access.log")
        upstream = self.start_upstream([http1.Reply(201, body=b"a"), http1.close])
        gateway = self.start_proxy(upstream, "--workers", "1", "--access-log", _FORMAT,
                                   "--access-log-file", path)
        first = gateway.request("POST", "/pets", body=b"x")
        second = gateway.request("POST", '/a"b', body=b"x")
        self.assertEqual(gateway.stop(), 0)
        with open(path, encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
        self.assertEqual([e["status"] for e in entries], ["201", str(second.status)])
        self.assertEqual(entries[0]["id"], first.value("x-amzn-requestid"))
        self.assertEqual((entries[0]["method"], entries[0]["ip"]), ("POST", "127.0.0.1"))

    def test_lines_on_standard_output(self):
        gateway = self.start_proxy(self.start_upstream(), "--access-log",
                                   "$context.status $context.requestId")
        response = gateway.request()
        self.assertEqual(gateway.stop(), 0)
        self.assertEqual(gateway.output, ["200 " + response.value("x-amzn-requestid")])

    def test_a_rotated_file_is_opened_anew_on_sighup(self):
        path = os.path.join(self.folder, "access.log")
        gateway = self.start_proxy(self.start_upstream(), "--access-log",
                                   "$context.status $context.requestId", "--access-log-file", path)
        gateway.request()
        os.rename(path, path + ".1")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for_event("snapshot_active", 2)
        gateway.request()
        self.assertEqual(gateway.stop(), 0)
        lines = []
        for name in (path, path + ".1"):
            with open(name, encoding="ascii") as file:
                lines += file.read().splitlines()
        self.assertEqual(len(lines), 2)


if __name__ == "__main__":
    unittest.main()
