#include "lib/policy/condition.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/concat.h"

namespace postern::policy {
namespace {

// Bytes that a call's value may have to be compared with binary ones.
constexpr size_t kMaxBinary = 1024;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError({message.data(), message.size()});
}

// `count` digits at the start of `text`, which are removed.
bool TakeDigits(size_t count, std::string_view* text, int* value) {
  if (text->size() < count) return false;
  *value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsDigit((*text)[i])) return false;
    *value = *value * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(count);
  return true;
}

bool Take(char c, std::string_view* text) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// "Z", "+hh:mm" or "-hh:mm", in minutes.
bool TakeZone(std::string_view* text, int* minutes) {
  *minutes = 0;
  if (Take('Z', text)) return true;
  const bool negative = Take('-', text);
  if (!negative && !Take('+', text)) return false;
  int hours = 0;
  int rest = 0;
  if (!TakeDigits(2, text, &hours) || !Take(':', text) || !TakeDigits(2, text, &rest)) return false;
  if (hours > 23 || rest > 59) return false;
  *minutes = (hours * 60 + rest) * (negative ? -1 : 1);
  return true;
}

// A fraction of a second; what is below a millisecond is dropped.
bool TakeFraction(std::string_view* text, int* ms) {
  *ms = 0;
  size_t digits = 0;
  for (int unit = 100; digits < text->size() && IsDigit((*text)[digits]); ++digits, unit /= 10) {
    *ms += ((*text)[digits] - '0') * unit;
  }
  text->remove_prefix(digits);
  return digits > 0;
}

}  // namespace

std::optional<double> ParsePolicyNumber(std::string_view text) {
  // from_chars() takes no '+', but would read "inf" and "nan".
  const size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  if (sign >= text.size() || (!IsDigit(text[sign]) && text[sign] != '.')) return std::nullopt;
  if (text.front() == '+') text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> ParsePolicyDate(std::string_view text) {
  constexpr size_t kMaxSeconds = 12;  // digits: to the year 33658
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (!digits.empty() && digits.size() <= kMaxSeconds && digits.size() != 4 &&
      std::all_of(digits.begin(), digits.end(), IsDigit)) {
    int64_t seconds = 0;
    for (const char c : digits) seconds = seconds * 10 + (c - '0');
    return (digits.size() < text.size() ? -seconds : seconds) * 1000;
  }
  int year = 0;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int ms = 0;
  int zone = 0;
  if (!TakeDigits(4, &text, &year)) return std::nullopt;
  if (Take('-', &text)) {
    if (!TakeDigits(2, &text, &month)) return std::nullopt;
    if (Take('-', &text)) {
      if (!TakeDigits(2, &text, &day)) return std::nullopt;
      if (Take('T', &text)) {
        if (!TakeDigits(2, &text, &hour) || !Take(':', &text) || !TakeDigits(2, &text, &minute)) {
          return std::nullopt;
        }
        if (Take(':', &text)) {
          if (!TakeDigits(2, &text, &second)) return std::nullopt;
          if (Take('.', &text) && !TakeFraction(&text, &ms)) return std::nullopt;
        }
        if (!TakeZone(&text, &zone)) return std::nullopt;
      }
    }
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute - zone) * 60000 + second * 1000 + ms;
}

struct Condition::Operator {
  std::string_view name;
  Type type;
  Relation relation = Relation::kEqual;
  bool negated = false;
  bool wildcards = false;
  bool ignore_case = false;
};

const Condition::Operator Condition::kOperators[] = {
    {.name = "StringEquals", .type = Type::kString},
    {.name = "StringNotEquals", .type = Type::kString, .negated = true},
    {.name = "StringEqualsIgnoreCase", .type = Type::kString, .ignore_case = true},
    {.name = "StringNotEqualsIgnoreCase",
     .type = Type::kString,
     .negated = true,
     .ignore_case = true},
    {.name = "StringLike", .type = Type::kString, .wildcards = true},
    {.name = "StringNotLike", .type = Type::kString, .negated = true, .wildcards = true},
    {.name = "NumericEquals", .type = Type::kNumeric},
    {.name = "NumericNotEquals", .type = Type::kNumeric, .negated = true},
    {.name = "NumericLessThan", .type = Type::kNumeric, .relation = Relation::kLess},
    {.name = "NumericLessThanEquals", .type = Type::kNumeric, .relation = Relation::kLessEqual},
    {.name = "NumericGreaterThan", .type = Type::kNumeric, .relation = Relation::kGreater},
    {.name = "NumericGreaterThanEquals",
     .type = Type::kNumeric,
     .relation = Relation::kGreaterEqual},
    {.name = "DateEquals", .type = Type::kDate},
    {.name = "DateNotEquals", .type = Type::kDate, .negated = true},
    {.name = "DateLessThan", .type = Type::kDate, .relation = Relation::kLess},
    {.name = "DateLessThanEquals", .type = Type::kDate, .relation = Relation::kLessEqual},
    {.name = "DateGreaterThan", .type = Type::kDate, .relation = Relation::kGreater},
    {.name = "DateGreaterThanEquals", .type = Type::kDate, .relation = Relation::kGreaterEqual},
    {.name = "Bool", .type = Type::kBool, .ignore_case = true},
    {.name = "BinaryEquals", .type = Type::kBinary},
    {.name = "IpAddress", .type = Type::kIp},
    {.name = "NotIpAddress", .type = Type::kIp, .negated = true},
    {.name = "ArnEquals", .type = Type::kArn},
    {.name = "ArnLike", .type = Type::kArn},
    {.name = "ArnNotEquals", .type = Type::kArn, .negated = true},
    {.name = "ArnNotLike", .type = Type::kArn, .negated = true},
    {.name = "Null", .type = Type::kNull},
};

absl::StatusOr<Condition> Condition::Make(std::string_view op, std::string_view key,
                                          bool variables) {
  constexpr std::string_view kForAll = "ForAllValues:";
  constexpr std::string_view kForAny = "ForAnyValue:";
  constexpr std::string_view kIfExists = "IfExists";
  Condition condition;
  std::string_view name = op;
  if (name.starts_with(kForAll)) {
    condition.quantifier_ = Quantifier::kForAll;
    name.remove_prefix(kForAll.size());
  } else if (name.starts_with(kForAny)) {
    condition.quantifier_ = Quantifier::kForAny;
    name.remove_prefix(kForAny.size());
  }
  if (name.ends_with(kIfExists)) {
    condition.if_exists_ = true;
    name.remove_suffix(kIfExists.size());
  }
  const Operator* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                       [name](const Operator& o) { return o.name == name; });
  const bool plain = condition.quantifier_ == Quantifier::kNone && !condition.if_exists_;
  if (found == std::end(kOperators) || (found->type == Type::kNull && !plain)) {
    return Invalid(Concat("\"", op, "\" is not a condition operator"));
  }
  if (key.empty()) return Invalid("a condition key has no name");
  condition.type_ = found->type;
  condition.relation_ = found->relation;
  condition.negated_ = found->negated;
  condition.syntax_ = {
      .wildcards = found->wildcards, .variables = variables, .ignore_case = found->ignore_case};
  condition.key_ = KeyName::Parse(key);
  return condition;
}

