#include "core/http/http2/server_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/test_support.h"

namespace postern {
namespace {

using namespace h2;  // NOLINT: the frame builders read as a language of their own here
using E = Http2Error;

struct Fixture {
  Fixture() : codec(std::make_unique<Http2ServerCodec>(&sink, &server, options)) {}

  // Begins again with other options.
  void Restart(const Http2Options& with) {
    options = with;
    codec = std::make_unique<Http2ServerCodec>(&sink, &server, options);
  }
  void Start(const std::vector<std::pair<uint16_t, uint32_t>>& settings = {}) {
    Feed(std::string(kClientPreface) + Settings(settings) + SettingsAck());
  }
  void Feed(std::string_view bytes) {
    codec->OnData(bytes, now);
    Read();
  }
  void Read() { reader.Read(sink.Take()); }
  SeenRequest& Ask(uint32_t id, const Fields& fields = kGet, uint8_t flags = kEnd | kWhole) {
    Feed(Headers(id, fields, flags));
    return server.last();
  }
  // A response of `length` bytes, or of unknown length.
  void Head(SeenRequest& request, int status = 200, int64_t length = -1) {
    ResponseHead head(&request.arena);
    head.status = static_cast<uint16_t>(status);
    head.body = length < 0 ? BodyKind::kUnknown : BodyKind::kLength;
    head.content_length = length < 0 ? 0 : static_cast<uint64_t>(length);
    request.stream->SendHead(head, false);
    Read();
  }
  void Body(SeenRequest& request, std::string_view data) {
    request.stream->SendBody(data);
    Read();
  }
  void End(SeenRequest& request) {
    request.stream->SendEnd(nullptr);
    Read();
  }
  void Answer(SeenRequest& request) {
    ResponseHead head(&request.arena);
    request.stream->SendHead(head, true);
    Read();
  }

  Http2Options options;
  CapturingSink sink;
  SeenServer server;
  std::unique_ptr<Http2ServerCodec> codec;
  Reader reader;
  uint64_t now = 1000;
};

// Requests.

TEST(ServerRequests, Rfc9113S831HeadIsTranslated) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1,
                               With({{":method", "PATCH"},
                                     {":scheme", "https"},
                                     {":authority", "Api.Example:8443"},
                                     {":path", "/a/b%20c?d=e"}},
                                    {{"content-type", "text/plain"},
                                     {"x-custom", "1"},
                                     {"te", "trailers"},
                                     {"trailer", "x"},
                                     {"http2-settings", "AAA"},
                                     {"content-length", "4"},
                                     {"expect", "100-Continue"},
                                     {"x-custom", "2"}}),
                               kWhole);
  EXPECT_FALSE(request.ended);
  EXPECT_EQ(request.head.version, 20);
  EXPECT_EQ(request.head.method, Method::kPatch);
  EXPECT_EQ(request.head.method_text, "PATCH");
  EXPECT_EQ(request.head.scheme, "https");
  EXPECT_EQ(request.head.authority, "Api.Example:8443");
  EXPECT_EQ(request.head.target, "/a/b%20c?d=e");
  EXPECT_EQ(request.head.path(), "/a/b%20c");
  EXPECT_EQ(request.head.body, BodyKind::kLength);
  EXPECT_EQ(request.head.content_length, 4u);
  EXPECT_TRUE(request.head.has_content_length);
  EXPECT_TRUE(request.head.te_trailers);
  EXPECT_TRUE(request.head.expect_continue);
  EXPECT_EQ(request.fields(), "content-type=text/plain;x-custom=1;x-custom=2;");
  EXPECT_EQ(request.stream->id(), 1u);
}

TEST(ServerRequests, Rfc9113S831UnknownMethodAndHost) {
  Fixture f;
  f.Start();
  SeenRequest& request =
      f.Ask(1, {{":method", "BREW"}, {":scheme", "http"}, {":path", "/pot"}, {"host", "[::1]:80"}});
  EXPECT_EQ(request.head.method, Method::kOther);
  EXPECT_EQ(request.head.method_text, "BREW");
  EXPECT_EQ(request.head.authority, "[::1]:80");
  EXPECT_EQ(request.head.headers.size(), 0u);  // Host is the authority, not a field
  EXPECT_EQ(request.head.body, BodyKind::kNone);
  EXPECT_TRUE(request.ended);
}

TEST(ServerRequests, Rfc9113S85ConnectHasNoTarget) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, {{":method", "CONNECT"}, {":authority", "a:443"}}, kWhole);
  EXPECT_EQ(request.head.method, Method::kConnect);
  EXPECT_EQ(request.head.target, "");
  EXPECT_EQ(request.head.authority, "a:443");
}

TEST(ServerRequests, Rfc9113S823CookieCrumbsAreJoined) {
  Fixture f;
  f.Start();
  SeenRequest& request =
      f.Ask(1, With(kGet, {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", ""}}));
  EXPECT_EQ(request.fields(), "cookie=a=1; b=2;x=y;");
  SeenRequest& single = f.Ask(3, With(kGet, {{"cookie", "a=1"}}));
  EXPECT_EQ(single.fields(), "cookie=a=1;");
}

TEST(ServerRequests, Rfc7541S623NeverIndexedIsRemembered) {
  Fixture f;
  f.Start();
  std::string block = Block(kGet) + Literal("x-plain", "1") + Literal("x-secret", "2");
  block[block.size() - Literal("x-secret", "2").size()] = 0x10;
  f.Feed(Headers(1, block));
  const HeaderField* fields = f.server.last().head.headers.begin();
  EXPECT_FALSE(fields[0].never_indexed);
  EXPECT_TRUE(fields[1].never_indexed);
}

TEST(ServerRequests, Rfc9113S81BodyAndTrailers) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  EXPECT_EQ(request.head.body, BodyKind::kUnknown);
  f.Feed(Data(1, "hello ") + Data(1, Padded("world", 3), kFlagPadded));
  EXPECT_EQ(request.body, "hello world");
  EXPECT_FALSE(request.ended);
  f.Feed(Headers(1, {{"x-sum", "5"}, {"authorization", "no"}, {"x-y", "z"}}));
  EXPECT_TRUE(request.ended);
  EXPECT_EQ(request.trailers, "x-sum=5;x-y=z;");  // RFC 9110 §6.5.1: none that a head would heed
}

TEST(ServerRequests, Rfc9113S81ContentLengthZeroIsNoContent) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, With(kPost, {{"content-length", "0"}}), kWhole);
  EXPECT_EQ(request.head.body, BodyKind::kNone);
  EXPECT_FALSE(request.ended);
  f.Feed(Data(1, "", kEnd));
  EXPECT_TRUE(request.ended);
}

