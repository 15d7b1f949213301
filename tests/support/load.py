"""Many connections at once from one thread: a client that keeps every one of them busy and counts
what was not answered, and an upstream that is quick enough for it."""

import collections
import re
import selectors
import socket
import threading
import time

from tests.support import http1

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


class _Peer:
    """A connection of either end: bytes in, whole messages out. Content has a length."""

    def __init__(self, sock):
        self.sock = sock
        self.received = bytearray()

    def take_message(self):
        """(head, body) of the next whole message, or None."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.received[:end + 2])
        length = _LENGTH.search(head)
        size = end + 4 + (int(length.group(1)) if length else 0)
        if len(self.received) < size:
            return None
        body = bytes(self.received[end + 4:size])
        del self.received[:size]
        return head, body


class _Loop:
    """A thread that waits for many sockets."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._ending:
            for key, _ in self._selector.select(self.patience()):
                if key.data is not None:
                    key.data()
            self.tick()
        self.end()
        self._selector.close()

    def patience(self):
        return None

    def tick(self):
        pass

    def end(self):
        pass

    def stop(self):
        """Ends the thread and closes its connections; again does nothing."""
        if self._ending:
            return
        self._ending = True
        self._wake.send(b"x")
        self._thread.join(http1.TIMEOUT)
        self._wake.close()
        self._woken.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Upstream(_Loop):
    """Answers every request at once with `body`. Bodies of requests are counted in `bodies`, where
    there are some. After `close_after` requests a connection is closed without being told so, as by
    an impatient server."""

    def __init__(self, body=b"hello", close_after=None):
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self._close_after = close_after
        self._open = set()
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.url = "http://" + self.address
        self.requests = 0
        self.accepted = 0
        self.bodies = collections.Counter()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._thread.start()

    def _accept(self):
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.accepted += 1
        peer = _Peer(sock)
        peer.served = 0
        self._open.add(sock)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._read(peer))

    def _read(self, peer):
        try:
            data = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(peer.sock)
            return
        peer.received += data
        message = peer.take_message()
        while message is not None:
            if message[1]:
                self.bodies[message[1]] += 1
            self.requests += 1
            peer.served += 1
            try:
                peer.sock.send(self._answer)
            except OSError:
                self._close(peer.sock)
                return
            if peer.served == self._close_after:
                self._close(peer.sock)
                return
            message = peer.take_message()

    def _close(self, sock):
        self._selector.unregister(sock)
        self._open.discard(sock)
        sock.close()

    def end(self):
        for sock in list(self._open):
            self._close(sock)
        self._listener.close()


class Load(_Loop):
    """Keeps `connections` connections busy with `request` (bytes, or a function of the number of the
    request), one at a time on each, with a pause of `think` seconds behind an answer. A connection
    that ends without an open request is made anew; one that cannot be made is given up.

    Everything that was sent and not answered in full is in `broken`: a text each.
    """

    def __init__(self, address, connections=64, request=http1.encode_request(), think=0, limit=None):
        super().__init__()
        self._address = address
        self._connections = connections
        self._request = request
        self._think = think
        self._limit = limit
        self._thinking = collections.deque()
        self._peers = set()
        self._changed = threading.Condition()
        self._finishing = False
        self.sent = 0
        self.answered = 0
        self.statuses = collections.Counter()
        self.broken = []
        self.latencies = []
        self.refused = 0
        self.reconnects = 0

    def start(self):
        for _ in range(self._connections):
            self._connect()
        self._thread.start()
        return self

    def wait_for(self, answered, timeout=http1.TIMEOUT):
        """Waits for so many answers."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.answered >= answered or not self._peers, timeout):
                raise AssertionError("%d of %d answers; broken: %r" % (
                    self.answered, answered, self.broken[:5]))

    def wait_until_given_up(self, timeout=http1.TIMEOUT):
        """Waits until no connection is open any more and none can be made."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._peers, timeout):
                raise AssertionError("%d connections are still open" % len(self._peers))

    def finish(self):
        """Sends nothing more, waits for what is open, and ends."""
        self._finishing = True
        self._wake.send(b"x")
        self.wait_until_given_up()
        self.stop()

    def patience(self):
        if self._finishing and not self._peers:
            return 0.05
        return 0.001 if self._thinking else None

    def tick(self):
        now = time.monotonic()
        while self._thinking and (self._thinking[0][0] <= now or self._finishing):
            _, peer = self._thinking.popleft()
            if peer in self._peers and not peer.waiting:
                self._send(peer)
        if self._finishing:
            for peer in [p for p in self._peers if not p.waiting]:
                self._drop(peer)

    def _connect(self):
        sock = socket.socket()
        sock.settimeout(http1.TIMEOUT)
        try:
            sock.connect(self._address)
        except OSError:
            self.refused += 1
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        peer = _Peer(sock)
        peer.waiting = False
        self._peers.add(peer)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._read(peer))
        self._send(peer)

    def _send(self, peer):
        if self._finishing or (self._limit is not None and self.sent >= self._limit):
            self._drop(peer)
            return
        request = self._request(self.sent) if callable(self._request) else self._request
        peer.waiting = True
        peer.since = time.monotonic()
        self.sent += 1
        try:
            peer.sock.send(request)
        except OSError:
            pass  # an answer may have been sent before; reading finds out

    def _drop(self, peer):
        self._selector.unregister(peer.sock)
        peer.sock.close()
        with self._changed:
            self._peers.discard(peer)
            self._changed.notify_all()

    def _read(self, peer):
        try:
            data = peer.sock.recv(65536)
            why = "closed"
        except BlockingIOError:
            return
        except OSError as error:
            data = b""
            why = str(error)
        if not data:
            if peer.waiting:
                self.broken.append("%s after %r" % (why, bytes(peer.received[:200])))
            self._again(peer)
            return
        peer.received += data
        message = peer.take_message()
        if message is None:
            return
        peer.waiting = False
        self.latencies.append(time.monotonic() - peer.since)
        with self._changed:
            self.answered += 1
            self._changed.notify_all()
        self.statuses[int(message[0][9:12])] += 1
        if peer.received:
            self.broken.append("unexpected %r" % bytes(peer.received[:200]))
        if _CLOSE.search(message[0]):
            self._again(peer)
        elif self._think:
            self._thinking.append((time.monotonic() + self._think, peer))
        else:
            self._send(peer)

    def _again(self, peer):
        if not self._finishing:
            self.reconnects += 1
            self._connect()
        self._drop(peer)

    def end(self):
        for peer in list(self._peers):
            self._drop(peer)
