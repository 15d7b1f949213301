#include "control/import/security.h"

#include <algorithm>
#include <utility>

#include "control/common/strings.h"
#include "control/import/integration_uri.h"
#include "control/import/placeholder.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/id.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr int64_t kMaxResultTtlSeconds = 3600;

// Whether a value is `text`, or a list that contains it.
bool IsOrContains(Node node, std::string_view text) {
  if (node.is_string()) return node.text() == text;
  for (const Node element : node.children()) {
    if (element.is_string() && element.text() == text) return node.is_array();
  }
  return false;
}

// A statement that allows every request of everybody without a condition.
bool AllowsEverything(Node statement) {
  if (!statement.is_object()) return false;
  for (const Node member : statement.children()) {
    const std::string_view name = member.key();
    if (name != "Sid" && name != "Effect" && name != "Principal" && name != "Action" &&
        name != "Resource") {
      return false;
    }
  }
  const Node principal = statement.Find("Principal");
  const bool everybody = IsOrContains(principal, "*") || IsOrContains(principal.Find("AWS"), "*");
  const Node action = statement.Find("Action");
  const Node resource = statement.Find("Resource");
  return IsOrContains(statement.Find("Effect"), "Allow") && everybody &&
         (IsOrContains(action, "execute-api:Invoke") || IsOrContains(action, "execute-api:*") ||
          IsOrContains(action, "*")) &&
         (IsOrContains(resource, "*") || IsOrContains(resource, "execute-api:/*") ||
          IsOrContains(resource, "execute-api:*"));
}

}  // namespace

void SecurityImporter::ReadSchemes(Node schemes) {
  if (!schemes || !context_.IsObject(schemes, "security schemes")) return;
  for (const Node scheme : schemes.children()) {
    if (scheme.key().starts_with("x-")) {
      context_.Unknown(scheme);
    } else if (const Node node = context_.Resolve(scheme)) {
      ReadScheme(scheme.key(), node);
    }
  }
}

void SecurityImporter::ReadScheme(std::string_view name, Node node) {
  if (!context_.IsObject(node, "security scheme")) return;
  Scheme scheme;
  scheme.node = node;
  std::string type;
  std::string auth_type;
  std::string field;
  std::string place;
  std::string http_scheme;
  Node authorizer;
  for (const Node value : node.children()) {
    const std::string_view member = value.key();
    if (member == "type") {
      type = context_.Text(value, "security scheme").value_or("");
    } else if (member == "name") {
      field = context_.Text(value, "security scheme").value_or("");
    } else if (member == "in") {
      place = context_.Text(value, "security scheme").value_or("");
    } else if (member == "scheme") {
      http_scheme = context_.Text(value, "security scheme").value_or("");
    } else if (member == "x-amazon-apigateway-authtype") {
      auth_type = context_.Text(value, "security scheme").value_or("");
    } else if (member == "x-amazon-apigateway-authorizer") {
      authorizer = value;
    } else if (member == "x-amazon-apigateway-auth") {
      const Node auth = value.Find("type");
      if (auth.is_string() && EqualsIgnoreCase(auth.text(), "AWS_IAM")) {
        auth_type = "awsSigv4";
      }
    } else if (member == "description" || member == "flows" || member == "flow" ||
               member == "scopes" || member == "authorizationUrl" || member == "tokenUrl" ||
               member == "openIdConnectUrl" || member == "bearerFormat") {
      context_.Describes(value, "security scheme");
    } else {
      context_.Unknown(value, {"type", "name", "description", "scheme"});
    }
  }

  if (EqualsIgnoreCase(auth_type, "awsSigv4")) {
    scheme.kind = Kind::kIam;
    scheme.description = "AWS Signature Version 4 (IAM)";
  } else if (authorizer) {
    scheme.kind = Kind::kAuthorizer;
    scheme.authorizer.set_name(std::string(name));
    scheme.authorizer.set_auth_type(auth_type);
    ReadAuthorizer(node, authorizer, scheme);
  } else if (EqualsIgnoreCase(type, "apiKey") && EqualsIgnoreCase(field, "x-api-key") &&
             EqualsIgnoreCase(place, "header")) {
    scheme.kind = Kind::kApiKey;
    scheme.description = "an API key of a usage plan";
  } else if (EqualsIgnoreCase(type, "mutualTLS")) {
    scheme.kind = Kind::kMutualTls;
    scheme.description = "a client certificate";
  } else {
    scheme.description =
        Concat("type ", type.empty() ? "missing" : type, http_scheme.empty() ? "" : ", scheme ",
               http_scheme, field.empty() ? "" : ", name ", field,
               ", without x-amazon-apigateway-authorizer");
  }
  schemes_.insert_or_assign(std::string(name), std::move(scheme));
}

