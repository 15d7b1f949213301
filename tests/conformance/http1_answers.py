"""Answers of upstreams that HTTP/1.1 implementations read differently, and what a client of the
gateway must see of them. Data only: http1_responses_test.py runs it against the real program.

Sections are of RFC 9112 unless they say otherwise. "issue 2" is the rule of this project that an
upstream's malformed or truncated answer becomes 502 or a broken-off response, never one that looks
complete.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Answer:
    """Bytes an upstream sends for one request."""

    name: str
    rule: str
    send: bytes
    status: int  # what the client sees
    body: object = b"hello"  # None: of the gateway's own making
    close: bool = False  # the upstream closes behind it
    # What becomes of the response and of the upstream's connection:
    cut: bool = False  # the client must see that something is missing (or `status` may be a 502)
    reused: bool = True  # the connection serves the next request
    # Sent in one piece only. What an upstream sends later than its answer cannot be told from the
    # answer to the next request.
    whole: bool = False
    method: str = "GET"
    fields: bytes = b""  # of the request
    version: bytes = b"1.1"  # of the client
    has: tuple = ()  # (name, value): exactly this one value
    lacks: tuple = ()  # names
    trailers: tuple = ()
    informational: tuple = ()  # statuses that may come before


def _answer(fields, body=b"", line=b"HTTP/1.1 200 OK"):
    return line + b"\r\n" + fields + b"\r\n" + body


def _length(fields=b"", line=b"HTTP/1.1 200 OK"):
    return _answer(b"Content-Length: 5\r\n" + fields, b"hello", line)


def _chunked(body=b"5\r\nhello\r\n0\r\n\r\n", fields=b""):
    return _answer(b"Transfer-Encoding: chunked\r\n" + fields, body)


def _bad(name, rule, send, **kwargs):
    return Answer(name, rule, send, 502, None, reused=False, **kwargs)


def _cut(name, rule, send, **kwargs):
    return Answer(name, rule, send, 200, None, cut=True, reused=False, **kwargs)


def _good(name, rule, send, **kwargs):
    return Answer(name, rule, send, kwargs.pop("status", 200), **kwargs)


FRAMING = [
    _good("Length", "6.2", _length()),
    _good("LengthZero", "6.2", _answer(b"Content-Length: 0\r\n"), body=b""),
    _good("Coding", "7.1", _chunked()),
    _good("CodingInOtherCase", "7", _answer(b"transfer-encoding: CHUNKED\r\n", b"5\r\nhello\r\n0\r\n\r\n")),
    _good("CodingExtensions", "7.1.1", _chunked(b'5;a="b";c\r\nhello\r\n0\r\n\r\n')),
    _good("CodingEmpty", "7.1", _chunked(b"0\r\n\r\n"), body=b""),
    _good("UntilClose", "6.3", _answer(b"", b"hello"), close=True, reused=False),
    _good("UntilCloseInHttp10", "6.3", _answer(b"", b"hello", b"HTTP/1.0 200 OK"), close=True,
          reused=False),
    _good("LengthInHttp10", "9.3", _length(line=b"HTTP/1.0 200 OK"), close=True, reused=False),
    _good("Http10KeepAlive", "9.3", _length(b"Connection: keep-alive\r\n", b"HTTP/1.0 200 OK")),
    _good("Version12", "RFC 9110 2.5", _length(line=b"HTTP/1.2 200 OK")),
    _bad("LengthAndCoding", "6.1, 6.3",
         _answer(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")),
    _bad("CodingAndLength", "6.1, 6.3",
         _answer(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"5\r\nhello\r\n0\r\n\r\n")),
    _bad("LengthsThatDiffer", "6.3", _answer(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    _bad("LengthTwice", "6.3", _answer(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    _bad("LengthList", "6.3", _answer(b"Content-Length: 5, 5\r\n", b"hello")),
    _bad("LengthPlus", "6.3", _answer(b"Content-Length: +5\r\n", b"hello")),
    _bad("LengthMinus", "6.3", _answer(b"Content-Length: -5\r\n", b"hello")),
    _bad("LengthHex", "6.3", _answer(b"Content-Length: 0x5\r\n", b"hello")),
    _bad("LengthTwoNumbers", "6.3", _answer(b"Content-Length: 5 5\r\n", b"hello")),
    _bad("LengthEmpty", "6.3", _answer(b"Content-Length:\r\n", b"hello")),
    _bad("LengthOverflow", "6.3", _answer(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    _bad("CodingTwice", "6.1", _answer(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    _bad("CodingFieldTwice", "6.1",
         _answer(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    _bad("CodingUnknown", "6.1", _answer(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    _bad("CodingIdentity", "6.1", _answer(b"Transfer-Encoding: identity\r\n", b"hello"), close=True),
    _bad("CodingObfuscated", "6.1", _answer(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    _bad("CodingInHttp10", "6.1",
         _answer(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"HTTP/1.0 200 OK")),
    _cut("LengthCutShort", "8", _answer(b"Content-Length: 9\r\n", b"hello"), close=True),
    _cut("ChunksCutShort", "8", _chunked(b"5\r\nhello\r\n"), close=True),
    _cut("ChunkCutShort", "8", _chunked(b"9\r\nhello"), close=True),
    _cut("LastChunkCutShort", "8", _chunked(b"5\r\nhello\r\n0\r\n"), close=True),
    _cut("ChunkSizeBad", "7.1", _chunked(b"5\r\nhello\r\nxyz\r\n\r\n")),
    _cut("ChunkSizePrefix", "7.1", _chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    _cut("ChunkSizeSpace", "7.1", _chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    _cut("ChunkSizeOverflow", "7.1", _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    _cut("ChunkSizeBareLf", "7.1", _chunked(b"5\nhello\n0\n\n")),
    _cut("ChunkDataTooLong", "7.1", _chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
    _cut("ChunkDataBareLf", "7.1", _chunked(b"5\r\nhello\n0\r\n\r\n")),
    _cut("ChunkExtensionLf", "7.1.1", _chunked(b"5;\nhello\r\n0\r\n\r\n")),
    _cut("TrailerLength", "RFC 9110 6.5.1", _chunked(b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n")),
    _cut("TrailerFolded", "5.2", _chunked(b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n")),
    _cut("TrailerNoColon", "5.1", _chunked(b"5\r\nhello\r\n0\r\nX\r\n\r\n")),
    # More than was asked for belongs to nobody, and must not answer the next request (9.2).
    _good("BytesBehindLength", "9.2", _length() + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
          reused=False, whole=True),
    _good("BytesBehindChunks", "9.2",
          _chunked() + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", reused=False, whole=True),
    _good("OneByteTooMany", "9.2", _length() + b"!", reused=False, whole=True),
    _good("ContentBehindHead", "6.3", _length(), method="HEAD", body=b"", reused=False, whole=True),
    _good("ContentBehind204", "6.3", _answer(b"", b"hello", b"HTTP/1.1 204 No Content"), status=204,
          body=b"", reused=False, whole=True),
    _good("ContentBehind304", "6.3", _answer(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 304 X"),
          status=304, body=b"", reused=False, whole=True),
]

STATUSES = [
    _good("NoReason", "4", _length(line=b"HTTP/1.1 200 ")),
    _good("NoReasonNoSpace", "4", _length(line=b"HTTP/1.1 200")),
    _good("ReasonHighBytes", "4", _length(line=b"HTTP/1.1 200 \xc3\xa9t\xe9")),
    _good("UnusualStatus", "RFC 9110 15; rest-api.md 8.4", _length(line=b"HTTP/1.1 299 X"), status=299),
    _good("Teapot", "rest-api.md 8.4", _length(line=b"HTTP/1.1 418 X"), status=418),
    _good("NoContent", "RFC 9110 15.3.5", _answer(b"", line=b"HTTP/1.1 204 No Content"), status=204,
          body=b"", lacks=("Content-Length", "Transfer-Encoding")),
    _good("NoContentLengthZero", "RFC 9110 8.6",
          _answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 204 No Content"), status=204, body=b"",
          lacks=("Content-Length", "Transfer-Encoding")),
    _bad("NoContentWithLength", "RFC 9110 8.6",
         _answer(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 204 No Content")),
    _bad("NoContentWithCoding", "6.1",
         _answer(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.1 204 No Content")),
    _good("NotModified", "RFC 9110 15.4.5",
          _answer(b'ETag: "x"\r\nContent-Length: 5\r\n', line=b"HTTP/1.1 304 Not Modified"), status=304,
          body=b"", has=(("ETag", '"x"'),), lacks=("Transfer-Encoding",)),
    _good("ResetContent", "RFC 9110 15.3.6",
          _answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 205 Reset Content"), status=205, body=b""),
    _good("Head", "RFC 9110 9.3.2", _answer(b"Content-Length: 5\r\n"), method="HEAD", body=b"",
          has=(("Content-Length", "5"),)),
    _good("HeadWithoutLength", "RFC 9110 9.3.2", _answer(b"X: y\r\n"), method="HEAD", body=b""),
    _good("HeadChunked", "6.1", _answer(b"Transfer-Encoding: chunked\r\n"), method="HEAD", body=b""),
    _good("Continue", "RFC 9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n" + _length()),
    _good("EarlyHints", "RFC 8297", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _length(),
          informational=(103,)),
    _good("Processing", "RFC 9110 15.2", b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + _length(),
          informational=(102,)),
    _bad("InterimWithoutEnd", "issue 2", b"HTTP/1.1 103 X\r\n\r\n" * 2000 + _length()),
    _bad("InterimWithContent", "6.3", b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\nhello" + _length()),
    _bad("SwitchingUnasked", "RFC 9110 15.2.2",
         b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
    _bad("SwitchingWithoutUpgrade", "RFC 9110 15.2.2", b"HTTP/1.1 101 X\r\n\r\n"),
    _bad("StatusTwoDigits", "4", _length(line=b"HTTP/1.1 20 OK")),
    _bad("StatusFourDigits", "4", _length(line=b"HTTP/1.1 2000 OK")),
    _bad("StatusNoNumber", "4", _length(line=b"HTTP/1.1 abc OK")),
    _bad("StatusSigned", "4", _length(line=b"HTTP/1.1 +20 OK")),
    _bad("StatusTooSmall", "RFC 9110 15", _length(line=b"HTTP/1.1 099 OK")),
    _bad("StatusTooLarge", "RFC 9110 15", _length(line=b"HTTP/1.1 999 OK")),
    _bad("StatusZero", "RFC 9110 15", _length(line=b"HTTP/1.1 000 OK")),
    _bad("TwoSpaces", "4", _length(line=b"HTTP/1.1  200 OK")),
    _bad("TabInStatusLine", "4", _length(line=b"HTTP/1.1\t200 OK")),
    _bad("VersionLowerCase", "2.3", _length(line=b"http/1.1 200 OK")),
    _bad("Version2", "2.3", _length(line=b"HTTP/2 200 OK")),
    _bad("Version20", "2.3", _length(line=b"HTTP/2.0 200 OK")),
    _bad("Version09", "2.3", _length(line=b"HTTP/0.9 200 OK")),
    _bad("OtherProtocol", "2.3", b"220 mail.example ESMTP\r\n\r\n"),
    _bad("IcyProtocol", "2.3", _length(line=b"ICY 200 OK")),
    _bad("Http09Body", "2.3", b"<html>hello</html>\r\n\r\n", close=True),
    _bad("TlsAlert", "2.3", b"\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n", close=True),
    _bad("Http2Settings", "2.3", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    _bad("EmptyLinesFirst", "2.2", b"\r\n\r\n" + _length()),
    _bad("RequestLine", "4", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
]

FIELDS = [
    _good("HighBytes", "RFC 9110 5.5", _length(b"X: \xc3\xa9\xff\r\n"), has=(("X", "\xc3\xa9\xff"),)),
    _good("TabsAround", "RFC 9110 5.6.3", _length(b"X:\ta\tb\t\r\n"), has=(("X", "a\tb"),)),
    _good("EmptyValue", "RFC 9110 5.5", _length(b"X:\r\n"), has=(("X", ""),)),
    _good("EncodedLineEnd", "issue 2", _length(b"Location: /%0d%0aX:%20y\r\n"),
          has=(("Location", "/%0d%0aX:%20y"),), lacks=("X",)),
    _bad("BareLf", "2.2", _length(b"X: a\nY: b\r\n")),
    _bad("BareLfEverywhere", "2.2", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    _bad("BareLfInStatusLine", "2.2", b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
    _bad("BareCr", "2.2", _length(b"X: a\rY: b\r\n")),
    _bad("CrCrLf", "2.2", _length(b"X: a\r\r\n")),
    _bad("Nul", "RFC 9110 5.5", _length(b"X: a\x00b\r\n")),
    _bad("NulInStatusLine", "4", _length(line=b"HTTP/1.1 200 O\x00K")),
    _bad("Control", "RFC 9110 5.5", _length(b"X: a\x01b\r\n")),
    _bad("Delete", "RFC 9110 5.5", _length(b"X: a\x7fb\r\n")),
    _bad("ControlInReason", "4", _length(line=b"HTTP/1.1 200 a\x1bb")),
    _bad("FoldMiddle", "5.2", _length(b"X: a\r\n b\r\n")),
    _bad("FoldFirst", "5.2", b"HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 5\r\n\r\nhello"),
    _bad("FoldTab", "5.2", _length(b"X: a\r\n\tb\r\n")),
    _bad("SpaceBeforeColon", "5.1", _length(b"X : a\r\n")),
    _bad("SpaceBeforeColonOfLength", "5.1", _answer(b"Content-Length : 5\r\n", b"hello")),
    _bad("EmptyName", "5.1", _length(b": a\r\n")),
    _bad("NoColon", "5.1", _length(b"X\r\n")),
    _bad("NameNotToken", "RFC 9110 5.1", _length(b"X(y): a\r\n")),
    _bad("NameHighByte", "RFC 9110 5.1", _length(b"X\xe9: a\r\n")),
    _bad("HeadTooLarge", "issue 2", _length(b"X: " + b"a" * 200000 + b"\r\n")),
    _bad("HeadWithoutEnd", "issue 2", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200000),
    _bad("FieldsTooMany", "issue 2", _length(b"X: a\r\n" * 2000)),
    _bad("HeadCutShort", "8", b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
]

CONNECTIONS = [
    _good("Close", "9.6", _length(b"Connection: close\r\n"), close=True, reused=False),
    _good("CloseSaidButNotDone", "9.6", _length(b"Connection: close\r\n"), reused=False),
    _good("NamedField", "RFC 9110 7.6.1; rest-api.md 8.4",
          _length(b"Connection: X-Drop\r\nX-Drop: 1\r\nX-Kept: 2\r\n"), lacks=("X-Drop",),
          has=(("X-Kept", "2"), ("x-amzn-Remapped-Connection", "X-Drop"))),
    _good("HopByHopFields", "RFC 9110 7.6.1; rest-api.md 8.4",
          _length(b"Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: X\r\n"
                  b"Proxy-Authenticate: Basic\r\nTE: x\r\n"),
          lacks=("Keep-Alive", "Proxy-Connection", "Upgrade", "Trailer", "Proxy-Authenticate", "TE")),
    _good("RemappedFields", "rest-api.md 8.4",
          _length(b"Date: x\r\nServer: y\r\nWWW-Authenticate: Basic\r\n"),
          has=(("x-amzn-Remapped-Date", "x"), ("x-amzn-Remapped-Server", "y"),
               ("x-amzn-Remapped-WWW-Authenticate", "Basic"), ("x-amzn-Remapped-Content-Length", "5")),
          lacks=("Server", "WWW-Authenticate")),
    _good("NamedLengthChangesNothing", "RFC 9110 7.6.1", _length(b"Connection: Content-Length\r\n")),
    _good("TrailersDropped", "7.1.2; RFC 9110 6.5.1", _chunked(b"5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n"),
          lacks=("X-Sum",)),
    _good("TrailersPassed", "7.1.2, 7.4", _chunked(b"5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n"),
          fields=b"TE: trailers\r\nConnection: TE\r\n", lacks=("X-Sum",), trailers=(("X-Sum", "9"),)),
    _good("TrailersNotMerged", "RFC 9110 6.5.1",
          _chunked(b"5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\nCache-Control: public\r\n\r\n"),
          fields=b"TE: trailers\r\nConnection: TE\r\n", lacks=("Set-Cookie", "Cache-Control")),
    _good("ChunksToHttp10", "6.1, 7.1", _chunked(), version=b"1.0", lacks=("Transfer-Encoding",)),
    _good("UntilCloseToHttp10", "6.3", _answer(b"", b"hello"), close=True, reused=False,
          version=b"1.0", lacks=("Transfer-Encoding",)),
    _good("InterimToHttp10", "RFC 9110 15.2", b"HTTP/1.1 103 X\r\n\r\n" + _length(), version=b"1.0"),
    _cut("CutShortToHttp10", "8", _chunked(b"5\r\nhello\r\n"), close=True, version=b"1.0"),
    _good("SetCookieTwice", "RFC 9110 5.3", _length(b"X: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"),
          has=(("X", "1"),)),
]

ANSWERS = FRAMING + STATUSES + FIELDS + CONNECTIONS
