#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/compile/stage_binding.h"
#include "control/import/report.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// What becomes of the base path of a definition (management-and-import.md 3.2).
enum class BasePathMode {
  kIgnore,   ///< paths are as they are
  kPrepend,  ///< the base path goes before every path
  kSplit,    ///< the same without its first segment
};

/// What the gateways that will run the result can do. What is false here and guards an API refuses
/// the import; what is false and does not, makes the method that needs it unavailable.
struct GatewayCapabilities {
  bool authorizers = false;         ///< Lambda, Cognito and JWT authorizers
  bool iam = false;                 ///< AWS Signature Version 4
  bool api_keys = false;            ///< API keys and usage plans
  bool resource_policies = false;   ///< x-amazon-apigateway-policy
  bool filters = true;              ///< x-postern-filters, and compression, which is one
  bool response_streaming = false;  ///< responseTransferMode STREAM of functions
};

/// How a definition is imported.
struct ImportOptions {
  std::string file_name;  ///< as messages show it

  /// Guards that may stay unenforced: a kind ("authorizer", "iam", "security", "api-key", "policy",
  /// "validator", "filters", "mutual-tls", "tls-policy", "private-endpoint", "extension"), the name
  /// of a security scheme, validator or extension, a JSON pointer, or "all".
  std::vector<std::string> allow_unenforced;

  BasePathMode base_path_mode = BasePathMode::kIgnore;

  /// Refuse where AWS would warn or the result would differ: every approximation and every method
  /// that is unavailable becomes a problem.
  bool fail_on_warnings = false;

  /// Account, region and partition, for `${AWS::AccountId}` and the like.
  snapshot::v1::Gateway gateway;

  /// The stage that the API will run in; says which stage variables and functions are unknown.
  StageOptions stage;

  GatewayCapabilities capabilities;
};

/// An imported definition.
struct ImportResult {
  snapshot::v1::Api api;
  snapshot::v1::Deployment deployment;
  std::vector<snapshot::v1::Module> modules;  ///< that its filters need, by name
  FilterPlaces filter_places;
  ImportReport report;

  /// Whether `api` and `deployment` may be used. If not, the report says why.
  bool ok() const { return !report.refused(); }
};

/// The largest definition that is read.
inline constexpr size_t kMaxDefinitionBytes = 16u << 20;

/// Reads an OpenAPI 2.0, 3.0 or 3.1 definition, YAML or JSON, with the extensions of API Gateway
/// (management-and-import.md 3). Never fails otherwise than by its report, which names every
/// problem. The result depends on the arguments alone.
ImportResult ImportDefinition(std::string_view text, const ImportOptions& options);

}  // namespace postern
