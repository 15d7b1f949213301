#include "core/integration/http_api_event.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include "core/context/arena_sink.h"
#include "core/context/value_source.h"
#include "core/integration/event_json.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/json_writer.h"
#include "lib/text/media_type.h"
#include "lib/text/query_string.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

constexpr size_t kUsualSize = 2048;

std::string_view Lower(std::string_view text, Arena* arena) {
  if (std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
    return text;
  }
  char* out = arena->Allocate(text.size(), 1);
  std::transform(text.begin(), text.end(), out, ToLower);
  return {out, text.size()};
}

std::string_view Decimal(uint64_t number, Arena* arena) {
  char* out = arena->Allocate(20, 1);
  return {out, static_cast<size_t>(std::to_chars(out, out + 20, number).ptr - out)};
}

// What the gateway itself puts in (http-api.md §5), beside the client's.
EventEntries CollectHeaders(const RequestContext& context, size_t body_size, Arena* arena) {
  constexpr size_t kAdded = 6;
  const RequestHead& request = *context.request;
  EventEntries out{arena->NewArray<EventEntry>(request.headers.size() + kAdded), 0};
  const auto add = [&](std::string_view name, std::string_view value) {
    out.data[out.count] = {name, value, static_cast<uint32_t>(out.count), 0};
    ++out.count;
  };
  std::string_view forwarded_for;
  for (const HeaderField& field : request.headers) {
    switch (field.id) {
      case HeaderId::kXForwardedFor:
        forwarded_for =
            forwarded_for.empty() ? field.value : arena->Concat(forwarded_for, ", ", field.value);
        break;
      case HeaderId::kXForwardedPort:
      case HeaderId::kXForwardedProto:
      case HeaderId::kXAmznTraceId:
        break;
      default:
        add(Lower(field.name, arena), field.value);
    }
  }
  add("content-length", Decimal(body_size, arena));
  add("host", request.authority);
  add("x-amzn-trace-id", context.trace_id);
  add("x-forwarded-for", forwarded_for.empty()
                             ? context.peer_ip
                             : arena->Concat(forwarded_for, ", ", context.peer_ip));
  add("x-forwarded-port", context.forwarded_port);
  add("x-forwarded-proto", context.forwarded_proto);
  SortByName(out);
  return out;
}

EventEntries CollectQuery(std::string_view query, Arena* arena) {
  if (query.empty()) return {};
  size_t bound = 1;
  for (char c : query) bound += c == '&' || c == ';';
  EventEntries out{arena->NewArray<EventEntry>(bound), 0};
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    out.data[out.count] = {DecodeQueryText(field->name, arena),
                           DecodeQueryText(field->value, arena), static_cast<uint32_t>(out.count),
                           0};
    ++out.count;
  }
  SortByName(out);
  return out;
}

// Values of one name, joined by a comma alone.
void JoinedMember(const EventEntry* first, const EventEntry* last, Arena* arena, JsonWriter& json) {
  json.Key(first->name);
  if (last - first == 1) {
    json.String(first->value);
    return;
  }
  size_t size = 0;
  for (const EventEntry* at = first; at != last; ++at) size += at->value.size() + 1;
  ArenaSink sink(arena, size);
  for (const EventEntry* at = first; at != last; ++at) {
    if (at != first) sink.Append(',');
    sink.Append(at->value);
  }
  json.String(sink.written());
}

// Each pair of every Cookie field.
template <typename Visit>
void ForEachCookie(const RequestHead& request, Visit visit) {
  for (const HeaderField& field : request.headers) {
    if (field.id != HeaderId::kCookie) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(';'), rest.size());
      if (const std::string_view pair = TrimOws(rest.substr(0, end)); !pair.empty()) visit(pair);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
}

// Decoded once; a '%' that starts no escape stands for itself, and so does '+'.
std::string_view PathValue(std::string_view raw, Arena* arena) {
  if (raw.find('%') == raw.npos) return raw;
  char* out = arena->Allocate(raw.size(), 1);
  size_t size = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    const bool escape = raw[i] == '%' && i + 2 < raw.size() && HexValue(raw[i + 1]) >= 0 &&
                        HexValue(raw[i + 2]) >= 0;
    out[size++] =
        escape ? static_cast<char>(HexValue(raw[i + 1]) * 16 + HexValue(raw[i + 2])) : raw[i];
    if (escape) i += 2;
  }
  return {out, size};
}

// Path parameters of `$default` are the gateway's own: the rest of the path, for its integration.
size_t PathParameters(const RequestContext& context) {
  return context.resource_path == "$default" ? 0 : context.path_param_count;
}

