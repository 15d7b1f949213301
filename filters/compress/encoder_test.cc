#include "filters/compress/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "filters/compress/accept_encoding.h"
#include "filters/compress/decode_for_test.h"

namespace postern {
namespace {

class EncoderTest : public ::testing::TestWithParam<Coding> {
 protected:
  std::unique_ptr<Encoder> encoder_ = Encoder::Make(GetParam(), {});
  std::string out_;
  bool ended_ = false;
};

std::string Text(size_t size) {
  std::string text;
  unsigned state = 1;
  while (text.size() < size) {
    state = state * 1103515245u + 12345u;
    text += "word" + std::to_string(state >> 16 & 1023) + " ";
  }
  text.resize(size);
  return text;
}

TEST_P(EncoderTest, EncodesABodyInPieces) {
  const std::string text = Text(300000);
  for (size_t at = 0; at < text.size(); at += 7001) {
    ASSERT_TRUE(
        encoder_->Encode(std::string_view(text).substr(at, 7001), Encoder::Flush::kNone, &out_));
  }
  ASSERT_TRUE(encoder_->Encode("", Encoder::Flush::kEnd, &out_));
  EXPECT_LT(out_.size(), text.size() / 2);
  EXPECT_EQ(DecodeForTest(GetParam(), out_, &ended_), text);
  EXPECT_TRUE(ended_);
}

TEST_P(EncoderTest, EncodesAnEmptyBody) {
  ASSERT_TRUE(encoder_->Encode("", Encoder::Flush::kEnd, &out_));
  EXPECT_EQ(DecodeForTest(GetParam(), out_, &ended_), "");
  EXPECT_TRUE(ended_);
}

TEST_P(EncoderTest, AChunkCanBeDecodedOnceFlushed) {
  ASSERT_TRUE(encoder_->Encode("event: 1\n\n", Encoder::Flush::kChunk, &out_));
  EXPECT_EQ(DecodeForTest(GetParam(), out_, &ended_), "event: 1\n\n");
  EXPECT_FALSE(ended_);
  ASSERT_TRUE(encoder_->Encode("event: 2\n\n", Encoder::Flush::kEnd, &out_));
  EXPECT_EQ(DecodeForTest(GetParam(), out_, &ended_), "event: 1\n\nevent: 2\n\n");
  EXPECT_TRUE(ended_);
}

TEST_P(EncoderTest, SurvivesWhatCannotBeCompressed) {
  std::string noise(100000, '\0');
  unsigned state = 7;
  for (char& c : noise) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  ASSERT_TRUE(encoder_->Encode(noise, Encoder::Flush::kEnd, &out_));
  EXPECT_LT(out_.size(), noise.size() + 200);
  EXPECT_EQ(DecodeForTest(GetParam(), out_, &ended_), noise);
}

INSTANTIATE_TEST_SUITE_P(All, EncoderTest,
                         ::testing::Values(Coding::kGzip, Coding::kDeflate, Coding::kBrotli),
                         [](const auto& info) { return std::string(NameOf(info.param)); });

TEST(Encoder, ThereIsNoneForIdentity) { EXPECT_EQ(Encoder::Make(Coding::kIdentity, {}), nullptr); }

}  // namespace
}  // namespace postern
