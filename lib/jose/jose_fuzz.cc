#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/jose/claims.h"
#include "lib/jose/jws.h"
#include "lib/jose/key.h"

namespace postern::jose {

// The first line is a token, and what follows a JWK set. No token of the corpus is signed by a key
// that the fuzzer could make: whatever passes for verified has its signature checked twice alike.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string_view token = input.substr(0, end);
  const std::string_view json = end == input.npos ? std::string_view() : input.substr(end + 1);

  static JwsReader* const reader = new JwsReader();
  static Claims* const claims = new Claims();
  absl::StatusOr<KeySet> keys = KeySet::Parse(json, {.allow_symmetric = true});
  const bool parsed = reader->Parse(token) == Failure::kNone;
  if (parsed && reader->key_id() && keys.ok()) {
    if (Key* key = keys->Find(*reader->key_id())) {
      const AlgorithmSet only = {reader->algorithm()};
      const Failure first = reader->Verify(*key, only);
      if (first != reader->Verify(*key, only)) std::abort();
      if (reader->Verify(*key, {}) != Failure::kAlgorithm) std::abort();
    }
  }
  if (!parsed && reader->signing_input().size() > JwsReader::kMaxTokenBytes) std::abort();
  const std::string_view payload = parsed ? std::string_view(reader->payload()) : input;
  if (claims->Parse(payload) == Failure::kNone) {
    const ClaimRules rules{.issuer = "i", .audiences = {"a"}, .token_use = ""};
    claims->Check(rules, 1784512580000);
    if (claims->expires_ms() < 0) std::abort();
    for (const std::string_view scope : claims->Scopes()) {
      const std::string wanted[] = {std::string(scope)};
      if (!claims->HasScope(wanted)) std::abort();
    }
  }
  return 0;
}

}  // namespace postern::jose
