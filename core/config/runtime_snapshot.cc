#include "core/config/runtime_snapshot.h"

#include "core/config/aws_endpoints.h"
#include "core/config/snapshot_builder.h"
#include "core/credentials/credential_service.h"

namespace postern {

std::string SnapshotProblem::ToString() const { return path.empty() ? text : path + ": " + text; }

std::string RuntimeSnapshot::Built::ProblemText() const {
  std::string out;
  for (const SnapshotProblem& problem : problems) {
    if (!out.empty()) out += '\n';
    out += problem.ToString();
  }
  return out;
}

RuntimeSnapshot::RuntimeSnapshot() = default;
RuntimeSnapshot::~RuntimeSnapshot() = default;

void RuntimeSnapshot::ApplyFunctionLimits() const {
  for (size_t i = 0; i < functions_.size(); ++i) functions_[i]->SetLimits(function_limits_[i]);
}

RuntimeSnapshot::Built RuntimeSnapshot::Build(const snapshot::v1::Snapshot& message,
                                              const Options& options) {
  if (options.credentials != nullptr && !options.credentials->endpoints().empty()) {
    snapshot::v1::Snapshot redirected = message;
    if (ApplyAwsEndpoints(options.credentials->endpoints(), &redirected)) {
      return SnapshotBuilder(redirected, options).Build();
    }
  }
  return SnapshotBuilder(message, options).Build();
}

}  // namespace postern
