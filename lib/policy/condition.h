#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/policy/condition_context.h"
#include "lib/policy/pattern.h"

namespace postern::policy {

/// A time as policies write it: ISO 8601 in the profile of W3C (a year, with month, with day, with
/// time and zone, with seconds and fraction), or seconds since 1970. Four digits alone are a year.
/// In milliseconds since 1970.
std::optional<int64_t> ParsePolicyDate(std::string_view text);

/// A decimal number, with fraction and exponent or without.
std::optional<double> ParsePolicyNumber(std::string_view text);

/// One key of one operator in a Condition block, with the values that it is compared with
/// (authorization.md §3.5). Evaluating allocates nothing.
class Condition {
 public:
  /// `op` as it is written, e.g. "ForAnyValue:StringLikeIfExists"; `key`, e.g. "aws:SourceIp".
  /// `variables`: policy variables count, where the operator has them. InvalidArgument for an
  /// operator that does not exist.
  static absl::StatusOr<Condition> Make(std::string_view op, std::string_view key, bool variables);

  /// A value that the key is compared with; a condition needs one at least. InvalidArgument for one
  /// that the operator cannot read.
  absl::Status AddValue(std::string_view value);

  /// Whether it holds. `deny` is whether the statement denies: what cannot be compared under a
  /// negated operator is then taken as met, and else as not met.
  bool Holds(const ConditionContext& context, bool deny) const;

  const KeyName& key() const { return key_; }

 private:
  enum class Type : uint8_t { kString, kNumeric, kDate, kBool, kBinary, kIp, kArn, kNull };
  enum class Relation : uint8_t { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
  enum class Quantifier : uint8_t { kNone, kForAll, kForAny };
  enum class Match : uint8_t { kNo, kYes, kUnreadable };
  struct Operator;

  struct Network {
    bool v4 = false;
    uint8_t bits = 0;  ///< of the 128 of the mapped form
    std::array<uint8_t, 16> bytes{};

    bool Has(const IpValue& address) const;
  };

  static std::optional<Network> ParseNetwork(std::string_view text);
  template <typename T>
  bool Related(T value, T limit) const;
  template <typename T>
  Match AnyRelated(std::optional<T> value, const std::vector<T>& limits) const;

  Match MatchesAny(std::string_view value, const ConditionContext& context) const;
  bool HoldsFor(std::string_view value, const ConditionContext& context, bool deny) const;

  static const Operator kOperators[];

  Type type_ = Type::kString;
  Relation relation_ = Relation::kEqual;
  Quantifier quantifier_ = Quantifier::kNone;
  Pattern::Syntax syntax_;
  bool negated_ = false;
  bool if_exists_ = false;
  KeyName key_;

  // Of these the one that the type needs.
  std::vector<Pattern> patterns_;
  std::vector<ArnPattern> arns_;
  std::vector<double> numbers_;
  std::vector<int64_t> dates_;
  std::vector<Network> networks_;
  std::vector<std::string> binaries_;
  std::vector<bool> nulls_;
};

}  // namespace postern::policy
