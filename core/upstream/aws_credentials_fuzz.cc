#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/upstream/aws_credentials.h"

// The first line is the profile, the rest the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const auto found = postern::ParseSharedCredentials(
      end == input.npos ? std::string_view{} : input.substr(end + 1), input.substr(0, end));
  if (found.has_value() && (found->access_key_id.empty() || found->secret_access_key.empty())) {
    std::abort();
  }
  return 0;
}
