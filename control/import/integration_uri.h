#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace postern {

/// The URI of an HTTP integration, taken apart as it is written: stage variables and `{name}`
/// placeholders are still in it.
struct HttpUriTemplate {
  std::string origin;  ///< "https://host:port": scheme in lower case, authority as written
  std::string path;    // path and query as written; may be empty or begin with "?"
};

/// Takes `uri` apart. InvalidArgument, with the words of AWS first (rest-api.md 6.1), where the
/// scheme is not http or https, the authority is missing, holds user information or a `{name}`
/// placeholder, or the text has bytes that no URI has.
absl::StatusOr<HttpUriTemplate> ParseHttpUriTemplate(std::string_view uri);

/// The names of the `{name}` placeholders of a path, without "+" and in order; `${...}` is none.
std::vector<std::string> PathPlaceholders(std::string_view path);

/// The URI of an AWS integration: arn:{partition}:apigateway:{region}:{[subdomain.]service}:
/// {path|action}/{rest}.
struct IntegrationArn {
  std::string region;
  std::string service;
  std::string subdomain;
  bool is_action = false;
  std::string rest;  ///< what follows "path/" or "action/"
};

/// InvalidArgument with the words of AWS (rest-api.md 6.1).
absl::StatusOr<IntegrationArn> ParseIntegrationArn(std::string_view uri);

/// The function that a Lambda URI names (rest-api.md 9.1, management-and-import.md 5.4).
struct FunctionUri {
  std::string function;  ///< ARN, partial ARN or name, with its qualifier, as written
  bool streaming = false;
};

/// Takes a Lambda invocation ARN, or the bare ARN of a function. InvalidArgument with the words of
/// AWS for other ARNs.
absl::StatusOr<FunctionUri> ParseFunctionUri(std::string_view uri);

}  // namespace postern
