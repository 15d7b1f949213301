"""Requests and upstream answers that HTTP/1.1 implementations read differently, and what the gateway
must make of them. Data only: http1_requests_test.py and http1_responses_test.py run it against the
real program.

Sections are of RFC 9112 unless they say otherwise; "issue 2" is the rule of this project that
anything two parsers could read differently is refused and the connection closed.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Seen:
    """A request that must reach the upstream."""

    method: str = "GET"
    target: str = "/"
    body: bytes = b""
    has: tuple = ()  # (name, value): exactly this one value
    lacks: tuple = ()  # names
    trailers: tuple = ()  # these may come, others not


@dataclasses.dataclass(frozen=True)
class Case:
    """Bytes a client sends on a new connection."""

    name: str
    rule: str
    send: bytes
    status: object  # of the answer; a tuple: of several, in order; (): the connection just ends
    kept: bool = False  # whether the connection serves another request afterwards
    seen: tuple = ()  # all that may reach the upstream
    method: str = "GET"  # how the answer is framed: HEAD has no content
    fin: bool = False  # the client sends no more, ever

    @property
    def statuses(self):
        return self.status if isinstance(self.status, tuple) else (self.status,)


def _get(fields=b"", target=b"/", host=b"localhost", version=b"1.1", method=b"GET"):
    return b"%s %s HTTP/%s\r\nHost: %s\r\n%s\r\n" % (method, target, version, host, fields)


def _post(fields, body=b"", version=b"1.1"):
    return b"POST / HTTP/%s\r\nHost: localhost\r\n%s\r\n%s" % (version, fields, body)


def _chunked(body, fields=b""):
    return _post(b"Transfer-Encoding: chunked\r\n" + fields, body)


def _refused(name, rule, send, status=400):
    return Case(name, rule, send, status)


def _served(name, rule, send, *seen, kept=True, **kwargs):
    return Case(name, rule, send, kwargs.pop("status", 200), kept, seen or (Seen(),), **kwargs)


# Answered by the gateway without a route: the connection is fine and goes on.
def _unrouted(name, rule, send, status=403):
    return Case(name, rule, send, status, True)


_ONE = b"1\r\nx\r\n0\r\n\r\n"
_HELLO = Seen("POST", body=b"hello")

# -- Content-Length and Transfer-Encoding: where one message ends ---------------------------------

LENGTHS = [
    _refused("LengthAndCoding", "6.1, 11.2",
             _post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    _refused("CodingAndLength", "6.1, 11.2",
             _post(b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", b"0\r\n\r\nG")),
    _refused("LengthZeroAndCoding", "6.1",
             _post(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", _ONE)),
    _refused("LengthAndUnknownCoding", "6.1",
             _post(b"Content-Length: 1\r\nTransfer-Encoding: gzip, chunked\r\n", b"x")),
    _refused("LengthsThatDiffer", "6.3", _post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello")),
    _refused("LengthTwice", "6.3", _post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    _refused("LengthTwiceInOtherCase", "6.3",
             _post(b"Content-Length: 5\r\ncontent-length: 6\r\n", b"hello")),
    _refused("LengthList", "6.3", _post(b"Content-Length: 5, 5\r\n", b"hello")),
    _refused("LengthListDiffers", "6.3", _post(b"Content-Length: 5, 6\r\n", b"hello")),
    _refused("LengthListEmptyElement", "6.3", _post(b"Content-Length: 5,\r\n", b"hello")),
    _refused("LengthPlus", "6.3; RFC 9110 8.6", _post(b"Content-Length: +5\r\n", b"hello")),
    _refused("LengthMinus", "6.3; RFC 9110 8.6", _post(b"Content-Length: -5\r\n", b"hello")),
    _refused("LengthMinusZero", "RFC 9110 8.6", _post(b"Content-Length: -0\r\n")),
    _refused("LengthHex", "RFC 9110 8.6", _post(b"Content-Length: 0x5\r\n", b"hello")),
    _refused("LengthHexDigits", "RFC 9110 8.6", _post(b"Content-Length: a\r\n", b"hello hell")),
    _refused("LengthTwoNumbers", "RFC 9110 8.6", _post(b"Content-Length: 5 5\r\n", b"hello")),
    _refused("LengthUnderscore", "RFC 9110 8.6", _post(b"Content-Length: 1_0\r\n", b"hello hell")),
    _refused("LengthFraction", "RFC 9110 8.6", _post(b"Content-Length: 5.0\r\n", b"hello")),
    _refused("LengthExponent", "RFC 9110 8.6", _post(b"Content-Length: 5e0\r\n", b"hello")),
    _refused("LengthEmpty", "RFC 9110 8.6", _post(b"Content-Length:\r\n", b"hello")),
    _refused("LengthQuoted", "RFC 9110 8.6", _post(b'Content-Length: "5"\r\n', b"hello")),
    _refused("LengthComment", "RFC 9110 8.6", _post(b"Content-Length: 5;x\r\n", b"hello")),
    _refused("LengthOtherDigits", "RFC 9110 8.6",
             _post("Content-Length: \u0665\r\n".encode(), b"hello")),
    _refused("LengthVerticalTab", "RFC 9110 5.5", _post(b"Content-Length: \x0b5\r\n", b"hello")),
    _refused("LengthBeyond64Bit", "6.3; RFC 9110 8.6",
             _post(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    _refused("LengthBeyond63Bit", "RFC 9110 8.6",
             _post(b"Content-Length: 9223372036854775813\r\n", b"hello")),
    _refused("LengthOfManyDigits", "RFC 9110 8.6",
             _post(b"Content-Length: " + b"9" * 400 + b"\r\n", b"hello")),
    _served("Length", "6.2", _post(b"Content-Length: 5\r\n", b"hello"), _HELLO),
    _served("LengthWithTabs", "5.1; RFC 9110 5.6.3",
            _post(b"Content-Length:\t 5 \t\r\n", b"hello"), _HELLO),
    _served("LengthWithZeros", "RFC 9110 8.6", _post(b"Content-Length: 0005\r\n", b"hello"), _HELLO),
    _served("LengthZero", "6.2", _post(b"Content-Length: 0\r\n"), Seen("POST")),
    _served("NoLength", "6.3", _post(b""), Seen("POST")),
    _served("GetWithContent", "RFC 9110 9.3.1",
            _get(b"Content-Length: 5\r\n") + b"hello", Seen(body=b"hello")),

    _refused("CodingObfuscated", "6.1", _post(b"Transfer-Encoding: xchunked\r\n", _ONE)),
    _refused("CodingPrefix", "6.1", _post(b"Transfer-Encoding: chunkedx\r\n", _ONE)),
    _refused("CodingIdentity", "6.1; RFC 7230 A.1.3", _post(b"Transfer-Encoding: identity\r\n", _ONE)),
    _refused("CodingIdentityAndChunked", "6.1",
             _post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", _ONE)),
    _refused("CodingTwice", "6.1", _post(b"Transfer-Encoding: chunked, chunked\r\n", _ONE)),
    _refused("CodingFieldTwice", "6.1",
             _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", _ONE)),
    _refused("CodingFieldTwiceObfuscated", "6.1",
             _post(b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", _ONE)),
    _refused("CodingNotLast", "6.1, 6.3", _post(b"Transfer-Encoding: chunked, gzip\r\n", _ONE)),
    _refused("CodingEmpty", "6.1", _post(b"Transfer-Encoding:\r\n", _ONE)),
    _refused("CodingQuoted", "6.1", _post(b'Transfer-Encoding: "chunked"\r\n', _ONE)),
    _refused("CodingSingleQuoted", "6.1", _post(b"Transfer-Encoding: 'chunked'\r\n", _ONE)),
    _refused("CodingSpaceInside", "6.1", _post(b"Transfer-Encoding: chun ked\r\n", _ONE)),
    _refused("CodingNul", "RFC 9110 5.5", _post(b"Transfer-Encoding: chunked\x00\r\n", _ONE)),
    _refused("CodingVerticalTab", "RFC 9110 5.5", _post(b"Transfer-Encoding: \x0bchunked\r\n", _ONE)),
    _refused("CodingFormFeed", "RFC 9110 5.5", _post(b"Transfer-Encoding: chunked\x0c\r\n", _ONE)),
    _refused("CodingSpaceBeforeColon", "5.1", _post(b"Transfer-Encoding : chunked\r\n", _ONE)),
    _refused("CodingFolded", "5.2", _post(b"Transfer-Encoding:\r\n chunked\r\n", _ONE)),
    _refused("CodingFoldedAfterX", "5.2", _post(b"X: y\r\n Transfer-Encoding: chunked\r\n", _ONE)),
    _refused("CodingAfterBareLf", "2.2", _post(b"X: y\nTransfer-Encoding: chunked\r\n", _ONE)),
    _refused("CodingAfterBareCr", "2.2", _post(b"X: y\rTransfer-Encoding: chunked\r\n", _ONE)),
    _refused("CodingHighByte", "6.1", _post(b"Transfer-Encoding: chunked\xa0\r\n", _ONE)),
    _refused("CodingInHttp10", "6.1", _post(b"Transfer-Encoding: chunked\r\n", _ONE, version=b"1.0")),
    _refused("CodingUnknown", "6.1", _post(b"Transfer-Encoding: gzip, chunked\r\n", _ONE), 501),
    _served("Coding", "6.1", _post(b"Transfer-Encoding: chunked\r\n", _ONE), Seen("POST", body=b"x")),
    _served("CodingInOtherCase", "7; RFC 9110 5.1",
            _post(b"tRANSFER-eNCODING: ChunKed\r\n", _ONE), Seen("POST", body=b"x")),
    _served("CodingWithTabs", "RFC 9110 5.6.3",
            _post(b"Transfer-Encoding:\tchunked\t\r\n", _ONE), Seen("POST", body=b"x")),
    # What follows a message is the next message, never part of this one.
    Case("RequestBehindLength", "9.3.2", _post(b"Content-Length: 5\r\n", b"hello") + _get(target=b"/2"),
         (200, 200), True, (_HELLO, Seen(target="/2"))),
    Case("GarbageBehindLength", "9.3.2", _post(b"Content-Length: 5\r\n", b"hello, world\r\n\r\n"),
         (200, 400), False, (_HELLO,)),
    Case("ContentIsNoRequest", "6.3",
         _post(b"Content-Length: 44\r\n", b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n1"),
         200, True,
         (Seen("POST", body=b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n1"),)),
    Case("ChunkIsNoRequest", "7.1",
         _chunked(b"2b\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n0\r\n\r\n"), 200, True,
         (Seen("POST", body=b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),)),
    Case("LengthOnHead", "6.3", _get(b"Content-Length: 2\r\n", method=b"HEAD") + b"hi", 200, True,
         (Seen("HEAD", body=b"hi"),), method="HEAD"),
    # The client ends before its message does: nothing whole may reach the upstream (8).
    Case("LengthCutShort", "8", _post(b"Content-Length: 9\r\n", b"hello"), (), fin=True),
    Case("ChunksCutShort", "8", _chunked(b"5\r\nhello\r\n"), (), fin=True),
    Case("ChunkCutShort", "8", _chunked(b"9\r\nhello"), (), fin=True),
    Case("LastChunkCutShort", "8", _chunked(b"5\r\nhello\r\n0\r\n"), (), fin=True),
    Case("HeadCutShort", "8", b"GET / HTTP/1.1\r\nHost: localhost\r\n", (), fin=True),
    Case("NothingAtAll", "8", b"", (), fin=True),
    _served("EndAfterWholeRequest", "9.6", _get(), kept=False, fin=True),
]

# -- Chunks ----------------------------------------------------------------------------------------

_LONG_EXTENSION = b";" + b"a" * 300

CHUNKS = [
    _served("ChunkSizeUpperCase", "7.1", _chunked(b"A\r\n0123456789\r\n0\r\n\r\n"),
            Seen("POST", body=b"0123456789")),
    _served("ChunkSizeLowerCase", "7.1", _chunked(b"a\r\n0123456789\r\n0\r\n\r\n"),
            Seen("POST", body=b"0123456789")),
    _served("ChunkSizeLeadingZeros", "7.1", _chunked(b"0000000000000005\r\nhello\r\n000\r\n\r\n"),
            _HELLO),
    _served("ManyChunks", "7.1", _chunked(b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n"), _HELLO),
    _served("OnlyTheLastChunk", "7.1", _chunked(b"0\r\n\r\n"), Seen("POST")),
    _refused("ChunkSizeTooManyZeros", "7.1", _chunked(b"0" * 400 + b"5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizePrefix", "7.1", _chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizePlus", "7.1", _chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeMinus", "7.1", _chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeEmpty", "7.1", _chunked(b"\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeNoHex", "7.1", _chunked(b"g\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeUnderscore", "7.1", _chunked(b"0_5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeSpaceBefore", "7.1", _chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeTabBefore", "7.1", _chunked(b"\t5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeSpaceAfter", "7.1", _chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeTabAfter", "7.1", _chunked(b"5\t\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeSpaceInside", "7.1", _chunked(b"0 5\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeBeyond64Bit", "7.1", _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeAll64Bit", "7.1", _chunked(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeMinusOne", "7.1", _chunked(b"fffffffffffffffb\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeNul", "7.1", _chunked(b"5\x00\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeBareLf", "7.1", _chunked(b"5\nhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeBareCr", "7.1", _chunked(b"5\rhello\r\n0\r\n\r\n")),
    _refused("ChunkSizeTwoCrs", "7.1", _chunked(b"5\r\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkDataTooLong", "7.1", _chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
    _refused("ChunkDataTooShort", "7.1", _chunked(b"6\r\nhello\r\n0\r\n\r\n")),
    _refused("ChunkDataNoEnd", "7.1", _chunked(b"5\r\nhello0\r\n\r\n")),
    _refused("ChunkDataBareLf", "7.1", _chunked(b"5\r\nhello\n0\r\n\r\n")),
    _refused("ChunkDataBareCr", "7.1", _chunked(b"5\r\nhello\r0\r\n\r\n")),
    _refused("LastChunkBareLf", "7.1", _chunked(b"5\r\nhello\r\n0\n\r\n")),
    _refused("LastLineBareLf", "7.1", _chunked(b"5\r\nhello\r\n0\r\n\n")),

    _served("Extension", "7.1.1", _chunked(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), _HELLO),
    _served("ExtensionQuoted", "7.1.1", _chunked(b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'), _HELLO),
    _served("ExtensionsWithSpace", "7.1.1", _chunked(b"5 ; a = b;c\r\nhello\r\n0\r\n\r\n"), _HELLO),
    _refused("ExtensionLf", "7.1.1", _chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionLfAtOnce", "7.1.1", _chunked(b"5;\nxx\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionCr", "7.1.1", _chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionQuotedLf", "7.1.1", _chunked(b'5;a="\n"\r\nhello\r\n0\r\n\r\n')),
    _refused("ExtensionQuotedCrLf", "7.1.1", _chunked(b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n')),
    _refused("ExtensionQuotedNul", "7.1.1", _chunked(b'5;a="\x00"\r\nhello\r\n0\r\n\r\n')),
    _refused("ExtensionQuoteOpen", "7.1.1", _chunked(b'5;a="b\r\nhello\r\n0\r\n\r\n')),
    _refused("ExtensionNoName", "7.1.1", _chunked(b"5;\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionNoValue", "7.1.1", _chunked(b"5;a=\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionNoSemicolon", "7.1.1", _chunked(b"5 a=b\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionNotToken", "7.1.1", _chunked(b"5;a(b\r\nhello\r\n0\r\n\r\n")),
    _refused("ExtensionHuge", "7.1.1, 11.2", _chunked(b"5" + _LONG_EXTENSION + b"\r\nhello\r\n0\r\n\r\n")),
    Case("ExtensionsMoreThanContent", "7.1.1",
         _chunked((b"1;" + b"a" * 250 + b"\r\nx\r\n") * 600 + b"0\r\n\r\n"), 400),

    _served("Trailer", "7.1.2", _chunked(b"5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n"),
            Seen("POST", body=b"hello", lacks=("X-Sum",), trailers=(("X-Sum", "9"),))),
    _served("TrailerAuthorizationNotMerged", "7.1.2; RFC 9110 6.5.1",
            _chunked(b"5\r\nhello\r\n0\r\nAuthorization: x\r\nCookie: y\r\nX-Api-Key: z\r\n\r\n"),
            Seen("POST", body=b"hello", lacks=("Authorization", "Cookie", "X-Api-Key"))),
    _served("TrailerForwardedNotMerged", "RFC 9110 6.5.1",
            _chunked(b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
            Seen("POST", has=(("X-Forwarded-For", "127.0.0.1"),))),
    _refused("TrailerLength", "RFC 9110 6.5.1", _chunked(b"0\r\nContent-Length: 5\r\n\r\n")),
    _refused("TrailerCoding", "RFC 9110 6.5.1", _chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    _refused("TrailerHost", "RFC 9110 6.5.1", _chunked(b"0\r\nHost: evil\r\n\r\n")),
    _refused("TrailerFolded", "5.2", _chunked(b"0\r\nX: a\r\n b\r\n\r\n")),
    _refused("TrailerBareLf", "2.2", _chunked(b"0\r\nX: a\n\r\n")),
    _refused("TrailerNoColon", "5.1", _chunked(b"0\r\nX\r\n\r\n")),
    _refused("TrailerSpaceBeforeColon", "5.1", _chunked(b"0\r\nX : a\r\n\r\n")),
    _refused("TrailerEmptyName", "5.1", _chunked(b"0\r\n: a\r\n\r\n")),
    _refused("TrailerNul", "RFC 9110 5.5", _chunked(b"0\r\nX: \x00\r\n\r\n")),
    _refused("TrailerIsRequestLine", "7.1.2", _chunked(b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
    _refused("TrailersTooLarge", "issue 2", _chunked(b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n")),
]

# -- Lines and fields ------------------------------------------------------------------------------

FIELDS = [
    _served("Plain", "2.1", _get()),
    _served("EmptyLineBefore", "2.2", b"\r\n" + _get()),
    _refused("EmptyLinesWithoutEnd", "2.2", b"\r\n" * 50 + _get()),
    _refused("BareLfInRequestLine", "2.2", b"GET / HTTP/1.1\nHost: localhost\r\n\r\n"),
    _refused("BareLfInFields", "2.2", _get(b"X: 1\nY: 2\r\n")),
    _refused("BareLfAtEnd", "2.2", b"GET / HTTP/1.1\r\nHost: localhost\r\n\n"),
    _refused("OnlyLfs", "2.2", b"GET / HTTP/1.1\nHost: localhost\n\n"),
    _refused("LfBefore", "2.2", b"\n" + _get()),
    _refused("BareCrInValue", "2.2", _get(b"X: 1\r2\r\n")),
    _refused("BareCrInName", "2.2", _get(b"X\rY: 1\r\n")),
    _refused("BareCrInRequestLine", "2.2", b"GET /\r HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("CrCrLf", "2.2", _get(b"X: 1\r\r\n")),
    _refused("CrBefore", "2.2", b"\r" + _get()),
    _refused("NulInValue", "RFC 9110 5.5", _get(b"X: 1\x002\r\n")),
    _refused("NulInName", "5.1", _get(b"X\x00: 1\r\n")),
    _refused("NulInRequestLine", "3", b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("FoldFirst", "5.2", b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    _refused("FoldFirstTab", "2.2", b"GET / HTTP/1.1\r\n\tX: 1\r\nHost: localhost\r\n\r\n"),
    _refused("FoldMiddle", "5.2", _get(b"X: 1\r\n 2\r\n")),
    _refused("FoldMiddleTab", "5.2", _get(b"X: 1\r\n\t2\r\n")),
    _refused("FoldEmpty", "5.2", _get(b"X: 1\r\n \r\n")),
    _refused("FoldHost", "5.2", b"GET / HTTP/1.1\r\nHost:\r\n localhost\r\n\r\n"),
    _refused("SpaceBeforeColon", "5.1", _get(b"X : 1\r\n")),
    _refused("TabBeforeColon", "5.1", _get(b"X\t: 1\r\n")),
    _refused("SpaceInName", "5.1", _get(b"X Y: 1\r\n")),
    _refused("EmptyName", "5.1", _get(b": 1\r\n")),
    _refused("OnlyColon", "5.1", _get(b":\r\n")),
    _refused("NoColon", "5.1", _get(b"X\r\n")),
    _refused("NameNotToken", "RFC 9110 5.1", _get(b"X(y): 1\r\n")),
    _refused("NameQuoted", "RFC 9110 5.1", _get(b'"X": 1\r\n')),
    _refused("NameHighByte", "RFC 9110 5.1", _get(b"X\xc3\xa9: 1\r\n")),
    _refused("NameSlash", "RFC 9110 5.1", _get(b"X/Y: 1\r\n")),
    _refused("ControlInValue", "RFC 9110 5.5", _get(b"X: a\x01b\r\n")),
    _refused("BackspaceInValue", "RFC 9110 5.5", _get(b"X: a\x08b\r\n")),
    _refused("EscapeInValue", "RFC 9110 5.5", _get(b"X: \x1b[31m\r\n")),
    _refused("DeleteInValue", "RFC 9110 5.5", _get(b"X: a\x7fb\r\n")),
    _refused("VerticalTabInValue", "RFC 9110 5.5", _get(b"X: a\x0bb\r\n")),
    _served("HighBytesInValue", "RFC 9110 5.5", _get(b"X: \x80\xff\xc3\xa9\r\n"),
            Seen(has=(("X", "\x80\xff\xc3\xa9"),))),
    _served("TabInValue", "RFC 9110 5.5", _get(b"X: a\tb\r\n"), Seen(has=(("X", "a\tb"),))),
    _served("TabsAround", "RFC 9110 5.6.3", _get(b"X:\t \ta\t \r\n"), Seen(has=(("X", "a"),))),
    _served("NoSpaceAround", "RFC 9110 5.6.3", _get(b"X:a\r\n"), Seen(has=(("X", "a"),))),
    _served("EmptyValue", "RFC 9110 5.5", _get(b"X:\r\nY: \r\n"), Seen(has=(("X", ""), ("Y", "")))),
    _served("ColonsInValue", "5", _get(b"X: a:b: c\r\n"), Seen(has=(("X", "a:b: c"),))),
    _served("EveryTokenCharacter", "RFC 9110 5.6.2", _get(b"!#$%&'*+-.^_`|~09az: 1\r\n"),
            Seen(has=(("!#$%&'*+-.^_`|~09az", "1"),))),
    _refused("FieldsTooLarge", "issue 2; rest-api.md 10.5", _get(b"X: " + b"a" * 11000 + b"\r\n"), 431),
    _refused("FieldsTooLargeWithoutEnd", "issue 2", _get()[:-2] + b"X: " + b"a" * 20000, 431),
    _refused("ManySmallFieldsTooLarge", "issue 2", _get(b"Xxxxx: aaaaaaaaaaaaaaaaaaaaaa\r\n" * 400), 431),
    _refused("FieldsTooMany", "issue 2", _get(b"X: 1\r\n" * 300), 431),
    _served("FieldsNearlyTooLarge", "rest-api.md 10.5", _get(b"X: " + b"a" * 10000 + b"\r\n"),
            Seen(has=(("X", "a" * 10000),))),
]

# -- The request line ------------------------------------------------------------------------------

LINES = [
    _refused("TwoSpacesBeforeTarget", "3", b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("TwoSpacesBeforeVersion", "3", b"GET /  HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("SpaceBeforeMethod", "3", b" GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("SpaceAfterVersion", "3", b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n"),
    _refused("TabBeforeTarget", "3", b"GET\t/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("TabBeforeVersion", "3", b"GET /\tHTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("SpaceInTarget", "3.2", b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("NoTarget", "3", b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("EmptyTarget", "3.2", b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("NoMethod", "3", b"/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("MethodNotToken", "3.1", b"GE(T / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("MethodColon", "3.1", b"GET: / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("Http09", "3; RFC 9110 2.5", b"GET /\r\n\r\n"),
    _refused("Http09WithFields", "3", b"GET /\r\nHost: localhost\r\n\r\n"),
    _refused("VersionLowerCase", "2.3", b"GET / http/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionMixedCase", "2.3", b"GET / Http/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionShort", "2.3", b"GET / HTTP/1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionLong", "2.3", b"GET / HTTP/1.10\r\nHost: localhost\r\n\r\n"),
    _refused("VersionLongMajor", "2.3", b"GET / HTTP/01.1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionComma", "2.3", b"GET / HTTP/1,1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionLetter", "2.3", b"GET / HTTP/1.x\r\nHost: localhost\r\n\r\n"),
    _refused("VersionOtherName", "2.3", b"GET / HTP/1.1\r\nHost: localhost\r\n\r\n"),
    _refused("VersionBehindNul", "2.3", b"GET / HTTP/1.1\x00\r\nHost: localhost\r\n\r\n"),
    _refused("Version20", "RFC 9110 15.6.6", _get(version=b"2.0"), 505),
    _refused("Version30", "RFC 9110 15.6.6", _get(version=b"3.0"), 505),
    _refused("Version09", "RFC 9110 15.6.6", _get(version=b"0.9"), 505),
    _served("Version12", "2.3; RFC 9110 2.5", _get(version=b"1.2")),
    _served("Version19", "RFC 9110 2.5", _get(version=b"1.9")),
    _unrouted("MethodLowerCase", "3.1; RFC 9110 9.1", _get(method=b"get")),
    _unrouted("MethodUnknown", "RFC 9110 9.1; rest-api.md 3.4", _get(method=b"BREW")),
    _unrouted("MethodLong", "3.1", _get(method=b"A" * 200)),
    _unrouted("MethodTrace", "rest-api.md 2.5", _get(method=b"TRACE")),
    _refused("TargetTooLong", "3; rest-api.md 10.5", _get(target=b"/" + b"a" * 11000), 414),
    _refused("TargetTooLongWithoutEnd", "3", b"GET /" + b"a" * 30000, 414),
    _served("TargetNearlyTooLong", "rest-api.md 10.5", _get(target=b"/" + b"a" * 8000),
            Seen(target="/" + "a" * 8000)),
    _refused("Fragment", "3.2", _get(target=b"/a#b")),
    _refused("FragmentEmpty", "3.2", _get(target=b"/a#")),
    _refused("RelativeTarget", "3.2", _get(target=b"a")),
    _refused("RelativeTargetDots", "3.2", _get(target=b"../a")),
    _refused("BackslashTarget", "3.2", _get(target=b"\\a")),
    _refused("RawUtf8Target", "3.2; RFC 3986 2", _get(target="/é".encode())),
    _refused("RawLatin1Target", "3.2", _get(target=b"/\xe9")),
    _refused("ControlInTarget", "3.2", _get(target=b"/\x01")),
    _refused("DeleteInTarget", "3.2", _get(target=b"/\x7f")),
    _served("EncodedTarget", "rest-api.md 2.3", _get(target=b"/a%2Fb%2e%2E/%41%c3%a9"),
            Seen(target="/a%2Fb%2e%2E/%41%c3%a9")),
    _served("EncodedLineEnd", "rest-api.md 2.3", _get(target=b"/a%0d%0aX:%20y"),
            Seen(target="/a%0d%0aX:%20y", lacks=("X",))),
    _served("DotsInTarget", "rest-api.md 2.3", _get(target=b"/a/../b/./c"),
            Seen(target="/a/../b/./c")),
    _served("QueryInTarget", "3.2.1", _get(target=b"/a?b=c&d=e"), Seen(target="/a?b=c&d=e")),
]

# -- Host and the forms of a target ----------------------------------------------------------------


def _host(value):
    return _get(host=value)


HOSTS = [
    _refused("HostMissing", "3.2", b"GET / HTTP/1.1\r\n\r\n"),
    _refused("HostTwice", "3.2", _get(b"Host: localhost\r\n")),
    _refused("HostTwiceDiffers", "3.2", _get(b"host: evil\r\n")),
    _refused("HostTwiceInHttp10", "3.2", _get(b"Host: evil\r\n", version=b"1.0")),
    _refused("HostEmpty", "3.2; RFC 9110 4.2.1", _host(b"")),
    _refused("HostOnlyPort", "RFC 9110 4.2.1", _host(b":80")),
    _refused("HostUserinfo", "RFC 9110 7.2", _host(b"user@localhost")),
    _refused("HostUserinfoEmpty", "RFC 9110 7.2", _host(b"@localhost")),
    _refused("HostPath", "RFC 9110 7.2", _host(b"localhost/x")),
    _refused("HostQuery", "RFC 9110 7.2", _host(b"localhost?x")),
    _refused("HostFragment", "RFC 9110 7.2", _host(b"localhost#x")),
    _refused("HostUri", "RFC 9110 7.2", _host(b"http://localhost")),
    _refused("HostBackslash", "RFC 9110 7.2", _host(b"localhost\\x")),
    _refused("HostSpace", "RFC 9110 7.2", _host(b"local host")),
    _refused("HostTab", "RFC 9110 7.2", _host(b"local\thost")),
    _refused("HostQuoted", "RFC 9110 7.2", _host(b'"localhost"')),
    _refused("HostHighByte", "RFC 3986 3.2.2", _host("ex\u00e4mple".encode())),
    _refused("HostBadEncoding", "RFC 3986 3.2.2", _host(b"%zz")),
    _refused("HostPortLetters", "RFC 3986 3.2.3", _host(b"localhost:http")),
    _refused("HostPortMinus", "RFC 3986 3.2.3", _host(b"localhost:-1")),
    _refused("HostPortTooLarge", "RFC 3986 3.2.3", _host(b"localhost:65536")),
    _refused("HostTwoPorts", "RFC 3986 3.2.3", _host(b"localhost:80:80")),
    _refused("HostPortSpace", "RFC 3986 3.2.3", _host(b"localhost: 80")),
    _refused("HostIpv6WithoutBrackets", "RFC 3986 3.2.2", _host(b"::1")),
    _refused("HostIpv6Open", "RFC 3986 3.2.2", _host(b"[::1")),
    _refused("HostIpv6Junk", "RFC 3986 3.2.2", _host(b"[::1]x")),
    _refused("HostIpv6Wrong", "RFC 3986 3.2.2", _host(b"[1:2]")),
    _refused("HostIpv6Zone", "RFC 3986 3.2.2", _host(b"[fe80::1%25eth0]")),
    _refused("HostBrackets", "RFC 3986 3.2.2", _host(b"[localhost]")),
    _served("HostPort", "RFC 9110 7.2", _host(b"localhost:8080")),
    _served("HostPortEmpty", "RFC 3986 3.2.3", _host(b"localhost:")),
    _served("HostIpv4", "RFC 9110 7.2", _host(b"127.0.0.1:80")),
    _served("HostIpv6", "RFC 9110 7.2", _host(b"[::1]")),
    _served("HostIpv6Port", "RFC 9110 7.2", _host(b"[2001:db8::1]:443")),
    _served("HostUpperCase", "RFC 9110 4.2.3", _host(b"LOCALHOST")),
    _served("HostTabs", "RFC 9110 5.6.3", _host(b"\tlocalhost\t")),
    _served("HostLast", "3.2", b"GET / HTTP/1.1\r\nX: 1\r\nhOST: localhost\r\n\r\n"),
    _served("Http10WithoutHost", "3.2", b"GET / HTTP/1.0\r\n\r\n", kept=False),
    _refused("Http10BadHost", "3.2", _get(host=b"a b", version=b"1.0")),

    _served("AbsoluteForm", "3.2.2", _get(target=b"http://localhost/a?b=c"), Seen(target="/a?b=c")),
    _served("AbsoluteFormUpperCase", "3.2.2; RFC 9110 4.2.3", _get(target=b"HTTP://LocalHost/a"),
            Seen(target="/a")),
    _served("AbsoluteFormWithoutPath", "3.2.1", _get(target=b"http://localhost")),
    _served("AbsoluteFormOnlyQuery", "3.2.1", _get(target=b"http://localhost?b=c"),
            Seen(target="/?b=c")),
    _refused("AbsoluteFormOtherHost", "3.2.2; issue 2", _get(target=b"http://evil/a")),
    _refused("AbsoluteFormOtherPort", "3.2.2; issue 2", _get(target=b"http://localhost:81/a")),
    _refused("AbsoluteFormWithoutHostField", "3.2", b"GET http://localhost/a HTTP/1.1\r\n\r\n"),
    _refused("AbsoluteFormUserinfo", "RFC 9110 4.2.4", _get(target=b"http://u:p@localhost/a")),
    _refused("AbsoluteFormEmptyHost", "RFC 9110 4.2.1", _get(target=b"http:///a")),
    _refused("AbsoluteFormBadPort", "RFC 3986 3.2.3", _get(target=b"http://localhost:x/a")),
    _refused("AbsoluteFormOtherScheme", "3.2.2", _get(target=b"ftp://localhost/a")),
    _refused("AbsoluteFormNoSlashes", "3.2.2", _get(target=b"http:localhost/a")),
    _refused("AuthorityFormInGet", "3.2.3", _get(target=b"localhost:80")),
    _refused("AsteriskInGet", "3.2.4", _get(target=b"*")),
    _refused("AsteriskAndMore", "3.2.4", _get(target=b"*/a", method=b"OPTIONS")),
    _unrouted("AsteriskInOptions", "3.2.4", _get(target=b"*", method=b"OPTIONS")),
    _unrouted("Connect", "3.2.3; RFC 9110 9.3.6",
              _get(target=b"localhost:80", host=b"localhost:80", method=b"CONNECT")),
    _refused("ConnectOriginForm", "3.2.3", _get(method=b"CONNECT")),
    _refused("ConnectWithoutPort", "3.2.3", _get(target=b"localhost", method=b"CONNECT")),
    _refused("ConnectOtherHost", "issue 2",
             _get(target=b"localhost:80", host=b"evil:80", method=b"CONNECT")),
]

# -- Connections and what belongs to one of them only ----------------------------------------------

_HOP = (b"Connection: X-Drop, keep-alive\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: websocket\r\n"
        b"Proxy-Authorization: Basic eDp5\r\nTrailer: X-Sum\r\nX-Kept: 1\r\n")
_HOP_NAMES = ("Connection", "X-Drop", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade",
              "Proxy-Authorization", "Trailer")

CONNECTIONS = [
    _served("Close", "9.6", _get(b"Connection: close\r\n"), kept=False),
    _served("CloseAmongOthers", "9.6", _get(b"Connection: x, CLOSE ,y\r\n"), kept=False),
    _served("CloseInSecondField", "9.6; RFC 9110 5.3",
            _get(b"Connection: keep-alive\r\nConnection: close\r\n"), kept=False),
    _served("CloseWinsOverKeepAlive", "9.3", _get(b"Connection: close, keep-alive\r\n"), kept=False),
    _served("ClosedIsNotClose", "9.3", _get(b"Connection: closed\r\n")),
    Case("NothingBehindClose", "9.6", _get(b"Connection: close\r\n") + _get(target=b"/2"), 200, False,
         (Seen(),)),
    _served("Http10", "9.3", _get(version=b"1.0"), kept=False),
    _served("Http10KeepAlive", "9.3; RFC 2068 19.7.1", _get(b"Connection: keep-alive\r\n", version=b"1.0")),
    _served("Http10KeepAliveAndClose", "9.3",
            _get(b"Connection: keep-alive, close\r\n", version=b"1.0"), kept=False),
    _served("Http10Length", "6.3", _post(b"Content-Length: 5\r\n", b"hello", version=b"1.0"), _HELLO,
            kept=False),
    _served("HopByHopFields", "RFC 9110 7.6.1", _get(_HOP),
            Seen(lacks=_HOP_NAMES, has=(("X-Kept", "1"),))),
    _served("NamedFieldInOtherCase", "RFC 9110 7.6.1",
            _get(b"x-dRop: 1\r\nX-Drop: 2\r\nConnection: X-DROP\r\n"), Seen(lacks=("X-Drop",))),
    _served("NamedFieldInSecondConnection", "RFC 9110 7.6.1",
            _get(b"Connection: a\r\nX-Drop: 1\r\nConnection: X-Drop\r\n"), Seen(lacks=("X-Drop",))),
    _served("NamedForwardedFor", "RFC 9110 7.6.1; rest-api.md 6.9",
            _get(b"Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n"),
            Seen(has=(("X-Forwarded-For", "127.0.0.1"),))),
    _served("NamedHostChangesNothing", "RFC 9110 7.6.1", _get(b"Connection: host\r\n"),
            Seen(lacks=("Connection",))),
    _served("NamedLengthChangesNothing", "RFC 9110 7.6.1",
            _post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello"), _HELLO),
    _served("NamedCodingChangesNothing", "RFC 9110 7.6.1",
            _post(b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", _ONE),
            Seen("POST", body=b"x")),
    _served("ConnectionOddities", "RFC 9110 5.6.1", _get(b"Connection: ,, , x ,\r\nConnection:\r\n"),
            Seen(lacks=("Connection",))),
    _served("UpgradeWebsocket", "RFC 9110 7.8",
            _get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            Seen(lacks=("Upgrade", "Connection"))),
    _served("UpgradeH2c", "RFC 9113 3.1",
            _get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            Seen(lacks=("Upgrade", "HTTP2-Settings", "Connection"))),
    _served("UpgradeWithContent", "RFC 9110 7.8",
            _post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"hello"),
            Seen("POST", body=b"hello", lacks=("Upgrade",))),
    _served("TeTrailersIsNotPassedOnAsSuch", "7.4", _get(b"TE: trailers\r\nConnection: TE\r\n"), Seen()),
    _served("TeDeflate", "7.4", _get(b"TE: deflate;q=0.5\r\n"), Seen(lacks=("TE",))),

    _served("ExpectContinue", "RFC 9110 10.1.1",
            _post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
            Seen("POST", body=b"hello", lacks=("Expect",))),
    _served("ExpectContinueInOtherCase", "RFC 9110 10.1.1",
            _post(b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
            Seen("POST", body=b"hello", lacks=("Expect",))),
    _served("ExpectContinueWithoutContent", "RFC 9110 10.1.1", _get(b"Expect: 100-continue\r\n"),
            Seen(lacks=("Expect",))),
    _served("ExpectContinueInHttp10", "RFC 9110 10.1.1",
            _post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello", version=b"1.0"),
            Seen("POST", body=b"hello"), kept=False),
    _refused("ExpectOther", "RFC 9110 10.1.1",
             _post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello"), 417),
    _refused("ExpectSeveral", "RFC 9110 10.1.1",
             _post(b"Expect: 100-continue, x\r\nContent-Length: 5\r\n", b"hello"), 417),
    _refused("ExpectEmpty", "RFC 9110 10.1.1", _post(b"Expect:\r\nContent-Length: 5\r\n", b"hello"), 417),
    _served("Head", "RFC 9110 9.3.2", _get(method=b"HEAD"), Seen("HEAD"), method="HEAD"),

    Case("Pipeline", "9.3.2", b"".join(_get(target=b"/%d" % i) for i in range(100)), (200,) * 100, True,
         tuple(Seen(target="/%d" % i) for i in range(100))),
    Case("PipelineWithContent", "9.3.2",
         _post(b"Content-Length: 5\r\n", b"hello") +
         _chunked(b"3\r\nabc\r\n0\r\n\r\n") + _get(target=b"/b"), (200, 200, 200), True,
         (_HELLO, Seen("POST", body=b"abc"), Seen(target="/b"))),
    Case("PipelineEndsAtTheFirstFault", "9.3.2; issue 2",
         _get(target=b"/1") + _get(b"X : 1\r\n", target=b"/2") + _get(target=b"/3"), (200, 400), False,
         (Seen(target="/1"),)),
    Case("PipelineEndsAtSmuggling", "11.2",
         _get(target=b"/1") +
         _post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG") +
         _get(target=b"/3"), (200, 400), False, (Seen(target="/1"),)),
    Case("EmptyLinesInPipeline", "2.2", _get(target=b"/1") + b"\r\n" + _get(target=b"/2"), (200, 200), True,
         (Seen(target="/1"), Seen(target="/2"))),
]

REQUESTS = LENGTHS + CHUNKS + FIELDS + LINES + HOSTS + CONNECTIONS
