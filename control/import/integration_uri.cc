#include "control/import/integration_uri.h"

#include <algorithm>

#include "absl/status/status.h"
#include "control/common/strings.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

absl::Status InvalidHttpUri(std::string_view why) {
  return absl::InvalidArgumentError(Concat("Invalid HTTP endpoint specified for URI: ", why));
}

// The end of the authority: the first of "/?#" outside of `${...}`.
size_t AuthorityEnd(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) {
      const size_t close = text.find('}', i);
      if (close == std::string_view::npos) return text.size();
      i = close;
    } else if (text[i] == '/' || text[i] == '?' || text[i] == '#') {
      return i;
    }
  }
  return text.size();
}

}  // namespace

absl::StatusOr<HttpUriTemplate> ParseHttpUriTemplate(std::string_view uri) {
  std::string_view rest = uri;
  HttpUriTemplate result;
  if (EqualsIgnoreCase(rest.substr(0, 8), "https://")) {
    result.origin = "https://";
  } else if (EqualsIgnoreCase(rest.substr(0, 7), "http://")) {
    result.origin = "http://";
  } else {
    return InvalidHttpUri("it must begin with http:// or https://");
  }
  rest.remove_prefix(result.origin.size());
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f) {
      return InvalidHttpUri(
          "it has a space, a control character or one outside ASCII, which must "
          "be percent-encoded");
    }
  }
  const size_t end = AuthorityEnd(rest);
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty()) return InvalidHttpUri("it names no host");
  if (!PathPlaceholders(authority).empty()) {
    return InvalidHttpUri(
        "a {name} placeholder cannot stand in the host, only a "
        "${stageVariables.name} can");
  }
  if (authority.find('@') != std::string_view::npos) {
    return InvalidHttpUri("user name and password are not allowed in it");
  }
  if (authority.find_first_of("\\\"<>^`|") != std::string_view::npos) {
    return InvalidHttpUri("its host has a character that no host has");
  }
  result.origin.append(authority);
  std::string_view path = rest.substr(end);
  path = path.substr(0, path.find('#'));  // a fragment is never sent
  result.path = std::string(path);
  return result;
}

std::vector<std::string> PathPlaceholders(std::string_view path) {
  std::vector<std::string> names;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '{') continue;
    const size_t close = path.find('}', i);
    if (close == std::string_view::npos) break;
    if (i > 0 && path[i - 1] == '$') {
      i = close;
      continue;
    }
    std::string_view name = path.substr(i + 1, close - i - 1);
    ConsumeSuffix(name, "+");
    if (!name.empty()) names.emplace_back(name);
    i = close;
  }
  return names;
}

absl::StatusOr<IntegrationArn> ParseIntegrationArn(std::string_view uri) {
  // Six parts; the last one keeps its colons.
  const std::vector<std::string_view> parts = Split(uri, ':', 6);
  if (parts.size() < 5 || parts[0] != "arn" || parts[1].empty() || parts[2] != "apigateway" ||
      parts[4].empty()) {
    return absl::InvalidArgumentError("Invalid ARN specified in the request");
  }
  if (parts.size() < 6) {
    return absl::InvalidArgumentError("AWS ARN for integration must contain path or action");
  }
  IntegrationArn arn;
  arn.region = std::string(parts[3]);
  std::string_view call = parts[5];
  if (ConsumePrefix(call, "action/") && !call.empty()) {
    arn.is_action = true;
  } else if (!ConsumePrefix(call, "path/")) {
    return absl::InvalidArgumentError("AWS ARN for integration must contain path or action");
  }
  arn.rest = std::string(call);
  const size_t dot = parts[4].rfind('.');
  if (dot == std::string_view::npos) {
    arn.service = std::string(parts[4]);
  } else {
    arn.subdomain = std::string(parts[4].substr(0, dot));
    arn.service = std::string(parts[4].substr(dot + 1));
  }
  return arn;
}

absl::StatusOr<FunctionUri> ParseFunctionUri(std::string_view uri) {
  FunctionUri result;
  const std::vector<std::string_view> parts = Split(uri, ':', 7);
  if (parts.size() == 7 && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "function" &&
      !parts[6].empty()) {
    result.function = std::string(uri);
    return result;
  }
  absl::StatusOr<IntegrationArn> arn = ParseIntegrationArn(uri);
  if (!arn.ok()) return arn.status();
  const absl::Status unsupported = absl::InvalidArgumentError(
      "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose "
      "stream invocations.");
  if (arn->service != "lambda" || arn->is_action) return unsupported;
  std::string_view rest = arn->rest;
  ConsumePrefix(rest, "/");  // path//2015-03-31/... is accepted too
  if (ConsumePrefix(rest, "2015-03-31/functions/")) {
    if (!ConsumeSuffix(rest, "/invocations")) return unsupported;
  } else if (ConsumePrefix(rest, "2021-11-15/functions/")) {
    if (!ConsumeSuffix(rest, "/response-streaming-invocations")) return unsupported;
    result.streaming = true;
  } else {
    return unsupported;
  }
  if (rest.empty() || rest.find('/') != std::string_view::npos) return unsupported;
  result.function = std::string(rest);
  return result;
}

}  // namespace postern