void WritePathParameters(const RequestContext& context, Arena* arena, JsonWriter& json) {
  json.BeginObject();
  for (size_t i = 0; i < PathParameters(context); ++i) {
    json.Key(context.path_params[i].name);
    json.String(PathValue(context.path_params[i].value, arena));
  }
  json.EndObject();
}

void WriteStageVariables(const RequestContext& context, JsonWriter& json) {
  json.BeginObject();
  for (size_t i = 0; i < context.stage_variable_count; ++i) {
    json.Key(context.stage_variables[i].name);
    json.String(context.stage_variables[i].value);
  }
  json.EndObject();
}

std::string_view ContentType(const RequestContext& context) {
  const HeaderField* type = context.request->headers.FindLast(HeaderId::kContentType);
  return type != nullptr ? type->value : std::string_view{};
}

size_t SizeWith(std::string_view body, bool binary) {
  return kUsualSize + (binary ? Base64EncodedSize(body.size()) : body.size() + body.size() / 8);
}

void WriteBody(std::string_view body, bool binary, JsonWriter& json) {
  json.PlainKey("body");
  if (binary) {
    json.Base64(body);
  } else {
    json.String(body);
  }
}

void WriteTime(std::string_view key, int64_t ms, JsonWriter& json) {
  char time[kClfTimeSize];
  WriteMember(key, FormatClfTime(ms, time), json);
}

// Identity of somebody whom nobody has authenticated (http-api.md §6).
void WriteIdentity(const RequestContext& context, JsonWriter& json) {
  json.PlainKey("identity");
  json.BeginObject();
  for (const std::string_view name :
       {"accessKey", "accountId", "caller", "cognitoAmr", "cognitoAuthenticationProvider",
        "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId",
        "principalOrgId"}) {
    WriteNullMember(name, json);
  }
  WriteMember("sourceIp", context.source_ip, json);
  WriteNullMember("user", json);
  WriteMember("userAgent", context.user_agent, json);
  WriteNullMember("userArn", json);
  if (context.client_certificate != nullptr) {
    WriteClientCertificate(*context.client_certificate, json);
  }
  json.EndObject();
}

}  // namespace

bool IsBinaryForHttpApi(std::string_view content_type) {
  const auto type = ParseMediaType(content_type);
  if (!type.has_value()) return true;
  const std::string_view essence = type->essence;
  const bool text = (essence.size() > 5 && EqualsIgnoreCase(essence.substr(0, 5), "text/")) ||
                    EqualsIgnoreCase(essence, "application/json") ||
                    EqualsIgnoreCase(essence, "application/xml") ||
                    EqualsIgnoreCase(essence, "application/javascript") ||
                    EqualsIgnoreCase(essence, "application/graphql");
  if (!text) return true;
  // Text in another encoding than UTF-8 is bytes.
  size_t at = content_type.find(';');
  while (at != content_type.npos) {
    const size_t end = std::min(content_type.find(';', at + 1), content_type.size());
    std::string_view parameter = TrimOws(content_type.substr(at + 1, end - at - 1));
    constexpr std::string_view kCharset = "charset=";
    if (parameter.size() > kCharset.size() &&
        EqualsIgnoreCase(parameter.substr(0, kCharset.size()), kCharset)) {
      std::string_view name = parameter.substr(kCharset.size());
      if (name.size() > 1 && name.front() == '"' && name.back() == '"') {
        name = name.substr(1, name.size() - 2);
      }
      return !EqualsIgnoreCase(name, "utf-8");
    }
    at = end == content_type.size() ? content_type.npos : end;
  }
  return false;
}

