// spec/rest-api.md sections 1.1 (row 3), 10.4 and 10.5.
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/testing/fake_host.h"
#include "filters/decompress/decoder.h"

namespace {

using postern::Decoder;
using postern::testing::FakeHost;
using postern::testing::FakeStream;
using postern::testing::Headers;

std::string Encode(std::string_view text, int window) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string Gzip(std::string_view text) { return Encode(text, 15 + 16); }
std::string Zlib(std::string_view text) { return Encode(text, 15); }

class DecompressTest : public testing::Test {
 protected:
  DecompressTest() { EXPECT_TRUE(host_.Configure()) << host_.ErrorText(); }

  FakeStream& Send(std::string coding, std::vector<std::string> chunks) {
    FakeStream& stream = host_.NewStream();
    stream.Request({{":method", "POST"}, {"Content-Encoding", std::move(coding)}},
                   std::move(chunks));
    if (!stream.reply().has_value()) stream.Respond(200);
    stream.Finish();
    return stream;
  }
  uint32_t Reply(std::string coding, std::string body) {
    const FakeStream& stream = Send(std::move(coding), {std::move(body)});
    EXPECT_NE(stream.reply().has_value(), stream.upstream().started);
    return stream.reply().has_value() ? stream.reply()->kind : 0;
  }

  FakeHost host_;
};

constexpr uint32_t kUnsupported = POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE;
constexpr uint32_t kTooLarge = POSTERN_REPLY_REQUEST_TOO_LARGE;

TEST_F(DecompressTest, DecodesBothCodings) {
  const std::string text = std::string(100000, 'x') + "end";
  for (const auto& [coding, body] :
       std::vector<std::pair<std::string, std::string>>{{"gzip", Gzip(text)},
                                                        {"GZip", Gzip(text)},
                                                        {"x-gzip", Gzip(text)},
                                                        {"identity, gzip", Gzip(text)},
                                                        {"deflate", Zlib(text)}}) {
    const std::string half = body.substr(0, body.size() / 2);
    const FakeStream& stream = Send(coding, {half, "", body.substr(half.size())});
    EXPECT_EQ(stream.upstream().body, text) << coding;
    EXPECT_FALSE(stream.upstream().Has("content-encoding"));
    EXPECT_FALSE(stream.reply().has_value());
  }
  EXPECT_EQ(host_.MetricValue("requests_total", {"decoded"}), 5);
}

// RFC 1952, section 2.2.
TEST_F(DecompressTest, GzipMayHaveSeveralMembers) {
  EXPECT_EQ(Send("gzip", {Gzip("one ") + Gzip("") + Gzip("two")}).upstream().body, "one two");
  EXPECT_EQ(Send("gzip", {Gzip("one "), Gzip("two")}).upstream().body, "one two");
  EXPECT_EQ(Reply("deflate", Zlib("one ") + Zlib("two")), kUnsupported);
}

TEST_F(DecompressTest, LeavesOthersAlone) {
  FakeStream& plain = host_.NewStream();
  plain.Request({{":method", "POST"}}, {"text"});
  EXPECT_EQ(plain.upstream().body, "text");
  EXPECT_EQ(Send("identity", {"text"}).upstream().body, "text");
  EXPECT_EQ(Send("identity", {"text"}).upstream().Get("content-encoding"), "identity");
  // No body, and an empty one.
  FakeStream& none = host_.NewStream();
  none.Request({{"content-encoding", "gzip"}});
  EXPECT_TRUE(none.upstream().complete);
  EXPECT_EQ(Reply("gzip", ""), 0u);
}

// §1.1: unknown coding or corrupt data: 415.
TEST_F(DecompressTest, RefusesWhatItCannotDecode) {
  const std::string good = Gzip("some text that is long enough to be cut");
  EXPECT_EQ(Reply("br", "x"), kUnsupported);
  EXPECT_EQ(Reply("zstd", "x"), kUnsupported);
  EXPECT_EQ(Reply("gzip, gzip", Gzip(good)), kUnsupported);
  EXPECT_EQ(Reply("gzip", "no gzip"), kUnsupported);
  EXPECT_EQ(Reply("deflate", good), kUnsupported);
  EXPECT_EQ(Reply("gzip", Zlib("x")), kUnsupported);
  EXPECT_EQ(Reply("gzip", good.substr(0, good.size() - 1)), kUnsupported);
  EXPECT_EQ(Reply("gzip", good + "x"), kUnsupported);
  std::string bad = good;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  EXPECT_EQ(Reply("gzip", bad), kUnsupported);
  EXPECT_EQ(host_.MetricValue("requests_total", {"refused"}), 9);
}

// §10.5: 10 MB, after decoding too.
TEST_F(DecompressTest, Limit) {
  EXPECT_EQ(Reply("gzip", Gzip(std::string(10485760, 'a'))), 0u);
  EXPECT_EQ(Reply("gzip", Gzip(std::string(10485761, 'a'))), kTooLarge);
  // A bomb is not decoded to its end.
  Decoder decoder(Decoder::Format::kGzip, 1000);
  EXPECT_EQ(decoder.Decode(Gzip(std::string(50'000'000, 'a'))), Decoder::Result::kTooLarge);
  EXPECT_EQ(decoder.out().size(), 1001u);
  EXPECT_EQ(decoder.Finish(), Decoder::Result::kTooLarge);
  ASSERT_TRUE(host_.Configure(R"({"limit":4})"));
  EXPECT_EQ(Reply("gzip", Gzip("1234")), 0u);
  EXPECT_EQ(Reply("gzip", Gzip("12345")), kTooLarge);
  EXPECT_FALSE(host_.Configure(R"({"limit":0})"));
}

}  // namespace
