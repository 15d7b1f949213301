// The rules of RFC 9113 §3 to §8 and RFC 7541 that a server has to hold its client to, one case
// each, every one of them fed whole and byte by byte. Names tell the section.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/server_codec.h"
#include "core/http/http2/test_support.h"

namespace postern {
namespace {

using namespace h2;  // NOLINT: the frame builders read as a language of their own here
using std::string_literals::operator""s;  // NOLINT: it is used
using E = Http2Error;

void AnswerOk(SeenRequest* request) {
  ResponseHead head(&request->arena);
  head.body = BodyKind::kLength;
  head.content_length = 2;
  ServerStream* stream = request->stream;
  stream->SendHead(head, false);
  stream->SendBody("ok");
  stream->SendEnd(nullptr);
}
void AnswerIfEnded(SeenRequest* request) {
  if (request->ended) AnswerOk(request);
}

struct Fixture {
  explicit Fixture(bool answer = true) {
    if (answer) {
      server.on_head = AnswerIfEnded;
      server.on_end = AnswerOk;
    }
  }
  void Feed(std::string_view bytes, bool split) {
    if (!split) {
      codec.OnData(bytes, 0);
    } else {
      for (char c : bytes) codec.OnData({&c, 1}, 0);
    }
    reader.Read(sink.Take());
  }

