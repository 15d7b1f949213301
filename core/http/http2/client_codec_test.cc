#include "core/http/http2/client_codec.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/test_support.h"

namespace postern {
namespace {

using namespace h2;  // NOLINT: the frame builders read as a language of their own here
using E = Http2Error;

struct Asked {
  explicit Asked(BlockPool* pool) : response(pool) {}
  SeenResponse response;
  ClientStream* stream = nullptr;
};

struct Fixture {
  Fixture() {
    const std::string preface = sink.Take();
    EXPECT_TRUE(preface.starts_with(kClientPreface));
    reader.Read(std::string_view(preface).substr(kClientPreface.size()));
  }

  void Start(const std::vector<std::pair<uint16_t, uint32_t>>& settings = {}) {
    Feed(Settings(settings) + SettingsAck());
  }
  void Feed(std::string_view bytes, bool split = false) {
    if (!split) {
      codec.OnData(bytes, now);
    } else {
      for (char c : bytes) codec.OnData({&c, 1}, now);
    }
    Read();
  }
  void Read() { reader.Read(sink.Take()); }

  Asked* Begin() {
    asked.push_back(std::make_unique<Asked>(&pool));
    asked.back()->stream = codec.NewStream(&asked.back()->response);
    return asked.back().get();
  }
  // A request; with content when `length` is not zero, of unknown length when negative.
  Asked* Ask(Method method = Method::kGet, int64_t length = 0) {
    Asked* one = Begin();
    if (one->stream == nullptr) return one;
    RequestHead head(&one->response.arena);
    head.method = method;
    head.scheme = "http";
    head.authority = "up:80";
    head.target = "/x?y";
    head.body = length == 0 ? BodyKind::kNone : length > 0 ? BodyKind::kLength : BodyKind::kUnknown;
    head.content_length = length > 0 ? static_cast<uint64_t>(length) : 0;
    one->stream->SendHead(head, length == 0);
    Read();
    return one;
  }

