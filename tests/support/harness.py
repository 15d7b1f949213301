"""Runs the real program for a test: on ports of the kernel's choice, awaited by conditions, ended
with the test.

The program is POSTERN_BINARY (postern_py_integration_test sets it). Off a terminal it logs one JSON
object a line, among them {"event": "listening", "name": "http|https|admin", "address": "..."}.
"""

import atexit
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from tests.support import fake_aws, fake_lambda, http1, http2

_TAIL = 60  # lines of log that are shown when a program has ended
_running = set()


def _kill_running():
    for process in list(_running):
        process.kill()


atexit.register(_kill_running)


def binary():
    """Path of the program under test."""
    return os.path.abspath(os.environ["POSTERN_BINARY"])


def parse_address(address):
    """(host, port), or the path of a Unix socket, from how a listener is logged."""
    if address.startswith("unix:"):
        return address[len("unix:"):]
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Postern:
    """A running gateway. Its log is `log`: dicts where a line is JSON, else strings."""

    def __init__(self, *args, env=None, cwd=None):
        self.log = []
        self.output = []  # lines of standard output
        self.waited_for = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [binary(), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, cwd=cwd)
        _running.add(self._process)
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stderr, self._on_log), daemon=True),
            threading.Thread(
                target=self._read, args=(self._process.stdout, self.output.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def returncode(self):
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def _read(self, pipe, take):
        for line in pipe:
            with self._changed:
                take(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _on_log(self, line):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = line
        self.log.append(entry if isinstance(entry, dict) else line)

    def events(self, name):
        """All log entries whose "event" is `name`."""
        return [e for e in list(self.log) if isinstance(e, dict) and e.get("event") == name]

    def wait_for_log(self, condition, what="the log to say so"):
        """Waits until condition(log) is true and gives its value; fails if the program ends."""
        value = None

        def look():
            nonlocal value
            value = condition(self.log)
            return value or not any(r.is_alive() for r in self._readers)

        with self._changed:
            self._changed.wait_for(look, http1.TIMEOUT)
        if not value:
            if not any(r.is_alive() for r in self._readers):
                self._process.wait(http1.TIMEOUT)
            raise AssertionError("waited in vain for %s; exit status %r, log:\n%s" % (
                what, self.returncode, self.tail()))
        return value

    def wait_for_event(self, name, count=1):
        """Waits for so many entries with this "event"; gives the last of them."""

        def look(_):
            found = self.events(name)
            return found[count - 1] if len(found) >= count else None

        return self.wait_for_log(look, "event %r" % name)

    def address(self, name="http", index=0):
        """Where a listener is bound (see parse_address), once it is."""

        def look(_):
            found = [e["address"] for e in self.events("listening") if e.get("name") == name]
            return found[index] if len(found) > index else None

        return parse_address(self.wait_for_log(look, "listener %r" % name))

    def wait_until_ready(self):
        """Waits until the admin listener says 200 to /ready."""
        deadline = time.monotonic() + http1.TIMEOUT
        pause = threading.Event()
        while True:
            response = self.admin("/ready")
            if response.status == 200:
                return
            if time.monotonic() > deadline:
                raise AssertionError("not ready: %r" % response.body)
            pause.wait(0.005)

    def connect(self, name="http", **kwargs):
        """An http1.Client on a listener."""
        return http1.Client(self.address(name), **kwargs)

    def connect_h2(self, name="http", **kwargs):
        """An http2.Client on a listener."""
        return http2.Client(self.address(name), **kwargs)

    def request(self, method="GET", target="/", headers=(), body=b"", host="localhost"):
        """One exchange on a connection of its own."""
        with self.connect() as client:
            return client.request(method, target, headers, body, host)

    def admin(self, target, method="GET"):
        """One exchange with the admin listener."""
        with self.connect("admin") as client:
            return client.request(method, target, [("Connection", "close")])

    def metrics(self):
        """/metrics as {sample with labels: value}."""
        samples = {}
        for line in self.admin("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def rss_kib(self):
        """Resident memory."""
        return self._status_kib("VmRSS:")

    def peak_rss_kib(self):
        """The most memory that was ever resident."""
        return self._status_kib("VmHWM:")

    def _status_kib(self, field):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as status:
            for line in status:
                if line.startswith(field):
                    return int(line.split()[1])
        raise AssertionError("the program has ended")

    def descriptors(self):
        """How many file descriptors are open."""
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cpu_seconds(self):
        """CPU time used so far, all threads together."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task), encoding="ascii") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self):
        """Waits until it has ended; gives the exit status."""
        status = self._process.wait(http1.TIMEOUT)
        for reader in self._readers:
            reader.join(http1.TIMEOUT)
        _running.discard(self._process)
        self.waited_for = True
        return status

    def stop(self):
        """Asks it to end (SIGTERM) and gives the exit status."""
        if self.returncode is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """Ends it the hard way."""
        self._process.kill()
        self.wait()

    def tail(self):
        lines = self.log[-_TAIL:]
        return "\n".join(json.dumps(line) if isinstance(line, dict) else line for line in lines)


class Certificate:
    """A certificate and its key, in files, signed by itself or by another Certificate."""

    def __init__(self, folder, name, hosts=("localhost",), issuer=None, days=2, authority=False):
        self.certificate = os.path.join(folder, name + ".crt")
        self.key = os.path.join(folder, name + ".key")
        names = ["IP:" + h if h.replace(".", "").isdigit() or ":" in h else "DNS:" + h for h in hosts]
        extensions = ["subjectAltName=" + ",".join(names)] if names else []
        extensions.append("basicConstraints=critical,CA:" + ("TRUE" if authority else "FALSE"))
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-days", str(days),
                   "-keyout", self.key, "-out", self.certificate]
        for extension in extensions:
            command += ["-addext", extension]
        if issuer is not None:
            command += ["-CA", issuer.certificate, "-CAkey", issuer.key]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self, identity=None):
        """Trusts this certificate; presents `identity` (a Certificate) if there is one."""
        context = ssl.create_default_context(cafile=self.certificate)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context


def proxy_definition(url, title="proxy", **fields):
    """An OpenAPI document that passes every request on to `url` (http_proxy)."""

    def method(uri, parameters):
        integration = {"type": "http_proxy", "httpMethod": "ANY", "uri": uri}
        operation = {"responses": {}, "x-amazon-apigateway-integration": integration}
        if parameters:
            operation["parameters"] = [
                {"name": p, "in": "path", "required": True, "schema": {"type": "string"}}
                for p in parameters]
            integration["requestParameters"] = {
                "integration.request.path." + p: "method.request.path." + p for p in parameters}
        return {"x-amazon-apigateway-any-method": operation}

    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1"},
        "paths": {
            "/": method(url + "/", []),
            "/{proxy+}": method(url + "/{proxy}", ["proxy"]),
        },
        **fields,
    }


class TestCase(unittest.TestCase):
    """What a test starts by start_*() ends with it: programs must then end with status 0, and
    upstreams must not have been sent anything that is not HTTP."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="postern-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        """Writes a file of the test's own folder; anything but text and bytes as JSON. Gives the
        path."""
        path = os.path.join(self.folder, name)
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content, indent=1)
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        return path

    def certificate(self, name="localhost", **kwargs):
        return Certificate(self.folder, name, **kwargs)

    def start_postern(self, *args, env=None, ready=True):
        """Starts `postern run ARGS` with listeners on ports of the kernel's choice (--listen and
        --admin, unless given), and waits until it is ready."""
        command = ["run", *args]
        for option in ("--listen", "--admin"):
            if not any(str(a).split("=")[0] == option for a in args):
                command += [option, "127.0.0.1:0"]
        gateway = Postern(*map(str, command), env=env)
        self.addCleanup(self._end, gateway)
        if ready:
            gateway.wait_until_ready()
        return gateway

    def start_proxy(self, upstream, *args, **kwargs):
        """Starts a gateway that passes everything on to an upstream."""
        path = self.write("proxy.json", proxy_definition(upstream.url))
        return self.start_postern(path, *args, **kwargs)

    def run_postern(self, *args, env=None, status=None):
        """Runs `postern ARGS` to its end: an object with returncode, stdout and stderr (str)."""
        ran = subprocess.run(
            [binary(), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=http1.TIMEOUT, check=False,
            env={**os.environ, **(env or {})})
        if status is not None:
            self.assertEqual(ran.returncode, status, ran.stdout + ran.stderr)
        return ran

    def start_upstream(self, script=None, **kwargs):
        return self._serve(http1.FakeUpstream(script, **kwargs))

    def start_h2_upstream(self, script=None, **kwargs):
        return self._serve(http2.FakeUpstream(script, **kwargs))

    def start_lambda(self, script=None, **kwargs):
        return self._serve(fake_lambda.FakeLambda(script, **kwargs))

    def start_aws(self, **kwargs):
        return self._serve(fake_aws.FakeAws(**kwargs))

    def _serve(self, server):
        self.addCleanup(self._end_server, server)
        return server

    def _end_server(self, server):
        server.stop()
        wrong = [e for e in server.errors
                 if isinstance(e, (http1.ProtocolError, AssertionError, TypeError))]
        self.assertEqual(wrong, [], "at " + server.address)

    def _end(self, gateway):
        if gateway.waited_for:  # The test has ended it, and seen how.
            return
        try:
            status = gateway.stop()
        except subprocess.TimeoutExpired:
            gateway.kill()
            status = "none; killed"
        # Shown by bazel where the test has failed.
        print("-- log of postern --\n%s\n--" % gateway.tail(), file=sys.stderr)
        self.assertEqual(status, 0, "exit status")
