"""HTTP/1.1 over raw sockets, both ends: a client and an upstream that do exactly what a test says.

The reader is strict (RFC 9112): what it cannot read without guessing raises ProtocolError, and a
message that ends before its framing says so raises Incomplete. All waits are bounded by TIMEOUT.
"""

import dataclasses
import hashlib
import os
import re
import socket
import ssl
import struct
import threading

# Seconds any single wait may last; far above what a healthy run needs, sanitizers included.
TIMEOUT = float(os.environ.get("POSTERN_TEST_TIMEOUT", "20"))

_MAX_HEAD = 1 << 20
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FIELD_VALUE = re.compile(rb"[\x09\x20-\x7e\x80-\xff]*\Z")


class ProtocolError(Exception):
    """The peer sent something that is not HTTP/1.1."""


class Incomplete(Exception):
    """The peer closed or reset the connection inside a message; `partial` is what was read."""

    def __init__(self, partial=b""):
        super().__init__("connection ended after %r" % partial[-200:])
        self.partial = partial


@dataclasses.dataclass
class Message:
    """A message as received. Names and values are str (latin-1), in order, names as sent."""

    headers: list
    raw_head: bytes = b""
    body: bytes = b""
    body_size: int = 0
    body_sha256: str = ""
    trailers: list = dataclasses.field(default_factory=list)

    def values(self, name):
        """All values of a field, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def value(self, name):
        """The only value of a field, or None; several are an error."""
        values = self.values(name)
        if len(values) > 1:
            raise ProtocolError("%s is repeated: %r" % (name, values))
        return values[0] if values else None

    def names(self):
        return [n.lower() for n, _ in self.headers]


@dataclasses.dataclass
class Request(Message):
    method: str = ""
    target: str = ""
    version: str = ""
    connection: int = 0  # which connection of the upstream it came on, from 0


@dataclasses.dataclass
class Response(Message):
    status: int = 0
    reason: str = ""
    version: str = ""
    informational: list = dataclasses.field(default_factory=list)  # 1xx responses before it


class Stream:
    """Buffered reading from, and writing to, a connected socket."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self._buffer = bytearray()

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self._buffer += data
        return bool(data)

    def read_until(self, end, limit=_MAX_HEAD):
        """Up to and including `end`."""
        start = 0
        while True:
            at = self._buffer.find(end, start)
            if at >= 0:
                return self._take(at + len(end))
            if len(self._buffer) > limit:
                raise ProtocolError("no %r within %d bytes" % (end, limit))
            start = max(0, len(self._buffer) - len(end) + 1)
            if not self._fill():
                raise Incomplete(self._take(len(self._buffer)))

    def read_exactly(self, size):
        while len(self._buffer) < size:
            if not self._fill():
                raise Incomplete(self._take(len(self._buffer)))
        return self._take(size)

    def read_some(self):
        """At least one byte; b"" at the end."""
        if not self._buffer:
            self._fill()
        return self._take(len(self._buffer))

    def read_to_end(self):
        while self._fill():
            pass
        return self._take(len(self._buffer))

    def at_end(self):
        """Waits for the next byte or the end; True at the end."""
        return not self._buffer and not self._fill()

    def _take(self, size):
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def finish_writing(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        # A thread that reads this socket wakes up by shutdown, not by close.
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _parse_fields(lines):
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _TOKEN.match(name) or not _FIELD_VALUE.match(value):
            raise ProtocolError("field line %r" % line)
        fields.append((name.decode("latin-1"), value.decode("latin-1")))
    return fields


def _read_head(stream):
    raw = stream.read_until(b"\r\n\r\n")
    lines = raw[:-4].split(b"\r\n")
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ProtocolError("bare CR or LF in %r" % raw)
    return raw, lines[0], _parse_fields(lines[1:])


class _Body:
    """Gathers a body; where it is not kept, only its size and digest."""

    def __init__(self, keep):
        self._keep = keep
        self._parts = []
        self._size = 0
        self._digest = hashlib.sha256()

    def add(self, data):
        self._size += len(data)
        self._digest.update(data)
        if self._keep:
            self._parts.append(data)

    def into(self, message):
        message.body = b"".join(self._parts)
        message.body_size = self._size
        message.body_sha256 = self._digest.hexdigest()


def _read_sized(stream, size, body):
    while size:
        data = stream.read_exactly(min(size, 65536))
        body.add(data)
        size -= len(data)


def _read_chunked(stream, body):
    while True:
        line = stream.read_until(b"\r\n")[:-2]
        if not re.match(rb"[0-9A-Fa-f]{1,16}\Z", line.split(b";")[0].rstrip(b" \t")):
            raise ProtocolError("chunk size %r" % line)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        _read_sized(stream, size, body)
        if stream.read_exactly(2) != b"\r\n":
            raise ProtocolError("chunk longer than its size")
    trailers = []
    while True:
        line = stream.read_until(b"\r\n")[:-2]
        if not line:
            return _parse_fields(trailers)
        trailers.append(line)


def _read_body(stream, message, keep_body, to_end):
    """Reads the body that the head announces; without framing, to the end if `to_end`."""
    body = _Body(keep_body)
    coding, length = message.value("Transfer-Encoding"), message.value("Content-Length")
    if coding is not None and length is not None:
        raise ProtocolError("both Transfer-Encoding and Content-Length")
    try:
        if coding is not None:
            if coding.lower() != "chunked":
                raise ProtocolError("Transfer-Encoding: %s" % coding)
            message.trailers = _read_chunked(stream, body)
        elif length is not None:
            if not re.match(r"[0-9]+\Z", length):
                raise ProtocolError("Content-Length: %s" % length)
            _read_sized(stream, int(length), body)
        elif to_end:
            while not stream.at_end():
                body.add(stream.read_some())
    finally:
        body.into(message)


def read_request(stream, read_body=True, keep_body=True):
    """The next request, or None where the connection ended before one began."""
    if stream.at_end():
        return None
    raw, line, fields = _read_head(stream)
    match = re.match(rb"([^ ]+) ([^ ]+) HTTP/(1\.[01])\Z", line)
    if not match:
        raise ProtocolError("request line %r" % line)
    method, target, version = (part.decode("latin-1") for part in match.groups())
    request = Request(fields, raw, method=method, target=target, version=version)
    if read_body:
        _read_body(stream, request, keep_body, to_end=False)
    return request


class Client(Stream):
    """A client's connection. `server` is (host, port) or the path of a Unix socket."""

    def __init__(self, server, tls=None, server_name="localhost", source=None):
        if isinstance(server, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(TIMEOUT)
            sock.connect(server)
        else:
            sock = socket.create_connection(server, TIMEOUT, source)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=server_name)
        super().__init__(sock)

    def read_response(self, method="GET", keep_body=True):
        """The next final response to a request of `method`."""
        informational = []
        while True:
            raw, line, fields = _read_head(self)
            match = re.match(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\Z", line)
            if not match:
                raise ProtocolError("status line %r" % line)
            version, status, reason = (part.decode("latin-1") for part in match.groups())
            response = Response(fields, raw, status=int(status), reason=reason, version=version,
                                informational=informational)
            if 100 <= response.status < 200 and response.status != 101:
                informational.append(response)
                continue
            if method != "HEAD" and response.status not in (101, 204, 304):
                _read_body(self, response, keep_body, to_end=True)
            return response

    def request(self, method="GET", target="/", headers=(), body=b"", host="localhost"):
        """Sends a request with these fields (and Host, and Content-Length for a body) and reads
        the response."""
        self.send(encode_request(method, target, headers, body, host))
        return self.read_response(method)


def encode_request(method="GET", target="/", headers=(), body=b"", host="localhost"):
    fields = list(headers)
    if host is not None:
        fields.insert(0, ("Host", host))
    names = [name.lower() for name, _ in fields]
    if body and "content-length" not in names and "transfer-encoding" not in names:
        fields.append(("Content-Length", str(len(body))))
    return ("%s %s HTTP/1.1\r\n" % (method, target)).encode("latin-1") + _encode_fields(fields) + body


def _encode_fields(fields):
    return "".join("%s: %s\r\n" % f for f in fields).encode("latin-1") + b"\r\n"


def chunk(data):
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclasses.dataclass
class Reply:
    """What an upstream answers. The body may be bytes, or an iterable of bytes with chunked=True or
    a Content-Length among the headers."""

    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: object = b""
    chunked: bool = False
    trailers: list = dataclasses.field(default_factory=list)
    reason: str = "Whatever"

    def head(self):
        fields = list(self.headers)
        names = [name.lower() for name, _ in fields]
        bodiless = self.status < 200 or self.status in (204, 304)
        if self.chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        elif isinstance(self.body, bytes) and "content-length" not in names and not bodiless:
            fields.append(("Content-Length", str(len(self.body))))
        return ("HTTP/1.1 %d %s\r\n" % (self.status, self.reason)).encode() + _encode_fields(fields)

    def pieces(self, method="GET"):
        """The bytes of the reply, piece by piece; a body of bytes comes in one with the head."""
        head = self.head()
        if method == "HEAD":
            yield head
        elif self.chunked:
            yield head
            for part in [self.body] if isinstance(self.body, bytes) else self.body:
                if part:
                    yield chunk(part)
            yield b"0\r\n" + _encode_fields(self.trailers)
        elif isinstance(self.body, bytes):
            yield head + self.body
        else:
            yield head
            yield from self.body

    def encode(self, method="GET"):
        return b"".join(self.pieces(method))


# Actions of an upstream: functions of (connection, request) that say whether to go on reading the
# connection. A Reply, or bytes to be sent as they are, stand for the obvious action.


def close(connection, request):
    """Closes without an answer."""
    del connection, request
    return False


def reset(connection, request):
    """Sends RST in place of an answer."""
    del request
    connection.reset()
    return False


def silent(connection, request):
    """Never answers; keeps the connection until the other side ends it."""
    del request
    connection.read_to_end()
    return False


def truncated(reply, missing=1, abortively=False):
    """Sends all of a reply but its last bytes, and closes or resets."""

    def action(connection, request):
        connection.send(reply.encode(request.method)[:-missing])
        if abortively:
            connection.reset()
        return False

    return action


def then_close(reply):
    """Sends a reply, or bytes, and closes."""

    def action(connection, request):
        _perform(reply, connection, request)
        return False

    return action


def after(event, action):
    """Acts once a threading.Event is set."""

    def waiting(connection, request):
        if not event.wait(TIMEOUT):
            return False
        return _perform(action, connection, request)

    return waiting


def in_steps(pieces, gates):
    """Sends pieces of bytes, each once its threading.Event is set."""

    def action(connection, request):
        del request
        for piece, gate in zip(pieces, gates):
            if not gate.wait(TIMEOUT):
                return False
            connection.send(piece)
        return True

    return action


def _perform(action, connection, request):
    if isinstance(action, Reply):
        for piece in action.pieces(request.method):
            connection.send(piece)
        return "close" not in (v.lower() for n, v in action.headers if n.lower() == "connection")
    if isinstance(action, bytes):
        connection.send(action)
        return True
    return action(connection, request)


class Server:
    """Accepts connections on a port of the kernel's choice, or a Unix socket, and serves each on a
    thread of its own by serve(stream, number). Whatever serve raises is kept in `errors`."""

    def __init__(self, host="127.0.0.1", path=None, tls=None):
        if path is not None:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(path)
            self.address = path
            self.port = None
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.socket(family, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, 0))
            self.port = self._listener.getsockname()[1]
            self.address = "%s:%d" % ("[%s]" % host if ":" in host else host, self.port)
        self._listener.listen(1024)
        self._tls = tls
        self._changed = threading.Condition()
        self._open = {}
        self._threads = []
        self._stopped = False
        self.accepted = 0
        self.errors = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self):
        return "%s://%s" % ("https" if self._tls else "http", self.address)

    @property
    def open_connections(self):
        with self._changed:
            return len(self._open)

    def wait_until(self, condition):
        """Waits until condition() holds; it is looked at whenever something happened here."""
        with self._changed:
            if not self._changed.wait_for(condition, TIMEOUT):
                raise AssertionError("waited %g s in vain; errors: %r" % (TIMEOUT, self.errors))

    def wait_until_idle(self):
        """Waits until no connection is open."""
        self.wait_until(lambda: not self._open)

    def close_connections(self):
        """Closes every open connection, as a restarted or impatient server does."""
        with self._changed:
            streams = list(self._open.values())
        for stream in streams:
            stream.close()

    def stop(self):
        self._stopped = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._acceptor.join()
        self._listener.close()
        self.close_connections()
        for thread in self._threads:
            thread.join(TIMEOUT)

    def _accept(self):
        while not self._stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                number = self.accepted
                self.accepted += 1
                stream = Stream(sock)
                sock.settimeout(None)  # An idle connection is no error.
                self._open[number] = stream
                self._changed.notify_all()
            self._threads = [t for t in self._threads if t.is_alive()]
            thread = threading.Thread(target=self._run, args=(stream, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, stream, number):
        try:
            if self._tls is not None:
                stream.sock = self._tls.wrap_socket(stream.sock, server_side=True)
            self.serve(stream, number)
        except Exception as error:  # pylint: disable=broad-except
            if not self._stopped:
                self.errors.append(error)
        finally:
            stream.close()
            with self._changed:
                self._open.pop(number, None)
                self._changed.notify_all()

    def serve(self, stream, number):
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class FakeUpstream(Server):
    """An HTTP/1.1 upstream.

    `script` is a Reply or bytes for every request, a list of actions (see above; one a request, the
    last for all that follow), or a function of the request that gives an action. Every request is
    in `requests`, in order of arrival, before it is answered.
    """

    def __init__(self, script=None, read_body=True, keep_body=True, **kwargs):
        self._script = Reply(body=b"hello") if script is None else script
        self._read_body = read_body
        self._keep_body = keep_body
        self.requests = []
        super().__init__(**kwargs)

    def wait_for_requests(self, count):
        """Waits until so many have arrived; gives them all."""
        self.wait_until(lambda: len(self.requests) >= count)
        return self.requests

    def serve(self, stream, number):
        while True:
            request = read_request(stream, self._read_body, self._keep_body)
            if request is None:
                return
            request.connection = number
            with self._changed:
                index = len(self.requests)
                self.requests.append(request)
                self._changed.notify_all()
            if not _perform(self.action_for(request, index), stream, request):
                return

    def action_for(self, request, index):
        script = self._script
        if isinstance(script, (Reply, bytes)):
            return script
        if isinstance(script, (list, tuple)):
            return script[min(index, len(script) - 1)]
        return script(request)
