#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/cluster.pb.h"
#include "proto/snapshot/function.pb.h"
#include "proto/snapshot/integration.pb.h"
#include "proto/snapshot/secret.pb.h"
#include "proto/snapshot/stage.pb.h"

namespace postern {

/// Where Lambda functions are: names and the URLs of their endpoints.
///
/// A name is what management-and-import.md 5.4 allows: a full ARN with or without qualifier,
/// "name:qualifier", "name", the logical id of a template, or "*" for every function without an
/// entry of its own.
///
/// A URL is one of
/// - `http://host:port`: a Runtime Interface Emulator, or a container with one;
/// - `http://host:port/2015-03-31/functions/NAME/invocations`: exactly this target; a Runtime
///   Interface Emulator if NAME is "function", else an Invoke API;
/// - `invoke+http://host:port[/base]`, `invoke+https://...`: an Invoke API (sam local start-lambda,
///   an emulator, AWS itself), asked for the function by its name and qualifier. Requests to hosts
///   of amazonaws.com are signed.
/// All URLs of one name are of one form and have one path.
using LambdaMap = std::map<std::string, std::vector<std::string>, std::less<>>;

/// What HTTPS upstreams of integrations are met with: absolute paths of PEM files, or
/// "secret:NAME". Empty ones leave the default. The gateway reads them again when they change.
struct UpstreamTlsFiles {
  std::string truststore;         ///< roots in place of the system's
  std::string certificate_chain;  ///< client certificate, leaf first; needs its key
  std::string private_key;
};

/// Whether `text` is "secret:NAME", and no path.
bool IsSecretReference(std::string_view text);

/// Lets `out` be what `text` names: the secret NAME of "secret:NAME", else a file.
void SetDataSource(std::string_view text, snapshot::v1::DataSource* out);

/// Takes "NAME=file:/path" or "NAME=env:VARIABLE", as on the command line.
absl::StatusOr<snapshot::v1::Secret> ParseSecret(std::string_view text);

/// What a stage adds to a definition.
struct StageOptions {
  std::string name = "prod";
  /// Of HTTP APIs, which need none in their paths (http-api.md 4).
  std::string http_api_name = "$default";
  std::map<std::string, std::string, std::less<>> variables;
  LambdaMap lambda;
  UpstreamTlsFiles upstream_tls;
  std::vector<snapshot::v1::Secret> secrets;  ///< where they are; unique by name
  /// Longest silence inside an answer (Cluster.response_idle_timeout_ms). Absent: its default.
  std::optional<uint32_t> response_idle_timeout_ms;
};

/// The name of the stage for an API of this type.
const std::string& StageName(const StageOptions& stage, snapshot::v1::ApiType type);

/// Whether name, variables (rest-api.md 13.3) and URLs are well-formed; every problem in one
/// message, a line each.
absl::Status ValidateStageOptions(const StageOptions& stage);

/// The upstream that a target means in a stage, and the cluster for it.
struct BoundUpstream {
  snapshot::v1::UpstreamBinding binding;
  std::optional<snapshot::v1::Cluster> cluster;  ///< absent if binding.problem says why
};

/// Binds the upstream of `target`. Never fails: what cannot be reached is bound to nothing, with
/// the problem.
BoundUpstream BindUpstream(const snapshot::v1::HttpTarget& target, const StageOptions& stage);

/// The function that a reference means in a stage, and what is needed to reach it.
struct BoundFunction {
  snapshot::v1::FunctionBinding binding;
  std::optional<snapshot::v1::Function> function;  ///< absent if the map has no entry for it
  std::optional<snapshot::v1::Cluster> cluster;    ///< as `function`
};

/// Binds a function reference as it stands in LambdaTarget.function. `stage` is valid
/// (ValidateStageOptions).
BoundFunction BindFunction(std::string_view function, const StageOptions& stage);

/// The keys under which a function is looked for in a LambdaMap, in order, without "*".
std::vector<std::string> FunctionKeys(std::string_view function);

/// Takes "NAME=URL[,URL...]", as on the command line, into `map`. A name that is there already gets
/// further URLs.
absl::Status AddLambdaMapping(std::string_view text, LambdaMap& map);

}  // namespace postern
