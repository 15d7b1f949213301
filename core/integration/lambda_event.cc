#include "core/integration/lambda_event.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/context/arena_sink.h"
#include "core/context/client_certificate.h"
#include "core/context/value_source.h"
#include "core/integration/header_rules.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/json_writer.h"
#include "lib/text/query_string.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

/// A name with one of its values, for maps that show all values of a name together.
struct Entry {
  std::string_view name;
  std::string_view value;
  uint32_t place;   // where it stood
  uint32_t leader;  // place of the first of its name
};

/// Entries of one map, those of one name next to each other.
struct Entries {
  const Entry* data = nullptr;
  size_t count = 0;
  bool ignore_case = false;

  bool SameName(const Entry& a, const Entry& b) const {
    return ignore_case ? EqualsIgnoreCase(a.name, b.name) : a.name == b.name;
  }

  /// Calls `visit(first, last)` for each name with the range of its entries.
  template <typename Visit>
  void ForEachName(Visit visit) const {
    for (size_t i = 0; i < count;) {
      size_t end = i + 1;
      while (end < count && SameName(data[i], data[end])) ++end;
      visit(data + i, data + end);
      i = end;
    }
  }
};

bool LessIgnoreCase(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return ToLower(x) < ToLower(y); });
}

/// Names that AWS shows in their usual spelling whatever the client sent (rest-api.md §9.2).
std::string_view EventName(const HeaderField& field) {
  if (field.id == HeaderId::kAuthorization) return "Authorization";
  if (field.id == HeaderId::kUserAgent) return "User-Agent";
  return field.name;
}

// rest-api.md §9.2: in alphabetical order whatever the case.
Entries CollectHeaders(const RequestContext& context, Arena* arena) {
  constexpr size_t kAdded = 5;
  const RequestHead& request = *context.request;
  auto* entries = arena->NewArray<Entry>(request.headers.size() + kAdded);
  uint32_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value) {
    entries[count] = {name, value, count, 0};
    ++count;
  };
  std::string_view forwarded_for = context.peer_ip;
  for (const HeaderField& field : request.headers) {
    if (field.id == HeaderId::kXForwardedFor) continue;
    if (IsDroppedTowardsLambda(field.id)) continue;
    if (field.id == HeaderId::kAuthorization && IsSigV4(field.value)) continue;
    add(EventName(field), field.value);
  }
  std::string_view before;
  for (const HeaderField& field : request.headers) {
    if (field.id != HeaderId::kXForwardedFor) continue;
    before = before.empty() ? field.value : arena->Concat(before, ", ", field.value);
  }
  if (!before.empty()) forwarded_for = arena->Concat(before, ", ", context.peer_ip);
  add("Host", request.authority);
  add("X-Amzn-Trace-Id", context.trace_id);
  add("X-Forwarded-For", forwarded_for);
  add("X-Forwarded-Port", context.forwarded_port);
  add("X-Forwarded-Proto", context.forwarded_proto);
  std::sort(entries, entries + count, [](const Entry& a, const Entry& b) {
    if (LessIgnoreCase(a.name, b.name)) return true;
    if (LessIgnoreCase(b.name, a.name)) return false;
    return a.place < b.place;
  });
  return {entries, count, true};
}

// In the order in which names first appear; decoded.
Entries CollectQuery(std::string_view query, Arena* arena) {
  if (query.empty()) return {};
  size_t bound = 1;
  for (char c : query) bound += c == '&' || c == ';';
  auto* entries = arena->NewArray<Entry>(bound);
  uint32_t count = 0;
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    entries[count] = {DecodeQueryText(field->name, arena), DecodeQueryText(field->value, arena),
                      count, 0};
    ++count;
  }
  std::sort(entries, entries + count, [](const Entry& a, const Entry& b) {
    const int order = a.name.compare(b.name);
    return order != 0 ? order < 0 : a.place < b.place;
  });
  Entries{entries, count, false}.ForEachName([&](const Entry* first, const Entry* last) {
    for (const Entry* at = first; at != last; ++at) {
      entries[at - entries].leader = first->place;
    }
  });
  std::sort(entries, entries + count, [](const Entry& a, const Entry& b) {
    return a.leader != b.leader ? a.leader < b.leader : a.place < b.place;
  });
  return {entries, count, false};
}

/// Two members: each name with its last value, and with all of them.
void WriteMaps(std::string_view single, std::string_view multi, const Entries& entries,
               JsonWriter& json) {
  json.PlainKey(single);
  if (entries.count == 0) {
    json.Null();
    json.PlainKey(multi);
    json.Null();
    return;
  }
  json.BeginObject();
  entries.ForEachName([&](const Entry* first, const Entry* last) {
    json.Key(first->name);
    json.String(last[-1].value);
  });
  json.EndObject();
  json.PlainKey(multi);
  json.BeginObject();
  entries.ForEachName([&](const Entry* first, const Entry* last) {
    json.Key(first->name);
    json.BeginArray();
    for (const Entry* at = first; at != last; ++at) json.String(at->value);
    json.EndArray();
  });
  json.EndObject();
}

