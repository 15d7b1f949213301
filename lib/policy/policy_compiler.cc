#include "lib/policy/policy_compiler.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/glob.h"
#include "lib/text/json_pointer.h"
#include "lib/text/json_unique.h"

namespace postern::policy {
namespace {

constexpr Action kActions[] = {Action::kInvoke, Action::kInvalidateCache,
                               Action::kManageConnections};

constexpr std::string_view kShortForm = "execute-api:/";

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError({message.data(), message.size()});
}

bool IsAccountId(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), IsDigit);
}

// AIDA..., AROA...: what AWS puts in the place of the ARN of somebody who was deleted.
bool IsUniqueId(std::string_view text) {
  return text.size() >= 16 && text.size() <= 128 && text.starts_with('A') &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsUpper(c) || IsDigit(c); });
}

// Whether an ARN without wildcards names one API and nothing in it, as examples of the guide do.
bool NamesNothing(std::string_view last_part) {
  return last_part.find_first_of("*?$") == last_part.npos &&
         std::count(last_part.begin(), last_part.end(), '/') < 2;
}

}  // namespace

absl::Status PolicyCompiler::Error(std::string_view message) const {
  // The pointer of the whole document is empty (RFC 6901 §5).
  if (pointer_.empty()) return Invalid(message);
  return Invalid(Concat(pointer_, ": ", message));
}

absl::Status PolicyCompiler::At(const absl::Status& status) const {
  if (status.ok()) return status;
  return Error({status.message().data(), status.message().size()});
}

void PolicyCompiler::Warn(std::string_view message) {
  policy_.warnings_.push_back(Concat(pointer_, ": ", message));
}

template <class Fn>
absl::Status PolicyCompiler::Within(std::string_view token, Fn&& fn) {
  const size_t size = pointer_.size();
  pointer_ += '/';
  pointer_ += EscapePointerToken(token);
  absl::Status status = fn();
  pointer_.resize(size);
  return status;
}