TEST(ServerRequests, Rfc9113S87RefusedStreamMayBeRetried) {
  Fixture f;
  f.Start();
  f.server.refuse = true;
  f.Feed(Headers(1, kGet));
  EXPECT_EQ(f.reader.RstError(1), Code(E::kRefusedStream));
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerRequests, HeadPendingUntilTheSectionEnds) {
  Fixture f;
  EXPECT_TRUE(f.codec->head_pending());  // the preface
  f.Start();
  EXPECT_FALSE(f.codec->head_pending());
  const std::string head = Headers(1, Block(kGet), kEnd);
  f.Feed(head.substr(0, 12));
  EXPECT_TRUE(f.codec->head_pending());
  f.Feed(head.substr(12));
  EXPECT_TRUE(f.codec->head_pending());
  EXPECT_EQ(f.codec->active_streams(), 0u);
  f.Feed(Continuation(1, ""));
  EXPECT_FALSE(f.codec->head_pending());
  EXPECT_EQ(f.codec->active_streams(), 1u);
}

TEST(ServerRequests, RejectedOnesAreReported) {
  Fixture f;
  f.Start();
  f.Feed(Headers(1, With(kGet, {{"Upper", "x"}})));
  EXPECT_EQ(f.server.status, 0);
  EXPECT_EQ(f.server.detail, "field_name");
  f.Feed(Headers(3, With(kGet, {{"x", std::string(10300, 'x')}})));
  EXPECT_EQ(f.server.status, 431);
  EXPECT_EQ(f.server.detail, "head_size");
  EXPECT_EQ(f.reader.Content(3), R"({"message":"Request Header Fields Too Large"})");
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

// Responses.

TEST(ServerResponses, Rfc9113S81LengthEndsWithItsLastByte) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request, 201, 5);
  EXPECT_FALSE(f.reader.Ended(1));
  f.Body(request, "he");
  f.Body(request, "llo");
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_EQ(f.reader.Content(1), "hello");
  EXPECT_EQ(f.codec->active_streams(), 1u);  // the tie is not cut yet
  f.End(request);
  EXPECT_EQ(f.codec->active_streams(), 0u);
  const Frame* head = f.reader.First(Type::kHeaders, 1);
  EXPECT_EQ(head->field(":status"), "201");
  EXPECT_EQ(head->field("content-length"), "5");
  EXPECT_EQ(f.reader.All(Type::kData, 1).size(), 2u);
}

TEST(ServerResponses, Rfc9113S81UnknownLengthAndTrailers) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  f.Body(request, "hello");
  HeaderMap trailers(&request.arena);
  trailers.Add("X-Sum", "9");
  trailers.Add("Connection", "close");
  request.stream->SendEnd(&trailers);
  f.Read();
  const auto heads = f.reader.All(Type::kHeaders, 1);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0]->field("content-length"), "-");
  EXPECT_EQ(heads[1]->fields, (Fields{{"x-sum", "9"}}));
  EXPECT_TRUE(heads[1]->header.has(kEnd));
  EXPECT_EQ(f.reader.All(Type::kData, 1).size(), 1u);  // no empty frame in between
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, TrailersOfWhichNoneMayBeSent) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  HeaderMap trailers(&request.arena);
  trailers.Add("Connection", "close");
  request.stream->SendEnd(&trailers);
  f.Read();
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, Rfc9113S82FieldsArePutInOrder) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  head.status = 200;
  head.headers.Add("Content-Type", "text/plain");
  head.headers.Add("X-Mixed-Case", "v");
  head.headers.Add("Connection", "x");
  head.headers.Add("Keep-Alive", "1");
  head.headers.Add("Proxy-Connection", "1");
  head.headers.Add("Transfer-Encoding", "chunked");
  head.headers.Add("Upgrade", "h2c");
  head.headers.Add("Content-Length", "77");
  head.headers.Add("x-blank", " a ");
  head.headers.Add("x-evil", "a\r\nb: c");
  head.headers.Add("bad name", "x");
  head.headers.Add(":status", "500");
  head.headers.Add("set-cookie", "a=1");
  head.headers.Add("set-cookie", "b=2");
  request.stream->SendHead(head, true);
  f.Read();
  EXPECT_EQ(f.reader.First(Type::kHeaders, 1)->fields, (Fields{{":status", "200"},
                                                               {"content-type", "text/plain"},
                                                               {"x-mixed-case", "v"},
                                                               {"x-blank", "a"},
                                                               {"set-cookie", "a=1"},
                                                               {"set-cookie", "b=2"},
                                                               {"content-length", "0"}}));
}

TEST(ServerResponses, Rfc7541S71SecretsAreNeverIndexed) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  head.headers.Add("x-other", "o");
  head.headers.Add("x-api-key", "k");
  head.headers.Add("x-passed-on", "p");
  (head.headers.end() - 1)->never_indexed = true;
  request.stream->SendHead(head, true);
  f.Read();
  // :status, x-other, x-api-key, x-passed-on, content-length
  EXPECT_EQ(f.reader.never_indexed, (std::vector<bool>{false, false, true, true, false}));
}

