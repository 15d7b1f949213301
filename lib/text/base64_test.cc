#include "lib/text/base64.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

constexpr auto kStandard = Base64Alphabet::kStandard;
constexpr auto kUrl = Base64Alphabet::kUrl;

// RFC 4648 §10.
TEST(Base64Test, Rfc4648Vectors) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    EXPECT_EQ(Base64Decode(encoded), plain);
    EXPECT_EQ(Base64EncodedSize(plain.size()), encoded.size());
  }
}

TEST(Base64Test, EveryByteAtEveryLengthInBothAlphabets) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    for (auto alphabet : {kStandard, kUrl}) {
      const std::string encoded = Base64Encode(bytes, alphabet);
      ASSERT_EQ(encoded.size(), Base64EncodedSize(bytes.size(), alphabet));
      for (auto mode : {Base64Mode::kStrict, Base64Mode::kLenient}) {
        ASSERT_EQ(Base64Decode(encoded, alphabet, mode), bytes);
      }
    }
    bytes += static_cast<char>(i * 151);
  }
}

// RFC 4648 §5, RFC 7515 §2.
TEST(Base64Test, UrlAlphabetHasNoPadding) {
  EXPECT_EQ(Base64Encode("\xFB\xFF\xBF", kStandard), "+/+/");
  EXPECT_EQ(Base64Encode("\xFB\xFF\xBF", kUrl), "-_-_");
  EXPECT_EQ(Base64Encode("f", kUrl), "Zg");
  EXPECT_EQ(Base64Encode("fo", kUrl), "Zm8");
  EXPECT_EQ(Base64Decode("Zg==", kUrl), std::nullopt);
  EXPECT_EQ(Base64Decode("-_-_", kStandard), std::nullopt);
  EXPECT_EQ(Base64Decode("+/+/", kUrl), std::nullopt);
}

// RFC 4648 §3.3 and §3.5.
TEST(Base64Test, StrictRefusesEverySecondSpelling) {
  for (std::string_view bad : {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v=", "Zm9v====", "Z",
                               "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v!",
                               "Zg==Zg==", "Zg=a", "Zm9\xFF", "Zm9vY"}) {
    EXPECT_EQ(Base64Decode(bad), std::nullopt) << bad;
  }
  for (std::string_view bad : {"Z", "Zh", "Zm9", "Zm9vY", "Zm8=", "Zm 8"}) {
    EXPECT_EQ(Base64Decode(bad, kUrl), std::nullopt) << bad;
  }
}

TEST(Base64Test, LenientTakesWhatSendersProduce) {
  const auto decode = [](std::string_view text) {
    return Base64Decode(text, kStandard, Base64Mode::kLenient);
  };
  EXPECT_EQ(decode("Zg"), "f");
  EXPECT_EQ(decode("Zg="), "f");
  EXPECT_EQ(decode("Zh=="), "f");
  EXPECT_EQ(decode("Zm9v\r\nYmFy\r\n"), "foobar");
  EXPECT_EQ(decode(" Z m 9 v Y g = = "), "foob");
  EXPECT_EQ(decode("-_+/"), "\xFB\xFF\xBF");
  EXPECT_EQ(decode(""), "");
  for (std::string_view bad : {"Z", "Z=", "=", "Zg===", "Zg==Zg==", "Zm9v=", "Zm9v!", "Zm9vY"}) {
    EXPECT_EQ(decode(bad), std::nullopt) << bad;
  }
}

TEST(Base64Test, DecodesInPlace) {
  std::string text = Base64Encode("some longer text to be decoded where it stands");
  const auto size = Base64DecodeTo(text, kStandard, Base64Mode::kStrict, text.data());
  ASSERT_TRUE(size.has_value());
  EXPECT_EQ(text.substr(0, *size), "some longer text to be decoded where it stands");
  std::string spaced = "Z m 9 v Y m F y";
  const auto lenient = Base64DecodeTo(spaced, kStandard, Base64Mode::kLenient, spaced.data());
  ASSERT_TRUE(lenient.has_value());
  EXPECT_EQ(spaced.substr(0, *lenient), "foobar");
}

}  // namespace
}  // namespace postern
