#include "filters/compress/accept_encoding.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace postern {
namespace {

Coding Choose(std::string_view accept_encoding) {
  static constexpr Coding kOffered[] = {Coding::kBrotli, Coding::kGzip, Coding::kDeflate};
  return ChooseCoding(accept_encoding, kOffered);
}

// RFC 9110 section 12.5.3.
TEST(ChooseCoding, TakesTheHighestWeight) {
  EXPECT_EQ(Choose("gzip"), Coding::kGzip);
  EXPECT_EQ(Choose("gzip;q=0.5, deflate;q=0.8"), Coding::kDeflate);
  EXPECT_EQ(Choose("br;q=0.1,gzip;q=0.101"), Coding::kGzip);
  EXPECT_EQ(Choose("compress, zstd, deflate;q=0.001"), Coding::kDeflate);
}

TEST(ChooseCoding, TakesTheFirstOfferedAmongEqual) {
  EXPECT_EQ(Choose("gzip, deflate, br"), Coding::kBrotli);
  EXPECT_EQ(Choose("deflate, gzip"), Coding::kGzip);
}

TEST(ChooseCoding, ZeroRefuses) {
  EXPECT_EQ(Choose("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(Choose("gzip;q=0.000, br;q=0.0, deflate;q=0."), Coding::kIdentity);
}

TEST(ChooseCoding, IdentityMayBePreferred) {
  EXPECT_EQ(Choose("identity, gzip;q=0.5"), Coding::kIdentity);
  EXPECT_EQ(Choose("identity;q=0.5, gzip;q=0.5"), Coding::kGzip);
  EXPECT_EQ(Choose("identity;q=0, gzip;q=0.5"), Coding::kGzip);
}

// rest-api.md section 10.4: a missing field counts as "*", and that compresses nothing.
TEST(ChooseCoding, AsteriskNamesNothing) {
  EXPECT_EQ(Choose("*"), Coding::kIdentity);
  EXPECT_EQ(Choose("*;q=1"), Coding::kIdentity);
  EXPECT_EQ(Choose("gzip;q=0, *"), Coding::kIdentity);
  EXPECT_EQ(Choose(""), Coding::kIdentity);
  EXPECT_EQ(Choose(", ,"), Coding::kIdentity);
}

TEST(ChooseCoding, ReadsSpaceAndCaseGenerously) {
  EXPECT_EQ(Choose(" GZip ;\tQ=0.3 "), Coding::kGzip);
  EXPECT_EQ(Choose("x-gzip"), Coding::kGzip);
}

TEST(ChooseCoding, PassesOverWhatIsNotValid) {
  for (const char* value : {"gzip;q=2", "gzip;q=1.001", "gzip;q=-1", "gzip;q=0.0001", "gzip;q",
                            "gzip;level=9", "gzip;q=1;q=x", "gzip deflate", "gzipp"}) {
    EXPECT_EQ(Choose(value), Coding::kIdentity) << value;
  }
  EXPECT_EQ(Choose("gzip;q=9, deflate"), Coding::kDeflate);
}

TEST(ChooseCoding, OffersNothingElse) {
  static constexpr Coding kGzipOnly[] = {Coding::kGzip};
  EXPECT_EQ(ChooseCoding("br, gzip;q=0.1", kGzipOnly), Coding::kGzip);
  EXPECT_EQ(ChooseCoding("br", kGzipOnly), Coding::kIdentity);
}

}  // namespace
}  // namespace postern