  Http2Options options = Http2ClientOptions();
  CapturingSink sink;
  SeenClient client;
  BlockPool pool;
  Http2ClientCodec codec{&sink, &client, options};
  Reader reader;
  std::vector<std::unique_ptr<Asked>> asked;
  uint64_t now = 1000;
};

Fields Ok(const Fields& more = {}) { return With({{":status", "200"}}, more); }

TEST(ClientPreface, Rfc9113S34) {
  Fixture f;
  ASSERT_GE(f.reader.frames.size(), 1u);
  EXPECT_EQ(f.reader.frames[0].header.type, Type::kSettings);
  // §8.4: push is off.
  EXPECT_NE(f.reader.frames[0].payload.find(U16(2) + U32(0)), std::string::npos);
  EXPECT_NE(f.reader.frames[0].payload.find(U16(4) + U32(16384)), std::string::npos);
}

TEST(ClientRequests, Rfc9113S831Head) {
  Fixture f;
  f.Start();
  Asked* one = f.Begin();
  RequestHead head(&one->response.arena);
  head.method = Method::kPost;
  head.scheme = "https";
  head.authority = "up";
  head.target = "/a?b=c";
  head.te_trailers = true;
  head.headers.Add("Accept", "*/*");
  head.headers.Add("X-Own", "1");
  head.headers.Add("Connection", "x");
  head.headers.Add("Transfer-Encoding", "chunked");
  head.headers.Add("Host", "other");
  head.headers.Add("Authorization", "secret");
  head.headers.Add("Cookie", "a=b; c=d; e=0123456789012345");
  one->stream->SendHead(head, true);
  f.Read();
  const Frame* frame = f.reader.First(Type::kHeaders, 1);
  ASSERT_NE(frame, nullptr);
  EXPECT_TRUE(frame->header.has(kEnd));
  EXPECT_EQ(frame->fields, (Fields{{":method", "POST"},
                                   {":scheme", "https"},
                                   {":authority", "up"},
                                   {":path", "/a?b=c"},
                                   {"te", "trailers"},
                                   {"accept", "*/*"},
                                   {"x-own", "1"},
                                   {"authorization", "secret"},
                                   {"cookie", "a=b; c=d; e=0123456789012345"},
                                   {"content-length", "0"}}));
  // RFC 7541 §7.1: secrets of one user stay out of the state all share.
  EXPECT_EQ(f.reader.never_indexed, (std::vector<bool>{false, false, false, false, false, false,
                                                       false, true, true, false}));
}

TEST(ClientRequests, ContentAndTrailers) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask(Method::kPut, 5);
  one->stream->SendBody("he");
  one->stream->SendBody("llo");
  one->stream->SendEnd(nullptr);
  f.Read();
  EXPECT_EQ(f.reader.First(Type::kHeaders, 1)->field("content-length"), "5");
  EXPECT_EQ(f.reader.Content(1), "hello");
  EXPECT_TRUE(f.reader.All(Type::kData, 1).back()->header.has(kEnd));
  Asked* two = f.Ask(Method::kPost, -1);
  two->stream->SendBody("x");
  HeaderMap trailers(&two->response.arena);
  trailers.Add("x-sum", "1");
  two->stream->SendEnd(&trailers);
  f.Read();
  EXPECT_EQ(f.reader.All(Type::kHeaders, 3).back()->fields, (Fields{{"x-sum", "1"}}));
  EXPECT_TRUE(f.reader.Ended(3));
}

TEST(ClientRequests, WrongLengthIsBrokenOff) {
  Fixture f;
  f.Start();
  Asked* longer = f.Ask(Method::kPost, 2);
  longer->stream->SendBody("abc");
  f.Read();
  EXPECT_EQ(f.reader.RstError(1), Code(E::kInternalError));
  EXPECT_TRUE(longer->response.reset);
  EXPECT_EQ(longer->response.reason, ResetReason::kInternal);
  Asked* shorter = f.Ask(Method::kPost, 2);
  shorter->stream->SendBody("a");
  shorter->stream->SendEnd(nullptr);
  f.Read();
  EXPECT_EQ(f.reader.RstError(3), Code(E::kInternalError));
  EXPECT_EQ(shorter->response.reason, ResetReason::kInternal);
  EXPECT_FALSE(f.reader.Ended(3));
  EXPECT_EQ(f.codec.active_streams(), 0u);
}

TEST(ClientRequests, HeadThatCannotBeSent) {
  Fixture f;
  f.Start();
  Asked* one = f.Begin();
  RequestHead head(&one->response.arena);
  const std::string value(60000, 'x');
  for (int i = 0; i < 6; ++i) head.headers.Add("x-large", value);
  head.target = "/";
  one->stream->SendHead(head, true);
  f.Read();
  EXPECT_TRUE(one->response.reset);
  EXPECT_EQ(one->response.reason, ResetReason::kInternal);
  EXPECT_EQ(f.codec.active_streams(), 0u);
  Asked* two = f.Ask();
  f.Feed(Headers(3, Ok()));
  EXPECT_TRUE(two->response.ended);
}

TEST(ClientRequests, ContentWaitsForTheWindow) {
  Fixture f;
  f.Start({{4, 4}});
  Asked* one = f.Ask(Method::kPost, 10);
  one->stream->SendBody("0123456789");
  one->stream->SendEnd(nullptr);
  f.Read();
  EXPECT_EQ(f.reader.Content(1), "0123");
  EXPECT_EQ(one->stream->buffered(), 6u);
  f.Feed(WindowUpdate(1, 6));
  EXPECT_EQ(f.reader.Content(1), "0123456789");
  EXPECT_TRUE(f.reader.Ended(1));
}

// Responses.

TEST(ClientResponses, Rfc9113S832Plain) {
  for (const bool split : {false, true}) {
    Fixture f;
    f.Start();
    Asked* one = f.Ask();
    f.Feed(
        Headers(
            1,
            Ok({{"content-length", "5"}, {"x-a", "b"}, {"set-cookie", "1"}, {"set-cookie", "2"}}),
            kWhole) +
            Data(1, "hello", kEnd),
        split);
    SeenResponse& response = one->response;
    EXPECT_TRUE(response.got_head);
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(response.body, "hello");
    EXPECT_EQ(response.head.status, 200);
    EXPECT_EQ(response.head.version, 20);
    EXPECT_EQ(response.head.body, BodyKind::kLength);
    EXPECT_EQ(response.head.content_length, 5u);
    EXPECT_EQ(response.head.headers.size(), 3u);
    EXPECT_EQ(f.codec.active_streams(), 0u);
    EXPECT_GT(f.client.changes, 0);
  }
}

TEST(ClientResponses, InterimsHeadOnlyTrailers) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  f.Feed(Headers(1, {{":status", "100"}}, kWhole) +
         Headers(1, {{":status", "103"}, {"link", "x"}}, kWhole) +
         Headers(1, {{":status", "404"}}));
  EXPECT_EQ(one->response.interim, (std::vector<int>{103}));
  EXPECT_EQ(one->response.head.status, 404);
  EXPECT_EQ(one->response.head.headers.size(), 0u);
  EXPECT_EQ(one->response.head.body, BodyKind::kNone);
  EXPECT_TRUE(one->response.ended);
  Asked* two = f.Ask();
  f.Feed(Headers(3, Ok(), kWhole) + Data(3, "x") + Headers(3, {{"x-sum", "1"}}));
  EXPECT_EQ(two->response.head.body, BodyKind::kUnknown);
  EXPECT_EQ(two->response.body, "x");
  EXPECT_EQ(two->response.trailers, "x-sum=1;");
  EXPECT_TRUE(two->response.ended);
}

