#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/policy/condition_context.h"

namespace postern::policy {

/// A text of a policy that is compared with one of a call: with wildcards or without, and with
/// policy variables (authorization.md §3.7) or without. Matching does not allocate, never recurses,
/// and takes at most the product of both lengths.
class Pattern {
 public:
  struct Syntax {
    bool wildcards = false;    ///< `*` and `?` are special
    bool variables = false;    ///< `${...}` is special: Version 2012-10-17
    bool ignore_case = false;  ///< ASCII; not together with wildcards
  };

  /// InvalidArgument for a variable without end, without name, or with a bad default; and for more
  /// than 64 pieces where there are variables.
  static absl::StatusOr<Pattern> Compile(std::string_view text, Syntax syntax);

  /// Whether the whole of `text` matches. False where a variable has no value and no default. What
  /// is put in for a variable is literal.
  bool Matches(std::string_view text, const ConditionContext& context) const;

  /// Whether all its variables have values or defaults.
  bool Resolves(const ConditionContext& context) const;

  /// Whether it is `*`, which matches everything.
  bool is_any() const { return kind_ == Kind::kAny; }
  /// Whether any `${...}` is in it that stands for a value.
  bool has_variables() const { return has_variables_; }

 private:
  enum class Kind : uint8_t { kAny, kExact, kGlob, kPieces };
  struct Piece {
    enum class Kind : uint8_t { kLiteral, kStar, kOne, kVariable };
    Kind kind;
    std::string text;  ///< the literal, or the default of a variable
    bool has_default = false;
    KeyName key;
  };

  bool MatchesPieces(std::string_view text, const ConditionContext& context) const;

  Kind kind_ = Kind::kExact;
  bool ignore_case_ = false;
  bool has_variables_ = false;
  std::string text_;
  std::vector<Piece> pieces_;
};

/// A pattern of an ARN: six parts, split at the first five colons, that match one by one (§3.3).
class ArnPattern {
 public:
  /// An ARN, split. nullopt for what has not six parts, or does not start with "arn:".
  struct Parts {
    std::string_view part[6];
  };
  static bool Split(std::string_view arn, Parts* parts);

  /// `*` alone matches every ARN, and everything else where it is asked as text. With
  /// `variables_in_all` they may stand in every part, else in the last alone. InvalidArgument for
  /// what is no ARN.
  static absl::StatusOr<ArnPattern> Compile(std::string_view text, bool variables,
                                            bool variables_in_all);

  bool Matches(const Parts& arn, const ConditionContext& context) const;

  /// Whether all its variables have values or defaults.
  bool Resolves(const ConditionContext& context) const;

  bool is_any() const { return any_; }
  /// The service, e.g. "execute-api"; and the last part as it was written.
  const std::string& service() const { return service_; }
  const std::string& last_part() const { return last_part_; }

 private:
  bool any_ = false;
  std::string service_;
  std::string last_part_;
  std::vector<Pattern> parts_;  // six, the last first: it tells calls of one API apart
};

}  // namespace postern::policy
