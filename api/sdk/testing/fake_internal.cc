#include "api/sdk/testing/fake_internal.h"

#include <algorithm>
#include <iterator>

namespace postern::testing::internal {
namespace {

constexpr std::string_view kToken =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

constexpr Kind kKinds[] = {
    {POSTERN_REPLY_RAW, 200, ""},
    {POSTERN_REPLY_ABORT, 0, ""},
    {POSTERN_REPLY_DEFAULT_4XX, 400, "Bad Request"},
    {POSTERN_REPLY_DEFAULT_5XX, 500, "Internal server error"},
    {POSTERN_REPLY_ACCESS_DENIED, 403, "User is not authorized to access this resource"},
    {POSTERN_REPLY_UNAUTHORIZED, 401, "Unauthorized"},
    {POSTERN_REPLY_AUTHORIZER_FAILURE, 500, "Internal server error"},
    {POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR, 500, "Internal server error"},
    {POSTERN_REPLY_EXPIRED_TOKEN, 403, "The security token included in the request is expired"},
    {POSTERN_REPLY_INVALID_SIGNATURE, 403, "The request signature does not match"},
    {POSTERN_REPLY_MISSING_AUTHENTICATION_TOKEN, 403, "Missing Authentication Token"},
    {POSTERN_REPLY_INVALID_API_KEY, 403, "Forbidden"},
    {POSTERN_REPLY_THROTTLED, 429, "Too Many Requests"},
    {POSTERN_REPLY_QUOTA_EXCEEDED, 429, "Limit Exceeded"},
    {POSTERN_REPLY_BAD_REQUEST_BODY, 400, "Invalid request body"},
    {POSTERN_REPLY_BAD_REQUEST_PARAMETERS, 400, "Missing required request parameters"},
    {POSTERN_REPLY_REQUEST_TOO_LARGE, 413, "Request Too Long"},
    {POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type"},
    {POSTERN_REPLY_RESOURCE_NOT_FOUND, 404, "Not Found"},
    {POSTERN_REPLY_WAF_FILTERED, 403, "Forbidden"},
    {POSTERN_REPLY_API_CONFIGURATION_ERROR, 500, "Internal server error"},
    {POSTERN_REPLY_INTEGRATION_FAILURE, 504, "Internal server error"},
    {POSTERN_REPLY_INTEGRATION_TIMEOUT, 504, "Endpoint request timed out"},
};

}  // namespace

FakeHost* current_host = nullptr;

std::string Copy(postern_str text) {
  return text.len == 0 ? std::string() : std::string(text.data, text.len);
}
postern_str Borrow(std::string_view text) { return {text.data(), text.size()}; }

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool AllOf(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

bool ValidField(uint32_t map, std::string_view name, std::string_view value, bool pseudo) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return false;
  if (!name.empty() && name[0] == ':') {
    if (!pseudo || value.empty()) return false;
    if (map == POSTERN_RESPONSE_HEADERS) return name == ":status" && value.size() == 3;
    return map == POSTERN_REQUEST_HEADERS &&
           IsOneOf(name, {":method", ":path", ":scheme", ":authority"});
  }
  if (name.empty() || !AllOf(name, kToken)) return false;
  return !IsOneOf(Lower(name),
                  {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te",
                   "trailer", "transfer-encoding", "upgrade"});
}

std::string Lower(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

size_t SizeOf(const Headers& headers) {
  size_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size() + 32;
  return size;
}

const std::string* Find(const Headers& headers, std::string_view name, size_t index) {
  const std::string lower = Lower(name);
  for (const auto& [field, value] : headers) {
    if (Lower(field) == lower && index-- == 0) return &value;
  }
  return nullptr;
}

void Erase(Headers& headers, std::string_view name) {
  std::erase_if(headers,
                [lower = Lower(name)](const auto& field) { return Lower(field.first) == lower; });
}

std::string Joined(const Headers& headers, std::string_view name) {
  std::string all;
  for (size_t i = 0; const std::string* value = Find(headers, name, i); ++i) {
    if (i > 0) all += ", ";
    all += *value;
  }
  return all;
}

const Kind* FindKind(uint32_t number) {
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [number](const Kind& k) { return k.kind == number; });
  return kind == std::end(kKinds) ? nullptr : kind;
}

}  // namespace postern::testing::internal