// Every name that has a number in the static table, and lengths around the ends of HPACK's
// prefixes (RFC 7541 §5.1, §6.2.2).
TEST(ServerResponses, Rfc7541S622LiteralsDecodeToWhatWasSent) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  Fields expected = {{":status", "203"}};
  head.status = 203;
  for (int id = 1; id < static_cast<int>(HeaderId::kCount); ++id) {
    const std::string_view name = HeaderName(static_cast<HeaderId>(id));
    head.headers.Add(static_cast<HeaderId>(id), name, "v");
    static constexpr std::string_view kDropped[] = {
        "connection", "content-length",   "host", "http2-settings",
        "keep-alive", "proxy-connection", "te",   "transfer-encoding",
        "upgrade"};
    if (std::find(std::begin(kDropped), std::end(kDropped), name) == std::end(kDropped)) {
      expected.emplace_back(name, "v");
    }
  }
  std::list<std::string> kept;
  for (const size_t size : {126, 127, 128, 254, 255, 256, 16510, 16511}) {
    const std::string& name = kept.emplace_back("n" + std::string(size / 100, 'x'));
    const std::string& value = kept.emplace_back(size, 'v');
    head.headers.Add(name, value);
    expected.emplace_back(name, value);
  }
  expected.emplace_back("content-length", "0");
  request.stream->SendHead(head, true);
  f.Read();
  const std::vector<const Frame*> rest = f.reader.All(Type::kContinuation, 1);
  ASSERT_EQ(rest.size(), 2u);  // RFC 9113 §4.2: 16,384 bytes a frame
  EXPECT_EQ(f.reader.First(Type::kHeaders, 1)->header.length, 16384u);
  EXPECT_FALSE(f.reader.First(Type::kHeaders, 1)->header.has(kWhole));
  EXPECT_TRUE(f.reader.First(Type::kHeaders, 1)->header.has(kEnd));
  EXPECT_EQ(rest[0]->header.flags, 0);
  EXPECT_EQ(rest[1]->header.flags, kWhole);
  EXPECT_EQ(rest[1]->fields, expected);
}

// A peer that changes its table hears so at the start of the next block, whoever writes it.
TEST(ServerResponses, Rfc7541S42TableSizeChangesAreTold) {
  Fixture f;
  f.Start({{1, 0}});  // SETTINGS_HEADER_TABLE_SIZE
  f.Answer(f.Ask(1));
  const Frame* first = f.reader.First(Type::kHeaders, 1);
  EXPECT_EQ(static_cast<uint8_t>(first->payload[0]), 0x20);
  EXPECT_EQ(first->field(":status"), "200");
  f.Answer(f.Ask(3));
  EXPECT_EQ(static_cast<uint8_t>(f.reader.First(Type::kHeaders, 3)->payload[0]), 0x88);
}

TEST(ServerResponses, HeadsThatAreTooLargeAreReset) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  const std::string value(300'000, 'v');
  head.headers.Add("x-large", value);
  request.stream->SendHead(head, true);
  f.Read();
  EXPECT_EQ(f.reader.First(Type::kHeaders, 1), nullptr);
  EXPECT_EQ(f.reader.RstError(1), Code(Http2Error::kInternalError));
}

struct NoContent {
  const char* method;
  int status;
  int64_t length;
  const char* announced;
};
class ServerNoContent : public testing::TestWithParam<NoContent> {};
TEST_P(ServerNoContent, Rfc9110S86EndsWithItsHead) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(
      1,
      {{":method", GetParam().method}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}});
  f.Head(request, GetParam().status, GetParam().length);
  EXPECT_TRUE(f.reader.First(Type::kHeaders, 1)->header.has(kEnd));
  EXPECT_EQ(f.reader.First(Type::kHeaders, 1)->field("content-length"), GetParam().announced);
  f.Body(request, "ignored");
  f.End(request);
  EXPECT_EQ(f.reader.All(Type::kData, 1).size(), 0u);
  EXPECT_EQ(f.reader.RstError(1), -1);
  EXPECT_EQ(f.codec->active_streams(), 0u);
}
INSTANTIATE_TEST_SUITE_P(All, ServerNoContent,
                         testing::Values(NoContent{"HEAD", 200, 7, "7"},
                                         NoContent{"HEAD", 200, -1, "-"},
                                         NoContent{"GET", 204, -1, "-"},
                                         NoContent{"GET", 304, 7, "-"}));

TEST(ServerResponses, Rfc9110S152Informational) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, With(kPost, {{"expect", "100-continue"}}), kWhole);
  HeaderMap early(&request.arena);
  early.Add("Link", "<x>");
  request.stream->SendInformational(100, nullptr);
  request.stream->SendInformational(103, &early);
  request.stream->SendInformational(101, nullptr);  // RFC 9113 §8.6: not in HTTP/2
  f.Feed(Data(1, "x", kEnd));
  f.Answer(request);
  request.stream->SendInformational(103, &early);
  f.Read();
  const auto heads = f.reader.All(Type::kHeaders, 1);
  ASSERT_EQ(heads.size(), 3u);
  EXPECT_EQ(heads[0]->fields, (Fields{{":status", "100"}}));
  EXPECT_EQ(heads[1]->fields, (Fields{{":status", "103"}, {"link", "<x>"}}));
  EXPECT_FALSE(heads[1]->header.has(kEnd));
  EXPECT_EQ(heads[2]->field(":status"), "200");
}

TEST(ServerResponses, SwitchingProtocolsIsNotHttp2) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request, 101);
  EXPECT_EQ(f.reader.RstError(1), Code(E::kInternalError));
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, LongerThanItsLength) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request, 200, 5);
  f.Body(request, "he");
  f.Body(request, "llo world");
  EXPECT_EQ(f.reader.RstError(1), Code(E::kInternalError));
  EXPECT_FALSE(f.reader.Ended(1));
  f.Body(request, "more");
  f.End(request);  // still allowed to the receiver
  EXPECT_EQ(f.codec->active_streams(), 0u);
  EXPECT_FALSE(request.reset);
}

TEST(ServerResponses, ShorterThanItsLength) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request, 200, 5);
  f.Body(request, "hell");
  f.End(request);
  EXPECT_EQ(f.reader.RstError(1), Code(E::kInternalError));
  EXPECT_FALSE(f.reader.Ended(1));
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, Rfc9113S81EndsBeforeTheRequest) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  f.Feed(Data(1, std::string(1000, 'x')));
  f.Answer(request);
  ASSERT_GE(f.reader.frames.size(), 2u);
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_EQ(f.reader.frames.back().header.type, Type::kRstStream);  // behind END_STREAM
  EXPECT_EQ(f.reader.RstError(1), Code(E::kNoError));
  EXPECT_EQ(f.codec->active_streams(), 0u);
  // What was on its way is dropped, and its room given back to the others.
  const size_t updates = f.reader.All(Type::kWindowUpdate, 0).size();
  for (int i = 0; i < 40; ++i) f.Feed(Data(1, std::string(16384, 'x')));
  EXPECT_EQ(f.reader.All(Type::kRstStream, 1).size(), 1u);
  EXPECT_EQ(f.reader.GoawayError(), -1);
  EXPECT_GT(f.reader.All(Type::kWindowUpdate, 0).size(), updates);
}