TEST(ClientResponses, Rfc9113S811ThoseWithoutContentMayHaveALength) {
  Fixture f;
  f.Start();
  Asked* head = f.Ask(Method::kHead);
  f.Feed(Headers(1, Ok({{"content-length", "77"}})));
  EXPECT_TRUE(head->response.ended);
  EXPECT_TRUE(head->response.head.has_content_length);
  EXPECT_EQ(head->response.head.content_length, 77u);
  EXPECT_EQ(head->response.head.body, BodyKind::kNone);
  Asked* unknown = f.Ask(Method::kHead);
  f.Feed(Headers(3, Ok(), kWhole) + Data(3, "", kEnd));
  EXPECT_EQ(unknown->response.head.body, BodyKind::kUnknown);
  EXPECT_TRUE(unknown->response.ended);
  Asked* not_modified = f.Ask();
  f.Feed(Headers(5, {{":status", "304"}, {"content-length", "77"}}));
  EXPECT_TRUE(not_modified->response.ended);
  EXPECT_FALSE(not_modified->response.reset);
}

struct Bad {
  const char* name;
  std::string bytes;
  Method method = Method::kGet;
};
class ClientMalformed : public testing::TestWithParam<Bad> {};
TEST_P(ClientMalformed, Rfc9113S811IsAStreamError) {
  for (const bool split : {false, true}) {
    Fixture f;
    f.Start();
    Asked* one = f.Ask(GetParam().method, -1);
    f.Feed(GetParam().bytes, split);
    EXPECT_TRUE(one->response.reset);
    EXPECT_EQ(one->response.reason, ResetReason::kProtocolError);
    EXPECT_FALSE(one->response.ended);
    EXPECT_EQ(f.reader.RstError(1), Code(E::kProtocolError));
    EXPECT_EQ(f.reader.GoawayError(), -1);
    EXPECT_EQ(f.codec.active_streams(), 0u);
    Asked* two = f.Ask();
    f.Feed(Headers(3, Ok()), split);
    EXPECT_TRUE(two->response.ended);
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, ClientMalformed,
    testing::Values(
        Bad{"NoStatus", Headers(1, {{"x", "y"}})},
        Bad{"RequestPseudo", Headers(1, With({{":method", "GET"}}, Ok()))},
        Bad{"StatusTwice", Headers(1, With(Ok(), Ok()))},
        Bad{"StatusAfterField", Headers(1, With({{"x", "y"}}, Ok()))},
        Bad{"StatusNoNumber", Headers(1, {{":status", "2xx"}})},
        Bad{"StatusShort", Headers(1, {{":status", "20"}})},
        Bad{"StatusZero", Headers(1, {{":status", "000"}})},
        Bad{"StatusSixHundred", Headers(1, {{":status", "600"}})},
        Bad{"SwitchingProtocols", Headers(1, {{":status", "101"}}, kWhole)},
        Bad{"ContentBehindInterim", Headers(1, {{":status", "103"}}, kWhole) + Data(1, "x")},
        Bad{"EndBehindInterim", Headers(1, {{":status", "103"}}, kWhole) + Data(1, "", kEnd)},
        Bad{"InterimEnds", Headers(1, {{":status", "103"}})},
        Bad{"InterimWithLength", Headers(1, {{":status", "103"}, {"content-length", "3"}}, kWhole)},
        Bad{"UpperCase", Headers(1, Ok({{"X", "y"}}))},
        Bad{"LfInValue", Headers(1, Ok({{"x", "a\nb"}}))},
        Bad{"Connection", Headers(1, Ok({{"connection", "close"}}))},
        Bad{"TransferEncoding", Headers(1, Ok({{"transfer-encoding", "chunked"}}))},
        Bad{"Te", Headers(1, Ok({{"te", "trailers"}}))},
        Bad{"LengthMalformed", Headers(1, Ok({{"content-length", "x"}}), kWhole)},
        Bad{"LengthTwice",
            Headers(1, Ok({{"content-length", "1"}, {"content-length", "1"}}), kWhole)},
        Bad{"LengthTooLong",
            Headers(1, Ok({{"content-length", "5"}}), kWhole) + Data(1, "abc", kEnd)},
        Bad{"LengthTooShort",
            Headers(1, Ok({{"content-length", "2"}}), kWhole) + Data(1, "abc", kEnd)},
        Bad{"LengthWithoutContent", Headers(1, Ok({{"content-length", "2"}}))},
        Bad{"LengthThenTrailers",
            Headers(1, Ok({{"content-length", "2"}}), kWhole) + Headers(1, {{"x", "y"}})},
        Bad{"NoContentWithLength", Headers(1, {{":status", "204"}, {"content-length", "2"}})},
        Bad{"NoContentWithContent", Headers(1, {{":status", "204"}}, kWhole) + Data(1, "x")},
        Bad{"NotModifiedWithContent", Headers(1, {{":status", "304"}}, kWhole) + Data(1, "x")},
        Bad{"HeadWithContent", Headers(1, Ok(), kWhole) + Data(1, "x"), Method::kHead},
        Bad{"SecondHeadWithoutEnd", Headers(1, Ok(), kWhole) + Headers(1, {{"x", "y"}}, kWhole)},
        Bad{"PseudoInTrailers", Headers(1, Ok(), kWhole) + Headers(1, Ok())}),
    [](const auto& info) { return info.param.name; });

struct Broken {
  const char* name;
  std::string bytes;
  E error;
};
class ClientConnectionErrors : public testing::TestWithParam<Broken> {};
TEST_P(ClientConnectionErrors, EndWithGoaway) {
  for (const bool split : {false, true}) {
    Fixture f;
    f.Start();
    Asked* one = f.Ask();
    f.Feed(GetParam().bytes, split);
    EXPECT_EQ(f.reader.GoawayError(), Code(GetParam().error));
    EXPECT_TRUE(one->response.reset || one->response.ended);
    EXPECT_TRUE(f.codec.Done());
    EXPECT_EQ(f.codec.capacity(), 0u);
    EXPECT_EQ(f.Begin()->stream, nullptr);
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, ClientConnectionErrors,
    testing::Values(
        Broken{"S66_PushPromise", MakeFrame(Type::kPushPromise, kWhole, 1, U32(2) + Block(kGet)),
               E::kProtocolError},
        Broken{"S511_HeadersOnEvenStream", Headers(2, Ok()), E::kProtocolError},
        Broken{"S51_HeadersOnIdleStream", Headers(3, Ok()), E::kProtocolError},
        Broken{"S51_DataOnIdleStream", Data(3, "x"), E::kProtocolError},
        Broken{"S51_RstOnIdleStream", Rst(3), E::kProtocolError},
        Broken{"S61_DataBeforeHeaders", Data(1, "x"), E::kProtocolError},
        Broken{"S51_HeadersOnClosedStream", Headers(1, Ok()) + Headers(1, Ok()), E::kStreamClosed},
        Broken{"S51_DataOnClosedStream", Headers(1, Ok()) + Data(1, "x"), E::kStreamClosed},
        Broken{"S42_FrameSize", MakeFrame(Type::kData, 0, 1, std::string(16385, 'x')),
               E::kFrameSizeError},
        Broken{"S43_Compression", Headers(1, "\x80"), E::kCompressionError},
        Broken{"S652_EnablePush", Settings({{2, 1}}), E::kProtocolError},
        Broken{"S652_WindowSize", Settings({{4, 0x80000000u}}), E::kFlowControlError},
        Broken{"S68_LastStreamGrows", Goaway(1) + Goaway(3), E::kProtocolError},
        Broken{"S67_PingSize", Ping("1"), E::kFrameSizeError}),
    [](const auto& info) { return info.param.name; });

TEST(ClientPreface, Rfc9113S34ServerMustBeginWithSettings) {
  for (const std::string& bytes : {Ping(), SettingsAck(), std::string("HTTP/1.1 400 Bad")}) {
    Fixture f;
    Asked* one = f.Ask();
    f.Feed(bytes);
    EXPECT_TRUE(f.codec.Done()) << bytes;
    EXPECT_TRUE(one->response.reset);
    EXPECT_NE(f.reader.GoawayError(), -1);
  }
}

TEST(ClientResponses, HeadOverTheLimit) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  f.Feed(Headers(1, Block(Ok({{"x", std::string(16000, 'x')}})), 0) +
         Continuation(1, Block({{"y", std::string(16000, 'x')}})));
  EXPECT_TRUE(one->response.reset);
  EXPECT_EQ(one->response.reason, ResetReason::kLimit);
  EXPECT_EQ(f.reader.RstError(1), Code(E::kCancel));
  EXPECT_FALSE(f.codec.Done());
}

TEST(ClientResponses, EndlessInterims) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  for (int i = 0; i < 20 && !one->response.reset; ++i) {
    f.Feed(Headers(1, {{":status", "102"}}, kWhole));
  }
  EXPECT_TRUE(one->response.reset);
  EXPECT_EQ(one->response.interim.size(), 16u);
}

