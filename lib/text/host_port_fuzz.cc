#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/text/ascii.h"
#include "lib/text/host_port.h"
#include "lib/text/ip_address.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const std::optional<HostPort> parsed = ParseHostPort(input)) {
    if (parsed->host.empty()) __builtin_trap();
    for (char c : input) {
      if (c <= ' ' || c == 0x7F || c == '/' || c == '@' || c == '#' || c == '?') __builtin_trap();
    }
    if (parsed->kind == HostKind::kIpv4 && !ParseIpv4(parsed->host)) __builtin_trap();
    if ((parsed->kind == HostKind::kIpv6 || parsed->kind == HostKind::kIpFuture) !=
        input.starts_with('[')) {
      __builtin_trap();
    }
  }
  (void)ParseSocketAddress(input).ok();
  (void)ParseIpv6(input);
  return 0;
}

}  // namespace postern
