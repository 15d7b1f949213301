#include "lib/mapping/header_rules.h"

#include <algorithm>
#include <iterator>

#include "lib/text/ascii.h"

namespace postern {
namespace {

template <size_t N>
bool IsOneOf(const std::string_view (&names)[N], std::string_view name) {
  return std::any_of(std::begin(names), std::end(names),
                     [name](std::string_view one) { return EqualsIgnoreCase(one, name); });
}

constexpr std::string_view kHidden[] = {"Connection", "Content-Length",    "Content-MD5",
                                        "Expect",     "Max-Forwards",      "Server",
                                        "TE",         "Trailer",           "Proxy-Authenticate",
                                        "Upgrade",    "Transfer-Encoding", "WWW-Authenticate"};

// RFC 9110 §7.6.1 and what is treated alike; codecs write them anew.
constexpr std::string_view kHopByHop[] = {
    "Connection", "HTTP2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
    "TE",         "Trailer",        "Upgrade",    "Proxy-Connection",   "Transfer-Encoding"};

// §6.8: written by the gateway alone, whatever the type.
constexpr std::string_view kGatewayOwn[] = {"Content-Length", "Transfer-Encoding",
                                            "X-Amzn-Trace-Id", "X-Amzn-Apigateway-Api-Id"};

constexpr std::string_view kFailsTowardsAws[] = {"Authorization", "Connection", "Expect",
                                                 "Proxy-Authenticate", "TE"};

constexpr std::string_view kDroppedResponse[] = {
    "HTTP2-Settings",   "Keep-Alive", "Proxy-Authorization",
    "Proxy-Connection", "TE",         "Transfer-Encoding"};

constexpr std::string_view kRemappedResponse[] = {
    "Authorization", "Connection",       "Content-Length", "Content-MD5",
    "Date",          "Expect",           "Host",           "Max-Forwards",
    "Server",        "Trailer",          "Upgrade",        "Proxy-Authenticate",
    "User-Agent",    "WWW-Authenticate", "x-amz-apigw-id", "x-amzn-RequestId"};

}  // namespace

bool IsHiddenRequestHeader(std::string_view name) { return IsOneOf(kHidden, name); }

MappedHeaderAction HttpMappingAction(std::string_view name) {
  if (IsOneOf(kGatewayOwn, name)) return MappedHeaderAction::kFail;
  if (IsOneOf(kHopByHop, name) || EqualsIgnoreCase(name, "Expect") ||
      EqualsIgnoreCase(name, "Via")) {
    return MappedHeaderAction::kDrop;
  }
  return MappedHeaderAction::kSend;
}

MappedHeaderAction AwsMappingAction(std::string_view name) {
  if (IsOneOf(kGatewayOwn, name) || IsOneOf(kFailsTowardsAws, name)) {
    return MappedHeaderAction::kFail;
  }
  if (IsOneOf(kHopByHop, name) || EqualsIgnoreCase(name, "Referer") ||
      EqualsIgnoreCase(name, "Via")) {
    return MappedHeaderAction::kDrop;
  }
  return MappedHeaderAction::kSend;
}

MappedHeaderAction LambdaProxyMappingAction(std::string_view name) {
  return IsOneOf(kGatewayOwn, name) || IsOneOf(kFailsTowardsAws, name) ? MappedHeaderAction::kFail
                                                                       : MappedHeaderAction::kDrop;
}

ResponseHeaderAction MappedResponseAction(std::string_view name) {
  if (IsOneOf(kDroppedResponse, name)) return ResponseHeaderAction::kDrop;
  if (IsOneOf(kRemappedResponse, name)) return ResponseHeaderAction::kRemap;
  return ResponseHeaderAction::kPass;
}

}  // namespace postern
