#include "control/import/context.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <system_error>
#include <utility>

#include "control/common/strings.h"
#include "control/import/cloudformation.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr int kMaxReferences = 32;
constexpr std::string_view kAmazonPrefix = "x-amazon";
constexpr std::string_view kPosternPrefix = "x-postern";

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Names that describe, wherever OpenAPI has them.
bool IsDescriptive(std::string_view name) {
  for (const std::string_view known : {"description", "summary", "title", "example", "examples",
                                       "externalDocs", "deprecated", "default"}) {
    if (name == known) return true;
  }
  return false;
}

// The words of ImportOptions::allow_unenforced.
bool IsGuardKind(std::string_view word) {
  for (const std::string_view kind :
       {"all", "authorizer", "iam", "security", "api-key", "policy", "validator", "filters",
        "mutual-tls", "tls-policy", "private-endpoint", "extension"}) {
    if (word == kind) return true;
  }
  return false;
}

const std::vector<std::string_view>& KnownExtensions() {
  static const auto* const kNames = new std::vector<std::string_view>{
      "x-amazon-apigateway-any-method",
      "x-amazon-apigateway-api-key-source",
      "x-amazon-apigateway-auth",
      "x-amazon-apigateway-authorizer",
      "x-amazon-apigateway-authtype",
      "x-amazon-apigateway-binary-media-types",
      "x-amazon-apigateway-cors",
      "x-amazon-apigateway-documentation",
      "x-amazon-apigateway-endpoint-access-mode",
      "x-amazon-apigateway-endpoint-configuration",
      "x-amazon-apigateway-gateway-responses",
      "x-amazon-apigateway-importexport-version",
      "x-amazon-apigateway-integration",
      "x-amazon-apigateway-integrations",
      "x-amazon-apigateway-minimum-compression-size",
      "x-amazon-apigateway-policy",
      "x-amazon-apigateway-request-validator",
      "x-amazon-apigateway-request-validators",
      "x-amazon-apigateway-security-policy",
      "x-amazon-apigateway-tag-value",
      "x-postern-api-id",
      "x-postern-filters",
      "x-postern-modules",
      "x-postern-upstreams",
  };
  return *kNames;
}

}  // namespace