void SecurityImporter::ReadAuthorizer(Node scheme, Node extension, Scheme& result) {
  v1::Authorizer& authorizer = result.authorizer;
  if (!context_.IsObject(extension, "authorizer")) return;
  std::string type;
  const auto strings = [this](Node list, std::string_view what, auto add) {
    if (!context_.IsArray(list, what)) return;
    for (const Node element : list.children()) {
      if (std::optional<std::string> text = context_.Text(element, what)) add(*std::move(text));
    }
  };
  for (const Node value : extension.children()) {
    const std::string_view member = value.key();
    if (member == "type") {
      type = AsciiToLower(context_.Text(value, "authorizer").value_or(""));
    } else if (member == "authorizerUri") {
      const std::optional<std::string> uri = context_.TextWithPlaceholders(value, "authorizer");
      if (!uri) continue;
      const absl::StatusOr<FunctionUri> function = ParseFunctionUri(ResolvePlaceholders(*uri).text);
      if (function.ok()) {
        authorizer.mutable_function()->set_function(function->function);
      } else {
        context_.Problem(value, "authorizer", Message(function.status()));
      }
    } else if (member == "authorizerCredentials") {
      authorizer.set_credentials_arn(context_.Text(value, "authorizer").value_or(""));
    } else if (member == "identitySource") {
      const std::string sources = context_.Text(value, "authorizer").value_or("");
      for (const std::string_view source : Split(sources, ',')) {
        if (!TrimSpace(source).empty()) {
          authorizer.add_identity_sources(std::string(TrimSpace(source)));
        }
      }
    } else if (member == "identityValidationExpression") {
      authorizer.set_identity_validation_expression(
          context_.Text(value, "authorizer").value_or(""));
    } else if (member == "authorizerResultTtlInSeconds") {
      const std::optional<int64_t> ttl = context_.Integer(value, "authorizer");
      if (!ttl) continue;
      if (*ttl < 0 || *ttl > kMaxResultTtlSeconds) {
        context_.Problem(value, "authorizer", "The time to live must be between 0 and 3600.");
      } else {
        authorizer.set_result_ttl_seconds(static_cast<uint32_t>(*ttl));
      }
    } else if (member == "providerARNs") {
      strings(value, "authorizer",
              [&authorizer](std::string arn) { authorizer.add_provider_arns(std::move(arn)); });
    } else if (member == "authorizerPayloadFormatVersion") {
      authorizer.set_payload_format_version(context_.Text(value, "authorizer").value_or(""));
    } else if (member == "enableSimpleResponses") {
      authorizer.set_simple_responses(context_.Bool(value, "authorizer").value_or(false));
    } else if (member == "jwtConfiguration") {
      if (!context_.IsObject(value, "authorizer")) continue;
      if (const Node issuer = value.Find("issuer")) {
        authorizer.set_issuer(context_.Text(issuer, "authorizer").value_or(""));
      }
      const Node audience = value.Find("audience");
      if (audience.is_string()) {
        authorizer.add_audiences(context_.Text(audience, "authorizer").value_or(""));
      } else if (audience) {
        strings(audience, "authorizer",
                [&authorizer](std::string text) { authorizer.add_audiences(std::move(text)); });
      }
    } else {
      context_.Unknown(value, {"type", "authorizerUri", "authorizerCredentials", "identitySource",
                               "identityValidationExpression", "authorizerResultTtlInSeconds",
                               "providerARNs", "jwtConfiguration"});
    }
  }

  if (type == "token") {
    authorizer.set_type(v1::Authorizer::TYPE_TOKEN);
    result.description = "a Lambda authorizer (TOKEN)";
  } else if (type == "request") {
    authorizer.set_type(v1::Authorizer::TYPE_REQUEST);
    result.description = "a Lambda authorizer (REQUEST)";
  } else if (type == "cognito_user_pools") {
    authorizer.set_type(v1::Authorizer::TYPE_COGNITO_USER_POOLS);
    result.description = "a Cognito user pool authorizer";
  } else if (type == "jwt") {
    authorizer.set_type(v1::Authorizer::TYPE_JWT);
    result.description = "a JWT authorizer";
  } else {
    result.description = Concat("an authorizer of the unknown type \"", type, "\"");
  }

  // TOKEN and Cognito: the header that the scheme itself names (management-and-import.md 3.5).
  if (authorizer.identity_sources().empty() &&
      (authorizer.type() == v1::Authorizer::TYPE_TOKEN ||
       authorizer.type() == v1::Authorizer::TYPE_COGNITO_USER_POOLS)) {
    const Node name = scheme.Find("name");
    if (name.is_string()) {
      authorizer.add_identity_sources(Concat("method.request.header.", name.text()));
    }
  }
  if (authorizer.issuer().empty() && authorizer.type() == v1::Authorizer::TYPE_JWT) {
    const Node url = scheme.Find("openIdConnectUrl");
    if (url.is_string()) {
      std::string_view issuer = url.text();
      ConsumeSuffix(issuer, "/.well-known/openid-configuration");
      authorizer.set_issuer(std::string(issuer));
    }
  }

  if (!context_.capabilities().authorizers) return;
  const bool needs_function = authorizer.type() == v1::Authorizer::TYPE_TOKEN ||
                              authorizer.type() == v1::Authorizer::TYPE_REQUEST;
  if (authorizer.type() == v1::Authorizer::TYPE_UNSPECIFIED) {
    context_.Problem(extension, "authorizer",
                     "Its type must be token, request, cognito_user_pools or jwt.");
  } else if (needs_function && !authorizer.has_function()) {
    context_.Problem(extension, "authorizer", "It has no authorizerUri.");
  } else if (authorizer.type() == v1::Authorizer::TYPE_COGNITO_USER_POOLS &&
             authorizer.provider_arns().empty()) {
    context_.Problem(extension, "authorizer", "It has no providerARNs.");
  } else if (authorizer.type() == v1::Authorizer::TYPE_JWT &&
             (authorizer.issuer().empty() || authorizer.audiences().empty())) {
    context_.Problem(extension, "authorizer", "It needs an issuer and an audience.");
  }
}

