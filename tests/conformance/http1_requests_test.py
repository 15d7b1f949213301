"""Sends http1_cases.REQUESTS to the real program, each whole and (where it is short) byte by byte,
and looks at both ends: what the client is told, and what reaches the upstream."""

import os
import tempfile
import unittest

from tests.conformance import http1_cases
from tests.support import harness, http1

_BYTE_BY_BYTE = 400  # bytes up to which a case is also sent one by one


class RequestsTest(unittest.TestCase):
    """One test per case; see below."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="postern-")
        cls.addClassCleanup(folder.cleanup)
        cls.upstream = http1.FakeUpstream(http1.Reply(body=b"hello"))
        cls.addClassCleanup(cls._end_upstream)
        path = os.path.join(folder.name, "proxy.json")
        with open(path, "w", encoding="ascii") as out:
            out.write(harness.json.dumps(harness.proxy_definition(cls.upstream.url)))
        cls.gateway = harness.Postern("run", path, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        cls.addClassCleanup(cls._end_gateway)
        cls.gateway.wait_until_ready()

    @classmethod
    def _end_gateway(cls):
        status = cls.gateway.stop()
        assert status == 0, "exit status %r\n%s" % (status, cls.gateway.tail())

    @classmethod
    def _end_upstream(cls):
        cls.upstream.stop()
        # Whatever clients send, what goes to the upstream is strict HTTP.
        wrong = [e for e in cls.upstream.errors if isinstance(e, http1.ProtocolError)]
        assert not wrong, wrong

    def check(self, case, pieces):
        before = len(self.upstream.requests)
        with self.gateway.connect() as client:
            try:
                for piece in pieces:
                    client.send(piece)
                if case.fin:
                    client.finish_writing()
            except OSError:
                pass  # refused before it was whole; the answer is there
            for status in case.statuses:
                response = client.read_response(case.method)
                self.assertEqual(response.status, status, response)
                self.assertEqual([r.status for r in response.informational if r.status != 100], [])
                if status == 200:
                    self.assertEqual(response.body, b"" if case.method == "HEAD" else b"hello")
                else:
                    self.assertTrue(response.body.startswith(b"{"), response.body)
            if case.kept:
                self.assertNotEqual((response.value("Connection") or "").lower(), "close")
                self.assertEqual(client.request(target="/kept").status, 200)
            else:
                if case.statuses and not case.fin:
                    self.assertEqual(response.value("Connection"), "close")
                self.assertTrue(client.at_end(), "the connection goes on")
        # Requests go up in order, and this one behind all of them.
        self.assertEqual(self.gateway.request(target="/last").status, 200)
        seen = self.upstream.requests[before:]
        self.assertEqual(seen.pop().target, "/last")
        if case.kept:
            self.assertEqual(seen.pop().target, "/kept")
        self.assertEqual([(r.method, r.target) for r in seen], [(s.method, s.target) for s in case.seen])
        for request, expected in zip(seen, case.seen):
            self.assertEqual(request.body, expected.body)
            self.assertEqual(request.version, "1.1")
            self.assertEqual(len(request.values("Host")), 1)
            for name, value in expected.has:
                self.assertEqual(request.values(name), [value], name)
            for name in expected.lacks:
                self.assertEqual(request.values(name), [], name)
            for trailer in request.trailers:
                self.assertIn(trailer, expected.trailers)


def _method(case):
    def whole(self):
        self.check(case, [case.send] if case.send else [])
        if 0 < len(case.send) <= _BYTE_BY_BYTE:
            with self.subTest("byte by byte"):
                self.check(case, [case.send[i:i + 1] for i in range(len(case.send))])

    whole.__doc__ = "%s (%s)" % (case.name, case.rule)
    return whole


for _case in http1_cases.REQUESTS:
    assert not hasattr(RequestsTest, "test_" + _case.name), _case.name
    setattr(RequestsTest, "test_" + _case.name, _method(_case))


if __name__ == "__main__":
    unittest.main()
