// spec/rest-api.md section 10.4, and RFC 9110 where it speaks of codings, validators and Vary.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/testing/fake_host.h"
#include "filters/compress/accept_encoding.h"
#include "filters/compress/decode_for_test.h"

namespace {

using postern::Coding;
using postern::DecodeForTest;
using postern::testing::FakeHost;
using postern::testing::FakeStream;
using postern::testing::Headers;
using postern::testing::Message;

const std::string kText(2000, 'a');

Message Answer(Headers request, Headers response, std::vector<std::string> chunks,
               std::string_view config = "{}", int status = 200, Headers trailers = {}) {
  FakeHost host;
  EXPECT_TRUE(host.Configure(config)) << host.ErrorText();
  FakeStream& stream = host.NewStream();
  stream.Request(std::move(request));
  stream.Respond(status, std::move(response), std::move(chunks), std::move(trailers));
  stream.Finish();
  EXPECT_TRUE(stream.client().complete);
  return stream.client();
}

std::string Decoded(const Message& answer, Coding coding) {
  bool ended = false;
  std::string text = DecodeForTest(coding, answer.body, &ended);
  EXPECT_TRUE(ended);
  return text;
}

Headers Accept(std::string value) { return {{"accept-encoding", std::move(value)}}; }

TEST(Compress, EncodesWithEachCoding) {
  for (const auto& [name, coding] : std::vector<std::pair<std::string, Coding>>{
           {"gzip", Coding::kGzip}, {"deflate", Coding::kDeflate}, {"br", Coding::kBrotli}}) {
    const Message answer = Answer(
        Accept(name), {{"content-type", "application/json"}, {"content-length", "2000"}}, {kText});
    EXPECT_EQ(answer.Get("content-encoding"), name);
    EXPECT_EQ(answer.Get("vary"), "accept-encoding");
    EXPECT_FALSE(answer.Has("content-length"));
    EXPECT_LT(answer.body.size(), 200u);
    EXPECT_EQ(Decoded(answer, coding), kText);
  }
}

TEST(Compress, StreamsChunksAndFlushesAtTheEnd) {
  const Message answer =
      Answer(Accept("gzip"), {{"content-type", "text/plain"}}, {"one ", "two ", "", "three", ""});
  EXPECT_EQ(Decoded(answer, Coding::kGzip), "one two three");
}

TEST(Compress, FlushesBeforeTrailers) {
  const Message answer =
      Answer(Accept("br"), {{"content-type", "text/plain"}}, {"abc"}, "{}", 200, {{"x-sum", "1"}});
  EXPECT_EQ(Decoded(answer, Coding::kBrotli), "abc");
  EXPECT_EQ(answer.trailers.size(), 1u);
}

// Events must not wait for more text.
TEST(Compress, FlushesEachChunkOfAnEventStream) {
  FakeHost host;
  ASSERT_TRUE(host.Configure());
  FakeStream& stream = host.NewStream();
  stream.Request(Accept("gzip"));
  stream.ResponseHeaders(200, {{"content-type", "text/event-stream"}}, /*end_stream=*/false);
  stream.ResponseBody("data: 1\n\n", /*last=*/false);
  bool ended = true;
  EXPECT_EQ(DecodeForTest(Coding::kGzip, stream.client().body, &ended), "data: 1\n\n");
  EXPECT_FALSE(ended);
}

TEST(Compress, LeavesAsIsWhatIsBelowTheMinimum) {
  const std::string_view config = R"({"minimumCompressionSize":100})";
  const auto coding = [&](std::string length) {
    return Answer(Accept("gzip"), {{"content-type", "text/plain"}, {"content-length", length}},
                  {kText}, config)
        .Get("content-encoding");
  };
  EXPECT_EQ(coding("99"), "");
  EXPECT_EQ(coding("100"), "gzip");
  EXPECT_EQ(coding("10485760000000000000000000"), "gzip");
  EXPECT_EQ(coding("0"), "");
  // Unknown is not small.
  EXPECT_EQ(Answer(Accept("gzip"), {{"content-type", "text/plain"}}, {"ab"}, config)
                .Get("content-encoding"),
            "gzip");
}

// rest-api.md section 10.4: "Accept-Encoding missing: treated as *, no compression".
TEST(Compress, LeavesAsIsWhatTheClientDoesNotAskFor) {
  for (const Headers& request : {Headers{}, Accept("*"), Accept(""), Accept("identity, gzip;q=0.1"),
                                 Accept("zstd"), Accept("gzip;q=0")}) {
    const Message answer =
        Answer(request, {{"content-type", "text/plain"}, {"etag", "\"1\""}}, {kText});
    EXPECT_FALSE(answer.Has("content-encoding"));
    EXPECT_EQ(answer.body, kText);
    EXPECT_EQ(answer.Get("etag"), "\"1\"");
    // A cache must know that another client gets something else.
    EXPECT_EQ(answer.Get("vary"), "accept-encoding");
  }
}

TEST(Compress, JoinsFieldLines) {
  EXPECT_EQ(Answer({{"accept-encoding", "zstd"}, {"accept-encoding", "deflate;q=0.5"}},
                   {{"content-type", "text/plain"}}, {kText})
                .Get("content-encoding"),
            "deflate");
}

TEST(Compress, NeverEncodesTwiceOrAgainstTheWish) {
  const std::vector<Headers> responses = {
      {{"content-type", "text/plain"}, {"content-encoding", "gzip"}},
      {{"content-type", "text/plain"}, {"content-encoding", "identity"}},
      {{"content-type", "text/plain"}, {"cache-control", "public, No-Transform"}},
      {{"content-type", "text/plain"}, {"content-range", "bytes 0-1/9"}},
      {{"content-type", "image/png"}},
      {}};
  for (const Headers& response : responses) {
    const Message answer = Answer(Accept("gzip"), response, {kText});
    EXPECT_EQ(answer.body, kText);
    EXPECT_FALSE(answer.Has("vary"));
  }
}

TEST(Compress, LeavesStatusesWithoutAWholeBodyAlone) {
  for (const int status : {204, 206, 304}) {
    const Message answer = Answer(
        Accept("gzip"), {{"content-type", "text/plain"}},
        status == 206 ? std::vector<std::string>{kText} : std::vector<std::string>{}, "{}", status);
    EXPECT_FALSE(answer.Has("content-encoding")) << status;
  }
}

// As a response to HEAD: headers, and nothing to encode.
TEST(Compress, LeavesAResponseWithoutBodyAlone) {
  const Message answer = Answer({{":method", "HEAD"}, {"accept-encoding", "gzip"}},
                                {{"content-type", "text/plain"}, {"content-length", "2000"}}, {});
  EXPECT_FALSE(answer.Has("content-encoding"));
  EXPECT_EQ(answer.Get("content-length"), "2000");
  EXPECT_EQ(answer.Get("vary"), "accept-encoding");
}

TEST(Compress, WeakensAStrongEtagAndDropsWhatCountsBytes) {
  const Headers fields = {{"content-type", "text/plain"},
                          {"etag", "\"v1\""},
                          {"accept-ranges", "bytes"},
                          {"content-md5", "x"},
                          {"content-digest", "x"},
                          {"repr-digest", "x"},
                          {"digest", "x"}};
  const Message answer = Answer(Accept("gzip"), fields, {kText});
  EXPECT_EQ(answer.Get("etag"), "W/\"v1\"");
  for (const char* name :
       {"accept-ranges", "content-md5", "content-digest", "repr-digest", "digest"}) {
    EXPECT_FALSE(answer.Has(name)) << name;
  }
  EXPECT_EQ(Answer(Accept("gzip"), {{"content-type", "text/plain"}, {"etag", "W/\"v1\""}}, {kText})
                .Get("etag"),
            "W/\"v1\"");
}

TEST(Compress, DoesNotRepeatVary) {
  for (const char* vary : {"Accept-Encoding", "origin, accept-encoding", "*"}) {
    EXPECT_EQ(Answer(Accept("gzip"), {{"content-type", "text/plain"}, {"vary", vary}}, {kText})
                  .Get("vary"),
              vary);
  }
  EXPECT_EQ(Answer(Accept("gzip"), {{"content-type", "text/plain"}, {"vary", "origin"}}, {kText})
                .Get("vary"),
            "origin, accept-encoding");
}

TEST(Compress, OffersWhatIsConfigured) {
  const std::string_view config = R"({"codings":["gzip"],"contentTypes":["image/*"]})";
  const Message answer =
      Answer(Accept("br, gzip;q=0.1"), {{"content-type", "image/bmp"}}, {kText}, config);
  EXPECT_EQ(answer.Get("content-encoding"), "gzip");
}

TEST(Compress, CountsBytes) {
  FakeHost host;
  ASSERT_TRUE(host.Configure());
  FakeStream& stream = host.NewStream();
  stream.Request(Accept("gzip"));
  stream.Respond(200, {{"content-type", "text/plain"}}, {kText, kText});
  EXPECT_EQ(host.MetricValue("responses_total", {"gzip"}), 1);
  EXPECT_EQ(host.MetricValue("bytes_in_total"), 4000);
  EXPECT_EQ(host.MetricValue("bytes_out_total"), static_cast<int64_t>(stream.client().body.size()));
}

TEST(Compress, AClientThatLeavesInTheMiddleLeaksNothing) {
  FakeHost host;
  ASSERT_TRUE(host.Configure());
  FakeStream& stream = host.NewStream();
  stream.Request(Accept("br"));
  stream.ResponseHeaders(200, {{"content-type", "text/plain"}}, /*end_stream=*/false);
  stream.ResponseBody(kText, /*last=*/false);
  stream.Cut();
}

TEST(Compress, RejectsWhatItDoesNotKnow) {
  FakeHost host;
  EXPECT_FALSE(host.Configure(R"({"minimumCompressionSize":10485761,"codings":["zstd"],
                                  "contentTypes":["text"],"zlibLevel":10})"));
  EXPECT_EQ(host.errors(), (std::vector<std::string>{
                               "minimumCompressionSize: must be 0 to 10485760, but is 10485761",
                               "codings: \"zstd\" is not one of \"br\", \"gzip\", \"deflate\"",
                               "contentTypes: \"text\" is not a media type, nor a pattern of one",
                               "zlibLevel: must be 1 to 9, but is 10"}));
  EXPECT_FALSE(host.Configure(R"({"codings":[]})"));
}

}  // namespace
