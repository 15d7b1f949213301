#include "core/http/header_id.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace postern {
namespace {

constexpr std::string_view kNames[] = {
    "",
    "accept",
    "accept-charset",
    "accept-encoding",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "retry-after",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warn",
    "www-authenticate",
    "x-amzn-apigateway-api-id",
    "x-amzn-errortype",
    "x-amzn-remapped-connection",
    "x-amzn-remapped-content-length",
    "x-amzn-remapped-date",
    "x-amzn-remapped-server",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-amz-apigw-id",
    "x-apigw-api-id",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-http-method-override",
};
static_assert(std::size(kNames) == static_cast<size_t>(HeaderId::kCount));

constexpr unsigned char Lower(char c) {
  return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

template <typename Word>
bool SameWord(const char* a, const char* b) {
  constexpr Word kCase = static_cast<Word>(0x2020202020202020u);
  Word x;
  Word y;
  std::memcpy(&x, a, sizeof(x));
  std::memcpy(&y, b, sizeof(y));
  return (x | kCase) == (y | kCase);
}

// Compares a field name with one of the names above, a word at a time. Setting the case bit makes
// equal what differs in case only, and besides that CR and '-', but no token contains CR.
bool SameName(std::string_view name, std::string_view known) {
  const size_t n = name.size();
  if (n != known.size()) return false;
  const char* a = name.data();
  const char* b = known.data();
  if (n < 8) {
    if (n >= 4) return SameWord<uint32_t>(a, b) && SameWord<uint32_t>(a + n - 4, b + n - 4);
    return EqualsIgnoreCase(name, known);
  }
  for (size_t at = 0; at + 8 < n; at += 8) {
    if (!SameWord<uint64_t>(a + at, b + at)) return false;
  }
  return SameWord<uint64_t>(a + n - 8, b + n - 8);
}

constexpr size_t kBuckets = 512;

// Length and four characters tell all the names above apart; the table below is built, and a clash
// would fail the build, at compile time.
constexpr size_t Hash(std::string_view name) {
  const size_t n = name.size();
  const size_t h = n * 473 + Lower(name[0]) * 329u + Lower(name[n - 1]) * 52u +
                   Lower(name[n / 2]) * 96u + Lower(name[n * 3 / 4]) * 323u;
  return h % kBuckets;
}

constexpr bool NoClash() {
  std::array<bool, kBuckets> used{};
  for (size_t i = 1; i < std::size(kNames); ++i) {
    if (used[Hash(kNames[i])]) return false;
    used[Hash(kNames[i])] = true;
  }
  return true;
}
static_assert(NoClash(), "two header names share a bucket: change the factors in Hash()");

constexpr std::array<uint8_t, kBuckets> MakeTable() {
  std::array<uint8_t, kBuckets> table{};
  for (size_t i = 1; i < std::size(kNames); ++i) table[Hash(kNames[i])] = static_cast<uint8_t>(i);
  return table;
}
constexpr auto kTable = MakeTable();

}  // namespace

HeaderId LookupHeader(std::string_view name) {
  if (name.empty()) return HeaderId::kOther;
  const uint8_t index = kTable[Hash(name)];
  if (index == 0 || !SameName(name, kNames[index])) return HeaderId::kOther;
  return static_cast<HeaderId>(index);
}

bool IsFramingField(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return true;
    default:
      return false;
  }
}

std::string_view HeaderName(HeaderId id) { return kNames[static_cast<size_t>(id)]; }

}  // namespace postern