void SecurityImporter::Apply(Node operation, v1::Method& method) {
  const Node own = operation.Find("security");
  const Node requirements = own ? own : default_;
  if (requirements && context_.IsArray(requirements, "security requirement")) {
    if (requirements.size() == 0) context_.Applied(requirements, "security requirement");
    for (const Node requirement : requirements.children()) {
      if (!context_.IsSmallObject(requirement, "security requirement")) continue;
      // {} allows the request without any of the others. Asking for all of them is stricter.
      if (requirement.size() == 0) {
        if (requirements.size() == 1) {
          context_.Applied(requirement, "security requirement");
        } else {
          context_.Approximated(requirement, "security requirement",
                                "An alternative that asks for nothing is not offered: all the "
                                "requirements of the list hold.");
        }
      }
      for (const Node scheme : requirement.children()) Require(scheme, method);
    }
  }
  if (const Node auth = operation.Find("x-amazon-apigateway-auth")) ReadAuth(auth, method);
}

void SecurityImporter::Require(Node requirement, v1::Method& method) {
  const std::string_view name = requirement.key();
  const auto it = schemes_.find(name);
  if (it == schemes_.end()) {
    context_.Guard(requirement, "security requirement", "security", {std::string(name)},
                   Concat("The security scheme \"", name, "\" is not defined in this document."));
    return;
  }
  Scheme& scheme = it->second;
  scheme.used = true;
  switch (scheme.kind) {
    case Kind::kApiKey:
      if (context_.capabilities().api_keys) {
        method.set_api_key_required(true);
        context_.Applied(requirement, "security requirement");
        return;
      }
      context_.Guard(requirement, "security requirement", "api-key", {std::string(name)},
                     "API keys are not checked by this version.");
      return;
    case Kind::kIam: {
      if (!context_.capabilities().iam) {
        context_.Guard(requirement, "security requirement", "iam", {std::string(name)},
                       "Signatures of AWS Signature Version 4 are not checked by this version.");
        return;
      }
      v1::Authorization authorization;
      authorization.set_type(v1::Authorization::TYPE_AWS_IAM);
      RequireAuthorization(requirement, std::move(authorization), method);
      return;
    }
    case Kind::kAuthorizer: {
      if (!context_.capabilities().authorizers) {
        context_.Guard(requirement, "security requirement", "authorizer", {std::string(name)},
                       Concat("The scheme \"", name, "\" is ", scheme.description,
                              ", which this version cannot ask."));
        return;
      }
      v1::Authorization authorization;
      const v1::Authorizer::Type type = scheme.authorizer.type();
      authorization.set_type(type == v1::Authorizer::TYPE_COGNITO_USER_POOLS
                                 ? v1::Authorization::TYPE_COGNITO_USER_POOLS
                             : type == v1::Authorizer::TYPE_JWT ? v1::Authorization::TYPE_JWT
                                                                : v1::Authorization::TYPE_CUSTOM);
      authorization.set_authorizer(std::string(name));
      if (context_.IsArray(requirement, "security requirement")) {
        for (const Node element : requirement.children()) {
          if (std::optional<std::string> scope = context_.Text(element, "scope")) {
            authorization.add_scopes(*std::move(scope));
          }
        }
      }
      RequireAuthorization(requirement, std::move(authorization), method);
      return;
    }
    case Kind::kMutualTls:
      context_.Guard(requirement, "security requirement", "mutual-tls", {std::string(name)},
                     "Client certificates are asked for by a listener, not by a definition.");
      return;
    case Kind::kOther:
      context_.Guard(
          requirement, "security requirement", "security", {std::string(name)},
          Concat("The scheme \"", name, "\" (", scheme.description,
                 ") gives the gateway nothing to check. API Gateway would leave the method open "
                 "too; only its backend can refuse."));
      return;
  }
}