// Ends of exchanges.

TEST(ClientResets, Rfc9113S87RefusedStream) {
  Fixture f;
  f.Start();
  Asked* refused = f.Ask();
  Asked* reset = f.Ask();
  f.Feed(Rst(1, E::kRefusedStream) + Rst(3, E::kInternalError));
  EXPECT_EQ(refused->response.reason, ResetReason::kRefused);
  EXPECT_EQ(reset->response.reason, ResetReason::kPeerReset);
  EXPECT_TRUE(refused->response.reset && reset->response.reset);
  EXPECT_EQ(f.codec.active_streams(), 0u);
  EXPECT_EQ(f.codec.capacity(), 100u);
}

TEST(ClientResets, Rfc9113S81CompleteResponseSurvivesNoError) {
  for (const bool together : {false, true}) {
    Fixture f;
    f.Start({{4, 3}});
    Asked* one = f.Ask(Method::kPost, 100000);
    one->stream->SendBody(std::string(50000, 'x'));
    EXPECT_GT(one->stream->buffered(), 0u);
    const std::string answer = Headers(1, Ok(), kWhole) + Data(1, "early", kEnd);
    if (together) {
      f.Feed(answer + Rst(1, E::kNoError));
    } else {
      f.Feed(answer);
      f.Feed(Rst(1, E::kNoError));
    }
    EXPECT_TRUE(one->response.ended);
    EXPECT_FALSE(one->response.reset);
    EXPECT_EQ(one->response.body, "early");
    // The receiver may go on, or not; nothing of it is sent.
    EXPECT_EQ(one->stream->buffered(), 0u);
    f.reader.frames.clear();
    one->stream->SendBody(std::string(50000, 'x'));
    one->stream->SendEnd(nullptr);
    f.Read();
    EXPECT_TRUE(f.reader.frames.empty());
    EXPECT_EQ(f.codec.active_streams(), 0u);
  }
}

