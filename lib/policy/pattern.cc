#include "lib/policy/pattern.h"

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/glob.h"
#include "lib/text/utf8.h"

namespace postern::policy {
namespace {

constexpr size_t kMaxPieces = 64;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError({message.data(), message.size()});
}

size_t CharacterSize(std::string_view text) { return NextUtf8(text).size; }

// The end of the variable that starts at `text[0]`, behind its brace; a brace in the quotes of a
// default does not end it. npos if there is none.
size_t VariableEnd(std::string_view text) {
  bool quoted = false;
  for (size_t i = 2; i < text.size(); ++i) {
    if (text[i] == '\'') quoted = !quoted;
    if (text[i] == '}' && !quoted) return i + 1;
  }
  return std::string_view::npos;
}

}  // namespace

absl::StatusOr<Pattern> Pattern::Compile(std::string_view text, Syntax syntax) {
  Pattern pattern;
  pattern.ignore_case_ = syntax.ignore_case;
  pattern.text_ = std::string(text);
  const bool variables = syntax.variables && text.find("${") != text.npos;
  if (!variables) {
    const bool special = syntax.wildcards && text.find_first_of("*?") != text.npos;
    pattern.kind_ = !special ? Kind::kExact : text == "*" ? Kind::kAny : Kind::kGlob;
    return pattern;
  }
  pattern.kind_ = Kind::kPieces;
  std::vector<Piece>& pieces = pattern.pieces_;
  const auto literal = [&pieces](std::string_view bytes) {
    if (pieces.empty() || pieces.back().kind != Piece::Kind::kLiteral) {
      pieces.push_back({.kind = Piece::Kind::kLiteral, .text = {}, .key = {}});
    }
    pieces.back().text += bytes;
  };
  while (!text.empty()) {
    if (text.starts_with("${")) {
      const size_t end = VariableEnd(text);
      if (end == text.npos) return Invalid("a policy variable has no closing brace");
      std::string_view name = text.substr(2, end - 3);
      text.remove_prefix(end);
      if (name == "*" || name == "?" || name == "$") {
        literal(name);
        continue;
      }
      Piece piece{.kind = Piece::Kind::kVariable, .text = {}, .key = {}};
      if (const size_t comma = name.find(','); comma != name.npos) {
        const std::string_view fallback = TrimOws(name.substr(comma + 1));
        name = name.substr(0, comma);
        if (fallback.size() < 2 || fallback.front() != '\'' || fallback.back() != '\'') {
          return Invalid("the default of a policy variable must stand in single quotes");
        }
        piece.has_default = true;
        piece.text = std::string(fallback.substr(1, fallback.size() - 2));
      }
      name = TrimOws(name);
      if (name.empty() || name.find_first_of("${}'*?") != name.npos) {
        return Invalid("a policy variable needs the name of a condition key");
      }
      piece.key = KeyName::Parse(name);
      pattern.has_variables_ = true;
      pieces.push_back(std::move(piece));
    } else if (syntax.wildcards && (text.front() == '*' || text.front() == '?')) {
      const bool star = text.front() == '*';
      pieces.push_back(
          {.kind = star ? Piece::Kind::kStar : Piece::Kind::kOne, .text = {}, .key = {}});
      text.remove_prefix(1);
    } else {
      literal(text.substr(0, 1));
      text.remove_prefix(1);
    }
  }
  if (pieces.size() > kMaxPieces) {
    return Invalid("too many wildcards and variables in one text: at most 64 pieces");
  }
  return pattern;
}

bool Pattern::Matches(std::string_view text, const ConditionContext& context) const {
  switch (kind_) {
    case Kind::kAny:
      return true;
    case Kind::kExact:
      return ignore_case_ ? EqualsIgnoreCase(text, text_) : text == text_;
    case Kind::kGlob:
      return GlobMatch(text_, text);
    case Kind::kPieces:
      return MatchesPieces(text, context);
  }
  return false;
}

