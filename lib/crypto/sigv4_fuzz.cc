#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/crypto/sigv4.h"

// The first line is the path, the second the query, the third a field's value. Canonical forms have
// no byte that a signed text could be split at, and a canonical query is its own canonical form.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern::sigv4;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take = [&rest] {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    return line;
  };
  const std::string_view path = take();
  const std::string_view query = take();
  const std::string_view value = take();
  for (PathForm form : {PathForm::kNormalized, PathForm::kAsSent, PathForm::kOnce}) {
    const std::string canonical = CanonicalPath(path, form);
    if (canonical.empty() || canonical.find_first_of(" \n?#") != canonical.npos) std::abort();
  }
  const std::string canonical = CanonicalQuery(query);
  if (canonical.find_first_of(" \n#+") != canonical.npos) std::abort();
  if (CanonicalQuery(canonical) != canonical) std::abort();
  const Field fields[] = {{"Host", "h"}, {"X-Amz-A", value}};
  CanonicalRequest({"GET", path, query, fields, kEmptyPayloadHash}, SignedNames(fields),
                   PathForm::kNormalized, value);
  return 0;
}
