#pragma once

#include <cstdint>
#include <string_view>

/// Which header fields pass between client and backend of an integration with mapping, by name
/// without case (rest-api.md §6.7, §6.8, §8.4). For use when a configuration is read. Where those
/// tables let a hop-by-hop field pass towards a backend, it is dropped all the same: such fields
/// are the codecs' to write, and never pass a proxy (RFC 9110 §7.6.1).
namespace postern {

/// Whether fields of this name are taken away while a request is parsed, so that no mapping,
/// template or backend ever sees them (§6.7, "Never visible").
bool IsHiddenRequestHeader(std::string_view name);

/// What a mapping onto `integration.request.header.X` does (§6.8).
enum class MappedHeaderAction : uint8_t {
  kSend,
  kDrop,  ///< silently
  kFail,  ///< the request: 500
};
MappedHeaderAction HttpMappingAction(std::string_view name);  ///< HTTP, HTTP_PROXY
MappedHeaderAction AwsMappingAction(std::string_view name);   ///< AWS
/// AWS_PROXY, where mappings have no effect but this one: kFail, or kDrop.
MappedHeaderAction LambdaProxyMappingAction(std::string_view name);

/// What happens to a field that a mapping of HTTP, AWS or MOCK puts into the response (§8.4, column
/// 1).
enum class ResponseHeaderAction : uint8_t {
  kPass,
  kDrop,
  kRemap,  ///< renamed to x-amzn-Remapped-{name}
};
ResponseHeaderAction MappedResponseAction(std::string_view name);

inline constexpr std::string_view kRemappedPrefix = "x-amzn-Remapped-";

}  // namespace postern