TEST(ServerResponses, ResetReasons) {
  const std::pair<ResetReason, E> kReasons[] = {{ResetReason::kCancelled, E::kCancel},
                                                {ResetReason::kRefused, E::kRefusedStream},
                                                {ResetReason::kInternal, E::kInternalError},
                                                {ResetReason::kTimeout, E::kCancel},
                                                {ResetReason::kProtocolError, E::kProtocolError}};
  Fixture f;
  f.Start();
  uint32_t id = 1;
  for (const auto& [reason, error] : kReasons) {
    SeenRequest& request = f.Ask(id);
    request.stream->Reset(reason);
    f.Read();
    EXPECT_EQ(f.reader.RstError(id), Code(error));
    EXPECT_FALSE(request.reset);
    id += 2;
  }
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, ResetByTheClient) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Feed(Rst(1));
  EXPECT_TRUE(request.reset);
  EXPECT_EQ(request.reason, ResetReason::kPeerReset);
  EXPECT_EQ(f.reader.RstError(1), -1);  // §5.4.2: never in answer to one
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, ResetByTheClientBetweenLastByteAndEnd) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request, 200, 2);
  f.Body(request, "ok");
  f.Feed(Rst(1));
  EXPECT_FALSE(request.reset);  // it was complete
  f.End(request);
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerResponses, LargeHeadTakesContinuations) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  const std::string value(9000, '\x7e');  // Huffman coding makes it longer
  for (int i = 0; i < 5; ++i) head.headers.Add("x-large", value);
  request.stream->SendHead(head, true);
  f.Read();
  EXPECT_GE(f.reader.All(Type::kContinuation, 1).size(), 1u);
  EXPECT_TRUE(f.reader.frames.back().header.has(kWhole));
  EXPECT_EQ(f.reader.frames.back().fields.size(), 7u);
}

TEST(ServerResponses, HeadThatCannotBeSent) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  ResponseHead head(&request.arena);
  const std::string value(60000, 'x');
  for (int i = 0; i < 6; ++i) head.headers.Add("x-large", value);
  head.body = BodyKind::kUnknown;
  request.stream->SendHead(head, false);
  f.Read();
  EXPECT_EQ(f.reader.RstError(1), Code(E::kInternalError));
  f.Body(request, "x");
  f.End(request);
  EXPECT_EQ(f.codec->active_streams(), 0u);
  EXPECT_FALSE(request.reset);
  f.Answer(f.Ask(3));
  EXPECT_TRUE(f.reader.Ended(3));
  f.codec->Drain();
  f.codec->Drain();
  EXPECT_TRUE(f.codec->Done());
}

// An upload that is answered early leaves much behind, in as small frames as the client likes.
TEST(ServerResponses, UploadsRefusedEarlyAreNoFlood) {
  Fixture f;
  f.Start();
  for (uint32_t id = 1; id < 400; id += 2) {
    f.Answer(f.Ask(id, kPost, kWhole));
    for (int i = 0; i < 60; ++i) f.Feed(Data(id, std::string(1000, 'x')));
    ASSERT_EQ(f.reader.GoawayError(), -1);
  }
}

// Flow control.

TEST(ServerReceiveWindow, Rfc9113S69OpensByConsumptionAlone) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  request.consume = false;
  const size_t before = f.reader.All(Type::kWindowUpdate, 1).size();
  for (int i = 0; i < 4; ++i) f.Feed(Data(1, std::string(16384, 'x')));
  EXPECT_EQ(request.body.size(), 65536u);
  EXPECT_EQ(f.reader.All(Type::kWindowUpdate, 1).size(), before);
  // In batches, not one by one.
  request.stream->Consume(1000);
  f.Read();
  EXPECT_EQ(f.reader.All(Type::kWindowUpdate, 1).size(), before);
  request.stream->Consume(32000);
  f.Read();
  ASSERT_EQ(f.reader.All(Type::kWindowUpdate, 1).size(), before + 1);
  EXPECT_EQ(f.reader.All(Type::kWindowUpdate, 1).back()->number(), 33000u);
  // Never for more than was received.
  request.stream->Consume(1 << 30);
  request.stream->Consume(1 << 30);
  f.Read();
  uint64_t given = 0;
  for (const Frame* update : f.reader.All(Type::kWindowUpdate, 1)) given += update->number();
  EXPECT_LE(given, 65536u);
}

TEST(ServerReceiveWindow, Rfc9113S691StreamWindowExceeded) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  request.consume = false;
  for (int i = 0; i < 4; ++i) f.Feed(Data(1, std::string(16384, 'x')));
  f.Feed(Data(1, "x"));
  EXPECT_EQ(f.reader.RstError(1), Code(E::kFlowControlError));
  EXPECT_TRUE(request.reset);
  EXPECT_EQ(request.body.size(), 65536u);  // the excess is not passed on
  EXPECT_EQ(f.reader.GoawayError(), -1);
}

TEST(ServerReceiveWindow, Rfc9113S691ConnectionWindowExceeded) {
  Http2Options options;
  options.connection_window = 65535;
  Fixture f;
  f.reader.Read(f.sink.Take());
  f.Restart(options);
  f.Start();
  f.Ask(1, kPost, kWhole).consume = false;
  f.Ask(3, kPost, kWhole).consume = false;
  for (int i = 0; i < 4; ++i) f.Feed(Data(1, std::string(16000, 'x')));
  f.Feed(Data(3, std::string(2000, 'x')));
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kFlowControlError));
}

TEST(ServerReceiveWindow, UploadsNobodyReadsAreBoundedTogether) {
  Fixture f;
  f.Start();
  size_t taken = 0;
  for (uint32_t id = 1; id < 200; id += 2) {
    f.Ask(id, kPost, kWhole).consume = false;
    for (int i = 0; i < 4 && f.reader.GoawayError() < 0; ++i) {
      f.Feed(Data(id, std::string(16384, 'x')));
    }
  }
  for (const auto& request : f.server.requests) taken += request->body.size();
  EXPECT_LE(taken, 1024u * 1024u);
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kFlowControlError));  // the client went on regardless
}

