#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/net/proxy_protocol.h"

// Whatever the bytes are, the parser keeps to its promises: it says the same of a header whatever
// follows it, is complete within the bytes it claims, and never waits beyond its limit.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using postern::ProxyHeader;
  using postern::ProxyParseResult;
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  ProxyHeader header;
  const ProxyParseResult result = postern::ParseProxyHeader(data, &header);
  if (result == ProxyParseResult::kIncomplete && size >= postern::kMaxProxyHeaderSize) std::abort();
  if (result == ProxyParseResult::kComplete) {
    if (header.size == 0 || header.size > size) std::abort();
    if (header.size > postern::kMaxProxyHeaderSize) std::abort();
    ProxyHeader alone;
    if (postern::ParseProxyHeader(data.substr(0, header.size), &alone) != result) std::abort();
    if (alone.size != header.size || alone.source != header.source) std::abort();
    if (postern::ParseProxyHeader(data.substr(0, header.size - 1), &alone) !=
        ProxyParseResult::kIncomplete) {
      std::abort();
    }
    (void)header.source.ToString();
    (void)header.destination.ToString();
  }
  return 0;
}