TEST(ClientResets, ByTheReceiver) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  one->stream->Reset(ResetReason::kTimeout);
  f.Read();
  EXPECT_EQ(f.reader.RstError(1), Code(E::kCancel));
  EXPECT_EQ(f.codec.active_streams(), 0u);
  // What was on its way is dropped.
  f.Feed(Headers(1, Ok(), kWhole) + Data(1, "late", kEnd));
  EXPECT_FALSE(one->response.got_head);
  EXPECT_EQ(f.reader.GoawayError(), -1);
  Asked* unsent = f.Begin();
  unsent->stream->Reset(ResetReason::kCancelled);
  EXPECT_EQ(f.codec.active_streams(), 0u);
  EXPECT_EQ(f.sink.bytes, "");
}

TEST(ClientGoaway, Rfc9113S68StreamsAboveTheLastAreRefused) {
  Fixture f;
  f.Start();
  Asked* first = f.Ask();
  Asked* second = f.Ask();
  Asked* third = f.Begin();  // not sent yet
  f.Feed(Goaway(1));
  EXPECT_FALSE(first->response.reset);
  EXPECT_TRUE(second->response.reset);
  EXPECT_EQ(second->response.reason, ResetReason::kRefused);
  EXPECT_EQ(f.codec.capacity(), 0u);
  EXPECT_EQ(f.Begin()->stream, nullptr);
  RequestHead head(&third->response.arena);
  third->stream->SendHead(head, true);
  EXPECT_EQ(third->response.reason, ResetReason::kRefused);
  EXPECT_TRUE(third->response.reset);
  EXPECT_FALSE(f.codec.Done());
  f.Feed(Headers(1, Ok()));
  EXPECT_TRUE(first->response.ended);
  EXPECT_TRUE(f.codec.Done());
}