TEST(ServerReceiveWindow, WhatIsNotConsumedAtTheEndIsGivenBack) {
  Fixture f;
  f.Start();
  // Each request leaves all of its content unconsumed; the connection never runs dry.
  for (uint32_t id = 1; id < 2 * 100; id += 2) {
    SeenRequest& request = f.Ask(id, kPost, kWhole);
    request.consume = false;
    for (int i = 0; i < 3; ++i) f.Feed(Data(id, std::string(16384, 'x')));
    if (id % 4 == 1) {
      f.Answer(request);
    } else {
      request.stream->Reset(ResetReason::kCancelled);
    }
  }
  f.Read();
  EXPECT_EQ(f.reader.GoawayError(), -1);
  EXPECT_EQ(f.server.requests.size(), 100u);
}

TEST(ServerReceiveWindow, GrowsWithAReaderThatKeepsUp) {
  Http2Options options;
  options.initial_stream_window = 16384;
  options.max_stream_window = 65536;
  Fixture f;
  f.reader.Read(f.sink.Take());
  f.Restart(options);
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  uint64_t given = 0;
  for (int i = 0; i < 30; ++i) f.Feed(Data(1, std::string(8192, 'x')));
  for (const Frame* update : f.reader.All(Type::kWindowUpdate, 1)) given += update->number();
  EXPECT_EQ(f.reader.GoawayError(), -1);
  EXPECT_FALSE(request.reset);
  // Room now: first window, plus what was given, less what was used.
  const uint64_t room = 16384 + given - 30 * 8192;
  EXPECT_GT(room, 32768u);
  EXPECT_LE(room, 65536u);
}

TEST(ServerSendWindow, Rfc9113S691WaitsForTheClient) {
  Fixture f;
  f.Start({{4, 10}});
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  f.Body(request, "0123456789abcde");
  EXPECT_EQ(f.reader.Content(1), "0123456789");
  EXPECT_EQ(request.stream->buffered(), 5u);
  f.Body(request, "fghij");
  EXPECT_EQ(request.stream->buffered(), 10u);
  EXPECT_EQ(request.writable, 0);
  f.Feed(WindowUpdate(1, 3));
  EXPECT_EQ(f.reader.Content(1), "0123456789abc");
  EXPECT_EQ(request.writable, 0);
  f.Feed(WindowUpdate(1, 100));
  EXPECT_EQ(f.reader.Content(1), "0123456789abcdefghij");
  EXPECT_EQ(request.writable, 1);
  EXPECT_EQ(request.stream->buffered(), 0u);
  f.End(request);
  EXPECT_TRUE(f.reader.Ended(1));
}

TEST(ServerSendWindow, EndAndTrailersWaitBehindContent) {
  Fixture f;
  f.Start({{4, 4}});
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  f.Body(request, "0123456789");
  {
    BlockPool pool;
    Arena arena(&pool);  // trailers die as soon as the call returns
    HeaderMap trailers(&arena);
    trailers.Add("X-Sum", arena.Copy("7"));
    request.stream->SendEnd(&trailers);
  }
  SeenRequest& other = f.Ask(3);
  f.Head(other, 200, 8);
  f.Body(other, "abcdefgh");
  f.End(other);
  EXPECT_EQ(f.codec->active_streams(), 0u);  // over for their receivers
  EXPECT_FALSE(f.reader.Ended(1));
  EXPECT_FALSE(f.reader.Ended(3));
  f.codec->Drain();
  f.codec->Drain();
  EXPECT_FALSE(f.codec->Done());  // but not for the client
  f.Feed(WindowUpdate(1, 100) + WindowUpdate(3, 100));
  EXPECT_EQ(f.reader.Content(1), "0123456789");
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_EQ(f.reader.All(Type::kHeaders, 1).back()->fields, (Fields{{"x-sum", "7"}}));
  EXPECT_EQ(f.reader.Content(3), "abcdefgh");
  EXPECT_TRUE(f.reader.Ended(3));
  EXPECT_TRUE(f.reader.All(Type::kData, 3).back()->header.has(kEnd));
  EXPECT_TRUE(f.codec->Done());
  EXPECT_EQ(request.writable, 0);  // the tie was cut by SendEnd()
}

TEST(ServerSendWindow, ResetDropsWhatWaits) {
  Fixture f;
  f.Start({{4, 4}});
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  f.Body(request, std::string(100000, 'x'));
  EXPECT_GT(f.server.pool.in_use(), 20u);
  f.Feed(Rst(1));
  EXPECT_TRUE(request.reset);
  EXPECT_LE(f.server.pool.in_use(), 2u);
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerSendWindow, RejectionWaitsForWindow) {
  Fixture f;
  f.Start({{4, 5}});
  f.Feed(Headers(1, With(kGet, {{"x", std::string(10300, 'x')}})));
  EXPECT_EQ(f.reader.Content(1), R"({"mes)");
  EXPECT_EQ(f.codec->active_streams(), 0u);
  f.Feed(WindowUpdate(1, 1000));
  EXPECT_EQ(f.reader.Content(1), R"({"message":"Request Header Fields Too Large"})");
  EXPECT_EQ(f.codec->active_streams(), 0u);
}

TEST(ServerSink, BlockedSocketHoldsContentInItsStreams) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Head(request);
  f.sink.blocked = true;
  f.Body(request, "held");
  EXPECT_EQ(f.reader.Content(1), "");
  EXPECT_EQ(request.stream->buffered(), 4u);
  // Heads and control frames go on: they are small and their number is limited.
  SeenRequest& other = f.Ask(3);
  f.Head(other);
  f.Feed(Ping());
  EXPECT_NE(f.reader.First(Type::kHeaders, 3), nullptr);
  EXPECT_NE(f.reader.First(Type::kPing, 0), nullptr);
  f.sink.blocked = false;
  f.codec->OnSinkWritable();
  f.Read();
  EXPECT_EQ(f.reader.Content(1), "held");
  EXPECT_EQ(request.writable, 1);
  EXPECT_EQ(other.writable, 0);
}

