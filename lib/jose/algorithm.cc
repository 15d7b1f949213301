#include "lib/jose/algorithm.h"

namespace postern::jose {
namespace {

constexpr std::string_view kNames[kAlgorithms] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                                  "RS512", "PS256", "PS384", "PS512", "ES256",
                                                  "ES384", "ES512", "EdDSA"};

}  // namespace

std::optional<Algorithm> ParseAlgorithm(std::string_view name) {
  for (int i = 0; i < kAlgorithms; ++i) {
    if (name == kNames[i]) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

std::string_view AlgorithmName(Algorithm algorithm) { return kNames[static_cast<int>(algorithm)]; }

}  // namespace postern::jose