bool SoundsLikeGuard(std::string_view extension) {
  const std::string lower = AsciiToLower(extension);
  // Misspelt words count too: x-amazon-apigateway-polcy.
  for (const std::string_view word : Split(lower, '-')) {
    if (word.size() > 40) continue;
    for (const std::string_view guard :
         {"authorizer", "authorization", "authtype", "policy", "policies", "validator",
          "validators", "validation", "security", "throttle", "throttling", "certificate",
          "private", "permission"}) {
      if (EditDistance(word, guard) <= (guard.size() >= 8 ? 2u : 1u)) return true;
    }
  }
  for (const std::string_view word :
       {"auth",  "policy",      "policies",  "key",        "validat",    "secur", "throttl",
        "quota", "usage-plan",  "usageplan", "rate-limit", "ratelimit",  "waf",   "acl",
        "tls",   "certificate", "private",   "vpce",       "permission", "allow", "deny"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

std::optional<std::string_view> Similar(std::string_view name,
                                        const std::vector<std::string_view>& known) {
  if (name.size() > 100) return std::nullopt;
  for (const std::string_view candidate : known) {
    const size_t longer = std::max(candidate.size(), name.size());
    if (longer - std::min(candidate.size(), name.size()) > 2 || longer < 5) continue;
    if (EditDistance(name, candidate) <= 2) return candidate;
  }
  return std::nullopt;
}

namespace {

Place PlaceOf(Node node) {
  const Mark mark = node.key_mark();
  return {static_cast<int>(mark.line), static_cast<int>(mark.column), node.Pointer()};
}

}  // namespace

void ImportContext::PlacesFilter(std::string scope, std::string name, Node node) {
  filter_places_.insert_or_assign({std::move(scope), std::move(name)}, PlaceOf(node));
}

bool ImportContext::Add(Node node, Finding finding) {
  finding.place = PlaceOf(node);
  covered_.insert(finding.place.pointer);
  // An operation that is looked at twice, or a component that several refer to.
  std::string key = Concat(static_cast<int>(finding.disposition), "\n", finding.place.pointer, "\n",
                           finding.kind, "\n", finding.reason);
  if (!seen_.insert(std::move(key)).second) return false;
  report_.Add(std::move(finding));
  return true;
}

void ImportContext::Applied(Node node, std::string_view kind) {
  Finding finding;
  finding.disposition = Disposition::kApplied;
  finding.aggregate = true;
  finding.kind = std::string(kind);
  Add(node, std::move(finding));
}

void ImportContext::Noted(Node node, std::string_view kind, std::string reason) {
  Finding finding;
  finding.disposition = Disposition::kApplied;
  finding.kind = std::string(kind);
  finding.reason = std::move(reason);
  Add(node, std::move(finding));
}

void ImportContext::Describes(Node node, std::string_view kind) {
  Finding finding;
  finding.disposition = Disposition::kIgnored;
  finding.aggregate = true;
  finding.kind = std::string(kind);
  finding.reason = "It only describes the API.";
  Add(node, std::move(finding));
}

void ImportContext::Ignored(Node node, std::string_view kind, std::string reason) {
  Finding finding;
  finding.disposition = Disposition::kIgnored;
  finding.kind = std::string(kind);
  finding.reason = std::move(reason);
  Add(node, std::move(finding));
}

void ImportContext::Dropped(Node node, std::string_view kind, std::string reason) {
  if (options_.fail_on_warnings) {
    Problem(node, kind, std::move(reason));
  } else {
    Ignored(node, kind, std::move(reason));
  }
}

void ImportContext::Approximated(Node node, std::string_view kind, std::string reason) {
  Finding finding;
  finding.disposition = Disposition::kApproximated;
  finding.kind = std::string(kind);
  finding.reason = std::move(reason);
  if (options_.fail_on_warnings) {
    finding.disposition = Disposition::kRefused;
    finding.blocking = true;
  }
  Add(node, std::move(finding));
}

void ImportContext::Problem(Node node, std::string_view kind, std::string reason) {
  Finding finding;
  finding.disposition = Disposition::kRefused;
  finding.blocking = true;
  finding.kind = std::string(kind);
  finding.reason = std::move(reason);
  Add(node, std::move(finding));
}

void ImportContext::Unavailable(Node node, std::string_view kind, std::string reason) {
  Finding finding;
  finding.disposition = Disposition::kRefused;
  finding.blocking = options_.fail_on_warnings;
  finding.kind = std::string(kind);
  finding.reason = std::move(reason);
  Add(node, std::move(finding));
}

bool ImportContext::Guard(Node node, std::string_view kind, std::string_view guard,
                          std::vector<std::string> names, std::string reason) {
  // A scheme or validator that is called like a kind of guard, or "all", cannot be named: that
  // would give up more than it.
  names.erase(std::remove_if(names.begin(), names.end(), IsGuardKind), names.end());
  Finding finding;
  finding.kind = std::string(kind);
  finding.guard = std::string(guard);
  finding.guard_names = std::move(names);
  const std::string pointer = node.Pointer();
  bool given_up = false;
  for (const std::string& allowed : options_.allow_unenforced) {
    const bool matches = allowed == "all" || allowed == guard ||
                         (!allowed.empty() && allowed == pointer) ||
                         std::find(finding.guard_names.begin(), finding.guard_names.end(),
                                   allowed) != finding.guard_names.end();
    if (!matches) continue;
    given_up = true;
    allowances_used_.insert(allowed);
  }
  if (given_up) {
    finding.disposition = Disposition::kIgnored;
    finding.reason = Concat("NOT ENFORCED, as you allowed: ", reason);
  } else {
    finding.disposition = Disposition::kRefused;
    finding.blocking = true;
    finding.reason = Concat(reason, " To serve without it, say --allow-unenforced ", guard);
    if (!finding.guard_names.empty()) {
      finding.reason += Concat(" or --allow-unenforced ", finding.guard_names.front());
    }
    finding.reason += ".";
  }
  const bool added = Add(node, std::move(finding));
  if (given_up && added) {
    unenforced_.push_back(
        Concat(node.Location(), ": ", pointer, ": ", kind, " (", guard, ") is not enforced"));
  }
  return given_up;
}

void ImportContext::Unknown(Node member, std::initializer_list<std::string_view> known) {
  const std::string_view name = member.key();
  bool amazon = EqualsIgnoreCase(name.substr(0, 8), kAmazonPrefix);
  bool postern = EqualsIgnoreCase(name.substr(0, 9), kPosternPrefix);
  std::string hint;
  if (const auto similar = Similar(name, name.starts_with("x-") ? KnownExtensions() : known)) {
    hint = Concat(" Did you mean ", *similar, "?");
    // A prefix can be misspelt like the rest of the name.
    postern = postern || similar->starts_with(kPosternPrefix);
    amazon = amazon || (!postern && similar->starts_with(kAmazonPrefix));
  }
  if (amazon || postern) {
    const auto& extensions = KnownExtensions();
    const bool misplaced =
        std::find(extensions.begin(), extensions.end(), name) != extensions.end();
    const std::string what = misplaced ? "This extension has no meaning in this place."
                                       : Concat("No such extension is known.", hint);
    if (postern) {
      Problem(member, "extension", what);
    } else if (SoundsLikeGuard(name)) {
      Guard(member, "extension", "extension", {std::string(name)},
            Concat(what, " By its name it may guard the API."));
    } else {
      Ignored(member, "extension", what);
    }
  } else if (name.starts_with("x-")) {
    Describes(member, "extensions of others");
  } else if (IsDescriptive(name)) {
    Describes(member, name);
  } else {
    Ignored(member, "unknown property", Concat("No such property is known here.", hint));
  }
}

void ImportContext::ReportUnusedAllowances() {
  for (const std::string& allowed : options_.allow_unenforced) {
    if (allowed == "all" || allowances_used_.count(allowed) > 0) continue;
    Ignored(
        root_, "--allow-unenforced",
        Concat("--allow-unenforced ", allowed, " names nothing that would have to be given up."));
  }
}

void ImportContext::Settle(Node node, std::string_view kind) {
  std::vector<Node> stack = {node};
  while (!stack.empty()) {
    const Node at = stack.back();
    stack.pop_back();
    if (covered_.count(at.Pointer()) > 0) continue;
    if (at.size() == 0 || at.size() > kMaxEntries) {
      Describes(at, kind);
      continue;
    }
    for (const Node child : at.children()) stack.push_back(child);
  }
}

void ImportContext::RefuseMisplaced() {
  std::vector<Node> stack = {root_};
  while (!stack.empty()) {
    const Node node = stack.back();
    stack.pop_back();
    const std::string_view name = node.key();
    if (name.size() > 2 && (name[0] == 'x' || name[0] == 'X') && name[1] == '-') {
      const bool known = EqualsIgnoreCase(name, "x-postern-filters");
      const bool postern = EqualsIgnoreCase(name.substr(0, 9), kPosternPrefix);
      const auto similar = Similar(name, KnownExtensions());
      if (postern || (similar && similar->starts_with(kPosternPrefix))) {
        const std::string pointer = node.Pointer();
        if (looked_at_.count(pointer) == 0 && covered_.count(pointer) == 0) Unknown(node);
        // What stands in a filter's configuration is its own.
        if (known) continue;
      }
    }
    for (const Node child : node.children()) stack.push_back(child);
  }
}

void ImportContext::ReportUncovered() {
  // Without recursion: a definition decides how deep this goes.
  std::vector<Node> stack = {root_};
  while (!stack.empty()) {
    const Node node = stack.back();
    stack.pop_back();
    if (covered_.count(node.Pointer()) > 0) continue;
    if (node.is_array() && node.size() > kMaxEntries) {
      Describes(node, "long list");
    } else if (node.size() > 0) {
      for (const Node child : node.children()) stack.push_back(child);
    } else if (node.is_object() || node.is_array()) {
      Describes(node, "empty");
    } else if (node.key().empty()) {
      Ignored(node, "element", "No such element is known here.");
    } else {
      Unknown(node);
    }
  }
}

std::string ImportContext::ReplaceAwsVariables(std::string_view text) const {
  const snapshot::v1::Gateway& gateway = options_.gateway;
  const std::pair<std::string_view, std::string_view> variables[] = {
      {"${AWS::AccountId}",
       gateway.account_id().empty() ? "000000000000" : std::string_view(gateway.account_id())},
      {"${AWS::Partition}",
       gateway.partition().empty() ? "aws" : std::string_view(gateway.partition())},
      {"${AWS::Region}",
       gateway.region().empty() ? "us-east-1" : std::string_view(gateway.region())},
  };
  std::string out;
  while (true) {
    const size_t begin = text.find("${AWS::");
    if (begin == std::string_view::npos) break;
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const auto variable =
        std::find_if(std::begin(variables), std::end(variables),
                     [&text](const auto& v) { return text.starts_with(v.first); });
    if (variable == std::end(variables)) {
      out += text.substr(0, 2);
      text.remove_prefix(2);
    } else {
      out += variable->second;
      text.remove_prefix(variable->first.size());
    }
  }
  out += text;
  return out;
}

std::optional<std::string> ImportContext::TextWithPlaceholders(Node node, std::string_view kind) {
  if (const std::optional<std::string> text = CloudFormationText(node))
    return ReplaceAwsVariables(*text);
  return Text(node, kind);
}

std::optional<std::string> ImportContext::Text(Node node, std::string_view kind) {
  if (node.is_scalar() && !node.is_null()) {
    // A CloudFormation !Sub is its text; what other tags stand for is not known here.
    if (node.tag().empty() || node.tag() == "!Sub") return ReplaceAwsVariables(node.text());
    Problem(node, kind,
            Concat("The tag ", node.tag(),
                   " cannot be resolved here; write the text that it stands for."));
    return std::nullopt;
  }
  if (node.is_object() && node.size() == 1) {
    const Node argument = *node.children().begin();
    const std::string_view function = argument.key();
    if (function == "Fn::Sub" && argument.is_string()) return ReplaceAwsVariables(argument.text());
    if (function.starts_with("Fn::") || function == "Ref") {
      Problem(node, kind,
              Concat("The CloudFormation function ", function,
                     " cannot be resolved here; write the text that it stands for."));
      return std::nullopt;
    }
  }
  Problem(node, kind, Concat("A string is expected here, not ", NodeKindName(node.kind()), "."));
  return std::nullopt;
}

std::optional<bool> ImportContext::Bool(Node node, std::string_view kind) {
  if (node.kind() == NodeKind::kBool || node.is_string()) {
    if (EqualsIgnoreCase(node.text(), "true")) return true;
    if (EqualsIgnoreCase(node.text(), "false")) return false;
  }
  Problem(node, kind,
          Concat("true or false is expected here, not ", NodeKindName(node.kind()), "."));
  return std::nullopt;
}

std::optional<int64_t> ImportContext::Integer(Node node, std::string_view kind) {
  if (node.kind() == NodeKind::kInt) {
    if (const absl::StatusOr<int64_t> number = node.AsInt(); number.ok()) return *number;
  } else if (node.is_string()) {
    const std::string_view text = node.text();
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && stop == text.data() + text.size()) return number;
  }
  Problem(node, kind,
          Concat("A whole number is expected here, not ", NodeKindName(node.kind()), "."));
  return std::nullopt;
}

bool ImportContext::IsObject(Node node, std::string_view kind) {
  if (node.is_object()) return true;
  Problem(node, kind, Concat("An object is expected here, not ", NodeKindName(node.kind()), "."));
  return false;
}

bool ImportContext::IsSmallObject(Node node, std::string_view kind) {
  if (!IsObject(node, kind)) return false;
  if (node.size() <= kMaxEntries) return true;
  Problem(node, kind, Concat("It has ", node.size(), " entries; at most 1,000 are allowed here."));
  return false;
}

bool ImportContext::IsArray(Node node, std::string_view kind) {
  if (node.is_array()) {
    if (node.size() <= kMaxEntries) return true;
    Problem(node, kind,
            Concat("It has ", node.size(), " entries; at most 1,000 are allowed here."));
    return false;
  }
  Problem(node, kind, Concat("A list is expected here, not ", NodeKindName(node.kind()), "."));
  return false;
}

Node ImportContext::Resolve(Node node) {
  const Node start = node.Find("$ref");
  for (int steps = 0; node.is_object(); ++steps) {
    const Node reference = node.Find("$ref");
    if (!reference.is_string()) return node;
    const std::string_view text = reference.text();
    if (steps == kMaxReferences) {
      Problem(start, "$ref", "This reference leads in a circle, or over too many others.");
      return Node();
    }
    if (!text.starts_with('#')) {
      Problem(reference, "$ref",
              Concat("Only references within the document are followed, those that begin with #/. "
                     "Put what \"",
                     text, "\" points to into this file."));
      return Node();
    }
    const Node target = document_.Resolve(text);
    if (!target) {
      Problem(reference, "$ref", Concat("\"", text, "\" points to nothing in this document."));
      return Node();
    }
    Applied(reference, "$ref");
    node = target;
  }
  return node;
}

}  // namespace postern