TEST(ClientGoaway, TwoSteps) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  f.Feed(Goaway(0x7fffffff));
  EXPECT_FALSE(one->response.reset);
  EXPECT_EQ(f.codec.capacity(), 0u);
  f.Feed(Goaway(1) + Headers(1, Ok()));
  EXPECT_TRUE(one->response.ended);
  EXPECT_TRUE(f.codec.Done());
}

TEST(ClientLoss, StaleOrLost) {
  Fixture f;
  Asked* first = f.Ask();
  f.codec.OnConnectionLost();
  EXPECT_EQ(first->response.reason, ResetReason::kConnectionLost);  // never worked
  EXPECT_TRUE(f.codec.Done());

  Fixture g;
  g.Start();
  g.Ask();
  g.Feed(Headers(1, Ok()));
  Asked* begun = g.Ask();
  g.Feed(Headers(3, Ok(), kWhole) + Data(3, "x"));
  Asked* stale = g.Ask();
  g.codec.OnPeerClosed();
  EXPECT_EQ(begun->response.reason, ResetReason::kConnectionLost);
  EXPECT_FALSE(begun->response.ended);
  EXPECT_EQ(stale->response.reason, ResetReason::kStaleConnection);
  EXPECT_EQ(g.codec.active_streams(), 0u);
}

// Limits of the peer.

