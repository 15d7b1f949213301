"""Has an upstream answer http1_answers.ANSWERS, each whole and (where it is short) byte by byte, and
looks at what a client of the real program sees, and at whether the upstream's connection is used
again."""

import os
import tempfile
import time
import unittest

from tests.conformance import http1_answers
from tests.support import harness, http1

_BYTE_BY_BYTE = 160  # bytes up to which an answer is also sent one by one


class ResponsesTest(unittest.TestCase):
    """One test per answer; see below."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="postern-")
        cls.addClassCleanup(folder.cleanup)
        cls.action = http1.Reply(body=b"sound")
        cls.upstream = http1.FakeUpstream(lambda request: cls.choose(request))
        cls.addClassCleanup(cls.upstream.stop)
        path = os.path.join(folder.name, "proxy.json")
        with open(path, "w", encoding="ascii") as out:
            out.write(harness.json.dumps(harness.proxy_definition(cls.upstream.url)))
        # One worker, so that all requests share one pool of connections.
        cls.gateway = harness.Postern("run", path, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                      "--workers", "1")
        cls.addClassCleanup(cls._end_gateway)
        cls.gateway.wait_until_ready()

    @classmethod
    def choose(cls, request):
        if request.target == "/sound":
            return http1.Reply(body=b"sound")
        return cls.action

    @classmethod
    def _end_gateway(cls):
        status = cls.gateway.stop()
        assert status == 0, "exit status %r\n%s" % (status, cls.gateway.tail())

    def check(self, answer, pieces):
        def send(connection, request):
            del request
            for piece in pieces:
                try:
                    connection.send(piece)
                except OSError:
                    return False  # the gateway has seen enough
                if len(pieces) > 1:
                    time.sleep(0.0002)  # so that it comes in more than one read
            return not answer.close

        type(self).action = staticmethod(send)
        before = len(self.upstream.requests)
        with self.gateway.connect() as client:
            client.send(b"%s /x HTTP/%s\r\nHost: localhost\r\n%s\r\n" % (
                answer.method.encode(), answer.version, answer.fields))
            self._look(answer, client)
        self.assertEqual(self.gateway.request(target="/sound").body, b"sound")
        requests = self.upstream.requests[before:]
        self.assertEqual([r.target for r in requests if r.target != "/sound"], ["/x"], "sent again")
        again = [r.connection == requests[0].connection for r in requests[1:]]
        self.assertEqual(again, [answer.reused] * len(again), "reuse")

    def _look(self, answer, client):
        if answer.cut and answer.version == b"1.0":
            # The end of the connection is the end of the response: only a reset tells.
            with self.assertRaises(ConnectionResetError):
                while client.sock.recv(65536):
                    pass
            return
        try:
            response = client.read_response(answer.method)
        except http1.Incomplete:
            self.assertTrue(answer.cut, "broken off")
            return
        for interim in response.informational:
            self.assertIn(interim.status, answer.informational)
        if answer.cut:
            # Nothing of it may have gone out: else it would now look complete.
            self.assertEqual(response.status, 502, response)
            return
        self.assertEqual(response.status, answer.status, response)
        if answer.body is not None:
            self.assertEqual(response.body, answer.body)
        else:
            self.assertEqual(response.body, b'{"message": "Internal server error"}')
        for name, value in answer.has:
            self.assertEqual(response.values(name), [value], name)
        for name in answer.lacks:
            self.assertEqual(response.values(name), [], name)
        self.assertEqual(response.trailers, list(answer.trailers))
        if answer.version == b"1.1":
            self.assertEqual(client.request(target="/sound").body, b"sound")
        else:
            self.assertTrue(client.at_end())


def _method(answer):
    def whole(self):
        self.check(answer, [answer.send])
        if len(answer.send) <= _BYTE_BY_BYTE and not answer.whole:
            with self.subTest("byte by byte"):
                self.check(answer, [answer.send[i:i + 1] for i in range(len(answer.send))])

    whole.__doc__ = "%s (%s)" % (answer.name, answer.rule)
    return whole


for _answer in http1_answers.ANSWERS:
    assert not hasattr(ResponsesTest, "test_" + _answer.name), _answer.name
    setattr(ResponsesTest, "test_" + _answer.name, _method(_answer))


if __name__ == "__main__":
    unittest.main()
