#include "core/http/http1/client_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "core/http/http1/test_support.h"

namespace postern {
namespace {

using std::string_literals::operator""s;

struct Fixture {
  Http1Limits limits;
  CapturingSink sink;
  SeenClient client;
  BlockPool pool;
  Http1ClientCodec codec{&sink, &client, &limits};
  std::unique_ptr<SeenResponse> response;
  ClientStream* stream = nullptr;

  void Ask(Method method = Method::kGet) {
    response = std::make_unique<SeenResponse>(&pool);
    RequestHead head(&response->arena);
    head.method = method;
    head.target = "/x";
    head.authority = "up";
    stream = codec.NewStream(response.get());
    ASSERT_NE(stream, nullptr);
    stream->SendHead(head, true);
  }
  void Feed(std::string_view bytes, bool split = false) {
    if (!split) {
      codec.OnData(bytes, 0);
      return;
    }
    for (char c : bytes) codec.OnData({&c, 1}, 0);
  }
};

struct Good {
  const char* name;
  std::string bytes;
  std::string body;
  bool kept;
};
class GoodAnswers : public testing::TestWithParam<Good> {};

TEST_P(GoodAnswers, WholeAndByteByByte) {
  for (const bool split : {false, true}) {
    Fixture f;
    f.Ask();
    f.Feed(GetParam().bytes, split);
    EXPECT_TRUE(f.response->got_head);
    if (!GetParam().kept) f.codec.OnPeerClosed();
    EXPECT_TRUE(f.response->ended);
    EXPECT_FALSE(f.response->reset);
    EXPECT_EQ(f.response->body, GetParam().body);
    EXPECT_EQ(f.codec.capacity(), GetParam().kept ? 1u : 0u);
    EXPECT_EQ(f.codec.Done(), !GetParam().kept);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Rfc9112, GoodAnswers,
    testing::Values(
        Good{"Length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true},
        Good{"NoReason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", true},
        Good{"Chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
             "ok", true},
        Good{"NoContent", "HTTP/1.1 204 No Content\r\n\r\n", "", true},
        Good{"NotModified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", "", true},
        Good{"Interim",
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
             "OK\r\nContent-Length: 2\r\n\r\nok",
             "ok", true},
        Good{"UntilClose", "HTTP/1.1 200 OK\r\n\r\nok", "ok", false},
        Good{"Http10", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false},
        Good{"Http10Kept",
             "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok",
             true},
        Good{"Close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok",
             false}),
    [](const auto& info) { return info.param.name; });

struct Bad {
  const char* name;
  std::string bytes;
  bool head;
};
class BadAnswers : public testing::TestWithParam<Bad> {};

TEST_P(BadAnswers, NeverLookComplete) {
  for (const bool split : {false, true}) {
    Fixture f;
    f.Ask();
    f.Feed(GetParam().bytes, split);
    f.codec.OnPeerClosed();
    EXPECT_TRUE(f.response->reset);
    EXPECT_FALSE(f.response->ended);
    EXPECT_EQ(f.response->got_head, GetParam().head);
    EXPECT_TRUE(f.codec.Done());
    EXPECT_EQ(f.codec.capacity(), 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Rfc9112, BadAnswers,
    testing::Values(
        Bad{"Garbage", "hello\r\n\r\n", false}, Bad{"Http2Line", "HTTP/2.0 200 OK\r\n\r\n", false},
        Bad{"StatusShort", "HTTP/1.1 20 OK\r\n\r\n", false},
        Bad{"Status600", "HTTP/1.1 600 X\r\n\r\n", false},
        Bad{"LengthAndCoding",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", false},
        Bad{"LengthTwice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            false},
        Bad{"LengthNegative", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", false},
        Bad{"Folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", false},
        Bad{"Nul", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n"s, false},
        Bad{"BareLf", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", false},
        Bad{"SwitchingUnasked", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            false},
        Bad{"HeadCut", "HTTP/1.1 200 OK\r\nContent-Le", false}, Bad{"NothingAtAll", "", false},
        Bad{"ContentCut", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", true},
        Bad{"ChunkCut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", true},
        Bad{"LastChunkMissing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            true},
        Bad{"ChunkBad",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", true},
        Bad{"NoContentWithContent", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
            false},
        Bad{"CodingUnknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false},
        Bad{"InterimForever",
            [] {
              std::string s;
              for (int i = 0; i < 20; ++i) s += "HTTP/1.1 100 Continue\r\n\r\n";
              return s;
            }(),
            false}),
    [](const auto& info) { return info.param.name; });

TEST(Http1Client, RequestOnTheWire) {
  Fixture f;
  f.Ask();
  EXPECT_EQ(f.sink.Take(), "GET /x HTTP/1.1\r\nHost: up\r\n\r\n");
  f.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  f.Ask(Method::kPost);
  EXPECT_EQ(f.sink.Take(), "POST /x HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n\r\n");
}

TEST(Http1Client, SurplusBytesNeverAnswerTheNextRequest) {  // RFC 9112 §9.2
  Fixture f;
  f.Ask();
  f.Feed(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: "
      "4\r\n\r\nevil");
  EXPECT_TRUE(f.response->ended);
  EXPECT_EQ(f.response->body, "ok");
  EXPECT_EQ(f.codec.capacity(), 0u);
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Client, UnaskedBytesCloseAnIdleConnection) {
  Fixture f;
  f.Ask();
  f.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(f.codec.capacity(), 1u);
  f.Feed("HTTP/1.1 408 Request Timeout\r\n\r\n");
  EXPECT_EQ(f.codec.capacity(), 0u);
}

TEST(Http1Client, StaleOnlyWhenReusedAndUnanswered) {
  Fixture fresh;
  fresh.Ask();
  fresh.codec.OnPeerClosed();
  EXPECT_EQ(fresh.response->reason, ResetReason::kConnectionLost);

  Fixture reused;
  reused.Ask();
  reused.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  reused.Ask();
  reused.codec.OnConnectionLost();
  EXPECT_EQ(reused.response->reason, ResetReason::kStaleConnection);

  Fixture begun;
  begun.Ask();
  begun.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  begun.Ask();
  begun.Feed("HTTP/1.1 2");
  begun.codec.OnConnectionLost();
  EXPECT_EQ(begun.response->reason, ResetReason::kProtocolError);  // issue 2: a truncated answer
}

TEST(Http1Client, HeadAnswerHasLengthButNoContent) {
  Fixture f;
  f.Ask(Method::kHead);
  f.Feed("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  EXPECT_TRUE(f.response->ended);
  EXPECT_EQ(f.response->head.content_length, 500u);
  EXPECT_EQ(f.codec.capacity(), 1u);
}

TEST(Http1Client, AnswerBeforeTheRequestEndsIsNoReuse) {
  Fixture f;
  f.response = std::make_unique<SeenResponse>(&f.pool);
  RequestHead head(&f.response->arena);
  head.method = Method::kPost;
  head.target = "/";
  head.authority = "up";
  head.body = BodyKind::kLength;
  head.content_length = 10;
  f.stream = f.codec.NewStream(f.response.get());
  f.stream->SendHead(head, false);
  f.stream->SendBody("abc");
  f.Feed("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(f.response->ended);
  EXPECT_EQ(f.codec.capacity(), 0u);
  f.stream->Reset(ResetReason::kCancelled);
  EXPECT_TRUE(f.codec.Done());
}

TEST(Http1Client, ChunkedRequestWithTrailers) {
  Fixture f;
  f.response = std::make_unique<SeenResponse>(&f.pool);
  RequestHead head(&f.response->arena);
  head.method = Method::kPost;
  head.target = "/";
  head.authority = "up";
  head.body = BodyKind::kUnknown;
  f.stream = f.codec.NewStream(f.response.get());
  f.stream->SendHead(head, false);
  f.stream->SendBody("hello");
  HeaderMap trailers(&f.response->arena);
  trailers.Add("X-Sum", "1");
  f.stream->SendEnd(&trailers);
  EXPECT_EQ(f.sink.bytes,
            "POST / HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
}

}  // namespace
}  // namespace postern
