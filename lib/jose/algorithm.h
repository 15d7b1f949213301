#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace postern::jose {

/// The signature algorithms of JWS (RFC 7518 §3.1, RFC 8037 §3.1), but for "none".
enum class Algorithm : uint8_t {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
inline constexpr int kAlgorithms = 13;

/// Byte by byte as RFC 7518 writes it: "RS256", not "rs256".
std::optional<Algorithm> ParseAlgorithm(std::string_view name);
std::string_view AlgorithmName(Algorithm algorithm);

/// Which algorithms somebody accepts.
class AlgorithmSet {
 public:
  constexpr AlgorithmSet() = default;
  constexpr AlgorithmSet(std::initializer_list<Algorithm> members) {
    for (const Algorithm member : members) Add(member);
  }
  constexpr void Add(Algorithm algorithm) { bits_ |= Bit(algorithm); }
  constexpr bool Has(Algorithm algorithm) const { return (bits_ & Bit(algorithm)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static constexpr uint32_t Bit(Algorithm algorithm) {
    return uint32_t{1} << static_cast<uint32_t>(algorithm);
  }
  uint32_t bits_ = 0;
};

/// What Amazon API Gateway accepts of JWT (authorization.md §7, step 4).
inline constexpr AlgorithmSet kRsaPkcs1 = {Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512};

}  // namespace postern::jose
