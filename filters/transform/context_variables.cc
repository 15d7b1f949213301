#include "filters/transform/context_variables.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <span>
#include <system_error>

namespace postern {
namespace {

// In the order that was recorded (rest-api.md §7.6).
constexpr std::string_view kAll[] = {
    "resourceId",   "resourcePath",     "httpMethod", "extendedRequestId", "requestTime",
    "path",         "accountId",        "protocol",   "requestOverride",   "stage",
    "domainPrefix", "requestTimeEpoch", "requestId",  "identity",          "domainName",
    "deploymentId", "responseOverride", "apiId"};
constexpr std::string_view kIdentity[] = {"cognitoIdentityPoolId",
                                          "accountId",
                                          "cognitoIdentityId",
                                          "caller",
                                          "sourceIp",
                                          "principalOrgId",
                                          "accessKey",
                                          "cognitoAuthenticationType",
                                          "cognitoAuthenticationProvider",
                                          "userArn",
                                          "userAgent",
                                          "user"};
constexpr std::string_view kNumeric[] = {"integration.integrationStatus",
                                         "integration.latency",
                                         "integration.status",
                                         "integration.timeToAllHeaders",
                                         "integration.timeToFirstContent",
                                         "integrationLatency",
                                         "integrationStatus",
                                         "requestTimeEpoch",
                                         "responseLatency",
                                         "responseLength",
                                         "status"};

}  // namespace

bool IsNumericVariable(std::string_view dotted_name) {
  return std::find(std::begin(kNumeric), std::end(kNumeric), dotted_name) != std::end(kNumeric);
}

std::optional<uint32_t> ContextVariables::ContextVariable(std::string_view dotted_name) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name == dotted_name) return static_cast<uint32_t>(i);
  }
  Entry entry;
  entry.name = std::string(dotted_name);
  std::span<const std::string_view> names;
  if (dotted_name.empty()) {
    names = kAll;
  } else if (dotted_name == "identity") {
    names = kIdentity;
  } else {
    entry.variable = in_->FindVariable(dotted_name);
    if (!entry.variable) return std::nullopt;
  }
  for (const std::string_view name : names) {
    const std::string full =
        dotted_name.empty() ? std::string(name) : entry.name + "." + std::string(name);
    entry.members.emplace_back(name, ContextVariable(full));
  }
  entries_.push_back(std::move(entry));
  return static_cast<uint32_t>(entries_.size() - 1);
}

dyn::Value ContextVariables::Get(uint32_t number, Stream s, dyn::Arena& arena) const {
  const Entry& entry = entries_[number];
  if (!entry.variable) {
    dyn::Map* map = dyn::NewMap(arena);
    for (const auto& [name, member] : entry.members) {
      dyn::Entry* put = map->Put(dyn::Value::String(name), arena);
      if (put == nullptr) break;
      if (member) put->value = Get(*member, s, arena);
    }
    return dyn::Value::Of(map);
  }
  const std::optional<postern_value> value = s.Value(*entry.variable);
  if (!value) return {};
  switch (value->type) {
    case POSTERN_VALUE_BOOL:
      // Of an authorizer, where everything is text (§7.6).
      return dyn::Value::String(value->u.boolean != 0 ? "true" : "false");
    case POSTERN_VALUE_INT:
      return dyn::Value::Integer(value->u.i64);
    case POSTERN_VALUE_DOUBLE:
      return dyn::Value::Double(value->u.f64);
    case POSTERN_VALUE_STRING:
    case POSTERN_VALUE_JSON:
      break;
    default:
      return {};
  }
  const std::string_view text = FromAbi(value->u.str);
  if (IsNumericVariable(entry.name)) {
    int64_t integer = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, integer);
    if (error == std::errc() && at == end) return dyn::Value::Integer(integer);
  }
  return dyn::Value::String(text);
}

}  // namespace postern
