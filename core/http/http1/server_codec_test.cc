#include "core/http/http1/server_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "core/http/http1/test_support.h"

namespace postern {
namespace {

using std::string_literals::operator""s;

void AnswerOk(SeenRequest* request) {
  ResponseHead head(&request->arena);
  head.status = 200;
  head.body = BodyKind::kLength;
  head.content_length = 2;
  request->stream->SendHead(head, false);
  request->stream->SendBody("ok");
  request->stream->SendEnd(nullptr);
}

struct Fixture {
  Http1Limits limits;
  CapturingSink sink;
  SeenServer server;
  Http1ServerCodec codec{&sink, &server, &limits};

  void Feed(std::string_view bytes) { codec.OnData(bytes, 0); }
};

// What a raw request must come to: a status of refusal, or 0 for a request that is accepted.
struct Case {
  const char* name;
  std::string bytes;
  int refused;
  std::string fields = {};
};

class Framing9112 : public testing::TestWithParam<Case> {};

TEST_P(Framing9112, WholeAndByteByByte) {
  for (const bool split : {false, true}) {
    Fixture f;
    if (split) {
      for (char c : GetParam().bytes) f.Feed({&c, 1});
    } else {
      f.Feed(GetParam().bytes);
    }
    if (GetParam().refused == 0) {
      ASSERT_EQ(f.server.requests.size(), 1u) << f.sink.bytes;
      EXPECT_TRUE(f.server.last().ended) << f.sink.bytes << f.server.detail;
      EXPECT_EQ(f.server.status, 0) << f.server.detail;
      EXPECT_EQ(f.server.last().fields(), GetParam().fields);
      EXPECT_FALSE(f.codec.Done());
    } else {
      EXPECT_EQ(f.server.status, GetParam().refused) << f.server.detail;
      EXPECT_TRUE(f.sink.bytes.starts_with("HTTP/1.1 " + std::to_string(GetParam().refused)))
          << f.sink.bytes;
      EXPECT_NE(f.sink.bytes.find("Connection: close\r\n"), std::string::npos);
      EXPECT_TRUE(f.codec.Done());
      EXPECT_FALSE(f.codec.ReadWanted());
      for (const auto& request : f.server.requests) {
        EXPECT_TRUE(!request->got_head || request->reset);
      }
    }
  }
}

const Case kCases[] = {
    {"Plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"TabAsOws", "GET / HTTP/1.1\r\nHost:\ta\t\r\nX:\t1 \t\r\n\r\n", 0, "X=1;"},
    {"TabBehindLength", "POST / HTTP/1.1\r\nX: 1\t\r\nHost: a\r\nContent-Length:\t1 \t\r\n\r\nb", 0,
     "X=1;"},
    {"ObsText", "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n", 0, "X=\xc3\xa9;"},
    {"EmptyValue", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", 0, "X=;"},
    {"LeadingEmptyLine", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"UnknownMethod", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"Http10WithoutHost", "GET / HTTP/1.0\r\n\r\n", 0},
    {"HigherMinor", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0},
    {"AbsoluteForm", "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"OptionsAsterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"ZeroLength", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0},
    {"ConnectionNamesField",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nY: "
     "2\r\n\r\n",
     0, "Y=2;"},
    {"Chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0},
    {"ChunkExtension",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
     "chunked\r\n\r\n3;a=b;c=\"d\\\"e\"\r\nabc\r\n0\r\n\r\n",
     0},

    {"HostMissing", "GET / HTTP/1.1\r\n\r\n", 400},
    {"HostRepeated", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"HostEmpty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"HostWithUserinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"HostBadPort", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400},
    {"HostDisagrees", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"LengthAndCoding",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"CodingAndLength",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
    {"LengthRepeated",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
    {"LengthList", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400},
    {"LengthSigned", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400},
    {"LengthNegative", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400},
    {"LengthHex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", 400},
    {"LengthEmpty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"LengthSpace", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\n", 400},
    {"LengthOverflow", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
     400},
    {"CodingObfuscated", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
    {"CodingRepeated",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     400},
    {"CodingTwice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
     400},
    {"CodingNotLast", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
     400},
    {"CodingInHttp10", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"CodingUnknown", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     501},
    {"BareLf", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"BareLfInFields", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400},
    {"BareCr", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", 400},
    {"Nul", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"s, 400},
    {"Control", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
    {"Folded", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400},
    {"FoldedFirst", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"SpaceBeforeColon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"EmptyName", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 400},
    {"NoColon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
    {"NameNotToken", "GET / HTTP/1.1\r\nHost: a\r\nX(): 1\r\n\r\n", 400},
    {"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"TabInLine", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"TrailingSpace", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"NoVersion", "GET /\r\n\r\n", 400},
    {"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"Version2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"Fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"RawUtf8Target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"RelativeTarget", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GetAsterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"Expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n",
     417},
};
INSTANTIATE_TEST_SUITE_P(Requests, Framing9112, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

class Chunks9112 : public testing::TestWithParam<std::pair<const char*, std::string>> {};

TEST_P(Chunks9112, AreRefused) {
  for (const bool split : {false, true}) {
    Fixture f;
    const std::string bytes =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + GetParam().second;
    if (split) {
      for (char c : bytes) f.Feed({&c, 1});
    } else {
      f.Feed(bytes);
    }
    ASSERT_EQ(f.server.requests.size(), 1u);
    EXPECT_EQ(f.server.status, 400);
    EXPECT_TRUE(f.server.last().reset);
    EXPECT_EQ(f.server.last().reason, ResetReason::kProtocolError);
    EXPECT_TRUE(f.codec.Done());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, Chunks9112,
    testing::Values(std::pair{"EmptySize", "\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"Prefix", "0x3\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"Sign", "+3\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"SpaceBefore", " 3\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"SpaceAfter", "3 \r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"Overflow", "fffffffffffffffff\r\nabc"s},
                    std::pair{"HugeSize", "ffffffffffffffff\r\nabc"s},
                    std::pair{"LfAfterSize", "3\nabc\r\n0\r\n\r\n"s},
                    std::pair{"NoCrLfAfterData", "3\r\nabcX0\r\n\r\n"s},
                    std::pair{"LfAfterData", "3\r\nabc\n0\r\n\r\n"s},
                    std::pair{"LfInExtension", "3;a\nb\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"CrInExtension", "3;a\rb\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"ExtensionNoName", "3;\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"ExtensionNul", "3;a=\"\0\"\r\nabc\r\n0\r\n\r\n"s},
                    std::pair{"ExtensionTooLong",
                              "3;" + std::string(300, 'a') + "\r\nabc\r\n0\r\n\r\n"},
                    std::pair{"TrailerLength", "0\r\nContent-Length: 3\r\n\r\n"s},
                    std::pair{"TrailerCoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n"s},
                    std::pair{"TrailerHost", "0\r\nHost: b\r\n\r\n"s},
                    std::pair{"TrailerBareLf", "0\r\nX: 1\n\r\n"s},
                    std::pair{"TrailerFolded", "0\r\nX: 1\r\n 2\r\n\r\n"s},
                    std::pair{"TrailerTooLong", "0\r\nX: " + std::string(9000, 'a') + "\r\n\r\n"}),
    [](const auto& info) { return info.param.first; });

TEST(Http1Server, ContentArrivesInOrderAndPipeliningWaits) {
  Fixture f;
  f.Feed(
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: "
      "a\r\n\r\n");
  ASSERT_EQ(f.server.requests.size(), 1u);
  EXPECT_EQ(f.server.requests[0]->body, "hello");
  EXPECT_TRUE(f.server.requests[0]->ended);
  EXPECT_FALSE(f.codec.ReadWanted());  // one request ahead is enough
  AnswerOk(f.server.requests[0].get());
  f.codec.OnData({}, 0);
  ASSERT_EQ(f.server.requests.size(), 2u);
  EXPECT_EQ(f.server.requests[1]->head.target, "/2");
  EXPECT_TRUE(f.sink.bytes.starts_with(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"));
}

TEST(Http1Server, HundredPipelinedRequestsInOneWriteAndSplitAnywhere) {
  std::string all;
  for (int i = 0; i < 100; ++i) {
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  for (const size_t piece : {all.size(), size_t{1}, size_t{7}}) {
    Fixture f;
    f.server.on_head = AnswerOk;
    for (size_t at = 0; at < all.size(); at += piece)
      f.Feed(std::string_view(all).substr(at, piece));
    ASSERT_EQ(f.server.requests.size(), 100u);
    EXPECT_EQ(f.server.last().head.target, "/99");
  }
}

TEST(Http1Server, Trailers) {
  Fixture f;
  f.Feed(
      "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\nx\r\n0\r\nX-Sum: 7\r\nAuthorization: no\r\n\r\n");
  EXPECT_EQ(f.server.last().trailers, "X-Sum=7;");  // RFC 9110 §6.5.1
  ResponseHead head(&f.server.last().arena);
  head.body = BodyKind::kUnknown;
  f.server.last().stream->SendHead(head, false);
  f.server.last().stream->SendBody("y");
  HeaderMap trailers(&f.server.last().arena);
  trailers.Add("X-Done", "1");
  f.server.last().stream->SendEnd(&trailers);
  EXPECT_TRUE(f.sink.bytes.ends_with("\r\n\r\n1\r\ny\r\n0\r\nX-Done: 1\r\n\r\n")) << f.sink.bytes;
}

TEST(Http1Server, LimitsHaveTheirOwnStatus) {
  const std::string ok = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::pair<std::string, int> cases[] = {
      {"GET /" + std::string(11000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {ok + "X: " + std::string(11000, 'a') + "\r\n\r\n", 431},
      {[&] {
         std::string s = ok;
         for (int i = 0; i < 300; ++i) s += "X: 1\r\n";
         return s + "\r\n";
       }(),
       431},
  };
  for (const auto& [bytes, status] : cases) {
    Fixture f;
    f.Feed(bytes);
    EXPECT_EQ(f.server.status, status);
    EXPECT_TRUE(f.codec.Done());
  }
}

TEST(Http1Server, HeadHasLengthButNoContent) {
  Fixture f;
  f.Feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  AnswerOk(&f.server.last());
  EXPECT_EQ(f.sink.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Http1Server, NoContentHasNoFraming) {  // RFC 9110 §8.6
  Fixture f;
  f.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head(&f.server.last().arena);
  head.status = 204;
  f.server.last().stream->SendHead(head, true);
  EXPECT_EQ(f.sink.bytes, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Http1Server, ShortAnswerIsCut) {
  Fixture f;
  f.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head(&f.server.last().arena);
  head.body = BodyKind::kLength;
  head.content_length = 10;
  f.server.last().stream->SendHead(head, false);
  f.server.last().stream->SendBody("abc");
  f.server.last().stream->SendEnd(nullptr);
  EXPECT_TRUE(f.codec.Done());
  EXPECT_TRUE(f.codec.Aborted());
}

TEST(Http1Server, ExpectContinue) {
  Fixture f;
  f.Feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(f.server.last().head.expect_continue);
  f.server.last().stream->SendInformational(100, nullptr);
  EXPECT_EQ(f.sink.Take(), "HTTP/1.1 100 Continue\r\n\r\n");
  f.Feed("hi");
  AnswerOk(&f.server.last());
  EXPECT_NE(f.sink.bytes.find("keep-alive"), std::string::npos);
  EXPECT_FALSE(f.codec.Done());
}

TEST(Http1Server, ExpectContinueRefusedClosesTheConnection) {  // RFC 9110 §10.1.1
  Fixture f;
  f.Feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  AnswerOk(&f.server.last());
  EXPECT_NE(f.sink.bytes.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Server, EarlyAnswerDrainsLittleAndClosesOnMuch) {
  Fixture f;
  f.server.on_head = AnswerOk;
  f.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  f.Feed(std::string(100, 'x') + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(f.server.requests.size(), 2u);
  EXPECT_EQ(f.server.requests[0]->body, "");
  EXPECT_EQ(f.server.last().head.target, "/next");

  Fixture g;
  g.server.on_head = AnswerOk;
  g.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
  EXPECT_TRUE(g.codec.Done());
  EXPECT_FALSE(g.codec.Aborted());
}

TEST(Http1Server, Http10ClosesUnlessAsked) {
  Fixture f;
  f.server.on_head = AnswerOk;
  f.Feed("GET / HTTP/1.0\r\n\r\n");
  EXPECT_NE(f.sink.bytes.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(f.codec.Done());
  Fixture g;
  g.server.on_head = AnswerOk;
  g.Feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_FALSE(g.codec.Done());
}

TEST(Http1Server, UnknownLengthToHttp10EndsWithTheConnection) {
  Fixture f;
  f.Feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ResponseHead head(&f.server.last().arena);
  head.body = BodyKind::kUnknown;
  f.server.last().stream->SendHead(head, false);
  f.server.last().stream->SendBody("abc");
  f.server.last().stream->SendEnd(nullptr);
  EXPECT_EQ(f.sink.bytes, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Server, UnreadContentStopsReading) {
  Fixture f;
  f.limits.body_window = 10;
  f.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  f.server.last().consume = false;
  f.Feed(std::string(10, 'x'));
  EXPECT_FALSE(f.codec.ReadWanted());
  f.server.last().stream->Consume(5);
  EXPECT_TRUE(f.codec.ReadWanted());
}

TEST(Http1Server, ClientLeavesInsideContent) {
  Fixture f;
  f.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  f.codec.OnPeerClosed();
  EXPECT_TRUE(f.server.last().reset);
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Server, HalfClosedClientGetsItsAnswer) {
  Fixture f;
  f.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  f.codec.OnPeerClosed();
  EXPECT_FALSE(f.codec.Done());
  AnswerOk(&f.server.last());
  EXPECT_TRUE(f.sink.bytes.ends_with("ok"));
  f.codec.OnData({}, 0);
  EXPECT_TRUE(f.codec.Done());
  EXPECT_FALSE(f.codec.Aborted());
}

TEST(Http1Server, DrainClosesWithTheNextAnswer) {
  Fixture f;
  f.server.on_head = AnswerOk;
  f.codec.Drain();
  EXPECT_FALSE(f.codec.Done());
  f.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(f.sink.bytes.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Server, SwitchingProtocolsBecomesATunnel) {
  Fixture f;
  f.Feed("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(f.server.last().head.upgrade, "websocket");
  ResponseHead head(&f.server.last().arena);
  head.status = 101;
  head.upgrade = "websocket";
  f.server.last().stream->SendHead(head, false);
  EXPECT_EQ(
      f.sink.Take(),
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  f.Feed("\x01\x02");
  EXPECT_EQ(f.server.last().body, "\x01\x02");
  f.server.last().stream->SendBody("\x03");
  EXPECT_EQ(f.sink.bytes, "\x03");
}

TEST(Http1Server, IdleConnectionHoldsNoBytes) {
  Fixture f;
  f.server.on_head = AnswerOk;
  f.Feed("GET / HT");
  EXPECT_TRUE(f.codec.head_pending());
  f.Feed("TP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(f.codec.head_pending());
}

}  // namespace
}  // namespace postern
