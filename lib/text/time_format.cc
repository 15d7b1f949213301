#include "lib/text/time_format.h"

#include <algorithm>

namespace postern {
namespace {

constexpr int64_t kMsPerDay = 86400000;
constexpr int64_t kYear0Ms = -62167219200000;        // 0000-01-01T00:00:00.000Z
constexpr int64_t kYear9999EndMs = 253402300799999;  // 9999-12-31T23:59:59.999Z

constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr char kWeekdays[] = "ThuFriSatSunMonTueWed";  // 1970-01-01 was a Thursday

struct CivilTime {
  int year;
  int month;    // 0 to 11
  int day;      // 1 to 31
  int weekday;  // of kWeekdays
  int hour;
  int minute;
  int second;
  int millisecond;
};

// The Gregorian calendar, with years that begin in March, so that the leap day is the last.
CivilTime ToCivil(int64_t epoch_ms) {
  epoch_ms = std::clamp(epoch_ms, kYear0Ms, kYear9999EndMs);
  int64_t days = epoch_ms / kMsPerDay;
  int64_t ms = epoch_ms % kMsPerDay;
  if (ms < 0) {
    ms += kMsPerDay;
    --days;
  }
  CivilTime out;
  out.weekday = static_cast<int>((days % 7 + 7) % 7);
  out.millisecond = static_cast<int>(ms % 1000);
  out.second = static_cast<int>(ms / 1000 % 60);
  out.minute = static_cast<int>(ms / 60000 % 60);
  out.hour = static_cast<int>(ms / 3600000);

  const int64_t since_march_0 = days + 719468 + 146097;  // days since -0400-03-01: never negative
  const int64_t era = since_march_0 / 146097;            // of 400 years
  const int64_t day_of_era = since_march_0 % 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  out.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  out.month = static_cast<int>((month_from_march + 2) % 12);
  out.year = static_cast<int>(year_of_era + (era - 1) * 400) + (out.month < 2 ? 1 : 0);
  return out;
}

char* Put(char* at, std::string_view text) { return std::copy(text.begin(), text.end(), at); }

char* PutName(char* at, const char* names, int index) {
  return std::copy(names + index * 3, names + index * 3 + 3, at);
}

template <int kDigits>
char* PutNumber(char* at, int number) {
  for (int i = kDigits - 1; i >= 0; --i) {
    at[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  return at + kDigits;
}

char* PutClock(char* at, const CivilTime& time) {
  at = PutNumber<2>(at, time.hour);
  *at++ = ':';
  at = PutNumber<2>(at, time.minute);
  *at++ = ':';
  return PutNumber<2>(at, time.second);
}

}  // namespace

std::string_view FormatHttpDate(int64_t epoch_ms, char (&buffer)[kHttpDateSize]) {
  const CivilTime time = ToCivil(epoch_ms);
  char* at = PutName(buffer, kWeekdays, time.weekday);
  at = Put(at, ", ");
  at = PutNumber<2>(at, time.day);
  *at++ = ' ';
  at = PutName(at, kMonths, time.month);
  *at++ = ' ';
  at = PutNumber<4>(at, time.year);
  *at++ = ' ';
  at = PutClock(at, time);
  Put(at, " GMT");
  return {buffer, sizeof(buffer)};
}

std::string_view FormatClfTime(int64_t epoch_ms, char (&buffer)[kClfTimeSize]) {
  const CivilTime time = ToCivil(epoch_ms);
  char* at = PutNumber<2>(buffer, time.day);
  *at++ = '/';
  at = PutName(at, kMonths, time.month);
  *at++ = '/';
  at = PutNumber<4>(at, time.year);
  *at++ = ':';
  at = PutClock(at, time);
  Put(at, " +0000");
  return {buffer, sizeof(buffer)};
}

std::string_view FormatIsoTime(int64_t epoch_ms, char (&buffer)[kIsoTimeSize]) {
  const CivilTime time = ToCivil(epoch_ms);
  char* at = PutNumber<4>(buffer, time.year);
  *at++ = '-';
  at = PutNumber<2>(at, time.month + 1);
  *at++ = '-';
  at = PutNumber<2>(at, time.day);
  *at++ = 'T';
  at = PutClock(at, time);
  *at++ = '.';
  at = PutNumber<3>(at, time.millisecond);
  *at = 'Z';
  return {buffer, sizeof(buffer)};
}

}  // namespace postern
