#pragma once

#include <cstdint>
#include <string_view>

#include "lib/text/ascii.h"

namespace postern {

/// Field names that some part of the gateway treats specially. Comparing one of these is comparing
/// an integer. kOther stands for every other name.
enum class HeaderId : uint8_t {
  kOther = 0,
  kAccept,
  kAcceptCharset,
  kAcceptEncoding,
  kAge,
  kAuthorization,
  kCacheControl,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentMd5,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kLocation,
  kMaxForwards,
  kOrigin,
  kPragma,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kRange,
  kReferer,
  kRetryAfter,
  kServer,
  kSetCookie,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVary,
  kVia,
  kWarn,
  kWwwAuthenticate,
  kXAmznApigatewayApiId,
  kXAmznErrorType,
  kXAmznRemappedConnection,
  kXAmznRemappedContentLength,
  kXAmznRemappedDate,
  kXAmznRemappedServer,
  kXAmznRequestId,
  kXAmznTraceId,
  kXAmzApigwId,
  kXApigwApiId,
  kXApiKey,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedPort,
  kXForwardedProto,
  kXHttpMethodOverride,
  kCount,
};

/// The id of a field name, whatever its case; kOther when it is none of the above. Constant time.
HeaderId LookupHeader(std::string_view name);

/// Whether the field frames a message or belongs to one connection, so that only codecs write it
/// (RFC 9110 §7.6.1, §8.6). Host is none of them.
bool IsFramingField(HeaderId id);

/// Lower-case name of an id other than kOther and kCount.
std::string_view HeaderName(HeaderId id);

}  // namespace postern