void WriteNames(std::string_view key, const NameValue* values, size_t count, JsonWriter& json) {
  json.PlainKey(key);
  if (count == 0) {
    json.Null();
    return;
  }
  json.BeginObject();
  for (size_t i = 0; i < count; ++i) {
    json.Key(values[i].name);
    json.String(values[i].value);
  }
  json.EndObject();
}

void Member(std::string_view key, std::string_view value, JsonWriter& json) {
  json.PlainKey(key);
  json.String(value);
}

void NullMember(std::string_view key, JsonWriter& json) {
  json.PlainKey(key);
  json.Null();
}

void WriteClientCertificate(const ClientCertificate& certificate, JsonWriter& json) {
  json.PlainKey("clientCert");
  json.BeginObject();
  Member("clientCertPem", certificate.pem, json);
  Member("subjectDN", certificate.subject_dn, json);
  Member("issuerDN", certificate.issuer_dn, json);
  Member("serialNumber", certificate.serial_number, json);
  json.PlainKey("validity");
  json.BeginObject();
  Member("notBefore", certificate.not_before, json);
  Member("notAfter", certificate.not_after, json);
  json.EndObject();
  json.EndObject();
}

// rest-api.md §9.3, in the order of §9.4.
void WriteIdentity(const RequestContext& context, JsonWriter& json) {
  json.PlainKey("identity");
  json.BeginObject();
  NullMember("cognitoIdentityPoolId", json);
  NullMember("accountId", json);
  NullMember("cognitoIdentityId", json);
  NullMember("caller", json);
  Member("sourceIp", context.source_ip, json);
  NullMember("principalOrgId", json);
  NullMember("accessKey", json);
  NullMember("cognitoAuthenticationType", json);
  NullMember("cognitoAuthenticationProvider", json);
  NullMember("userArn", json);
  if (context.client_certificate != nullptr) {
    WriteClientCertificate(*context.client_certificate, json);
  }
  Member("userAgent", context.user_agent, json);
  NullMember("user", json);
  if (!context.vpc_id.empty()) Member("vpcId", context.vpc_id, json);
  if (!context.vpce_id.empty()) Member("vpceId", context.vpce_id, json);
  json.EndObject();
}

void WriteRequestContext(const RequestContext& context, JsonWriter& json) {
  json.PlainKey("requestContext");
  json.BeginObject();
  Member("resourceId", context.resource_id, json);
  Member("resourcePath", context.resource_path, json);
  if (!context.operation_name.empty()) Member("operationName", context.operation_name, json);
  Member("httpMethod", context.request->method_text, json);
  Member("extendedRequestId", context.extended_request_id, json);
  char time[kClfTimeSize];
  Member("requestTime", FormatClfTime(context.request_time_ms, time), json);
  Member("path", context.path, json);
  Member("accountId", context.account_id, json);
  Member("protocol", "HTTP/1.1", json);
  Member("stage", context.stage, json);
  Member("domainPrefix", context.domain_prefix, json);
  json.PlainKey("requestTimeEpoch");
  json.Int(context.request_time_ms);
  Member("requestId", context.request_id, json);
  WriteIdentity(context, json);
  Member("domainName", context.domain_name, json);
  Member("deploymentId", context.deployment_id, json);
  Member("apiId", context.api_id, json);
  if (context.is_canary >= 0) {
    json.PlainKey("isCanaryRequest");
    json.Bool(context.is_canary != 0);
  }
  json.EndObject();
}

}  // namespace

std::string_view MakeLambdaEvent(const RequestContext& context, std::string_view body, bool binary,
                                 Arena* arena) {
  constexpr size_t kUsualSize = 3072;
  ArenaSink sink(arena, kUsualSize + (binary ? Base64EncodedSize(body.size())
                                             : body.size() + body.size() / 8));
  JsonWriter json(&sink);
  // Through a custom domain the base path stays (rest-api.md §2.2).
  const bool by_mapping =
      !context.base_path_matched.empty() || !context.routing_rule_id_matched.empty();
  json.BeginObject();
  Member("resource", context.resource_path, json);
  Member("path", by_mapping ? context.path : context.method_path, json);
  Member("httpMethod", context.request->method_text, json);
  WriteMaps("headers", "multiValueHeaders", CollectHeaders(context, arena), json);
  WriteMaps("queryStringParameters", "multiValueQueryStringParameters",
            CollectQuery(context.request->query(), arena), json);
  WriteNames("pathParameters", context.path_params, context.path_param_count, json);
  WriteNames("stageVariables", context.stage_variables, context.stage_variable_count, json);
  WriteRequestContext(context, json);
  json.PlainKey("body");
  if (body.empty()) {
    json.Null();
  } else if (binary) {
    json.Base64(body);
  } else {
    json.String(body);
  }
  json.PlainKey("isBase64Encoded");
  json.Bool(binary && !body.empty());
  json.EndObject();
  return sink.written();
}

}  // namespace postern