template <class Fn>
absl::Status PolicyCompiler::Members(JsonValue object, Fn&& fn) {
  if (const auto twice = RepeatedName(object))
    return Error(Concat("\"", *twice, "\" stands twice"));
  for (size_t i = 0; i < object.size(); ++i) {
    const std::string_view name = object.NameAt(i);
    if (++values_ > Policy::kMaxValues) {
      return absl::ResourceExhaustedError("the policy has more than 20000 values");
    }
    absl::Status status = Within(name, [&] { return fn(name, object.At(i)); });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PolicyCompiler::Scalars(JsonValue value, const Visit& fn) {
  if (++values_ > Policy::kMaxValues) {
    return absl::ResourceExhaustedError("the policy has more than 20000 values");
  }
  if (const std::optional<std::string_view> text = value.AsString()) return fn(*text);
  if (const std::optional<bool> truth = value.AsBool()) return fn(*truth ? "true" : "false");
  if (const std::optional<int64_t> whole = value.AsInt()) return fn(Concat(*whole));
  if (const std::optional<double> number = value.AsDouble()) {
    char digits[32];
    const char* end = std::to_chars(digits, digits + sizeof(digits), *number).ptr;
    return fn({digits, static_cast<size_t>(end - digits)});
  }
  return Error("must be a string, or a list of strings");
}

absl::Status PolicyCompiler::Texts(JsonValue value, const Visit& fn) {
  const auto one = [&](JsonValue item) {
    if (!item.AsString()) return Error("must be a string, or a list of strings");
    if (item.AsString()->empty()) return Error("must not be empty");
    return Scalars(item, fn);
  };
  if (!value.is_array()) return one(value);
  if (value.size() == 0) return Error("must not be an empty list");
  for (size_t i = 0; i < value.size(); ++i) {
    absl::Status status = Within(Concat(i), [&] { return one(value.At(i)); });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Policy> PolicyCompiler::Compile(JsonValue document) {
  absl::Status status = CompileDocument(document);
  if (!status.ok()) return status;
  std::stable_partition(policy_.statements_.begin(), policy_.statements_.end(),
                        [](const Statement& s) { return s.deny; });
  return std::move(policy_);
}

absl::Status PolicyCompiler::CompileDocument(JsonValue document) {
  if (!document.is_object()) return Error("a policy must be an object");
  if (const JsonValue version = document.Find("Version")) {
    // It decides how the statements are read, wherever it stands.
    variables_ = version.AsString() == "2012-10-17";
  }
  absl::Status status = Members(document, [&](std::string_view name, JsonValue value) {
    if (name == "Version") {
      if (variables_ || value.AsString() == "2008-10-17") return absl::OkStatus();
      return Error("must be \"2012-10-17\" or \"2008-10-17\"");
    }
    if (name == "Id") return value.AsString() ? absl::OkStatus() : Error("must be a string");
    if (name != "Statement") return Error("is not an element of a policy");
    if (value.is_object()) return CompileStatement(value);
    if (!value.is_array() || value.size() == 0) {
      return Error("must be a statement, or a list of statements");
    }
    for (size_t i = 0; i < value.size(); ++i) {
      absl::Status each = Within(Concat(i), [&] { return CompileStatement(value.At(i)); });
      if (!each.ok()) return each;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (!document.Find("Statement")) return Error("\"Statement\" is missing");
  return absl::OkStatus();
}

absl::Status PolicyCompiler::CompileStatement(JsonValue value) {
  if (!value.is_object()) return Error("a statement must be an object");
  Statement statement;
  statement.index = static_cast<int>(policy_.statements_.size());
  statement.deny = value.Find("Effect").AsString() == "Deny";
  statement.not_principal = static_cast<bool>(value.Find("NotPrincipal"));
  statement.has_principals = statement.not_principal || value.Find("Principal");
  statement.not_resource = static_cast<bool>(value.Find("NotResource"));
  const auto one_of = [&](std::string_view name, std::string_view other) {
    const bool both = value.Find(name) && value.Find(other);
    if (both) return Error(Concat("\"", name, "\" and \"", other, "\" exclude each other"));
    if (value.Find(name) || value.Find(other)) return absl::OkStatus();
    return Error(Concat("\"", name, "\" or \"", other, "\" is missing"));
  };
  if (!value.Find("Effect")) return Error("\"Effect\" is missing");
  absl::Status status = one_of("Action", "NotAction");
  if (status.ok()) status = one_of("Resource", "NotResource");
  if (status.ok() && options_.kind == PolicyKind::kResource) {
    status = one_of("Principal", "NotPrincipal");
  }
  if (!status.ok()) return status;
  if (options_.kind != PolicyKind::kResource && statement.has_principals) {
    return Error("only the policy of a resource may have \"Principal\" or \"NotPrincipal\"");
  }
  if (statement.not_principal && !statement.deny) {
    return Error("\"NotPrincipal\" may only stand with \"Effect\": \"Deny\"");
  }
  status = Members(value, [&](std::string_view name, JsonValue member) {
    if (name == "Sid") return member.AsString() ? absl::OkStatus() : Error("must be a string");
    if (name == "Effect") {
      if (statement.deny || member.AsString() == "Allow") return absl::OkStatus();
      return Error("must be \"Allow\" or \"Deny\"");
    }
    if (name == "Principal" || name == "NotPrincipal") return CompilePrincipals(member, &statement);
    if (name == "Action" || name == "NotAction") {
      return Texts(member, [&](std::string_view text) { return CompileAction(text, &statement); });
    }
    if (name == "Resource" || name == "NotResource") {
      return Texts(member,
                   [&](std::string_view text) { return CompileResource(text, &statement); });
    }
    if (name == "Condition") return CompileConditions(member, &statement);
    return Error("is not an element of a statement");
  });
  if (!status.ok()) return status;
  if (value.Find("NotAction")) statement.actions = static_cast<uint8_t>(~statement.actions & 7u);
  policy_.statements_.push_back(std::move(statement));
  return absl::OkStatus();
}

absl::Status PolicyCompiler::CompilePrincipals(JsonValue value, Statement* statement) {
  if (value.AsString() == "*") return CompilePrincipal("AWS", "*", statement);
  if (!value.is_object() || value.size() == 0) {
    return Error("must be \"*\", or an object of \"AWS\", \"Service\" or \"Federated\"");
  }
  return Members(value, [&](std::string_view type, JsonValue list) {
    if (type != "AWS" && type != "Service" && type != "Federated" && type != "CanonicalUser") {
      return Error("is not a kind of principal");
    }
    return Texts(
        list, [&, type](std::string_view text) { return CompilePrincipal(type, text, statement); });
  });
}

absl::Status PolicyCompiler::CompilePrincipal(std::string_view type, std::string_view text,
                                              Statement* statement) {
  using Kind = Entry::Kind;
  const auto add = [statement](Kind kind, std::string_view name) {
    statement->principals.push_back({kind, std::string(name)});
    return absl::OkStatus();
  };
  if (text != "*" && text.find_first_of("*?") != text.npos) {
    return Error(Concat("\"", text,
                        "\": a principal has no wildcards; take \"*\" and a condition on "
                        "aws:PrincipalArn"));
  }
  if (type == "Service") return add(Kind::kService, text);
  if (type == "Federated") return add(Kind::kFederated, text);
  if (type == "CanonicalUser") return add(Kind::kNobody, text);
  if (text == "*") return add(Kind::kAny, text);
  if (IsAccountId(text)) return add(Kind::kAccount, text);
  if (IsUniqueId(text)) return add(Kind::kUniqueId, text);
  ArnPattern::Parts arn;
  if (!ArnPattern::Split(text, &arn) || (arn.part[2] != "iam" && arn.part[2] != "sts") ||
      !IsAccountId(arn.part[4]) || arn.part[5].empty()) {
    return Error(
        Concat("\"", text, "\" is not an account, nor the ARN of a user, role or session"));
  }
  if (arn.part[2] == "iam" && arn.part[5] == "root") return add(Kind::kAccount, arn.part[4]);
  return add(Kind::kArn, text);
}

absl::Status PolicyCompiler::CompileAction(std::string_view text, Statement* statement) {
  const size_t colon = text.find(':');
  if (text != "*" && (colon == 0 || colon == text.npos || colon + 1 == text.size())) {
    return Error(Concat("\"", text, "\" is not an action: service:name"));
  }
  const std::string pattern = AsciiToLower(text);
  for (const Action action : kActions) {
    if (GlobMatch(pattern, AsciiToLower(ActionName(action)))) {
      statement->actions |= static_cast<uint8_t>(1u << static_cast<unsigned>(action));
    }
  }
  return absl::OkStatus();
}

absl::Status PolicyCompiler::CompileResource(std::string_view text, Statement* statement) {
  if (options_.kind == PolicyKind::kAuthorizer &&
      text.size() > Policy::kMaxAuthorizerResourceBytes) {
    return Error(Concat("a resource may have 512 bytes, but has ", text.size()));
  }
  std::string full;
  if (options_.kind == PolicyKind::kResource && !options_.api_arn.empty() &&
      text.starts_with(kShortForm)) {
    full = Concat(options_.api_arn, text.substr(kShortForm.size() - 1));
    text = full;
  }
  absl::StatusOr<ArnPattern> arn = ArnPattern::Compile(text, variables_, false);
  if (!arn.ok()) return At(arn.status());
  if (arn->service().find_first_of("*?") != std::string::npos) {
    return Error(Concat("\"", text, "\": the service of an ARN has no wildcards"));
  }
  if (arn->service() == "execute-api" && NamesNothing(arn->last_part())) {
    Warn(Concat("\"", text, "\" matches no request: api/stage/METHOD/path is expected"));
  }
  statement->resources.push_back(*std::move(arn));
  return absl::OkStatus();
}

absl::Status PolicyCompiler::CompileConditions(JsonValue value, Statement* statement) {
  if (!value.is_object()) return Error("must be an object of operators");
  return Members(value, [&](std::string_view op, JsonValue keys) {
    if (!keys.is_object() || keys.size() == 0) return Error("must be an object of condition keys");
    return Members(keys, [&](std::string_view key, JsonValue values) {
      absl::StatusOr<Condition> condition = Condition::Make(op, key, variables_);
      if (!condition.ok()) return At(condition.status());
      const auto add = [&](std::string_view text) { return At(condition->AddValue(text)); };
      if (!values.is_array()) {
        absl::Status status = Scalars(values, add);
        if (!status.ok()) return status;
      } else if (values.size() == 0) {
        return Error("must not be an empty list");
      }
      for (size_t i = 0; values.is_array() && i < values.size(); ++i) {
        absl::Status status = Within(Concat(i), [&] { return Scalars(values.At(i), add); });
        if (!status.ok()) return status;
      }
      const KeyName& name = condition->key();
      if (name.kind == KeyName::Kind::kUnknown) {
        Warn("no call of an API has this condition key");
      } else if (!statement->deny &&
                 (name.key == ConditionKey::kUserAgent || name.key == ConditionKey::kReferer)) {
        Warn("clients choose the value of this condition key as they like");
      }
      statement->conditions.push_back(*std::move(condition));
      return absl::OkStatus();
    });
  });
}

}  // namespace postern::policy
