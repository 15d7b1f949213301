#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/snapshot/domain.pb.h"
#include "proto/snapshot/snapshot.pb.h"
#include "proto/snapshot/stage.pb.h"

namespace postern {

/// What the file of `postern run --settings` says: what API Gateway keeps with stages and domains
/// rather than in definitions (docs/operations.md, "Stages").
struct RunSettings {
  struct Canary {
    std::string definition;  ///< absolute path
    double percent_traffic = 0;
    std::map<std::string, std::string, std::less<>> variable_overrides;
  };
  struct Stage {
    std::string name;
    std::map<std::string, std::string, std::less<>> variables;
    std::optional<Canary> canary;
    /// Everything else; name, API, deployment, variables and canary are not set.
    snapshot::v1::Stage settings;
    /// Where each of settings.method_settings() stands: "postern.yaml:7:5".
    std::vector<std::string> method_places;
  };

  /// In the order of the file, which says at least one.
  std::vector<Stage> stages;
  /// With titles or ids in place of API ids, and empty for the only API; empty stage: the first.
  std::vector<snapshot::v1::Domain> domains;
};

/// Reads YAML or JSON. Every problem in one message, a line each, with its place. Paths in it are
/// relative to its folder.
absl::StatusOr<RunSettings> ReadRunSettings(std::string_view text, const std::string& file);

/// Puts what `from` serves into `into`: the same APIs with other stages. Domains stay as they are.
void MergeStages(snapshot::v1::Snapshot from, snapshot::v1::Snapshot* into);

/// Gives every stage of `snapshot` that is called as one of `settings` what that says, and adds the
/// domains. Problems, a line each: a method that no API has, an API or stage that is not there.
std::vector<std::string> ApplyRunSettings(const RunSettings& settings,
                                          snapshot::v1::Snapshot* snapshot);

}  // namespace postern
