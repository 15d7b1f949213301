#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/compile/compile.h"
#include "control/import/import.h"

namespace postern {
namespace {

GatewayCapabilities Everything() {
  GatewayCapabilities all;
  all.authorizers = all.iam = all.api_keys = all.resource_policies = true;
  all.filters = all.response_streaming = true;
  return all;
}

void Check(bool condition) {
  if (!condition) std::abort();
}

void Import(std::string_view text, const ImportOptions& options) {
  const ImportResult result = ImportDefinition(text, options);
  Check(!result.report.ToText(true).empty());
  Check(!result.report.ToJson().empty());
  Check(result.ok() == (result.report.blocking_count() == 0));
  if (!result.ok()) return;

  // Whatever is accepted can be compiled, has each binding that it needs, and is what it was.
  CompileOptions compile;
  compile.stage = options.stage;
  const auto snapshot =
      CompileSnapshot({{result.api, result.deployment, std::nullopt, result.modules}}, compile);
  Check(snapshot.ok());
  Check(snapshot->deployments_size() == 1);
  snapshot::v1::Deployment stored;
  Check(stored.ParseFromString(snapshot->deployments(0).content()));
  Check(StoreDeployment(stored).digest() == snapshot->deployments(0).digest());
  const snapshot::v1::Stage& stage = snapshot->stages(0);
  ForEachMethod(stored, [&](const snapshot::v1::Method& method) {
    // Every method has an integration or says why not.
    Check(method.has_integration() == method.unavailable_reason().empty());
    const snapshot::v1::Integration& integration = method.integration();
    bool bound = !integration.has_http() && !integration.has_lambda();
    for (const auto& upstream : stage.upstreams()) {
      bound |= integration.has_http() && upstream.upstream() == integration.http().upstream();
    }
    for (const auto& function : stage.functions()) {
      bound |= integration.has_lambda() && function.function() == integration.lambda().function();
    }
    Check(bound);
    // A guard that is not enforced is never silently gone.
    if (!options.capabilities.authorizers) Check(!method.has_authorization());
  });
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  postern::ImportOptions options;
  options.file_name = "fuzz.yaml";
  postern::Import(text, options);
  options.allow_unenforced = {"all"};
  options.base_path_mode = postern::BasePathMode::kPrepend;
  postern::Import(text, options);
  options.allow_unenforced.clear();
  options.base_path_mode = postern::BasePathMode::kSplit;
  options.capabilities = postern::Everything();
  options.stage.variables = {{"a", "b"}, {"host", "h/x"}};
  options.stage.lambda = {{"*", {"invoke+http://127.0.0.1:3001/base"}}, {"f", {"http://h:1"}}};
  postern::Import(text, options);
  return 0;
}