TEST(ClientCapacity, Rfc9113S512PeerLimit) {
  Fixture f;
  EXPECT_EQ(f.codec.capacity(), 100u);
  f.Start({{3, 2}});
  EXPECT_EQ(f.codec.capacity(), 2u);
  f.Ask();
  f.Ask();
  EXPECT_EQ(f.codec.capacity(), 0u);
  EXPECT_EQ(f.Begin()->stream, nullptr);
  const int changes = f.client.changes;
  f.Feed(Headers(1, Ok()));
  EXPECT_GT(f.client.changes, changes);
  EXPECT_EQ(f.codec.capacity(), 1u);
  f.Feed(Settings({{3, 0}}));
  EXPECT_EQ(f.codec.capacity(), 0u);
  f.Feed(Settings({{3, 1000}}));
  EXPECT_EQ(f.codec.capacity(), 99u);
}

TEST(ClientCapacity, RequestWaitsWhereTheLimitSinks) {
  Fixture f;
  f.Start({{3, 2}});
  Asked* first = f.Ask();
  Asked* second = f.Begin();
  f.Feed(Settings({{3, 1}}));
  {
    BlockPool pool;
    Arena arena(&pool);
    RequestHead head(&arena);  // dies before the request can be sent
    head.method = Method::kPost;
    head.authority = arena.Copy("up");
    head.target = arena.Copy("/waits");
    head.headers.Add(arena.Copy("X-Own"), arena.Copy("1"));
    head.body = BodyKind::kUnknown;
    second->stream->SendHead(head, false);
    second->stream->SendBody("content");
    second->stream->SendEnd(nullptr);
  }
  f.Read();
  EXPECT_EQ(f.reader.First(Type::kHeaders, 3), nullptr);
  EXPECT_EQ(second->stream->buffered(), 7u);
  f.Feed(Headers(1, Ok()));
  EXPECT_TRUE(first->response.ended);
  ASSERT_NE(f.reader.First(Type::kHeaders, 3), nullptr);
  EXPECT_EQ(f.reader.First(Type::kHeaders, 3)->field("x-own"), "1");
  EXPECT_EQ(f.reader.First(Type::kHeaders, 3)->field(":path"), "/waits");
  EXPECT_EQ(f.reader.Content(3), "content");
  EXPECT_TRUE(f.reader.Ended(3));
  f.Feed(Headers(3, Ok()));
  EXPECT_TRUE(second->response.ended);
  EXPECT_EQ(f.codec.active_streams(), 0u);
}

TEST(ClientCapacity, WaitingRequestIsCancelled) {
  Fixture f;
  f.Start({{3, 1}});
  Asked* first = f.Ask();
  f.Feed(Settings({{3, 2}}));
  Asked* second = f.Begin();
  f.Feed(Settings({{3, 1}}));
  RequestHead head(&second->response.arena);
  head.target = "/";
  second->stream->SendHead(head, true);
  second->stream->Reset(ResetReason::kCancelled);
  f.Feed(Headers(1, Ok()));
  f.Read();
  EXPECT_TRUE(first->response.ended);
  EXPECT_EQ(f.reader.First(Type::kHeaders, 3), nullptr);
  EXPECT_EQ(f.codec.active_streams(), 0u);
  Asked* third = f.Ask();
  f.Feed(Headers(5, Ok()));
  EXPECT_TRUE(third->response.ended);
}

// Receive windows.

TEST(ClientWindow, UnreadResponsesStaySmallTogether) {
  Fixture f;
  f.Start();
  size_t unread = 0;
  for (uint32_t id = 1; id < 200; id += 2) {
    Asked* one = f.Ask();
    f.Feed(Headers(id, Ok(), kWhole) + Data(id, std::string(16384, 'x')));
    unread += one->response.body.size();
    EXPECT_FALSE(one->response.reset);
  }
  EXPECT_LE(unread, 2u * 1024 * 1024);
  EXPECT_EQ(f.codec.active_streams(), 100u);
  EXPECT_EQ(f.reader.GoawayError(), -1);
  // A 101st byte breaks the first window, and only its stream.
  f.Feed(Data(1, "x"));
  EXPECT_EQ(f.reader.RstError(1), Code(E::kFlowControlError));
  EXPECT_EQ(f.codec.active_streams(), 99u);
}

