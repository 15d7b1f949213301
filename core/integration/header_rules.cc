#include "core/integration/header_rules.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <initializer_list>

#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr size_t kIds = static_cast<size_t>(HeaderId::kCount);

template <typename Value>
using Table = std::array<Value, kIds>;

using enum HeaderId;

/// RFC 9110 §7.6.1 and what is treated alike; codecs write them anew.
constexpr std::initializer_list<HeaderId> kHopByHop = {
    kConnection,         kHttp2Settings,   kKeepAlive, kProxyAuthenticate,
    kProxyAuthorization, kProxyConnection, kTe,        kTrailer,
    kTransferEncoding,   kUpgrade};

template <typename Value>
constexpr void Set(Table<Value>& table, Value value, std::initializer_list<HeaderId> ids) {
  for (HeaderId id : ids) table[static_cast<size_t>(id)] = value;
}

template <typename Value>
constexpr Value Get(const Table<Value>& table, HeaderId id) {
  return table[static_cast<size_t>(id)];
}

constexpr Table<bool> MakeDroppedTowardsHttpProxy() {
  Table<bool> table{};
  Set(table, true, kHopByHop);
  Set(table, true,
      {kContentLength, kContentMd5, kExpect, kHost, kMaxForwards, kServer, kVia, kWwwAuthenticate});
  // Written anew (§6.9).
  Set(table, true,
      {kXAmznApigatewayApiId, kXAmznTraceId, kXForwardedFor, kXForwardedPort, kXForwardedProto});
  return table;
}
constexpr Table<bool> kDroppedTowardsHttpProxy = MakeDroppedTowardsHttpProxy();

constexpr Table<bool> MakeDroppedTowardsLambda() {
  Table<bool> table{};
  Set(table, true, kHopByHop);
  Set(table, true,
      {kContentLength, kContentMd5, kExpect, kHost, kMaxForwards, kServer, kWwwAuthenticate});
  Set(table, true, {kXAmznTraceId, kXForwardedFor, kXForwardedPort, kXForwardedProto});
  return table;
}
constexpr Table<bool> kDroppedTowardsLambda = MakeDroppedTowardsLambda();

constexpr Table<ResponseHeaderAction> MakeProxyResponse() {
  Table<ResponseHeaderAction> table{};
  Set(table, ResponseHeaderAction::kDrop, kHopByHop);
  Set(table, ResponseHeaderAction::kDrop, {kExpect, kHost, kVia});
  Set(table, ResponseHeaderAction::kRemap,
      {kAuthorization, kConnection, kContentLength, kContentMd5, kDate, kMaxForwards, kServer,
       kUserAgent, kWwwAuthenticate, kXAmzApigwId, kXAmznRequestId});
  return table;
}
constexpr Table<ResponseHeaderAction> kProxyResponse = MakeProxyResponse();

}  // namespace

bool IsDroppedTowardsHttpProxy(HeaderId id) { return Get(kDroppedTowardsHttpProxy, id); }
bool IsDroppedTowardsLambda(HeaderId id) { return Get(kDroppedTowardsLambda, id); }

bool IsSigV4(std::string_view authorization) {
  return authorization.starts_with("AWS4-HMAC-SHA256 ") ||
         authorization.starts_with("AWS4-ECDSA-P256-SHA256 ");
}

ResponseHeaderAction ProxyResponseAction(HeaderId id) { return Get(kProxyResponse, id); }

std::string_view RemappedName(std::string_view name, Arena* arena) {
  if (name == "Date") return "x-amzn-Remapped-Date";
  if (name == "Server") return "x-amzn-Remapped-Server";
  if (name == "date") return "x-amzn-Remapped-date";
  if (name == "server") return "x-amzn-Remapped-server";
  return arena->Concat(kRemappedPrefix, name);
}

void RemapProxyResponse(ResponseHead* head, Arena* arena) {
  HeaderMap& headers = head->headers;
  headers.RemoveIf([&](HeaderField& field) {
    switch (ProxyResponseAction(field.id)) {
      case ResponseHeaderAction::kPass:
        return false;
      case ResponseHeaderAction::kDrop:
        return true;
      case ResponseHeaderAction::kRemap:
        field.name = RemappedName(field.name, arena);
        field.id = field.id == kDate     ? kXAmznRemappedDate
                   : field.id == kServer ? kXAmznRemappedServer
                                         : kOther;
        return false;
    }
    return false;
  });
  if (!head->connection.empty()) {
    headers.Add(kXAmznRemappedConnection, "x-amzn-Remapped-Connection", head->connection);
  }
  if (head->has_content_length) {
    constexpr size_t kDigits = 20;
    char* digits = arena->Allocate(kDigits, 1);
    const auto end = std::to_chars(digits, digits + kDigits, head->content_length).ptr;
    headers.Add(kXAmznRemappedContentLength, "x-amzn-Remapped-Content-Length",
                {digits, static_cast<size_t>(end - digits)});
  }
}

}  // namespace postern
