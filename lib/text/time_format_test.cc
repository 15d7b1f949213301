#include "lib/text/time_format.h"

#include <ctime>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace postern {
namespace {

std::string Http(int64_t ms) {
  char buffer[kHttpDateSize];
  return std::string(FormatHttpDate(ms, buffer));
}

std::string Clf(int64_t ms) {
  char buffer[kClfTimeSize];
  return std::string(FormatClfTime(ms, buffer));
}

std::string Iso(int64_t ms) {
  char buffer[kIsoTimeSize];
  return std::string(FormatIsoTime(ms, buffer));
}

// RFC 9110 §5.6.7.
TEST(TimeFormatTest, HttpDate) {
  EXPECT_EQ(Http(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(Http(999), "Thu, 01 Jan 1970 00:00:00 GMT");
}

// rest-api.md §9.3 and §9.4: requestTime beside requestTimeEpoch.
TEST(TimeFormatTest, ClfTime) { EXPECT_EQ(Clf(1784512580253), "20/Jul/2026:01:56:20 +0000"); }

TEST(TimeFormatTest, IsoTime) {
  EXPECT_EQ(Iso(1784512580253), "2026-07-20T01:56:20.253Z");
  EXPECT_EQ(Iso(951782400000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(Iso(-1), "1969-12-31T23:59:59.999Z");
}

TEST(TimeFormatTest, ClampsToFourDigitYears) {
  EXPECT_EQ(Iso(std::numeric_limits<int64_t>::min()), "0000-01-01T00:00:00.000Z");
  EXPECT_EQ(Iso(std::numeric_limits<int64_t>::max()), "9999-12-31T23:59:59.999Z");
}

TEST(TimeFormatTest, AgreesWithTheSystemFromYear0To9999) {
  // Every day from 1890 to 2110, and some of each month elsewhere.
  for (int64_t day = -719528; day <= 2932896; day += day > -29220 && day < 51135 ? 1 : 13) {
    const time_t seconds = day * 86400 + (day % 86400 + 86400) % 86400;
    tm parts;
    ASSERT_NE(gmtime_r(&seconds, &parts), nullptr);
    char expected[64];
    const int size = std::snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.007Z",
                                   parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                   parts.tm_hour, parts.tm_min, parts.tm_sec);
    ASSERT_EQ(Iso(seconds * 1000 + 7), std::string(expected, static_cast<size_t>(size)));
    const char* weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    ASSERT_EQ(Http(seconds * 1000).substr(0, 3), weekdays[parts.tm_wday]);
  }
}

}  // namespace
}  // namespace postern