TEST(ServerSink, SourceLearnsOfASocketThatFillsUp) {
  struct FillingSink final : ByteSink {
    char* Reserve(size_t size) override {
      scratch.resize(size);
      return scratch.data();
    }
    void Commit(size_t size) override { waiting += size; }
    void Write(std::string_view data) override { waiting += data.size(); }
    size_t buffered() const override { return full ? waiting : 0; }
    std::string scratch;
    size_t waiting = 0;
    bool full = false;
  } sink;
  SeenServer server;
  Http2Options options;
  Http2ServerCodec codec(&sink, &server, options);
  codec.OnData(std::string(kClientPreface) + Settings() + Headers(1, kGet), 0);
  SeenRequest& request = server.last();
  ResponseHead head(&request.arena);
  head.body = BodyKind::kUnknown;
  request.stream->SendHead(head, false);
  EXPECT_EQ(request.stream->buffered(), 0u);
  sink.full = true;
  sink.waiting = 0;
  request.stream->SendBody("x");
  EXPECT_GT(request.stream->buffered(), 0u);
  sink.full = false;
  codec.OnSinkWritable();
  EXPECT_EQ(request.writable, 1);
  EXPECT_EQ(request.stream->buffered(), 0u);
}

// 100 responses that nobody reads: what waits is what their sources sent before they saw it.
TEST(ServerSink, UnreadResponsesStaySmallTogether) {
  Fixture f;
  f.Start({{4, 0}});
  for (uint32_t id = 1; id < 200; id += 2) {
    SeenRequest& request = f.Ask(id);
    f.Head(request);
    const std::string piece(4096, 'x');
    while (request.stream->buffered() == 0) f.Body(request, piece);
  }
  EXPECT_EQ(f.codec->active_streams(), 100u);
  EXPECT_LE(f.server.pool.in_use() * BlockPool::kBlockSize, 2u * 1024 * 1024);
}

// Receivers that act from inside their events.

TEST(ServerReentrance, AnswersFromInsideEvents) {
  Fixture f;
  f.server.on_head = [](SeenRequest* request) {
    ResponseHead head(&request->arena);
    head.body = BodyKind::kLength;
    head.content_length = 3;
    request->stream->SendHead(head, false);
    request->stream->SendBody("abc");
    request->stream->SendEnd(nullptr);
  };
  f.Start();
  std::string bytes;
  for (uint32_t id = 1; id < 41; id += 2) {
    bytes += Headers(id, kPost, kWhole) + Data(id, "x") + Data(id, "y", kEnd);
  }
  f.Feed(bytes);
  for (uint32_t id = 1; id < 41; id += 2) EXPECT_EQ(f.reader.Content(id), "abc");
  EXPECT_EQ(f.codec->active_streams(), 0u);
  EXPECT_EQ(f.reader.GoawayError(), -1);
}

TEST(ServerReentrance, ResetsFromInsideEvents) {
  Fixture f;
  f.server.on_head = [](SeenRequest* request) { request->stream->Reset(ResetReason::kCancelled); };
  f.Start();
  f.Feed(Headers(1, kPost, kWhole) + Data(1, "x") + Headers(1, {{"x", "y"}}) + Headers(3, kGet));
  EXPECT_EQ(f.reader.RstError(1), Code(E::kCancel));
  EXPECT_EQ(f.reader.RstError(3), Code(E::kCancel));
  EXPECT_EQ(f.server.requests[0]->body, "");
  EXPECT_FALSE(f.server.requests[0]->ended);
  EXPECT_EQ(f.reader.GoawayError(), -1);
}

TEST(ServerReentrance, AnswersWithTheLastByteInHand) {
  struct Eager final : RequestReceiver {
    explicit Eager(BlockPool* pool) : arena(pool), head(&arena) {}
    RequestHead* request_head() override { return &head; }
    void OnHead(bool) override {}
    void OnBody(std::string_view) override {
      ResponseHead response(&arena);
      stream->SendHead(response, true);  // before OnEnd(), which is not heard any more
    }
    void OnEnd(const HeaderMap*) override { ADD_FAILURE(); }
    void OnReset(ResetReason) override { ADD_FAILURE(); }
    void OnWritable() override {}
    Arena arena;
    RequestHead head;
    ServerStream* stream = nullptr;
  };
  struct Events final : ServerCodecEvents {
    RequestReceiver* OnNewStream(ServerStream* stream) override {
      receiver.stream = stream;
      return &receiver;
    }
    void OnRejected(uint16_t, std::string_view) override {}
    BlockPool pool;
    Eager receiver{&pool};
  } events;
  CapturingSink sink;
  Http2Options options;
  Http2ServerCodec codec(&sink, &events, options);
  codec.OnData(
      std::string(kClientPreface) + Settings() + Headers(1, kPost, kWhole) + Data(1, "last", kEnd),
      0);
  Reader reader;
  reader.Read(sink.Take());
  EXPECT_TRUE(reader.Ended(1));
  EXPECT_EQ(reader.RstError(1), -1);  // the request was complete
  EXPECT_EQ(codec.active_streams(), 0u);
}

// The connection's life.

TEST(ServerDrain, Rfc9113S68TwoSteps) {
  Fixture f;
  f.Start();
  SeenRequest& first = f.Ask(1);
  f.codec->Drain();
  f.Read();
  const Frame* warning = f.reader.First(Type::kGoaway, 0);
  ASSERT_NE(warning, nullptr);
  EXPECT_EQ(warning->number(0), 0x7fffffffu);
  EXPECT_EQ(warning->number(4), 0u);
  SeenRequest& second = f.Ask(3);  // was on its way: still welcome
  EXPECT_EQ(f.server.requests.size(), 2u);
  f.codec->Drain();
  f.Read();
  EXPECT_EQ(f.reader.All(Type::kGoaway, 0).back()->number(0), 3u);
  f.Feed(Headers(5, kPost, kWhole) + Data(5, "x"));  // not processed: may be retried
  EXPECT_EQ(f.server.requests.size(), 2u);
  EXPECT_FALSE(f.codec->Done());
  f.Answer(first);
  f.Answer(second);
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_TRUE(f.reader.Ended(3));
  EXPECT_TRUE(f.codec->Done());
  f.codec->Drain();
  EXPECT_EQ(f.reader.All(Type::kGoaway, 0).size(), 2u);
}

TEST(ServerDrain, IdleConnectionIsDoneAfterTheSecondStep) {
  Fixture f;
  f.Start();
  f.codec->Drain();
  EXPECT_FALSE(f.codec->Done());
  f.codec->Drain();
  EXPECT_TRUE(f.codec->Done());
}

