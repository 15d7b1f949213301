#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/uri.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<HttpUri> uri = ParseHttpUri(input);
  if (!uri.ok()) return 0;
  // The parts are all there is.
  std::string joined(input.substr(0, uri->https ? 8 : 7));
  joined += uri->authority;
  joined += uri->path;
  if (uri->query.has_value()) {
    joined += '?';
    joined += *uri->query;
  }
  if (joined != input || uri->host.empty()) __builtin_trap();
  if (!uri->path.empty() && uri->path.front() != '/') __builtin_trap();
  return 0;
}

}  // namespace postern