TEST(ClientWindow, GrowsWithTheReader) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask();
  f.Feed(Headers(1, Ok(), kWhole));
  uint64_t room = 16384;
  uint64_t most = room;
  size_t seen = 0;
  for (int i = 0; i < 500; ++i) {
    f.Feed(Data(1, std::string(8192, 'x')));
    room -= 8192;
    one->stream->Consume(8192);
    f.Read();
    const auto updates = f.reader.All(Type::kWindowUpdate, 1);
    for (; seen < updates.size(); ++seen) room += updates[seen]->number();
    most = std::max(most, room);
    ASSERT_FALSE(one->response.reset);
  }
  EXPECT_GT(most, 128u * 1024);
  EXPECT_LE(most, 256u * 1024);
}

TEST(ClientFloods, Rfc9113S105UpstreamsAreBoundedToo) {
  for (const std::string& frame : {Ping(), Settings(), WindowUpdate(0, 1), Priority(1, 3),
                                   Data(1, ""), MakeFrame(0x77, 0, 0, "x")}) {
    Fixture f;
    f.Start();
    Asked* one = f.Ask();
    f.Feed(Headers(1, Ok(), kWhole));
    int sent = 0;
    for (; !f.codec.Done() && sent < 10000; ++sent) f.Feed(frame);
    EXPECT_LE(sent, 500);
    EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
    EXPECT_TRUE(one->response.reset);
    EXPECT_EQ(one->response.reason, ResetReason::kLimit);
  }
}

TEST(ClientSink, BlockedSocketHoldsContent) {
  Fixture f;
  f.Start();
  Asked* one = f.Ask(Method::kPost, -1);
  f.sink.blocked = true;
  one->stream->SendBody("held");
  f.Read();
  EXPECT_EQ(f.reader.Content(1), "");
  EXPECT_EQ(one->stream->buffered(), 4u);
  f.sink.blocked = false;
  f.codec.OnSinkWritable();
  f.Read();
  EXPECT_EQ(f.reader.Content(1), "held");
}

// A receiver that begins the next exchange from inside the end of the last.
TEST(ClientReentrance, NextRequestFromInsideTheEnd) {
  struct Chain final : ResponseReceiver {
    explicit Chain(BlockPool* pool) : arena(pool), head(&arena) {}
    ResponseHead* response_head() override { return &head; }
    void OnInformational(uint16_t, const HeaderMap&) override {}
    void OnHead(bool end) override {
      if (end) Next();
    }
    void OnBody(std::string_view) override {}
    void OnEnd(const HeaderMap*) override { Next(); }
    void OnReset(ResetReason) override { ++resets; }
    void OnWritable() override {}
    void Next() {
      ++done;
      if (done >= 50) return;
      stream = codec->NewStream(this);
      ASSERT_NE(stream, nullptr);
      RequestHead request(&arena);
      request.target = "/";
      request.authority = "a";
      stream->SendHead(request, true);
    }
    Arena arena;
    ResponseHead head;
    Http2ClientCodec* codec = nullptr;
    ClientStream* stream = nullptr;
    int done = -1;
    int resets = 0;
  };
  Fixture f;
  f.Start({{3, 1}});
  Chain chain(&f.pool);
  chain.codec = &f.codec;
  chain.Next();
  for (uint32_t id = 1; id < 100; id += 2) {
    f.Feed(id % 4 == 1 ? Headers(id, Ok()) : Headers(id, Ok(), kWhole) + Data(id, "x", kEnd));
  }
  EXPECT_EQ(chain.done, 50);
  EXPECT_EQ(chain.resets, 0);
  EXPECT_EQ(f.codec.active_streams(), 0u);
}

}  // namespace
}  // namespace postern
