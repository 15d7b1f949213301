"""The fakes that other tests rely on see, say and notice what they should."""

import json
import os
import ssl
import threading
import unittest
import unittest.mock

from tests.support import fake_lambda, harness, http1, http2


class UpstreamTest(harness.TestCase):

    def connect(self, upstream, **kwargs):
        client = http1.Client(("127.0.0.1", upstream.port), **kwargs)
        self.addCleanup(client.close)
        return client

    def test_records_requests_and_follows_the_script(self):
        upstream = self.start_upstream([
            http1.Reply(201, [("X-A", "1")], b"one"),
            http1.Reply(200, [], [b"a", b"", b"bc"], chunked=True, trailers=[("X-T", "t")]),
        ])
        client = self.connect(upstream)
        first = client.request("POST", "/a?b", [("X-B", "2")], b"body")
        self.assertEqual((first.status, first.body, first.value("x-a")), (201, b"one", "1"))
        second = client.request()
        self.assertEqual((second.body, second.trailers), (b"abc", [("X-T", "t")]))
        request = upstream.wait_for_requests(2)[0]
        self.assertEqual((request.method, request.target, request.body), ("POST", "/a?b", b"body"))
        self.assertEqual(request.raw_head.split(b"\r\n")[0], b"POST /a?b HTTP/1.1")
        self.assertEqual(upstream.accepted, 1)

    def test_chunked_request(self):
        upstream = self.start_upstream()
        client = self.connect(upstream)
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n")
        self.assertEqual(client.read_response().body, b"hello")
        self.assertEqual(upstream.requests[0].body, b"abc")
        self.assertEqual(upstream.requests[0].trailers, [("T", "v")])

    def test_body_that_is_not_kept(self):
        upstream = self.start_upstream(keep_body=False)
        self.connect(upstream).request("POST", body=b"x" * 200000)
        request = upstream.requests[0]
        self.assertEqual((request.body, request.body_size), (b"", 200000))

    def test_broken_answers(self):
        reply = http1.Reply(body=b"hello")
        for action, partial in (
            (http1.close, b""),
            (http1.reset, b""),
            (http1.truncated(reply, 2), b"hel"),
            (http1.truncated(http1.Reply(body=b"hello", chunked=True), 1), b"\r"),
            (b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ):
            action = http1.then_close(action) if isinstance(action, bytes) else action
            client = self.connect(self.start_upstream([action]))
            with self.assertRaises(http1.Incomplete) as caught:
                client.request()
            self.assertEqual(caught.exception.partial, partial)

    def test_malformed_answers_are_noticed(self):
        for answer in (
            b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            b"HTTP/2 200\r\n\r\n",
        ):
            with self.assertRaises(http1.ProtocolError, msg=answer):
                self.connect(self.start_upstream(answer)).request()

    def test_answer_in_steps(self):
        gates = [threading.Event(), threading.Event()]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        upstream = self.start_upstream([http1.in_steps([head + b"a", b"b"], gates)])
        client = self.connect(upstream)
        client.send(http1.encode_request())
        gates[0].set()
        self.assertEqual(client.read_until(b"\r\n\r\na"), head + b"a")
        gates[1].set()
        self.assertEqual(client.read_exactly(1), b"b")

    def test_silent_upstream_sees_the_client_leave(self):
        upstream = self.start_upstream([http1.silent])
        client = self.connect(upstream)
        client.send(http1.encode_request())
        upstream.wait_for_requests(1)
        client.close()
        upstream.wait_until_idle()

    def test_informational_and_bodiless_responses(self):
        upstream = self.start_upstream([
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            http1.Reply(headers=[("Content-Length", "5")], body=b"hello"),
        ])
        client = self.connect(upstream)
        response = client.request()
        self.assertEqual((response.status, response.informational[0].status), (204, 103))
        self.assertEqual(client.request("HEAD").value("Content-Length"), "5")
        self.assertEqual(client.request().body, b"hello")

    def test_tls(self):
        authority = self.certificate("authority", hosts=(), authority=True)
        leaf = self.certificate("leaf", hosts=("localhost", "127.0.0.1"), issuer=authority)
        upstream = self.start_upstream(tls=leaf.server_context())
        client = self.connect(upstream, tls=authority.client_context())
        self.assertEqual(client.request().body, b"hello")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(upstream, tls=ssl.create_default_context())

    def test_unix_socket_and_ipv6(self):
        upstream = self.start_upstream(path=self.folder + "/socket")
        with http1.Client(upstream.address) as client:
            self.assertEqual(client.request().body, b"hello")
        upstream = self.start_upstream(host="::1")
        with http1.Client(("::1", upstream.port)) as client:
            self.assertEqual(client.request().body, b"hello")


class LambdaTest(harness.TestCase):

    def call(self, script, event=None, name="f"):
        self.service = self.start_lambda(script)
        with http1.Client(("127.0.0.1", self.service.port)) as client:
            return client.request("POST", "/2015-03-31/functions/%s/invocations" % name,
                                  body=json.dumps(event).encode())

    def test_result(self):
        response = self.call(lambda call: {"name": call.function, "event": call.event}, {"a": 1},
                             "arn%3Aaws%3Af")
        self.assertEqual(json.loads(response.body), {"name": "arn:aws:f", "event": {"a": 1}})
        self.assertEqual(self.service.invocations[0].event, {"a": 1})

    def test_failures(self):
        response = self.call(lambda call: fake_lambda.FunctionError("no", "ValueError"))
        self.assertEqual(response.status, 200)
        self.assertEqual(response.value("X-Amz-Function-Error"), "Unhandled")
        self.assertEqual(json.loads(response.body)["errorType"], "ValueError")
        self.assertEqual(self.call(lambda call: fake_lambda.InvokeError()).status, 429)
        self.assertEqual(self.call(lambda call: b"not json").body, b"not json")
        with self.assertRaises(http1.Incomplete):
            self.call(lambda call: http1.close)


class Http2Test(harness.TestCase):

    def connect(self, upstream, **kwargs):
        client = http2.Client(("127.0.0.1", upstream.port), **kwargs)
        self.addCleanup(client.close)
        return client

    def test_exchange(self):
        upstream = self.start_h2_upstream(
            http1.Reply(201, [("X-A", "1")], b"x" * 300000, trailers=[("X-T", "t")]))
        client = self.connect(upstream)
        response = client.request("POST", "/a", [("x-b", "2")], b"y" * 300000)
        self.assertEqual((response.status, response.value("x-a")), (201, "1"))
        self.assertEqual(len(response.body), 300000)
        self.assertEqual(response.trailers, [("x-t", "t")])
        request = upstream.wait_for_requests(1)[0]
        self.assertEqual(request.value(":path"), "/a")
        self.assertEqual(len(request.body), 300000)
        self.assertTrue(client.synchronise())

    def test_interleaved_streams_and_reset(self):
        upstream = self.start_h2_upstream(lambda request: http1.Reply(
            body=request.value(":path").encode()))
        client = self.connect(upstream)
        first = client.start(path="/1", end_stream=False)
        second = client.start(path="/2")
        self.assertEqual(client.response(second).body, b"/2")
        client.send_data(first, b"", True)
        self.assertEqual(client.response(first).body, b"/1")

    def test_raw_upstream(self):

        def answer(connection, request):
            connection.send_reset(request.stream, http2.ErrorCode.REFUSED_STREAM)
            connection.send_goaway(request.stream, http2.ErrorCode.ENHANCE_YOUR_CALM, b"calm")

        client = self.connect(self.start_h2_upstream(answer, raw=True))
        self.assertEqual(client.request().reset, http2.ErrorCode.REFUSED_STREAM)
        client.process_until(lambda: client.goaway)
        self.assertEqual(client.goaway, (1, http2.ErrorCode.ENHANCE_YOUR_CALM, b"calm"))

    def test_windows_are_respected(self):
        upstream = self.start_h2_upstream(http1.Reply(body=b"x" * 100000))
        client = self.connect(upstream, open_windows=False)
        stream = client.start()
        client.process_until(lambda: len(client.message(stream).body) == 65535)
        self.assertTrue(client.synchronise())
        self.assertFalse(client.message(stream).complete)
        client.send_window_update(0, 100000)
        client.send_window_update(stream, 100000)
        self.assertTrue(client.response(stream).complete)

    def test_tls(self):
        certificate = self.certificate(authority=True)
        upstream = self.start_h2_upstream(tls=certificate.server_context())
        client = self.connect(upstream, tls=certificate.client_context())
        self.assertEqual(client.request().body, b"hello")


_PROGRAM = """#!/usr/bin/python3
import http.server, json, signal, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"# HELP x y\\nx{a=\\"b c\\"} 2\\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if "fail" in sys.argv:
    print("api.yaml:3: bad", file=sys.stderr)
    sys.exit(3)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("plain text", file=sys.stderr, flush=True)
print("on stdout " + " ".join(sys.argv[1:]), flush=True)
for name in ("http", "admin"):
    print(json.dumps({"event": "listening", "name": name,
                      "address": "127.0.0.1:%d" % server.server_port}), file=sys.stderr, flush=True)
server.serve_forever()
print(json.dumps({"event": "stopped"}), file=sys.stderr, flush=True)
"""


class PosternTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        program = self.write("postern", _PROGRAM)
        os.chmod(program, 0o700)
        patch = unittest.mock.patch.dict(os.environ, POSTERN_BINARY=program)
        patch.start()
        self.addCleanup(patch.stop)

    def test_starts_talks_and_stops(self):
        gateway = self.start_postern("a.yaml", "--listen=127.0.0.1:0")
        self.assertEqual(gateway.request().status, 200)
        self.assertEqual(gateway.metrics(), {'x{a="b c"}': 2.0})
        self.assertGreater(gateway.rss_kib(), 1000)
        self.assertGreater(gateway.descriptors(), 3)
        self.assertGreater(gateway.cpu_seconds(), 0)
        self.assertIn("plain text", gateway.log)
        self.assertEqual(gateway.stop(), 0)
        self.assertEqual(gateway.wait_for_event("stopped"), {"event": "stopped"})
        self.assertEqual(
            gateway.output, ["on stdout run a.yaml --listen=127.0.0.1:0 --admin 127.0.0.1:0"])

    def test_end_without_listening_is_told(self):
        gateway = self.start_postern("fail", ready=False)
        with self.assertRaisesRegex(AssertionError, "exit status 3, log:\napi.yaml:3: bad"):
            gateway.address()
        self.assertEqual(gateway.wait(), 3)

    def test_killed_program(self):
        gateway = self.start_postern()
        gateway.kill()
        self.assertEqual(gateway.returncode, -9)

    def test_run_to_the_end(self):
        ran = self.run_postern("fail", status=3)
        self.assertIn("api.yaml:3", ran.stderr)


class DefinitionTest(unittest.TestCase):

    def test_addresses(self):
        self.assertEqual(harness.parse_address("127.0.0.1:80"), ("127.0.0.1", 80))
        self.assertEqual(harness.parse_address("[::1]:80"), ("::1", 80))
        self.assertEqual(harness.parse_address("unix:/a/b"), "/a/b")


if __name__ == "__main__":
    unittest.main()