TEST(ServerLife, Rfc9113S68GoawayFromTheClient) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Feed(Goaway(0, 0xff));  // §7: an unknown error means nothing special
  EXPECT_FALSE(f.codec->Done());
  f.Answer(request);
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_TRUE(f.codec->Done());
}

TEST(ServerLife, PeerClosed) {
  Fixture f;
  f.Start();
  SeenRequest& complete = f.Ask(1);
  SeenRequest& open = f.Ask(3, kPost, kWhole);
  f.codec->OnPeerClosed();
  f.Read();
  EXPECT_TRUE(open.reset);
  EXPECT_EQ(open.reason, ResetReason::kPeerReset);
  EXPECT_FALSE(complete.reset);
  EXPECT_FALSE(f.codec->Done());
  EXPECT_FALSE(f.codec->ReadWanted());
  f.Answer(complete);
  EXPECT_TRUE(f.reader.Ended(1));
  EXPECT_TRUE(f.codec->Done());
}

TEST(ServerLife, ConnectionLost) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1);
  f.Ask(3, kPost, kWhole);
  f.codec->OnConnectionLost();
  EXPECT_TRUE(f.server.requests[0]->reset);
  EXPECT_EQ(f.server.requests[1]->reason, ResetReason::kConnectionLost);
  EXPECT_TRUE(f.codec->Done());
  EXPECT_EQ(f.codec->active_streams(), 0u);
  (void)request;
  f.Feed(Headers(5, kGet));
  f.codec->OnSinkWritable();
  f.codec->OnPeerClosed();
  f.codec->Drain();
  EXPECT_EQ(f.server.requests.size(), 2u);
  EXPECT_EQ(f.sink.bytes, "");
}

TEST(ServerLife, ManyRequestsOnOneConnection) {
  Fixture f;
  f.server.on_head = [](SeenRequest* request) {
    ResponseHead head(&request->arena);
    head.headers.Add("x-count", "n");
    request->stream->SendHead(head, true);
  };
  f.Start();
  for (uint32_t id = 1; id < 20000; id += 2) {
    f.Feed(Headers(id, kGet) + Priority(id, 0) + WindowUpdate(0, 1));
    f.server.requests.clear();
    ASSERT_TRUE(f.reader.Ended(id));
    f.reader.frames.clear();
  }
  EXPECT_EQ(f.codec->active_streams(), 0u);
  EXPECT_FALSE(f.codec->Done());
}

// Floods (§10.5): each is ended with ENHANCE_YOUR_CALM, and what had begun hears of it.

struct Flood {
  const char* name;
  std::string frame;
  const char* detail;
};
class ServerFloods : public testing::TestWithParam<Flood> {};
TEST_P(ServerFloods, Rfc9113S105EndWithGoaway) {
  Fixture f;
  f.Start();
  f.Ask(1, kPost, kWhole);
  size_t sent = 0;
  // Several to a read, as a flood arrives.
  std::string read;
  for (int i = 0; i < 20; ++i) read += GetParam().frame;
  while (!f.codec->Done() && sent < 100000) {
    f.Feed(read);
    sent += 20;
  }
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
  EXPECT_EQ(f.server.detail, GetParam().detail);
  EXPECT_LE(sent, 500u);
  EXPECT_TRUE(f.server.requests[0]->reset);
  EXPECT_EQ(f.server.requests[0]->reason, ResetReason::kLimit);
  EXPECT_EQ(f.codec->active_streams(), 0u);
  EXPECT_FALSE(f.codec->ReadWanted());
}
INSTANTIATE_TEST_SUITE_P(
    All, ServerFloods,
    testing::Values(Flood{"Ping", Ping(), "ping_flood"},
                    Flood{"PingAck", Ping("12345678", kFlagAck), "ping_flood"},
                    Flood{"Settings", Settings({{4, 65535}}), "settings_flood"},
                    Flood{"EmptySettings", Settings(), "settings_flood"},
                    Flood{"Priority", Priority(1, 0), "priority_flood"},
                    Flood{"PriorityOnIdle", Priority(101, 0), "priority_flood"},
                    Flood{"WindowUpdate", WindowUpdate(0, 1), "window_update_flood"},
                    Flood{"StreamWindowUpdate", WindowUpdate(1, 1), "window_update_flood"},
                    Flood{"EmptyData", Data(1, ""), "empty_data_flood"},
                    Flood{"PaddingOnlyData", Data(1, Padded("", 5), kFlagPadded),
                          "empty_data_flood"},
                    Flood{"Unknown", MakeFrame(0x42, 0, 0, "x"), "unknown_frame_flood"},
                    Flood{"Goaway", Goaway(0), "goaway_flood"}),
    [](const auto& info) { return info.param.name; });

TEST(ServerResetFlood, Rfc9113S105AtMostAHundredRequestsPass) {
  Fixture f;
  f.Start();
  uint32_t id = 1;
  for (; !f.codec->Done() && id < 20000; id += 2) f.Feed(Headers(id, kGet) + Rst(id));
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
  EXPECT_EQ(f.server.detail, "reset_flood");
  EXPECT_LE(f.server.requests.size(), 100u);
}

TEST(ServerResetFlood, InBatchesAndWithOthersUnderWay) {
  for (const uint32_t batch : {10u, 50u, 100u}) {
    Fixture f;
    f.Start();
    uint32_t id = 1;
    while (!f.codec->Done() && id < 20000) {
      std::string bytes;
      for (uint32_t i = 0; i < batch; ++i) bytes += Headers(id + 2 * i, kGet);
      for (uint32_t i = 0; i < batch; ++i) bytes += Rst(id + 2 * i);
      id += 2 * batch;
      f.Feed(bytes);
    }
    EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
    EXPECT_LE(f.server.requests.size(), 100u) << batch;
  }
}

// Streams that the client makes us reset cost as much as those it resets.
TEST(ServerResetFlood, ByMakingUsReset) {
  const std::string kTricks[] = {"window", "data", "priority", "trailers"};
  for (const std::string& trick : kTricks) {
    Fixture f;
    f.Start();
    for (uint32_t id = 1; !f.codec->Done() && id < 20000; id += 2) {
      std::string bytes = Headers(id, kPost, kWhole);
      if (trick == "window") bytes += WindowUpdate(id, 0);
      if (trick == "data") bytes = Headers(id, kGet) + Data(id, "x");
      if (trick == "priority") bytes += Priority(id, id);
      if (trick == "trailers") bytes += Headers(id, {{":x", "y"}});
      f.Feed(bytes);
    }
    EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm)) << trick;
    EXPECT_LE(f.server.requests.size(), 100u) << trick;
  }
}