bool Pattern::Resolves(const ConditionContext& context) const {
  for (const Piece& piece : pieces_) {
    if (piece.kind == Piece::Kind::kVariable && !piece.has_default &&
        !context.Single(piece.key).has_value()) {
      return false;
    }
  }
  return true;
}

bool Pattern::MatchesPieces(std::string_view text, const ConditionContext& context) const {
  std::array<std::string_view, kMaxPieces> values;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    values[i] = piece.text;
    if (piece.kind != Piece::Kind::kVariable) continue;
    if (const std::optional<std::string_view> value = context.Single(piece.key)) {
      values[i] = *value;
    } else if (!piece.has_default) {
      return false;
    }
  }
  size_t p = 0;
  size_t t = 0;
  std::optional<size_t> star;
  size_t star_t = 0;
  while (true) {
    if (p == pieces_.size()) {
      if (t == text.size()) return true;
    } else if (pieces_[p].kind == Piece::Kind::kStar) {
      star = p++;
      star_t = t;
      continue;
    } else if (pieces_[p].kind == Piece::Kind::kOne) {
      if (t < text.size()) {
        t += CharacterSize(text.substr(t));
        ++p;
        continue;
      }
    } else {
      const std::string_view start = text.substr(t, values[p].size());
      if (ignore_case_ ? EqualsIgnoreCase(start, values[p]) : start == values[p]) {
        t += values[p].size();
        ++p;
        continue;
      }
    }
    // The last star takes one character more.
    if (!star || star_t == text.size()) return false;
    star_t += CharacterSize(text.substr(star_t));
    t = star_t;
    p = *star + 1;
  }
}

bool ArnPattern::Split(std::string_view arn, Parts* parts) {
  for (size_t i = 0; i < 5; ++i) {
    const size_t colon = arn.find(':');
    if (colon == arn.npos) return false;
    parts->part[i] = arn.substr(0, colon);
    arn.remove_prefix(colon + 1);
  }
  parts->part[5] = arn;
  return parts->part[0] == "arn";
}

absl::StatusOr<ArnPattern> ArnPattern::Compile(std::string_view text, bool variables,
                                               bool variables_in_all) {
  ArnPattern arn;
  if (text == "*") {
    arn.any_ = true;
    return arn;
  }
  std::vector<std::string_view> parts;
  std::string_view rest = text;
  size_t at = 0;
  while (parts.size() < 5 && at < rest.size()) {
    if (variables && rest.substr(at).starts_with("${")) {  // Its colons are its own.
      const size_t end = VariableEnd(rest.substr(at));
      if (end == rest.npos) return Invalid("a policy variable has no closing brace");
      if (!variables_in_all) {
        return Invalid("policy variables may stand in the last part of an ARN only");
      }
      at += end;
    } else if (rest[at] == ':') {
      parts.push_back(rest.substr(0, at));
      rest.remove_prefix(at + 1);
      at = 0;
    } else {
      ++at;
    }
  }
  if (parts.size() < 5 || parts[0] != "arn") {
    return Invalid(
        Concat("\"", text, "\" is not an ARN: arn:partition:service:region:account:..."));
  }
  parts.push_back(rest);
  arn.service_ = std::string(parts[2]);
  arn.last_part_ = std::string(rest);
  for (size_t i = parts.size(); i-- > 1;) {
    absl::StatusOr<Pattern> part =
        Pattern::Compile(parts[i], {.wildcards = true, .variables = variables});
    if (!part.ok()) return part.status();
    arn.parts_.push_back(*std::move(part));
  }
  return arn;
}

bool ArnPattern::Matches(const Parts& arn, const ConditionContext& context) const {
  if (any_) return true;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (!parts_[i].Matches(arn.part[5 - i], context)) return false;
  }
  return true;
}

bool ArnPattern::Resolves(const ConditionContext& context) const {
  for (const Pattern& part : parts_) {
    if (!part.Resolves(context)) return false;
  }
  return true;
}

}  // namespace postern::policy
