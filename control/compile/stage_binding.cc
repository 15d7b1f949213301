#include "control/compile/stage_binding.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/common/strings.h"
#include "lib/template/stage_variables.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/percent.h"
#include "lib/text/uri.h"

namespace postern {
namespace {

using snapshot::v1::Cluster;
using snapshot::v1::Function;
using snapshot::v1::HttpTarget;

constexpr size_t kMaxVariables = 100;
constexpr size_t kMaxVariableName = 64;
constexpr size_t kMaxVariableValue = 512;
constexpr size_t kMaxStageName = 128;
constexpr size_t kMaxHost = 253;
constexpr size_t kMaxFunctionName = 400;
constexpr size_t kMaxSecrets = 100;
constexpr size_t kMaxSecretName = 128;
constexpr size_t kMaxPath = 4096;
constexpr std::string_view kSecretPrefix = "secret:";
constexpr std::string_view kRuntimeInterfacePath = "/2015-03-31/functions/function/invocations";

bool IsStageName(std::string_view name) {
  constexpr CharSet kAllowed = kAlnumChars | CharSet("_-");
  return !name.empty() && name.size() <= kMaxStageName && kAllowed.HasAll(name);
}

bool IsVariableName(std::string_view name) {
  constexpr CharSet kAllowed = kAlnumChars | CharSet("_");
  return !name.empty() && name.size() <= kMaxVariableName && kAllowed.HasAll(name);
}

bool IsVariableValue(std::string_view value) {
  constexpr CharSet kAllowed = kAlnumChars | CharSet("-._~:/?#&=,");
  return !value.empty() && value.size() <= kMaxVariableValue && kAllowed.HasAll(value);
}

// proto/snapshot/secret.proto. Empty if there is nothing wrong.
std::string SecretProblem(const snapshot::v1::Secret& secret) {
  constexpr CharSet kNameChars = kAlnumChars | CharSet("._/-");
  constexpr CharSet kVariableChars = kAlnumChars | CharSet("_");
  if (secret.name().empty() || secret.name().size() > kMaxSecretName ||
      !kNameChars.HasAll(secret.name())) {
    return "its name has 1 to 128 letters, digits and characters of ._/-";
  }
  switch (secret.source_case()) {
    case snapshot::v1::Secret::kFile:
      if (!secret.file().starts_with('/') || secret.file().size() > kMaxPath) {
        return "its file needs an absolute path of at most 4096 bytes";
      }
      return {};
    case snapshot::v1::Secret::kEnvironment:
      if (secret.environment().empty() || !kVariableChars.HasAll(secret.environment())) {
        return "its environment variable has a name of letters, digits and '_'";
      }
      return {};
    case snapshot::v1::Secret::SOURCE_NOT_SET:
      break;
  }
  return "it has neither a file nor an environment variable";
}

std::string_view WithoutTrailingSlash(std::string_view path) {
  ConsumeSuffix(path, "/");
  return path;
}

std::string Expand(std::string_view text, const StageOptions& stage) {
  return ExpandStageVariables(text, [&stage](std::string_view name) {
    const auto it = stage.variables.find(name);
    return it == stage.variables.end() ? std::nullopt : std::optional<std::string_view>(it->second);
  });
}

std::vector<std::string> UnknownVariables(std::string_view text, const StageOptions& stage) {
  std::vector<std::string> unknown;
  ForEachStageVariable(text, [&](std::string_view name) {
    if (stage.variables.find(name) == stage.variables.end()) unknown.emplace_back(name);
  });
  return unknown;
}

// Fills endpoint and TLS from an origin.
void SetOrigin(const HttpUri& uri, Cluster& cluster) {
  snapshot::v1::HostPort& address = *cluster.add_endpoints()->mutable_address()->mutable_tcp();
  address.set_host(AsciiToLower(uri.host));
  address.set_port(uri.port);
  if (uri.https && uri.host_kind == HostKind::kName) {
    cluster.mutable_tls()->set_server_name(AsciiToLower(uri.host));
  } else if (uri.https) {
    cluster.mutable_tls();
  }
}

std::string OriginName(const HttpUri& uri) {
  const bool bracket = uri.host_kind == HostKind::kIpv6 || uri.host_kind == HostKind::kIpFuture;
  return Concat(uri.https ? "https" : "http", "://", bracket ? "[" : "", AsciiToLower(uri.host),
                bracket ? "]" : "", ":", uri.port);
}

// One URL of a LambdaMap.
struct LambdaUrl {
  snapshot::v1::InvokeMode mode = snapshot::v1::INVOKE_MODE_UNSPECIFIED;
  std::string base;  // path in front of /2015-03-31, Invoke API by name only
  std::string path;  // whole path, else
  HttpUri origin;    // views the text that was parsed
};

absl::StatusOr<LambdaUrl> ParseLambdaUrl(std::string_view text) {
  LambdaUrl url;
  const bool by_name = ConsumePrefix(text, "invoke+");
  absl::StatusOr<HttpUri> uri = ParseHttpUri(text);
  if (!uri.ok()) return uri.status();
  if (uri->query.has_value()) return absl::InvalidArgumentError("it must not have a query");
  url.origin = *uri;
  const std::string_view path = WithoutTrailingSlash(uri->path);
  if (by_name) {
    url.mode = snapshot::v1::INVOKE_MODE_INVOKE_API;
    url.base = std::string(path);
    return url;
  }
  if (path.empty() || path == kRuntimeInterfacePath) {
    url.mode = snapshot::v1::INVOKE_MODE_RUNTIME_INTERFACE;
    url.path = std::string(kRuntimeInterfacePath);
    return url;
  }
  if (path.find("/2015-03-31/functions/") != std::string_view::npos &&
      path.ends_with("/invocations")) {
    url.mode = snapshot::v1::INVOKE_MODE_INVOKE_API;
    url.path = std::string(path);
    return url;
  }
  return absl::InvalidArgumentError(
      "its path must be empty (a Runtime Interface Emulator) or "
      "/2015-03-31/functions/NAME/invocations; for an Invoke API write invoke+http://host:port");
}

absl::Status ValidateLambdaEntry(std::string_view name, const std::vector<std::string>& urls) {
  if (name.empty()) return absl::InvalidArgumentError("--lambda: a function name is missing");
  if (name.size() > kMaxFunctionName) {
    return absl::InvalidArgumentError("--lambda: a function name has at most 400 characters");
  }
  if (urls.empty()) {
    return absl::InvalidArgumentError(Concat("--lambda ", name, ": a URL is missing"));
  }
  std::optional<LambdaUrl> first;
  for (const std::string& text : urls) {
    absl::StatusOr<LambdaUrl> url = ParseLambdaUrl(text);
    if (!url.ok()) {
      return absl::InvalidArgumentError(
          Concat("--lambda ", name, "=", text, ": ", Message(url.status())));
    }
    if (!first) {
      first = *std::move(url);
    } else if (first->mode != url->mode || first->base != url->base || first->path != url->path ||
               first->origin.https != url->origin.https) {
      return absl::InvalidArgumentError(
          Concat("--lambda ", name, ": all its URLs must have one scheme and one path"));
    }
  }
  return absl::OkStatus();
}

// "pets" and "live" of any way to write a function.
struct FunctionName {
  std::string_view name;
  std::string_view qualifier;
  std::string_view arn_without_qualifier;  // empty unless a full ARN
};

FunctionName SplitFunction(std::string_view function) {
  FunctionName result;
  const std::vector<std::string_view> parts = Split(function, ':');
  if (parts.size() >= 7 && parts[0] == "arn") {
    // arn:partition:lambda:region:account:function:name[:qualifier]
    result.name = parts[6];
    if (parts.size() > 7) result.qualifier = parts[7];
    size_t length = 6;
    for (size_t i = 0; i < 7; ++i) length += parts[i].size();
    result.arn_without_qualifier = function.substr(0, length);
  } else if (parts.size() >= 3 && parts[1] == "function") {
    // account:function:name[:qualifier]
    result.name = parts[2];
    if (parts.size() > 3) result.qualifier = parts[3];
  } else {
    result.name = parts[0];
    if (parts.size() > 1) result.qualifier = parts[1];
  }
  return result;
}

}  // namespace

const std::string& StageName(const StageOptions& stage, snapshot::v1::ApiType type) {
  return type == snapshot::v1::API_TYPE_HTTP ? stage.http_api_name : stage.name;
}

absl::Status ValidateStageOptions(const StageOptions& stage) {
  std::vector<std::string> problems;
  if (!IsStageName(stage.http_api_name) && stage.http_api_name != "$default") {
    problems.push_back(Concat("stage name \"", stage.http_api_name,
                              "\" of HTTP APIs: $default, or 1 to 128 letters, digits, '_' and "
                              "'-' are allowed"));
  }
  if (!IsStageName(stage.name)) {
    problems.push_back(Concat("stage name \"", stage.name,
                              "\": 1 to 128 letters, digits, '_' and '-' are allowed"));
  }
  if (stage.variables.size() > kMaxVariables) {
    problems.push_back(
        Concat("a stage has at most ", kMaxVariables, " variables, not ", stage.variables.size()));
  }
  for (const auto& [name, value] : stage.variables) {
    if (!IsVariableName(name)) {
      problems.push_back(
          Concat("stage variable \"", name, "\": its name has 1 to 64 letters, digits and '_'"));
    } else if (!IsVariableValue(value)) {
      problems.push_back(
          Concat("stage variable ", name,
                 ": its value has 1 to 512 letters, digits and characters of -._~:/?#&=,"));
    }
  }
  for (const auto& [name, urls] : stage.lambda) {
    if (absl::Status status = ValidateLambdaEntry(name, urls); !status.ok()) {
      problems.push_back(Message(status));
    }
  }
  if (stage.secrets.size() > kMaxSecrets) {
    problems.push_back(
        Concat("a stage has at most ", kMaxSecrets, " secrets, not ", stage.secrets.size()));
  }
  std::set<std::string> secrets;
  for (const snapshot::v1::Secret& secret : stage.secrets) {
    std::string problem = SecretProblem(secret);
    if (problem.empty() && !secrets.insert(secret.name()).second) problem = "it comes twice";
    if (!problem.empty()) {
      problems.push_back(Concat("secret \"", secret.name(), "\": ", problem));
    }
  }
  if (stage.upstream_tls.certificate_chain.empty() != stage.upstream_tls.private_key.empty()) {
    problems.push_back("a client certificate for upstreams and its key are only of use together");
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(Join(problems, "\n"));
}

BoundUpstream BindUpstream(const HttpTarget& target, const StageOptions& stage) {
  BoundUpstream bound;
  bound.binding.set_upstream(target.upstream());
  std::string_view origin = target.upstream();
  if (!target.connection_id().empty()) {
    ConsumePrefix(origin, Concat(target.connection_id(), "|"));
  }
  if (!target.server_name_to_verify().empty()) {
    ConsumeSuffix(origin, Concat("|", target.server_name_to_verify()));
  }
  if (target.insecure_skip_verification()) ConsumeSuffix(origin, "|insecure");

  const std::string expanded = Expand(origin, stage);
  const absl::StatusOr<HttpUri> uri = ParseHttpUri(expanded);
  std::string problem;
  if (!uri.ok()) {
    problem = Message(uri.status());
  } else if (uri->query.has_value()) {
    problem = "a query in its stage variables is not supported in front of the path";
  } else if (uri->port == 0) {
    problem = "port 0 cannot be connected to";
  } else if (uri->host.size() > kMaxHost || uri->host_kind == HostKind::kIpFuture) {
    problem = "its host cannot be looked up";
  }
  if (!problem.empty()) {
    const std::vector<std::string> unknown = UnknownVariables(origin, stage);
    bound.binding.set_problem(!unknown.empty()
                                  ? Concat("no value for the stage variable ", Join(unknown, ", "),
                                           " (--var ", unknown.front(), "=VALUE)")
                                  : Concat("\"", expanded, "\": ", problem));
    return bound;
  }

  Cluster cluster;
  cluster.set_name(OriginName(*uri));
  SetOrigin(*uri, cluster);
  if (uri->https && target.insecure_skip_verification()) {
    cluster.mutable_name()->append("|insecure");
    cluster.mutable_tls()->set_accept_untrusted_roots(true);
  }
  if (uri->https && !target.server_name_to_verify().empty()) {
    cluster.mutable_name()->append("|" + target.server_name_to_verify());
    cluster.mutable_tls()->set_server_name(target.server_name_to_verify());
  }
  if (uri->https) {
    const UpstreamTlsFiles& files = stage.upstream_tls;
    snapshot::v1::UpstreamTls& tls = *cluster.mutable_tls();
    if (!files.truststore.empty()) SetDataSource(files.truststore, tls.mutable_truststore());
    if (!files.certificate_chain.empty()) {
      SetDataSource(files.certificate_chain, tls.mutable_client_certificate_chain());
      SetDataSource(files.private_key, tls.mutable_client_private_key());
    }
  }
  if (stage.response_idle_timeout_ms.has_value()) {
    cluster.set_response_idle_timeout_ms(*stage.response_idle_timeout_ms);
  }
  bound.binding.set_cluster(cluster.name());
  bound.binding.set_authority(std::string(uri->authority));
  bound.binding.set_path_prefix(std::string(WithoutTrailingSlash(uri->path)));
  bound.cluster = std::move(cluster);
  return bound;
}

std::vector<std::string> FunctionKeys(std::string_view function) {
  const FunctionName split = SplitFunction(function);
  std::vector<std::string> keys;
  const auto add = [&keys](std::string key) {
    if (!key.empty() && std::find(keys.begin(), keys.end(), key) == keys.end()) {
      keys.push_back(std::move(key));
    }
  };
  add(std::string(function));
  add(std::string(split.arn_without_qualifier));
  if (!split.qualifier.empty()) add(Concat(split.name, ":", split.qualifier));
  add(std::string(split.name));
  return keys;
}

BoundFunction BindFunction(std::string_view function, const StageOptions& stage) {
  BoundFunction bound;
  bound.binding.set_function(std::string(function));
  const std::string resolved = Expand(function, stage);
  bound.binding.set_resolved(resolved);

  const LambdaMap& map = stage.lambda;
  auto entry = map.end();
  for (const std::string& key : FunctionKeys(resolved)) {
    entry = map.find(key);
    if (entry != map.end()) break;
  }
  if (entry == map.end()) entry = map.find("*");
  if (entry == map.end() || entry->second.empty()) return bound;

  // Two names for the same endpoints are one function: an emulator that serves one invocation at a
  // time must have one queue.
  const auto owner = std::find_if(map.begin(), map.end(), [&entry](const auto& other) {
    return other.second == entry->second;
  });
  const std::string& key = owner->first;

  Cluster cluster;
  cluster.set_name(Concat("lambda:", key));
  cluster.set_lb_policy(snapshot::v1::LB_POLICY_LEAST_REQUEST);
  Function target;
  const FunctionName split = SplitFunction(resolved);
  bool by_name = false;
  for (const std::string& text : entry->second) {
    const absl::StatusOr<LambdaUrl> url = ParseLambdaUrl(text);
    if (!url.ok()) return bound;
    SetOrigin(url->origin, cluster);
    target.set_mode(url->mode);
    if (!url->path.empty()) {
      target.set_path(url->path);
    } else {
      by_name = true;
      // A name is all that an Invoke API needs, but an ARN says more where accounts differ.
      const std::string name(split.arn_without_qualifier.empty() ? split.name
                                                                 : split.arn_without_qualifier);
      if (url->base.empty()) {
        target.set_function_name(name);
      } else {
        target.set_path(Concat(url->base, "/2015-03-31/functions/",
                               PercentEncode(name, kUnreservedChars), "/invocations"));
      }
      target.set_qualifier(std::string(split.qualifier));
    }
    const std::string host = AsciiToLower(url->origin.host);
    if (url->mode == snapshot::v1::INVOKE_MODE_INVOKE_API &&
        (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))) {
      cluster.mutable_aws_signing()->set_service("lambda");
      const std::vector<std::string_view> labels = Split(host, '.');
      if (labels.size() > 3 && labels[0] == "lambda") {
        cluster.mutable_aws_signing()->set_region(std::string(labels[1]));
      }
    }
  }
  // By name, one Invoke API is many functions; a fixed target is one, whoever refers to it.
  if (by_name) {
    target.set_name(Concat("lambda:", key, "|", resolved));
    if (!split.arn_without_qualifier.empty()) target.set_arn(resolved);
  } else {
    target.set_name(Concat("lambda:", key));
  }
  target.set_cluster(cluster.name());
  bound.binding.set_target(target.name());
  bound.function = std::move(target);
  bound.cluster = std::move(cluster);
  return bound;
}

bool IsSecretReference(std::string_view text) { return text.starts_with(kSecretPrefix); }

void SetDataSource(std::string_view text, snapshot::v1::DataSource* out) {
  if (ConsumePrefix(text, kSecretPrefix)) {
    out->set_secret(std::string(text));
  } else {
    out->set_file(std::string(text));
  }
}

absl::StatusOr<snapshot::v1::Secret> ParseSecret(std::string_view text) {
  const size_t equals = text.find('=');
  snapshot::v1::Secret out;
  out.set_name(std::string(text.substr(0, equals)));
  std::string_view source = equals == text.npos ? std::string_view() : text.substr(equals + 1);
  if (ConsumePrefix(source, "file:")) {
    out.set_file(std::string(source));
  } else if (ConsumePrefix(source, "env:")) {
    out.set_environment(std::string(source));
  } else {
    // Who writes a value here shall not find it in a log.
    return absl::InvalidArgumentError(Concat(out.name().substr(0, kMaxSecretName),
                                             ": write NAME=file:/path or NAME=env:VARIABLE"));
  }
  if (const std::string problem = SecretProblem(out); !problem.empty()) {
    return absl::InvalidArgumentError(Concat(out.name().substr(0, kMaxSecretName), ": ", problem));
  }
  return out;
}

absl::Status AddLambdaMapping(std::string_view text, LambdaMap& map) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return absl::InvalidArgumentError("write NAME=URL, e.g. pets=http://127.0.0.1:9001");
  }
  std::vector<std::string>& urls = map[std::string(text.substr(0, equals))];
  for (const std::string_view url : Split(text.substr(equals + 1), ',')) {
    urls.emplace_back(url);
  }
  return absl::OkStatus();
}

}  // namespace postern
