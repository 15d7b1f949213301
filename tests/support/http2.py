"""HTTP/2 frames (RFC 9113) over raw sockets, both ends: as well-behaved, or not, as a test wants.

Connection speaks frames. By itself it only acknowledges SETTINGS and PING and, unless told
otherwise, opens its receive windows as data arrives. Client and FakeUpstream stand on it.
"""

import dataclasses
import enum
import re
import struct

import hpack

from tests.support import http1

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DEFAULT_WINDOW = 65535


class FrameType(enum.IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(enum.IntFlag):
    END_STREAM = 0x1
    ACK = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Setting(enum.IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(enum.IntEnum):
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


@dataclasses.dataclass
class Frame:
    type: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""

    def encode(self):
        return struct.pack(
            ">I", len(self.payload))[1:] + struct.pack(
                ">BBI", self.type, self.flags, self.stream) + self.payload


@dataclasses.dataclass
class Message:
    """What has arrived on one stream. Fields are (name, value), str, pseudo-fields included."""

    stream: int = 0
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    informational: list = dataclasses.field(default_factory=list)  # field lists of 1xx
    complete: bool = False  # END_STREAM has arrived
    reset: int = None  # the error code of RST_STREAM

    def values(self, name):
        return [v for n, v in self.headers if n == name]

    def value(self, name):
        """The only value of a field, or None; several are an error."""
        values = self.values(name)
        if len(values) > 1:
            raise http1.ProtocolError("%s is repeated: %r" % (name, values))
        return values[0] if values else None

    @property
    def status(self):
        return int(self.value(":status") or 0)


class Connection:
    """One end of an HTTP/2 connection over an http1.Stream. Not for several threads."""

    def __init__(self, stream, open_windows=True):
        self._stream = stream
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self._open_windows = open_windows
        self._header_block = None  # (stream, flags, parts) until END_HEADERS
        self._send_window = {0: _DEFAULT_WINDOW}
        self.messages = {}  # stream -> Message
        self.peer_settings = {}
        self.goaway = None  # (last stream, error code, debug data) of the latest GOAWAY
        self.goaways = []
        self.pongs = []  # payloads of PING acknowledgements
        self.settings_acks = 0
        self.ended = False

    def close(self):
        self._stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Out

    def send_raw(self, data):
        self._stream.send(data)

    def send(self, frame_type, flags=0, stream=0, payload=b""):
        self.send_raw(Frame(frame_type, flags, stream, payload).encode())

    def send_settings(self, settings=None):
        self.send(FrameType.SETTINGS, 0, 0, b"".join(
            struct.pack(">HI", key, value) for key, value in (settings or {}).items()))

    def encode_fields(self, fields):
        """A header block; names and values may be str or any bytes."""
        return self._encoder.encode(fields)

    def send_headers(self, stream, fields, end_stream=False):
        flags = Flag.END_HEADERS | (Flag.END_STREAM if end_stream else 0)
        self.send(FrameType.HEADERS, flags, stream, self.encode_fields(fields))

    def send_data(self, stream, data, end_stream=False):
        """Sends as the peer's windows allow, reading meanwhile; stops if the stream is reset."""
        limit = self.peer_settings.get(Setting.MAX_FRAME_SIZE, 16384)
        while True:
            if data:
                room = min(self.send_room(stream), limit)
                while room <= 0:
                    message = self.messages.get(stream)
                    if (message is not None and message.reset is not None) or self.ended:
                        return
                    self.process_frame()
                    room = min(self.send_room(stream), limit)
            else:
                room = 0
            part, data = data[:room], data[room:]
            self._send_window[0] -= len(part)
            self._send_window[stream] = self._window(stream) - len(part)
            self.send(FrameType.DATA, Flag.END_STREAM if end_stream and not data else 0, stream, part)
            if not data:
                return

    def send_reset(self, stream, code=ErrorCode.CANCEL):
        self.send(FrameType.RST_STREAM, 0, stream, struct.pack(">I", code))

    def send_ping(self, payload=b"12345678", ack=False):
        self.send(FrameType.PING, Flag.ACK if ack else 0, 0, payload)

    def send_window_update(self, stream, increment):
        self.send(FrameType.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))

    def send_goaway(self, last_stream=0, code=ErrorCode.NO_ERROR, debug=b""):
        self.send(FrameType.GOAWAY, 0, 0, struct.pack(">II", last_stream, code) + debug)

    def send_room(self, stream):
        """How many bytes of body the peer's windows allow now."""
        return min(self._send_window[0], self._window(stream))

    def _window(self, stream):
        initial = self.peer_settings.get(Setting.INITIAL_WINDOW_SIZE, _DEFAULT_WINDOW)
        return self._send_window.setdefault(stream, initial)

    # In

    def read_frame(self):
        """The next frame, untouched; None at the end of the connection."""
        try:
            head = self._stream.read_exactly(9)
            length = int.from_bytes(head[:3], "big")
            frame_type, flags, stream = struct.unpack(">BBI", head[3:])
            return Frame(frame_type, flags, stream & 0x7FFFFFFF, self._stream.read_exactly(length))
        except http1.Incomplete as error:
            if error.partial:
                raise
            self.ended = True
            return None

    def process_frame(self):
        """Reads a frame, answers what must be answered, and files it. None at the end."""
        frame = self.read_frame()
        if frame is None:
            return None
        if self._header_block is not None and frame.type != FrameType.CONTINUATION:
            raise http1.ProtocolError("%r inside a header block" % frame)
        handler = {
            FrameType.DATA: self._on_data,
            FrameType.HEADERS: self._on_headers,
            FrameType.RST_STREAM: self._on_reset,
            FrameType.SETTINGS: self._on_settings,
            FrameType.PING: self._on_ping,
            FrameType.GOAWAY: self._on_goaway,
            FrameType.WINDOW_UPDATE: self._on_window_update,
            FrameType.CONTINUATION: self._on_continuation,
        }.get(frame.type)
        if handler is not None:
            handler(frame)
        return frame

    def process_until(self, condition):
        """Processes frames until condition() holds or the connection ends; says if it holds."""
        while not condition():
            if self.process_frame() is None:
                return condition()
        return True

    def process_to_end(self):
        while self.process_frame() is not None:
            pass

    def synchronise(self):
        """Waits until the peer has taken in everything sent so far (a PING and its answer)."""
        payload = b"sync%04d" % len(self.pongs)
        self.send_ping(payload)
        return self.process_until(lambda: payload in self.pongs)

    def message(self, stream):
        return self.messages.setdefault(stream, Message(stream))

    @staticmethod
    def _unpad(frame):
        if not frame.flags & Flag.PADDED:
            return frame.payload
        if not frame.payload or frame.payload[0] >= len(frame.payload):
            raise http1.ProtocolError("padding of %r" % frame)
        return frame.payload[1:len(frame.payload) - frame.payload[0]]

    def _on_data(self, frame):
        message = self.message(frame.stream)
        message.body += self._unpad(frame)
        message.complete = message.complete or bool(frame.flags & Flag.END_STREAM)
        if self._open_windows and frame.payload:
            self.send_window_update(0, len(frame.payload))
            if not message.complete:
                self.send_window_update(frame.stream, len(frame.payload))

    def _on_headers(self, frame):
        payload = self._unpad(frame)
        if frame.flags & Flag.PRIORITY:
            payload = payload[5:]
        self._header_block = (frame.stream, frame.flags, [payload])
        if frame.flags & Flag.END_HEADERS:
            self._finish_headers()

    def _on_continuation(self, frame):
        if self._header_block is None or self._header_block[0] != frame.stream:
            raise http1.ProtocolError("unexpected %r" % frame)
        self._header_block[2].append(frame.payload)
        if frame.flags & Flag.END_HEADERS:
            self._finish_headers()

    def _finish_headers(self):
        stream, flags, parts = self._header_block
        self._header_block = None
        fields = [tuple(f) for f in self._decoder.decode(b"".join(parts))]
        for name, _ in fields:
            if name != name.lower():
                raise http1.ProtocolError("field name %r" % name)
        message = self.message(stream)
        status = dict(fields).get(":status", "")
        if re.match("1[0-9][0-9]$", status):
            message.informational.append(fields)
        elif not message.headers:
            message.headers = fields
        else:
            message.trailers = fields
        message.complete = message.complete or bool(flags & Flag.END_STREAM)

    def _on_reset(self, frame):
        self.message(frame.stream).reset = struct.unpack(">I", frame.payload)[0]

    def _on_settings(self, frame):
        if frame.flags & Flag.ACK:
            self.settings_acks += 1
            return
        before = self.peer_settings.get(Setting.INITIAL_WINDOW_SIZE, _DEFAULT_WINDOW)
        for at in range(0, len(frame.payload), 6):
            key, value = struct.unpack(">HI", frame.payload[at:at + 6])
            self.peer_settings[key] = value
        after = self.peer_settings.get(Setting.INITIAL_WINDOW_SIZE, _DEFAULT_WINDOW)
        for stream in self._send_window:
            if stream != 0:
                self._send_window[stream] += after - before
        # RFC 7541 4.2: the encoder may use no larger table than the peer offers.
        table = self.peer_settings.get(Setting.HEADER_TABLE_SIZE, 4096)
        self._encoder.header_table_size = min(table, 4096)
        self.send(FrameType.SETTINGS, Flag.ACK)

    def _on_ping(self, frame):
        if frame.flags & Flag.ACK:
            self.pongs.append(frame.payload)
        else:
            self.send_ping(frame.payload, ack=True)

    def _on_goaway(self, frame):
        last, code = struct.unpack(">II", frame.payload[:8])
        self.goaway = (last & 0x7FFFFFFF, code, frame.payload[8:])
        self.goaways.append(self.goaway)

    def _on_window_update(self, frame):
        increment = struct.unpack(">I", frame.payload)[0]
        self._window(frame.stream)
        self._send_window[frame.stream] += increment


class Client(Connection):
    """A client: preface and SETTINGS are sent, the server's SETTINGS awaited.

    With a tls context (ALPN is set to h2 here) it must be agreed on; else by prior knowledge.
    """

    def __init__(self, server, tls=None, server_name="localhost", settings=None, open_windows=True,
                 greet=True):
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        super().__init__(http1.Client(server, tls, server_name), open_windows)
        if tls is not None and self._stream.sock.selected_alpn_protocol() != "h2":
            raise http1.ProtocolError("ALPN chose %r" % self._stream.sock.selected_alpn_protocol())
        self._next_stream = 1
        if greet:
            self.send_raw(PREFACE)
            self.send_settings(settings)
            self.process_until(lambda: self.settings_acks > 0)

    def next_stream(self):
        stream = self._next_stream
        self._next_stream += 2
        return stream

    def start(self, method="GET", path="/", headers=(), end_stream=True, authority="localhost",
              scheme="http"):
        """Sends a request's HEADERS; gives the stream."""
        stream = self.next_stream()
        pseudo = [(":method", method), (":scheme", scheme), (":path", path)]
        if authority is not None:
            pseudo.append((":authority", authority))
        self.send_headers(stream, pseudo + list(headers), end_stream)
        return stream

    def response(self, stream):
        """Waits until a stream has ended, by END_STREAM, reset or the connection's end."""
        message = self.message(stream)
        self.process_until(lambda: message.complete or message.reset is not None)
        return message

    def request(self, method="GET", path="/", headers=(), body=b"", trailers=None, **kwargs):
        stream = self.start(method, path, headers, not body and trailers is None, **kwargs)
        if body:
            self.send_data(stream, body, trailers is None)
        if trailers is not None:
            self.send_headers(stream, trailers, True)
        return self.response(stream)


class FakeUpstream(http1.Server):
    """An HTTP/2 upstream: `script` is an http1.Reply, a function of the request (a Message) that
    gives one, or of (connection, request) where `raw` is set, which then answers by itself.

    Requests are served one after the other, each when its END_STREAM has arrived.
    """

    def __init__(self, script=None, settings=None, raw=False, tls=None, **kwargs):
        self._script = script or http1.Reply(body=b"hello")
        self._settings = settings
        self._raw = raw
        self.requests = []
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        super().__init__(tls=tls, **kwargs)

    def wait_for_requests(self, count):
        self.wait_until(lambda: len(self.requests) >= count)
        return self.requests

    def serve(self, stream, number):
        if stream.at_end():
            return
        if stream.read_exactly(len(PREFACE)) != PREFACE:
            raise http1.ProtocolError("no preface")
        connection = Connection(stream)
        connection.send_settings(self._settings)
        served = set()
        while connection.process_frame() is not None:
            for message in list(connection.messages.values()):
                if message.complete and message.reset is None and message.stream not in served:
                    served.add(message.stream)
                    self._answer(connection, message)

    def _answer(self, connection, request):
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if self._raw:
            self._script(connection, request)
            return
        reply = self._script if isinstance(self._script, http1.Reply) else self._script(request)
        fields = [(":status", str(reply.status))] + [(n.lower(), v) for n, v in reply.headers]
        trailers = [(n.lower(), v) for n, v in reply.trailers]
        bodiless = request.value(":method") == "HEAD" or not reply.body
        connection.send_headers(request.stream, fields, bodiless and not trailers)
        if not bodiless:
            connection.send_data(request.stream, reply.body, not trailers)
        if trailers:
            connection.send_headers(request.stream, trailers, True)