std::string_view MakeHttpApiEvent(const RequestContext& context, std::string_view body,
                                  Arena* arena) {
  const RequestHead& request = *context.request;
  const bool binary = !body.empty() && IsBinaryForHttpApi(ContentType(context));
  ArenaSink sink(arena, SizeWith(body, binary));
  JsonWriter json(&sink);
  json.BeginObject();
  WriteMember("version", "2.0", json);
  WriteMember("routeKey", context.resource_id, json);
  WriteMember("rawPath", context.path, json);
  WriteMember("rawQueryString", request.query(), json);
  bool cookies = false;
  ForEachCookie(request, [&](std::string_view pair) {
    if (!cookies) {
      json.PlainKey("cookies");
      json.BeginArray();
      cookies = true;
    }
    json.String(pair);
  });
  if (cookies) json.EndArray();
  json.PlainKey("headers");
  json.BeginObject();
  CollectHeaders(context, body.size(), arena)
      .ForEachName([&](const EventEntry* first, const EventEntry* last) {
        if (first->name == "cookie") return;
        JoinedMember(first, last, arena, json);
      });
  json.EndObject();
  if (const EventEntries query = CollectQuery(request.query(), arena); query.count > 0) {
    json.PlainKey("queryStringParameters");
    json.BeginObject();
    query.ForEachName([&](const EventEntry* first, const EventEntry* last) {
      JoinedMember(first, last, arena, json);
    });
    json.EndObject();
  }
  json.PlainKey("requestContext");
  json.BeginObject();
  WriteMember("accountId", context.account_id, json);
  WriteMember("apiId", context.api_id, json);
  if (context.client_certificate != nullptr) {
    json.PlainKey("authentication");
    json.BeginObject();
    WriteClientCertificate(*context.client_certificate, json);
    json.EndObject();
  }
  WriteMember("domainName", context.domain_name, json);
  WriteMember("domainPrefix", context.domain_prefix, json);
  json.PlainKey("http");
  json.BeginObject();
  WriteMember("method", request.method_text, json);
  WriteMember("path", context.path, json);
  WriteMember("protocol", "HTTP/1.1", json);
  WriteMember("sourceIp", context.source_ip, json);
  WriteMember("userAgent", context.user_agent, json);
  json.EndObject();
  WriteMember("requestId", context.request_id, json);
  WriteMember("routeKey", context.resource_id, json);
  WriteMember("stage", context.stage, json);
  WriteTime("time", context.request_time_ms, json);
  json.PlainKey("timeEpoch");
  json.Int(context.request_time_ms);
  json.EndObject();
  if (PathParameters(context) > 0) {
    json.PlainKey("pathParameters");
    WritePathParameters(context, arena, json);
  }
  if (context.stage_variable_count > 0) {
    json.PlainKey("stageVariables");
    WriteStageVariables(context, json);
  }
  if (!body.empty()) WriteBody(body, binary, json);
  json.PlainKey("isBase64Encoded");
  json.Bool(binary);
  json.EndObject();
  return sink.written();
}

std::string_view MakeHttpApiEventV1(const RequestContext& context, std::string_view body,
                                    Arena* arena) {
  const RequestHead& request = *context.request;
  const bool binary = !body.empty() && IsBinaryForHttpApi(ContentType(context));
  ArenaSink sink(arena, SizeWith(body, binary));
  JsonWriter json(&sink);
  // Through a custom domain the mapping key stays and the stage is not put in (http-api.md §3).
  const std::string_view path = context.by_domain ? request.path() : context.path;
  json.BeginObject();
  WriteMember("version", "1.0", json);
  WriteMember("resource", context.resource_path, json);
  WriteMember("path", path, json);
  WriteMember("httpMethod", request.method_text, json);
  WriteMaps("headers", "multiValueHeaders", CollectHeaders(context, body.size(), arena), false,
            json);
  WriteMaps("queryStringParameters", "multiValueQueryStringParameters",
            CollectQuery(request.query(), arena), true, json);
  json.PlainKey("requestContext");
  json.BeginObject();
  WriteMember("accountId", context.account_id, json);
  WriteMember("apiId", context.api_id, json);
  WriteMember("domainName", context.domain_name, json);
  WriteMember("domainPrefix", context.domain_prefix, json);
  WriteMember("extendedRequestId", context.request_id, json);
  WriteMember("httpMethod", request.method_text, json);
  WriteIdentity(context, json);
  WriteMember("path", path, json);
  WriteMember("protocol", "HTTP/1.1", json);
  WriteMember("requestId", context.request_id, json);
  WriteTime("requestTime", context.request_time_ms, json);
  json.PlainKey("requestTimeEpoch");
  json.Int(context.request_time_ms);
  WriteMember("resourceId", context.resource_id, json);
  WriteMember("resourcePath", context.resource_path, json);
  WriteMember("stage", context.stage, json);
  json.EndObject();
  json.PlainKey("pathParameters");
  if (PathParameters(context) > 0) {
    WritePathParameters(context, arena, json);
  } else {
    json.Null();
  }
  json.PlainKey("stageVariables");
  if (context.stage_variable_count > 0) {
    WriteStageVariables(context, json);
  } else {
    json.Null();
  }
  if (body.empty()) {
    WriteNullMember("body", json);
  } else {
    WriteBody(body, binary, json);
  }
  json.PlainKey("isBase64Encoded");
  json.Bool(binary);
  json.EndObject();
  return sink.written();
}

}  // namespace postern