TEST(ServerResetFlood, CancellingNowAndThenIsFine) {
  Fixture f;
  f.Start();
  for (uint32_t id = 1; id < 8000; id += 8) {
    f.Feed(Headers(id, kGet) + Headers(id + 2, kGet) + Headers(id + 4, kGet) + Rst(id + 2));
    f.Answer(*f.server.requests[f.server.requests.size() - 3]);
    f.Answer(*f.server.requests[f.server.requests.size() - 1]);
  }
  EXPECT_EQ(f.reader.GoawayError(), -1);
  // Ninety at once, and again a few seconds later.
  for (int round = 0; round < 3; ++round) {
    f.now += 4000;
    std::string bytes;
    const uint32_t base = 8001 + 1000 * static_cast<uint32_t>(round);
    for (uint32_t i = 0; i < 90; ++i) bytes += Headers(base + 2 * i, kGet);
    for (uint32_t i = 0; i < 90; ++i) bytes += Rst(base + 2 * i);
    f.Feed(bytes);
    EXPECT_EQ(f.reader.GoawayError(), -1);
  }
}

TEST(ServerContinuationFlood, Rfc9113S105) {
  for (const std::string& piece : {std::string(), std::string(1, '\x20'), Literal("x", "y")}) {
    Fixture f;
    f.Start();
    f.Feed(Headers(1, Block(kGet), kEnd));
    int sent = 0;
    for (; !f.codec->Done() && sent < 1000; ++sent) f.Feed(Continuation(1, piece, 0));
    EXPECT_LE(sent, 20);
    EXPECT_TRUE(f.reader.GoawayError() == Code(E::kEnhanceYourCalm) ||
                f.reader.GoawayError() == Code(E::kCompressionError));
    EXPECT_TRUE(f.server.requests.empty());
  }
}

TEST(ServerContinuationFlood, LargeFieldBlock) {
  Fixture f;
  f.Start();
  f.Feed(Headers(1, Block(kGet), kEnd));
  int sent = 0;
  const std::string piece = Literal("x", std::string(16000, 'x'));
  for (; !f.codec->Done() && sent < 1000; ++sent) f.Feed(Continuation(1, piece, 0));
  EXPECT_LE(sent, 8);
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
}

// A large field is put into the table once and then referred to by one byte, again and again.
TEST(ServerHpackBomb, Rfc7541S73) {
  Fixture f;
  f.Start();
  const std::string value(4000, 'x');
  const std::string seed = std::string("\x40\x01x", 3) + Integer(0, 7, value.size()) + value;
  f.Feed(Headers(1, Block(kGet) + seed));
  EXPECT_EQ(f.server.requests.size(), 1u);
  f.Feed(Headers(3, Block(kGet) + std::string(16000, '\xbe')));
  EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
  EXPECT_EQ(f.server.detail, "head_bomb");
  EXPECT_EQ(f.server.requests.size(), 1u);
}

TEST(ServerBadRequestFlood, Rfc9113S105) {
  for (const Fields& extra : {Fields{{"Upper", "x"}}, Fields{{"x", std::string(10300, 'x')}}}) {
    Fixture f;
    f.Start();
    uint32_t id = 1;
    for (; !f.codec->Done() && id < 20000; id += 2) f.Feed(Headers(id, With(kGet, extra)));
    EXPECT_EQ(f.reader.GoawayError(), Code(E::kEnhanceYourCalm));
    EXPECT_EQ(f.server.detail, "bad_request_flood");
    EXPECT_LE(id, 1000u);
  }
}

// A client that does not read its answers is not read either, beyond a limit.
TEST(ServerUnreadOutput, StopsReading) {
  struct StuckSink final : ByteSink {
    char* Reserve(size_t size) override {
      scratch.resize(size);
      return scratch.data();
    }
    void Commit(size_t size) override { waiting += size; }
    void Write(std::string_view data) override { waiting += data.size(); }
    size_t buffered() const override { return waiting; }
    std::string scratch;
    size_t waiting = 0;
  } sink;
  SeenServer server;
  server.on_head = [](SeenRequest* request) {
    ResponseHead head(&request->arena);
    head.headers.Add("x-large", std::string_view(request->head.target));
    request->stream->SendHead(head, true);
  };
  Http2Options options;
  Http2ServerCodec codec(&sink, &server, options);
  codec.OnData(std::string(kClientPreface) + Settings(), 0);
  const Fields large = {{":method", "GET"},
                        {":scheme", "http"},
                        {":authority", "a"},
                        {":path", "/" + std::string(5000, '~')}};
  uint32_t id = 1;
  for (; codec.ReadWanted() && id < 2000; id += 2) codec.OnData(Headers(id, large), 0);
  EXPECT_LT(id, 40u);
  EXPECT_FALSE(codec.Done());
  EXPECT_LT(sink.waiting, options.max_unread_output + 10000);
  sink.waiting = 0;
  codec.OnSinkWritable();
  EXPECT_TRUE(codec.ReadWanted());
}

// What sane clients do a lot of, with useful frames between.
TEST(ServerIdleFrames, AreAllowedBesideUsefulOnes) {
  Fixture f;
  f.Start();
  SeenRequest& request = f.Ask(1, kPost, kWhole);
  f.Head(request);
  const std::string piece(16000, 'x');
  for (int i = 0; i < 5000; ++i) {
    // A download read 4 KiB at a time, an upload with a ping for each frame.
    f.Body(request, piece);
    for (int j = 0; j < 4; ++j) f.Feed(WindowUpdate(0, 4000) + WindowUpdate(1, 4000));
    f.Feed(Data(1, "x") + Ping());
    f.reader.frames.clear();
  }
  EXPECT_FALSE(f.codec->Done());
  EXPECT_FALSE(request.reset);
}

TEST(ServerIdleFrames, KeepAlivePingsForHours) {
  Fixture f;
  f.Start();
  for (int i = 0; i < 100000; ++i) {
    f.now += 100;
    f.Feed(Ping());
    f.reader.frames.clear();
  }
  EXPECT_FALSE(f.codec->Done());
}

}  // namespace
}  // namespace postern