void SecurityImporter::RequireAuthorization(Node place, v1::Authorization authorization,
                                            v1::Method& method) {
  if (method.has_authorization() &&
      (method.authorization().type() != authorization.type() ||
       method.authorization().authorizer() != authorization.authorizer())) {
    context_.Problem(place, "security requirement",
                     "A method has one authorizer, or IAM, but not several of them.");
    return;
  }
  context_.Applied(place, "security requirement");
  *method.mutable_authorization() = std::move(authorization);
}

void SecurityImporter::ReadAuth(Node auth, v1::Method& method) {
  if (!context_.IsObject(auth, "x-amazon-apigateway-auth")) return;
  const Node type_node = auth.Find("type");
  const std::string type =
      type_node ? AsciiToLower(context_.Text(type_node, "x-amazon-apigateway-auth").value_or(""))
                : std::string();
  if (type == "none" || (type.empty() && auth.size() == 0)) {
    context_.Applied(auth, "x-amazon-apigateway-auth");
  } else if (type == "aws_iam" && context_.capabilities().iam) {
    v1::Authorization authorization;
    authorization.set_type(v1::Authorization::TYPE_AWS_IAM);
    RequireAuthorization(auth, std::move(authorization), method);
  } else if (type == "aws_iam") {
    context_.Guard(auth, "x-amazon-apigateway-auth", "iam", {},
                   "Signatures of AWS Signature Version 4 are not checked by this version.");
  } else {
    context_.Guard(auth, "x-amazon-apigateway-auth", "authorizer", {},
                   Concat("An authorization of the type \"", type,
                          "\" cannot be set up from this; use a security scheme with "
                          "x-amazon-apigateway-authorizer."));
  }
}

void SecurityImporter::Finish(const std::string& api_id, v1::Deployment& deployment) {
  for (auto& [name, scheme] : schemes_) {
    if (!scheme.used) {
      context_.Describes(scheme.node, "unused security scheme");
      continue;
    }
    // What its requirements mean is said where they stand.
    context_.Applied(scheme.node, "security scheme");
    if (scheme.kind == Kind::kAuthorizer && context_.capabilities().authorizers) {
      scheme.authorizer.set_id(
          StableId(Concat("authorizer\n", api_id, "\n", name), kResourceIdSize));
      *deployment.add_authorizers() = scheme.authorizer;
    }
  }
}

void ImportPolicy(ImportContext& context, Node policy, v1::Deployment& deployment) {
  constexpr std::string_view kKind = "resource policy";
  if (policy.is_object()) {
    Node statements = policy.Find("Statement");
    std::vector<Node> list;
    if (statements.is_array()) {
      for (const Node statement : statements.children()) list.push_back(statement);
    } else if (statements) {
      list.push_back(statements);
    }
    const bool only_allows = std::all_of(list.begin(), list.end(), [](Node statement) {
      return IsOrContains(statement.Find("Effect"), "Allow");
    });
    if (only_allows && std::any_of(list.begin(), list.end(), AllowsEverything)) {
      // It allows every request, so it is enforced by doing nothing.
      context.Applied(policy, kKind);
      return;
    }
  }
  if (context.capabilities().resource_policies) {
    const std::string json = policy.is_string() ? context.ReplaceAwsVariables(policy.text())
                                                : context.ReplaceAwsVariables(ToJson(policy));
    constexpr size_t kMaxPolicyBytes = 8192;
    if (json.size() > kMaxPolicyBytes) {
      context.Problem(policy, kKind, "A resource policy has at most 8192 characters.");
      return;
    }
    deployment.set_resource_policy_json(json);
    context.Applied(policy, kKind);
    return;
  }
  context.Guard(policy, kKind, "policy", {},
                "Resource policies are not evaluated by this version.");
}

}  // namespace postern