absl::Status Condition::AddValue(std::string_view value) {
  const auto unreadable = [value](std::string_view wanted) {
    return Invalid(Concat("\"", value, "\" is not ", wanted));
  };
  switch (type_) {
    case Type::kString:
    case Type::kBool: {
      absl::StatusOr<Pattern> pattern = Pattern::Compile(value, syntax_);
      if (!pattern.ok()) return pattern.status();
      if (type_ == Type::kBool && !pattern->has_variables() && !EqualsIgnoreCase(value, "true") &&
          !EqualsIgnoreCase(value, "false")) {
        return unreadable("true or false");
      }
      patterns_.push_back(*std::move(pattern));
      return absl::OkStatus();
    }
    case Type::kArn: {
      absl::StatusOr<ArnPattern> arn = ArnPattern::Compile(value, syntax_.variables, true);
      if (!arn.ok()) return arn.status();
      arns_.push_back(*std::move(arn));
      return absl::OkStatus();
    }
    case Type::kNumeric: {
      const std::optional<double> number = ParsePolicyNumber(value);
      if (!number) return unreadable("a number");
      numbers_.push_back(*number);
      return absl::OkStatus();
    }
    case Type::kDate: {
      const std::optional<int64_t> date = ParsePolicyDate(value);
      if (!date) return unreadable("a date: ISO 8601, or seconds since 1970");
      dates_.push_back(*date);
      return absl::OkStatus();
    }
    case Type::kIp: {
      const std::optional<Network> network = ParseNetwork(value);
      if (!network) return unreadable("an IP address or range (CIDR)");
      networks_.push_back(*network);
      return absl::OkStatus();
    }
    case Type::kBinary: {
      std::optional<std::string> bytes = Base64Decode(value);
      if (!bytes || bytes->size() > kMaxBinary) return unreadable("base64 of up to 1024 bytes");
      binaries_.push_back(*std::move(bytes));
      return absl::OkStatus();
    }
    case Type::kNull:
      if (!EqualsIgnoreCase(value, "true") && !EqualsIgnoreCase(value, "false")) {
        return unreadable("true or false");
      }
      nulls_.push_back(EqualsIgnoreCase(value, "true"));
      return absl::OkStatus();
  }
  return absl::InternalError("unknown type of operator");
}