  Http2Options options;
  CapturingSink sink;
  SeenServer server;
  Http2ServerCodec codec{&sink, &server, options};
  Reader reader;
};

// What has to come of bytes that follow the client's preface and SETTINGS.
struct Expect {
  enum Kind { kGoaway, kRst, kAnswers, kSilence, kStatus } kind;
  int code = 0;     // error, number of requests answered, or status
  uint32_t id = 1;  // stream
};
Expect Goaway(E error) { return {Expect::kGoaway, Code(error)}; }
Expect Reset(uint32_t id, E error) { return {Expect::kRst, Code(error), id}; }
Expect Answers(int count) { return {Expect::kAnswers, count}; }
Expect Status(uint32_t id, int status) { return {Expect::kStatus, status, id}; }

struct Rule {
  const char* name;
  std::string bytes;
  Expect expect;
  bool answer = true;  // the server answers complete requests at once
};

class ServerRules : public testing::TestWithParam<Rule> {};

TEST_P(ServerRules, WholeAndByteByByte) {
  const Rule& rule = GetParam();
  for (const bool split : {false, true}) {
    SCOPED_TRACE(split);
    Fixture f(rule.answer);
    f.Feed(std::string(kClientPreface) + Settings(), split);
    f.Feed(rule.bytes, split);
    // RFC 9113 §3.4: the server's preface comes first.
    ASSERT_FALSE(f.reader.frames.empty());
    EXPECT_EQ(f.reader.frames[0].header.type, Type::kSettings);
    EXPECT_FALSE(f.reader.frames[0].header.has(kFlagAck));
    switch (rule.expect.kind) {
      case Expect::kGoaway:
        EXPECT_EQ(f.reader.GoawayError(), rule.expect.code);
        EXPECT_TRUE(f.codec.Done());  // §5.4.1: and then it closes
        EXPECT_FALSE(f.codec.ReadWanted());
        EXPECT_EQ(f.codec.active_streams(), 0u);
        for (const auto& request : f.server.requests) {
          EXPECT_TRUE(request->reset || rule.answer);
        }
        break;
      case Expect::kRst:
        EXPECT_EQ(f.reader.RstError(rule.expect.id), rule.expect.code);
        EXPECT_EQ(f.reader.GoawayError(), -1);
        EXPECT_FALSE(f.codec.Done());
        // The connection is as good as before.
        f.Feed(Headers(99, kGet), split);
        if (rule.answer) {
          EXPECT_EQ(f.reader.Content(99), "ok");
        }
        break;
      case Expect::kAnswers: {
        EXPECT_EQ(f.reader.GoawayError(), -1);
        int ok = 0;
        for (const Frame& frame : f.reader.frames) ok += frame.payload == "ok" ? 1 : 0;
        EXPECT_EQ(ok, rule.expect.code);
        EXPECT_FALSE(f.codec.Done());
        break;
      }
      case Expect::kSilence:
        EXPECT_EQ(f.reader.GoawayError(), -1);
        for (const Frame& frame : f.reader.frames) {
          EXPECT_NE(frame.header.type, Type::kRstStream);
        }
        EXPECT_FALSE(f.codec.Done());
        break;
      case Expect::kStatus: {
        const Frame* head = f.reader.First(Type::kHeaders, rule.expect.id);
        ASSERT_NE(head, nullptr);
        EXPECT_EQ(head->field(":status"), std::to_string(rule.expect.code));
        EXPECT_TRUE(f.reader.Ended(rule.expect.id));
        EXPECT_TRUE(f.server.requests.empty());
        EXPECT_EQ(f.server.status, rule.expect.code);
        EXPECT_FALSE(f.codec.Done());
        f.Feed(Headers(99, kGet), split);
        EXPECT_EQ(f.reader.Content(99), "ok");
        break;
      }
    }
  }
}

const Expect kSilence = {Expect::kSilence};
std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}
std::string Get(uint32_t id) { return Headers(id, kGet); }
// A request that stays open for DATA.
std::string Open(uint32_t id) { return Headers(id, kPost, kWhole); }

// §3 to §5: preface, frames, stream states.
const Rule kConnectionRules[] = {
    {"S41_UnknownTypeIgnored", MakeFrame(0x16, 0, 0, "abc") + Get(1), Answers(1)},
    {"S41_UnknownTypeOnIdleStreamIgnored", MakeFrame(0xfe, 0xff, 77, "abc") + Get(1), Answers(1)},
    {"S41_UndefinedFlagsIgnored",
     Headers(1, kGet, kEnd | kWhole | 0x40 | 0x80 | 0x02) + Ping("12345678", 0x16), Answers(1)},
    {"S41_ReservedBitIgnored",
     [] {
       std::string frame = Get(1);
       frame[5] = static_cast<char>(0x80);
       return frame;
     }(),
     Answers(1)},
    {"S42_FrameOf16384Accepted", Open(1) + Data(1, std::string(16384, 'x'), kEnd), Answers(1)},
    {"S42_DataTooLarge", Open(1) + Data(1, std::string(16385, 'x')), Goaway(E::kFrameSizeError)},
    {"S42_HeadersTooLarge", Headers(1, With(kGet, {{"x", std::string(16384, 'x')}})),
     Goaway(E::kFrameSizeError)},
    {"S42_UnknownTooLarge", MakeFrame(0x16, 0, 0, std::string(16385, 'x')),
     Goaway(E::kFrameSizeError)},
    {"S42_PaddedDataWithoutPadLength", Open(1) + Data(1, "", kFlagPadded),
     Goaway(E::kFrameSizeError)},
    {"S42_PaddedHeadersWithoutPadLength", Headers(1, "", kWhole | kFlagPadded),
     Goaway(E::kFrameSizeError)},
    {"S42_PriorityHeadersTooShort", Headers(1, "1234", kWhole | kFlagPriority),
     Goaway(E::kFrameSizeError)},
    {"S43_InvalidFieldBlock", Headers(1, Bytes({0x40})), Goaway(E::kCompressionError)},
    {"S43_PriorityInsideFieldBlock", Headers(1, Block(kGet), kEnd) + Priority(1, 0),
     Goaway(E::kProtocolError)},
    {"S43_OtherStreamInsideFieldBlock", Headers(1, Block(kGet), kEnd) + Get(3),
     Goaway(E::kProtocolError)},
    {"S43_DataInsideFieldBlock", Headers(1, Block(kGet), 0) + Data(1, "x"),
     Goaway(E::kProtocolError)},
    {"S51_IdleData", Data(1, "test", kEnd), Goaway(E::kProtocolError)},
    {"S51_IdleRstStream", Rst(1), Goaway(E::kProtocolError)},
    {"S51_IdleWindowUpdate", WindowUpdate(1, 100), Goaway(E::kProtocolError)},
    {"S51_IdleContinuation", Continuation(1, Block(kGet)), Goaway(E::kProtocolError)},
    {"S51_IdlePriority", Priority(5, 0, 255) + Get(1), Answers(1)},
    {"S51_HalfClosedData", Get(1) + Data(1, "test", kEnd), Reset(1, E::kStreamClosed), false},
    {"S51_HalfClosedHeaders", Get(1) + Get(1), Reset(1, E::kStreamClosed), false},
    {"S51_HalfClosedHeadersAndContinuation",
     Get(1) + Headers(1, Block(kGet), kEnd) + Continuation(1, ""), Reset(1, E::kStreamClosed),
     false},
    {"S51_HalfClosedContinuation", Get(1) + Continuation(1, Block(kGet)), Goaway(E::kProtocolError),
     false},
    {"S51_HalfClosedWindowUpdate", Get(1) + WindowUpdate(1, 100), kSilence, false},
    {"S51_HalfClosedPriority", Get(1) + Priority(1, 0), kSilence, false},
    {"S51_HalfClosedRstStream", Get(1) + Rst(1), kSilence, false},
    {"S51_ClosedByRstData", Open(1) + Rst(1) + Data(1, "x"), Reset(1, E::kStreamClosed)},
    {"S51_ClosedByRstHeaders", Open(1) + Rst(1) + Get(1), Reset(1, E::kStreamClosed)},
    {"S51_ClosedByRstContinuation", Open(1) + Rst(1) + Continuation(1, ""),
     Goaway(E::kProtocolError)},
    {"S51_ClosedByRstAgainRst", Open(1) + Rst(1) + Rst(1) + Get(3), Answers(1)},
    {"S51_ClosedByRstWindowUpdate", Open(1) + Rst(1) + WindowUpdate(1, 1) + Get(3), Answers(1)},
    {"S51_ClosedData", Get(1) + Data(1, "x"), Goaway(E::kStreamClosed)},
    {"S51_ClosedHeaders", Get(1) + Get(1), Goaway(E::kStreamClosed)},
    {"S51_ClosedContinuation", Get(1) + Continuation(1, ""), Goaway(E::kProtocolError)},
    {"S51_ClosedPriority", Get(1) + Priority(1, 0) + Get(3), Answers(2)},
    {"S51_ClosedWindowUpdateAndRst", Get(1) + WindowUpdate(1, 10) + Rst(1) + Get(3), Answers(2)},
    {"S511_EvenStream", Get(2), Goaway(E::kProtocolError)},
    {"S511_LowerStream", Open(5) + Open(3), Goaway(E::kProtocolError)},
    {"S511_LowerStreamLater", Get(5) + Get(7) + Get(3), Goaway(E::kProtocolError)},
    {"S511_SkippedStreams", Get(5) + Get(1001) + Get(0x7ffffffd), Answers(3)},
    {"S531_PriorityOnItself", Open(1) + Priority(1, 1), Reset(1, E::kProtocolError)},
    {"S531_HeadersOnItself",
     Headers(1, U32(1) + "\x0f" + Block(kGet), kEnd | kWhole | kFlagPriority),
     Goaway(E::kProtocolError)},
    {"S531_HeadersWithPriority",
     Headers(1, U32(0x80000000u | 3) + "\xff" + Block(kGet), kEnd | kWhole | kFlagPriority),
     Answers(1)},
    {"S55_UnknownInsideFieldBlock", Headers(1, Block(kGet), kEnd) + MakeFrame(0x16, 0, 1, "x"),
     Goaway(E::kProtocolError)},
};
INSTANTIATE_TEST_SUITE_P(Connection, ServerRules, testing::ValuesIn(kConnectionRules),
                         [](const auto& info) { return info.param.name; });

// §6: frames.
const Rule kFrameRules[] = {
    {"S61_DataOnStreamZero", Open(1) + Data(0, "x"), Goaway(E::kProtocolError)},
    {"S61_PaddingTooLong", Open(1) + Data(1, std::string(1, '\x06') + "tests", kEnd | kFlagPadded),
     Goaway(E::kProtocolError)},
    {"S61_Padding",
     Open(1) + Data(1, Padded("test", 8), kFlagPadded) +
         Data(1, Padded("", 255), kEnd | kFlagPadded),
     Answers(1)},
    {"S61_ManyData", Open(1) + Data(1, "a") + Data(1, "b") + Data(1, "", kEnd), Answers(1)},
    {"S62_WithoutEndHeadersThenPriority", Headers(1, Block(kGet), 0) + Priority(1, 0),
     Goaway(E::kProtocolError)},
    {"S62_StreamZero", Get(0), Goaway(E::kProtocolError)},
    {"S62_PaddingTooLong", Headers(1, "\xff" + Block(kGet), kEnd | kWhole | kFlagPadded),
     Goaway(E::kProtocolError)},
    {"S62_Padding", Headers(1, Padded(Block(kGet), 9), kEnd | kWhole | kFlagPadded), Answers(1)},
    {"S62_PaddingAndPriority",
     Headers(1, Padded(U32(0) + "\x10" + Block(kGet), 2),
             kEnd | kWhole | kFlagPadded | kFlagPriority),
     Answers(1)},
    {"S63_StreamZero", Priority(0, 1), Goaway(E::kProtocolError)},
    {"S63_LengthOnOpenStream", Open(1) + MakeFrame(Type::kPriority, 0, 1, "1234"),
     Reset(1, E::kFrameSizeError)},
    {"S63_LengthOnIdleStream", MakeFrame(Type::kPriority, 0, 1, "1234"),
     Goaway(E::kFrameSizeError)},
    {"S63_LowerStreamAfterPriorityOnHigher", Priority(9, 0) + Get(1), Answers(1)},
    {"S64_StreamZero", Rst(0), Goaway(E::kProtocolError)},
    {"S64_Length", Open(1) + MakeFrame(Type::kRstStream, 0, 1, "123"), Goaway(E::kFrameSizeError)},
    {"S64_Accepted", Open(1) + Rst(1) + Get(3), Answers(1)},
    {"S65_AckWithPayload", MakeFrame(Type::kSettings, kFlagAck, 0, std::string(6, '\0')),
     Goaway(E::kFrameSizeError)},
    {"S65_UnexpectedAck", SettingsAck() + SettingsAck(), Goaway(E::kProtocolError)},
    {"S65_StreamNotZero", MakeFrame(Type::kSettings, 0, 1, std::string(6, '\0')),
     Goaway(E::kProtocolError)},
    {"S65_Length", MakeFrame(Type::kSettings, 0, 0, "123"), Goaway(E::kFrameSizeError)},
    {"S652_EnablePush", Settings({{2, 2}}), Goaway(E::kProtocolError)},
    {"S652_InitialWindow", Settings({{4, 0x80000000u}}), Goaway(E::kFlowControlError)},
    {"S652_MaxFrameSizeLow", Settings({{5, 16383}}), Goaway(E::kProtocolError)},
    {"S652_MaxFrameSizeHigh", Settings({{5, 16777216}}), Goaway(E::kProtocolError)},
    {"S652_MaxFrameSizeBounds", Settings({{5, 16384}}) + Settings({{5, 16777215}}) + Get(1),
     Answers(1)},
    {"S652_Unknown", Settings({{0xff, 1}}) + Get(1), Answers(1)},
    {"S66_PushPromise", Open(1) + MakeFrame(Type::kPushPromise, kWhole, 1, U32(2) + Block(kGet)),
     Goaway(E::kProtocolError)},
    {"S67_StreamNotZero", MakeFrame(Type::kPing, 0, 1, "12345678"), Goaway(E::kProtocolError)},
    {"S67_Length", Ping("123456"), Goaway(E::kFrameSizeError)},
    {"S67_AckIgnored", Ping("12345678", kFlagAck) + Get(1), Answers(1)},
    {"S68_StreamNotZero", MakeFrame(Type::kGoaway, 0, 1, U32(0) + U32(0)),
     Goaway(E::kProtocolError)},
    {"S68_Length", MakeFrame(Type::kGoaway, 0, 0, "1234567"), Goaway(E::kFrameSizeError)},
    {"S69_ZeroOnConnection", WindowUpdate(0, 0), Goaway(E::kProtocolError)},
    {"S69_ZeroOnStream", Open(1) + WindowUpdate(1, 0), Reset(1, E::kProtocolError)},
    {"S69_Length", MakeFrame(Type::kWindowUpdate, 0, 0, "123"), Goaway(E::kFrameSizeError)},
    {"S69_LengthOnStream", Open(1) + MakeFrame(Type::kWindowUpdate, 0, 1, "12345"),
     Goaway(E::kFrameSizeError)},
    {"S691_ConnectionWindowTooLarge", WindowUpdate(0, 0x7fffffff), Goaway(E::kFlowControlError)},
    {"S691_StreamWindowTooLarge", Open(1) + WindowUpdate(1, 0x7fffffff),
     Reset(1, E::kFlowControlError)},
    {"S692_InitialWindowTooLargeForStream",
     Open(1) + WindowUpdate(1, 0x7fff0000) + Settings({{4, 0x7fffffff}}),
     Goaway(E::kFlowControlError)},
    {"S610_ManyContinuations",
     Headers(1, Block(kGet).substr(0, 5), kEnd) + Continuation(1, Block(kGet).substr(5, 9), 0) +
         Continuation(1, Block(kGet).substr(14)),
     Answers(1)},
    {"S610_ThenOtherFrame", Headers(1, Block(kGet), kEnd) + Continuation(1, "", 0) + Data(1, "x"),
     Goaway(E::kProtocolError)},
    {"S610_StreamZero", Headers(1, Block(kGet), kEnd) + Continuation(0, ""),
     Goaway(E::kProtocolError)},
    {"S610_OtherStream", Headers(1, Block(kGet), kEnd) + Continuation(3, ""),
     Goaway(E::kProtocolError)},
    {"S610_AfterEndHeaders", Get(1) + Continuation(1, ""), Goaway(E::kProtocolError), false},
    {"S610_AfterContinuationWithEndHeaders",
     Headers(1, Block(kGet), kEnd) + Continuation(1, "") + Continuation(1, ""),
     Goaway(E::kProtocolError), false},
    {"S610_AfterData", Open(1) + Data(1, "x") + Continuation(1, ""), Goaway(E::kProtocolError)},
    {"S7_UnknownRstError", Open(1) + Rst(1, static_cast<E>(0xff)) + Get(3), Answers(1)},
};
INSTANTIATE_TEST_SUITE_P(Frames, ServerRules, testing::ValuesIn(kFrameRules),
                         [](const auto& info) { return info.param.name; });

Fields Request(std::string_view method, std::string_view scheme, std::string_view authority,
               std::string_view path) {
  Fields fields;
  if (!method.empty()) fields.emplace_back(":method", method);
  if (!scheme.empty()) fields.emplace_back(":scheme", scheme);
  if (!authority.empty()) fields.emplace_back(":authority", authority);
  if (!path.empty()) fields.emplace_back(":path", path);
  return fields;
}
std::string Malformed(const Fields& fields) { return Headers(1, fields); }
const Expect kMalformed = {Expect::kRst, static_cast<int>(E::kProtocolError), 1};
std::string Field(std::string_view name, std::string_view value) {
  return Headers(1, With(kGet, {{std::string(name), std::string(value)}}));
}

// §8: messages.
const Rule kMessageRules[] = {
    {"S81_SecondHeadersWithoutEndStream", Open(1) + Headers(1, {{"x", "y"}}, kWhole), kMalformed},
    {"S81_Trailers", Open(1) + Data(1, "x") + Headers(1, {{"x", "y"}}), Answers(1)},
    {"S81_PseudoInTrailers", Open(1) + Headers(1, {{":method", "GET"}}), kMalformed},
    {"S81_TrailerContentLength", Open(1) + Headers(1, {{"content-length", "1"}}), kMalformed},
    {"S81_TrailerHost", Open(1) + Headers(1, {{"host", "a"}}), kMalformed},
    {"S811_ContentLengthTooLong",
     Headers(1, With(kPost, {{"content-length", "5"}}), kWhole) + Data(1, "test", kEnd),
     kMalformed},
    {"S811_ContentLengthTooShort",
     Headers(1, With(kPost, {{"content-length", "1"}}), kWhole) + Data(1, "test", kEnd),
     kMalformed},
    {"S811_ContentLengthOfManyTooShort",
     Headers(1, With(kPost, {{"content-length", "5"}}), kWhole) + Data(1, "test") +
         Data(1, "test", kEnd), kMalformed},
    {"S811_ContentLengthWithoutContent", Headers(1, With(kPost, {{"content-length", "1"}})),
     kMalformed},
    {"S811_ContentLengthThenTrailers",
     Headers(1, With(kPost, {{"content-length", "5"}}), kWhole) + Data(1, "test") +
         Headers(1, {{"x", "y"}}), kMalformed},
    {"S811_ContentLengthRight",
     Headers(1, With(kPost, {{"content-length", "8"}}), kWhole) + Data(1, "test") +
         Data(1, "test", kEnd), Answers(1)},
    {"S811_ContentLengthZero",
     Headers(1, With(kPost, {{"content-length", "0"}}), kWhole) + Data(1, "", kEnd), Answers(1)},
    {"S811_ContentLengthSigned", Field("content-length", "+0"), kMalformed},
    {"S811_ContentLengthList", Field("content-length", "0, 0"), kMalformed},
    {"S811_ContentLengthHuge", Field("content-length", "99999999999999999999"), kMalformed},
    {"S811_ContentLengthRepeated",
     Headers(1, With(kGet, {{"content-length", "0"}, {"content-length", "0"}})), kMalformed},
    {"S821_UpperCaseName", Field("X-TEST", "ok"), kMalformed},
    {"S821_EmptyName", Field("", "ok"), kMalformed},
    {"S821_SpaceInName", Field("x y", "ok"), kMalformed},
    {"S821_ColonInName", Field("x:y", "ok"), kMalformed},
    {"S821_HighByteInName", Field("x\x80", "ok"), kMalformed},
    {"S821_NoTokenName", Field("x(y)", "ok"), kMalformed},
    {"S821_NulInName", Field("x\0y"s, "ok"), kMalformed},
    {"S821_NulInValue", Field("x", "a\0b"s), kMalformed},
    {"S821_CrInValue", Field("x", "a\rb"), kMalformed},
    {"S821_LfInValue", Field("x", "a\nb"), kMalformed},
    {"S821_LfDeepInValue", Field("x", std::string(21, 'a') + "\n" + std::string(21, 'a')),
     kMalformed},
    {"S821_ControlInValue", Field("x", "a\x01" "b"), kMalformed},
    {"S821_DelInValue", Field("x", "aaaaaaaa\x7f"), kMalformed},
    {"S821_LeadingSpace", Field("x", " a"), kMalformed},
    {"S821_TrailingTab", Field("x", "a\t"), kMalformed},
    {"S821_TabInside", Field("x", "a\tb\xc3\xa9"), Answers(1)},
    {"S821_EmptyValue", Field("x", ""), Answers(1)},
    {"S822_Connection", Field("connection", "keep-alive"), kMalformed},
    {"S822_KeepAlive", Field("keep-alive", "1"), kMalformed},
    {"S822_ProxyConnection", Field("proxy-connection", "close"), kMalformed},
    {"S822_TransferEncoding", Field("transfer-encoding", "chunked"), kMalformed},
    {"S822_Upgrade", Field("upgrade", "h2c"), kMalformed},
    {"S822_TeOther", Field("te", "trailers, deflate"), kMalformed},
    {"S822_TeTrailers", Field("te", "trailers"), Answers(1)},
    {"S83_Unknown", Headers(1, With(kGet, {{":test", "ok"}})), kMalformed},
    {"S83_ResponsePseudo", Headers(1, With(kGet, {{":status", "200"}})), kMalformed},
    {"S83_ExtendedConnect",
     Headers(1, With(Request("CONNECT", "http", "a", "/"), {{":protocol", "websocket"}})),
     kMalformed},
    {"S83_PseudoAfterRegular",
     Malformed({{":method", "GET"}, {":scheme", "http"}, {"x", "y"}, {":authority", "a"},
                {":path", "/"}}), kMalformed},
    {"S83_RepeatedMethod", Headers(1, With({{":method", "GET"}}, kGet)), kMalformed},
    {"S83_RepeatedScheme", Headers(1, With({{":scheme", "http"}}, kGet)), kMalformed},
    {"S83_RepeatedPath", Headers(1, With({{":path", "/"}}, kGet)), kMalformed},
    {"S83_RepeatedAuthority", Headers(1, With({{":authority", "a"}}, kGet)), kMalformed},
    {"S831_NoMethod", Malformed(Request("", "http", "a", "/")), kMalformed},
    {"S831_NoScheme", Malformed(Request("GET", "", "a", "/")), kMalformed},
    {"S831_NoPath", Malformed(Request("GET", "http", "a", "")), kMalformed},
    {"S831_EmptyPath",
     Malformed({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", ""}}),
     kMalformed},
    {"S831_NoAuthority", Malformed(Request("GET", "http", "", "/")), kMalformed},
    {"S831_EmptyAuthority",
     Malformed({{":method", "GET"}, {":scheme", "http"}, {":authority", ""}, {":path", "/"}}),
     kMalformed},
    {"S831_Userinfo", Malformed(Request("GET", "http", "u:p@a", "/")), kMalformed},
    {"S831_AuthorityWithSpace", Malformed(Request("GET", "http", "a b", "/")), kMalformed},
    {"S831_AuthorityWithPath", Malformed(Request("GET", "http", "a/b", "/")), kMalformed},
    {"S831_HostInsteadOfAuthority",
     Headers(1, With(Request("GET", "http", "", "/"), {{"host", "a"}})), Answers(1)},
    {"S831_HostAgrees", Headers(1, With(Request("GET", "http", "A", "/"), {{"host", "a:80"}})),
     Answers(1)},
    {"S831_HostDisagrees", Headers(1, With(kGet, {{"host", "b"}})), kMalformed},
    {"S831_HostPortDisagrees", Headers(1, With(kGet, {{"host", "a:443"}})), kMalformed},
    {"S831_HostRepeated",
     Headers(1, With(Request("GET", "http", "", "/"), {{"host", "a"}, {"host", "a"}})),
     kMalformed},
    {"S831_OtherScheme", Malformed(Request("GET", "ftp", "a", "/")), kMalformed},
    {"S831_MethodNoToken", Malformed(Request("GE T", "http", "a", "/")), kMalformed},
    {"S831_MethodWithCrLf", Malformed(Request("GET\r\nX: y", "http", "a", "/")), kMalformed},
    {"S831_PathWithoutSlash", Malformed(Request("GET", "http", "a", "x")), kMalformed},
    {"S831_AbsolutePath", Malformed(Request("GET", "http", "a", "http://b/")), kMalformed},
    {"S831_PathWithSpace", Malformed(Request("GET", "http", "a", "/a b")), kMalformed},
    {"S831_PathWithCrLf", Malformed(Request("GET", "http", "a", "/ HTTP/1.1\r\nx: y")), kMalformed},
    {"S831_PathWithFragment", Malformed(Request("GET", "http", "a", "/a#b")), kMalformed},
    {"S831_PathWithHighByte", Malformed(Request("GET", "http", "a", "/\xc3\xa9")), kMalformed},
    {"S831_AsteriskForGet", Malformed(Request("GET", "http", "a", "*")), kMalformed},
    {"S831_AsteriskForOptions", Malformed(Request("OPTIONS", "http", "a", "*")), Answers(1)},
    {"S831_UnknownMethod", Malformed(Request("BREW", "https", "a", "/pot")), Answers(1)},
    {"S85_Connect", Malformed(Request("CONNECT", "", "a:443", "")), Answers(1)},
    {"S85_ConnectWithPath", Malformed(Request("CONNECT", "", "a:443", "/")), kMalformed},
    {"S85_ConnectWithScheme", Malformed(Request("CONNECT", "https", "a:443", "")), kMalformed},
    {"S85_ConnectWithoutPort", Malformed(Request("CONNECT", "", "a", "")), kMalformed},
    {"S85_ConnectWithoutAuthority", Malformed(Request("CONNECT", "", "", "")), kMalformed},
    {"S85_TrailersInTunnel",
     Headers(1, Request("CONNECT", "", "a:443", ""), kWhole) + Headers(1, {{"x", "y"}}),
     kMalformed},
    {"S105_FieldsOverLimit", Headers(1, With(kGet, {{"x", std::string(10300, 'x')}})),
     Status(1, 431)},
    {"S105_FieldsOverLimitWithContent",
     Headers(1, With(kPost, {{"x", std::string(10300, 'x')}}), kWhole), Status(1, 431)},
    {"S105_FieldCountOverLimit", [] {
       Fields fields = kGet;
       for (int i = 0; i < 201; ++i) fields.emplace_back("x", "y");
       return Headers(1, fields);
     }(), Status(1, 431)},
    {"S105_TargetOverLimit",
     Malformed(Request("GET", "http", "a", "/" + std::string(10240, 'x'))), Status(1, 414)},
    {"S105_TargetAtLimit",
     Malformed(Request("GET", "http", "a", "/" + std::string(10239, 'x'))), Answers(1)},
    {"S105_TrailersOverLimit",
     Open(1) + Headers(1, {{"x", std::string(8200, 'x')}}), Reset(1, E::kEnhanceYourCalm)},
    {"Rfc9110_S101_UnknownExpectation", Field("expect", "200-maybe"), Status(1, 417)},
};
INSTANTIATE_TEST_SUITE_P(Messages, ServerRules, testing::ValuesIn(kMessageRules),
                         [](const auto& info) { return info.param.name; });

// RFC 7541. What is valid comes through the codec as a request; the block is GET http a /.
std::string Start() { return Bytes({0x82, 0x86}) + Literal(":authority", "a") + Bytes({0x84}); }
std::string WithBlock(std::string_view more) { return Headers(1, Start().append(more)); }
const Expect kUndecodable = {Expect::kGoaway, static_cast<int>(E::kCompressionError)};

const Rule kHpackRules[] = {
    {"S233_InvalidIndex", WithBlock(Bytes({0xc6})), kUndecodable},
    {"S233_InvalidIndexOfName", WithBlock(Bytes({0x7f, 0x40}) + "\x01x"), kUndecodable},
    {"S42_SizeUpdateAtEnd", WithBlock(Bytes({0x20})), kUndecodable},
    {"S42_SizeUpdateAtStart", Headers(1, Bytes({0x20}) + Start()), Answers(1)},
    {"S42_TwoSizeUpdates", Headers(1, Bytes({0x20, 0x3f, 0xe1, 0x1f}) + Start()), Answers(1)},
    {"S51_IntegerTooLarge", WithBlock(Bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f})),
     kUndecodable},
    {"S51_IntegerCutOff", WithBlock(Bytes({0xff, 0x80})), kUndecodable},
    {"S52_StringCutOff", WithBlock(Bytes({0x00, 0x01}) + "x" + Bytes({0x7f}) + "short"),
     kUndecodable},
    {"S52_HuffmanPaddingOverSevenBits",
     WithBlock(Bytes({0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff})),
     kUndecodable},
    {"S52_HuffmanPaddedByZero",
     WithBlock(Bytes({0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90})),
     kUndecodable},
    {"S52_HuffmanWithEos",
     WithBlock(Bytes({0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x87, 0x49, 0x51, 0xff, 0xff, 0xff,
                      0xfa, 0x7f})),
     kUndecodable},
    {"S61_IndexZero", WithBlock(Bytes({0x80})), kUndecodable},
    {"S63_SizeUpdateAboveSetting", Headers(1, Bytes({0x3f, 0xe2, 0x1f}) + Start()), kUndecodable},
    {"S61_Indexed", WithBlock(""), Answers(1)},
    {"S621_IncrementalIndexedName", WithBlock(Bytes({0x7a, 0x04}) + "test"), Answers(1)},
    {"S621_IncrementalIndexedNameHuffman", WithBlock(Bytes({0x7a, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
    {"S621_IncrementalNewName", WithBlock(Bytes({0x40, 0x06}) + "x-test" + "\x04test"), Answers(1)},
    {"S621_IncrementalNewNameHuffman",
     WithBlock(Bytes({0x40, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
    {"S622_WithoutIndexedName", WithBlock(Bytes({0x0f, 0x2b, 0x04}) + "test"), Answers(1)},
    {"S622_WithoutIndexedNameHuffman", WithBlock(Bytes({0x0f, 0x2b, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
    {"S622_WithoutNewName", WithBlock(Literal("x-test", "test")), Answers(1)},
    {"S622_WithoutNewNameHuffman",
     WithBlock(Bytes({0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
    {"S623_NeverIndexedName", WithBlock(Bytes({0x1f, 0x2b, 0x04}) + "test"), Answers(1)},
    {"S623_NeverIndexedNameHuffman", WithBlock(Bytes({0x1f, 0x2b, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
    {"S623_NeverNewName", WithBlock(Bytes({0x10, 0x06}) + "x-test" + "\x04test"), Answers(1)},
    {"S623_NeverNewNameHuffman",
     WithBlock(Bytes({0x10, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x9f})),
     Answers(1)},
};
INSTANTIATE_TEST_SUITE_P(Rfc7541, ServerRules, testing::ValuesIn(kHpackRules),
                         [](const auto& info) { return info.param.name; });

// §3.4: what does not begin with the preface is answered with GOAWAY, not before it is sure.
TEST(ServerPreface, S34Invalid) {
  for (const std::string& bytes :
       {"GET / HTTP/1.1\r\n\r\n"s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"s,
        std::string(kClientPreface) + Get(1), std::string(kClientPreface) + SettingsAck(),
        std::string(kClientPreface) + Ping()}) {
    for (const bool split : {false, true}) {
      Fixture f;
      EXPECT_TRUE(f.codec.head_pending());
      f.Feed(bytes, split);
      EXPECT_EQ(f.reader.GoawayError(), Code(E::kProtocolError)) << bytes;
      EXPECT_TRUE(f.codec.Done());
      EXPECT_TRUE(f.server.requests.empty());
      EXPECT_EQ(f.server.detail, "preface");
    }
  }
}

// §6.5.3: settings take effect in order, are acknowledged, and in force from then on.
TEST(ServerSettings, S653AcknowledgedAtOnce) {
  Fixture f;
  f.Feed(std::string(kClientPreface) + Settings(), false);
  EXPECT_EQ(f.reader.frames.size(), 3u);  // SETTINGS, WINDOW_UPDATE, ACK
  EXPECT_TRUE(f.reader.frames.back().header.has(kFlagAck));
  f.Feed(Settings({{4, 100}, {4, 1}}), false);
  EXPECT_TRUE(f.reader.frames.back().header.has(kFlagAck));
  f.Feed(Get(1), false);
  EXPECT_EQ(f.reader.Content(1), "o");  // the last value holds
  f.Feed(Settings({{4, 2}}), false);
  EXPECT_EQ(f.reader.Content(1), "ok");
  EXPECT_TRUE(f.reader.Ended(1));
}

// §6.7.
TEST(ServerPing, S67AnsweredWithTheSameBytes) {
  Fixture f;
  f.Feed(std::string(kClientPreface) + Settings() + Ping("abcdefgh"), false);
  const Frame* ping = f.reader.First(Type::kPing, 0);
  ASSERT_NE(ping, nullptr);
  EXPECT_TRUE(ping->header.has(kFlagAck));
  EXPECT_EQ(ping->payload, "abcdefgh");
}

// §6.9.2: a window may become negative, and then nothing is sent until it is positive again.
TEST(ServerWindows, S692NegativeWindow) {
  Fixture f;
  f.Feed(std::string(kClientPreface) + Settings({{4, 1}}) + Get(1), false);
  EXPECT_EQ(f.reader.Content(1), "o");
  f.Feed(Settings({{4, 0}}), false);
  f.Feed(WindowUpdate(1, 1), false);
  EXPECT_EQ(f.reader.Content(1), "o");
  f.Feed(WindowUpdate(1, 1), false);
  EXPECT_EQ(f.reader.Content(1), "ok");
}

// §5.1.2.
TEST(ServerConcurrency, S512LimitExceeded) {
  Fixture f(false);
  f.Feed(std::string(kClientPreface) + Settings(), false);
  std::string bytes;
  for (uint32_t i = 0; i < 101; ++i) bytes += Get(2 * i + 1);
  f.Feed(bytes, false);
  EXPECT_EQ(f.server.requests.size(), 100u);
  EXPECT_EQ(f.reader.RstError(201), Code(E::kRefusedStream));
  // Once our SETTINGS are known to the client, it has no excuse.
  f.Feed(SettingsAck() + Get(203), false);
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kProtocolError));
  EXPECT_EQ(f.server.requests.size(), 100u);
}

}  // namespace
}  // namespace postern
