#include "control/import/gateway_response.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "control/common/strings.h"
#include "control/import/expression.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr std::string_view kKind = "gateway response";
constexpr size_t kMaxTemplateBytes = 300 * 1024;

// In the order in which API Gateway lists them (management-and-import.md 1.8).
constexpr std::array<std::string_view, 21> kTypes = {"REQUEST_TOO_LARGE",
                                                     "RESOURCE_NOT_FOUND",
                                                     "AUTHORIZER_CONFIGURATION_ERROR",
                                                     "MISSING_AUTHENTICATION_TOKEN",
                                                     "BAD_REQUEST_BODY",
                                                     "INVALID_SIGNATURE",
                                                     "INVALID_API_KEY",
                                                     "BAD_REQUEST_PARAMETERS",
                                                     "AUTHORIZER_FAILURE",
                                                     "UNAUTHORIZED",
                                                     "INTEGRATION_TIMEOUT",
                                                     "ACCESS_DENIED",
                                                     "DEFAULT_4XX",
                                                     "DEFAULT_5XX",
                                                     "WAF_FILTERED",
                                                     "QUOTA_EXCEEDED",
                                                     "THROTTLED",
                                                     "API_CONFIGURATION_ERROR",
                                                     "UNSUPPORTED_MEDIA_TYPE",
                                                     "INTEGRATION_FAILURE",
                                                     "EXPIRED_TOKEN"};

std::string TypeList() {
  std::string list;
  for (const std::string_view type : kTypes) {
    if (!list.empty()) list += ", ";
    list += type;
  }
  return list;
}

// Whether it can stand in a Content-Type field (RFC 9110 section 5.5).
bool IsContentType(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }) &&
         !text.starts_with(' ') && !text.ends_with(' ');
}

void ImportParameter(ImportContext& context, Node node, v1::GatewayResponse& response) {
  std::string_view name = node.key();
  if (!ConsumePrefix(name, "gatewayresponse.header.")) {
    if (name.starts_with("gatewayresponse.path.") ||
        name.starts_with("gatewayresponse.querystring.")) {
      context.Ignored(node, kKind, "A response has neither path nor query string.");
    } else {
      context.Problem(node, kKind, "It must begin with gatewayresponse.header.");
    }
    return;
  }
  if (!IsFieldName(name)) {
    context.Problem(node, kKind, "That is no name of a header field.");
    return;
  }
  for (const std::string_view framing :
       {"Connection", "Content-Length", "HTTP2-Settings", "Keep-Alive", "Proxy-Connection", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade"}) {
    if (EqualsIgnoreCase(name, framing)) {
      context.Problem(node, kKind, Concat("The header ", name, " is the gateway's own to write."));
      return;
    }
  }
  for (const v1::GatewayResponseHeader& other : response.headers()) {
    if (EqualsIgnoreCase(other.name(), name)) {
      context.Problem(node, kKind, Concat("The header ", name, " is set twice."));
      return;
    }
  }
  if (node.is_null() || (node.is_string() && node.text().empty())) {
    context.Problem(node, kKind, "Invalid null or empty value in responseParameters");
    return;
  }
  const std::optional<std::string> text = context.Text(node, kKind);
  if (!text) return;
  absl::StatusOr<v1::ValueSource> source = ParseGatewayResponseExpression(*text);
  if (!source.ok()) {
    context.Problem(node, kKind, Message(source.status()));
    return;
  }
  context.Applied(node, kKind);
  v1::GatewayResponseHeader& header = *response.add_headers();
  header.set_name(std::string(name));
  *header.mutable_value() = *std::move(source);
}

}  // namespace

void ImportGatewayResponses(ImportContext& context, Node responses, v1::Deployment& deployment) {
  if (!context.IsObject(responses, kKind)) return;
  if (responses.size() == 0) context.Applied(responses, kKind);
  for (const Node node : responses.children()) {
    const std::string_view type = node.key();
    if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
      context.Problem(
          node, kKind,
          Concat("Value '", type,
                 "' at 'responseType' failed to satisfy constraint: Member must satisfy "
                 "enum value set: [",
                 TypeList(), "]"));
      continue;
    }
    if (node.is_null()) {
      context.Ignored(node, kKind, "It is null, and changes nothing.");
      continue;
    }
    if (!context.IsObject(node, kKind)) continue;
    v1::GatewayResponse response;
    response.set_type(std::string(type));
    if (node.size() == 0) context.Applied(node, kKind);
    for (const Node value : node.children()) {
      const std::string_view member = value.key();
      if (member == "statusCode") {
        if (value.is_null()) {
          context.Applied(value, kKind);
          continue;
        }
        const std::optional<std::string> code = context.Text(value, kKind);
        if (!code) continue;
        const std::optional<uint32_t> status = ParseStatusCode(*code);
        if (!status) {
          context.Problem(value, kKind, StatusCodeProblem(*code));
          continue;
        }
        response.set_status_code(*status);
        context.Applied(value, kKind);
      } else if (member == "responseParameters") {
        if (!context.IsSmallObject(value, kKind)) continue;
        if (value.size() == 0) context.Applied(value, kKind);
        for (const Node parameter : value.children()) {
          ImportParameter(context, parameter, response);
        }
      } else if (member == "responseTemplates") {
        if (!context.IsSmallObject(value, kKind)) continue;
        if (value.size() == 0) context.Applied(value, kKind);
        for (const Node element : value.children()) {
          if (!element.is_string()) {
            context.Problem(element, kKind,
                            element.is_null() ? "Invalid null or empty value in responseTemplates"
                                              : "A template is a string; put quotes around it.");
            continue;
          }
          if (element.key().empty() || element.key().size() > kMaxNameBytes ||
              !IsContentType(element.key())) {
            context.Problem(element, kKind, "Its name must be a content type.");
            continue;
          }
          if (element.text().size() > kMaxTemplateBytes) {
            context.Problem(element, kKind, "A template has at most 300 KB.");
            continue;
          }
          v1::GatewayResponseTemplate& result = *response.add_templates();
          result.set_content_type(std::string(element.key()));
          result.set_body(std::string(element.text()));
          context.Applied(element, kKind);
        }
      } else if (member == "responseType" || member == "defaultResponse") {
        context.Describes(value, member);
      } else {
        context.Unknown(value, {"statusCode", "responseParameters", "responseTemplates"});
      }
    }
    *deployment.add_gateway_responses() = std::move(response);
  }
}

}  // namespace postern