bool Condition::Holds(const ConditionContext& context, bool deny) const {
  const std::span<const std::string_view> values = context.Values(key_);
  if (type_ == Type::kNull) {
    const bool absent = values.empty();
    return std::find(nulls_.begin(), nulls_.end(), absent) != nulls_.end();
  }
  if (values.empty()) {
    if (if_exists_ || quantifier_ == Quantifier::kForAll) return true;
    return negated_ && quantifier_ != Quantifier::kForAny;
  }
  // Several values without quantifier: any of them for positive operators, none for negated ones.
  const bool all =
      quantifier_ == Quantifier::kForAll || (quantifier_ == Quantifier::kNone && negated_);
  for (const std::string_view value : values) {
    if (HoldsFor(value, context, deny) != all) return !all;
  }
  return all;
}

bool Condition::HoldsFor(std::string_view value, const ConditionContext& context, bool deny) const {
  switch (MatchesAny(value, context)) {
    case Match::kYes:
      return !negated_;
    case Match::kNo:
      return negated_;
    case Match::kUnreadable:
      return negated_ && deny;
  }
  return false;
}

template <typename T>
bool Condition::Related(T value, T limit) const {
  switch (relation_) {
    case Relation::kEqual:
      return value == limit;
    case Relation::kLess:
      return value < limit;
    case Relation::kLessEqual:
      return value <= limit;
    case Relation::kGreater:
      return value > limit;
    case Relation::kGreaterEqual:
      return value >= limit;
  }
  return false;
}

template <typename T>
Condition::Match Condition::AnyRelated(std::optional<T> value, const std::vector<T>& limits) const {
  if (!value) return Match::kUnreadable;
  for (const T limit : limits) {
    if (Related(*value, limit)) return Match::kYes;
  }
  return Match::kNo;
}

Condition::Match Condition::MatchesAny(std::string_view value,
                                       const ConditionContext& context) const {
  const bool known = key_.kind == KeyName::Kind::kKnown;
  switch (type_) {
    case Type::kString:
    case Type::kBool:
      for (const Pattern& pattern : patterns_) {
        if (pattern.Matches(value, context)) return Match::kYes;
      }
      return Match::kNo;
    case Type::kArn: {
      ArnPattern::Parts parts;
      if (!ArnPattern::Split(value, &parts)) return Match::kUnreadable;
      for (const ArnPattern& arn : arns_) {
        if (arn.Matches(parts, context)) return Match::kYes;
      }
      return Match::kNo;
    }
    case Type::kNumeric:
      return AnyRelated(ParsePolicyNumber(value), numbers_);
    case Type::kDate:
      if (known &&
          (key_.key == ConditionKey::kCurrentTime || key_.key == ConditionKey::kEpochTime)) {
        return AnyRelated(context.time_ms(), dates_);
      }
      return AnyRelated(ParsePolicyDate(value), dates_);
    case Type::kIp: {
      const std::optional<IpValue> address =
          known && key_.key == ConditionKey::kSourceIp ? context.source_ip() : ParseIpValue(value);
      if (!address) return Match::kUnreadable;
      for (const Network& network : networks_) {
        if (network.Has(*address)) return Match::kYes;
      }
      return Match::kNo;
    }
    case Type::kBinary: {
      char bytes[kMaxBinary + 8];
      if (Base64DecodedBound(value.size()) > sizeof(bytes)) return Match::kNo;
      const std::optional<size_t> size =
          Base64DecodeTo(value, Base64Alphabet::kStandard, Base64Mode::kStrict, bytes);
      if (!size) return Match::kUnreadable;
      for (const std::string& binary : binaries_) {
        if (binary == std::string_view(bytes, *size)) return Match::kYes;
      }
      return Match::kNo;
    }
    case Type::kNull:
      break;
  }
  return Match::kNo;
}

std::optional<Condition::Network> Condition::ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpValue> address = ParseIpValue(text.substr(0, slash));
  if (!address) return std::nullopt;
  // Where it is written as IPv6, its bits are those of the mapped form.
  const bool dotted = text.substr(0, slash).find(':') == text.npos;
  int bits = dotted ? 32 : 128;
  if (slash != text.npos) {
    const std::string_view digits = text.substr(slash + 1);
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || !IsDigit(digits.front()) || error != std::errc() ||
        end != digits.data() + digits.size() || value > bits) {
      return std::nullopt;
    }
    bits = value;
  }
  if (dotted) bits += 96;
  return Network{address->v4 && bits >= 96, static_cast<uint8_t>(bits), address->bytes};
}

bool Condition::Network::Has(const IpValue& address) const {
  if (v4 != address.v4) return false;
  const size_t whole = bits / 8;
  if (std::memcmp(bytes.data(), address.bytes.data(), whole) != 0) return false;
  const unsigned rest = bits % 8u;
  return rest == 0 || ((bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace postern::policy
