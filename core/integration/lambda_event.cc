#include "core/integration/lambda_event.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/context/arena_sink.h"
#include "core/context/value_source.h"
#include "core/integration/event_json.h"
#include "core/integration/header_rules.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/json_writer.h"
#include "lib/text/query_string.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

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
EventEntries CollectHeaders(const RequestContext& context, Arena* arena) {
  constexpr size_t kAdded = 5;
  const RequestHead& request = *context.request;
  auto* entries = arena->NewArray<EventEntry>(request.headers.size() + kAdded);
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
  std::sort(entries, entries + count, [](const EventEntry& a, const EventEntry& b) {
    if (LessIgnoreCase(a.name, b.name)) return true;
    if (LessIgnoreCase(b.name, a.name)) return false;
    return a.place < b.place;
  });
  return {entries, count, true};
}

// In the order in which names first appear; decoded.
EventEntries CollectQuery(std::string_view query, Arena* arena) {
  if (query.empty()) return {};
  size_t bound = 1;
  for (char c : query) bound += c == '&' || c == ';';
  auto* entries = arena->NewArray<EventEntry>(bound);
  uint32_t count = 0;
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    entries[count] = {DecodeQueryText(field->name, arena), DecodeQueryText(field->value, arena),
                      count, 0};
    ++count;
  }
  SortByName({entries, count, false});
  EventEntries{entries, count, false}.ForEachName(
      [&](const EventEntry* first, const EventEntry* last) {
        for (const EventEntry* at = first; at != last; ++at) {
          entries[at - entries].leader = first->place;
        }
      });
  std::sort(entries, entries + count, [](const EventEntry& a, const EventEntry& b) {
    return a.leader != b.leader ? a.leader < b.leader : a.place < b.place;
  });
  return {entries, count, false};
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

// rest-api.md §9.3, in the order of §9.4.
void WriteIdentity(const RequestContext& context, JsonWriter& json) {
  json.PlainKey("identity");
  json.BeginObject();
  WriteNullMember("cognitoIdentityPoolId", json);
  WriteNullMember("accountId", json);
  WriteNullMember("cognitoIdentityId", json);
  WriteNullMember("caller", json);
  WriteMember("sourceIp", context.source_ip, json);
  WriteNullMember("principalOrgId", json);
  WriteNullMember("accessKey", json);
  WriteNullMember("cognitoAuthenticationType", json);
  WriteNullMember("cognitoAuthenticationProvider", json);
  WriteNullMember("userArn", json);
  if (context.client_certificate != nullptr) {
    WriteClientCertificate(*context.client_certificate, json);
  }
  WriteMember("userAgent", context.user_agent, json);
  WriteNullMember("user", json);
  if (!context.vpc_id.empty()) WriteMember("vpcId", context.vpc_id, json);
  if (!context.vpce_id.empty()) WriteMember("vpceId", context.vpce_id, json);
  json.EndObject();
}

void WriteRequestContext(const RequestContext& context, JsonWriter& json) {
  json.PlainKey("requestContext");
  json.BeginObject();
  WriteMember("resourceId", context.resource_id, json);
  WriteMember("resourcePath", context.resource_path, json);
  if (!context.operation_name.empty()) WriteMember("operationName", context.operation_name, json);
  WriteMember("httpMethod", context.request->method_text, json);
  WriteMember("extendedRequestId", context.extended_request_id, json);
  char time[kClfTimeSize];
  WriteMember("requestTime", FormatClfTime(context.request_time_ms, time), json);
  WriteMember("path", context.path, json);
  WriteMember("accountId", context.account_id, json);
  WriteMember("protocol", "HTTP/1.1", json);
  WriteMember("stage", context.stage, json);
  WriteMember("domainPrefix", context.domain_prefix, json);
  json.PlainKey("requestTimeEpoch");
  json.Int(context.request_time_ms);
  WriteMember("requestId", context.request_id, json);
  WriteIdentity(context, json);
  WriteMember("domainName", context.domain_name, json);
  WriteMember("deploymentId", context.deployment_id, json);
  WriteMember("apiId", context.api_id, json);
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
  WriteMember("resource", context.resource_path, json);
  WriteMember("path", by_mapping ? context.path : context.method_path, json);
  WriteMember("httpMethod", context.request->method_text, json);
  WriteMaps("headers", "multiValueHeaders", CollectHeaders(context, arena), true, json);
  WriteMaps("queryStringParameters", "multiValueQueryStringParameters",
            CollectQuery(context.request->query(), arena), true, json);
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
