#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// The security schemes of a definition, and what requirements for them mean for methods
/// (management-and-import.md 3.5).
class SecurityImporter {
 public:
  explicit SecurityImporter(ImportContext& context) : context_(context) {}

  /// Reads `securityDefinitions` (2.0) or `components.securitySchemes` (3.x).
  void ReadSchemes(Node schemes);

  /// Reads the root `security`; it holds for operations without their own.
  void SetDefault(Node requirements) { default_ = requirements; }

  /// Applies what `operation` requires (`security`, `x-amazon-apigateway-auth`) to `method`.
  void Apply(Node operation, snapshot::v1::Method& method);

  /// Says what became of the schemes, once every operation has been read, and adds the authorizers
  /// to `deployment`.
  void Finish(const std::string& api_id, snapshot::v1::Deployment& deployment);

 private:
  enum class Kind { kApiKey, kAuthorizer, kIam, kMutualTls, kOther };

  struct Scheme {
    Node node;
    Kind kind = Kind::kOther;
    std::string description;  // "a Cognito user pool authorizer"
    snapshot::v1::Authorizer authorizer;
    bool used = false;
  };

  void ReadScheme(std::string_view name, Node node);
  void ReadAuthorizer(Node scheme, Node extension, Scheme& result);
  void Require(Node requirement, snapshot::v1::Method& method);
  void RequireAuthorization(Node place, snapshot::v1::Authorization authorization,
                            snapshot::v1::Method& method);
  void ReadAuth(Node auth, snapshot::v1::Method& method);

  ImportContext& context_;
  std::map<std::string, Scheme, std::less<>> schemes_;
  Node default_;
};

/// Reads the resource policy of an API into `deployment`. One that allows everything to everybody
/// is nothing to enforce.
void ImportPolicy(ImportContext& context, Node policy, snapshot::v1::Deployment& deployment);

}  // namespace postern
