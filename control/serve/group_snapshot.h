#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/compile/stage_binding.h"
#include "control/store/store.h"
#include "proto/control/stage_settings.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// Contents of deployments by their digests.
using DeploymentContents = std::map<std::string, std::shared_ptr<const std::string>>;

/// What the sidecars of a group should have, as it goes over the wire. Immutable and shared by all
/// streams.
struct GroupSnapshot {
  std::string group;
  uint64_t version = 0;
  std::string digest;          ///< SHA-256 of `bytes`, hexadecimal
  std::string content_digest;  ///< the same whatever the version
  std::string bytes;           ///< a Snapshot with empty contents of deployments
  DeploymentContents deployments;
};

/// "default".
inline constexpr std::string_view kDefaultGroup = "default";

/// The longest GroupSnapshot::bytes, with room for what goes around it in one message.
inline constexpr size_t kMaxSnapshotBytes = (size_t{64} << 20) - 1024;

/// Whether `name` may be a group: 1 to 128 of [A-Za-z0-9._-].
bool IsGroupName(std::string_view name);

/// Settings as the compiler takes them. InvalidArgument lists every problem, a line each.
absl::StatusOr<StageOptions> ToStageOptions(std::string_view name,
                                            const control::v1::StageSettings& settings);

/// Compiles what stages of a group come to. Keeps what stages were compiled to, so that a change of
/// one does not compile the others again. Not thread-safe.
class GroupCompiler {
 public:
  explicit GroupCompiler(snapshot::v1::Gateway gateway) : gateway_(std::move(gateway)) {}

  /// The snapshot of `group` as the transaction sees it; version 0. FailedPrecondition lists what
  /// does not fit together: two stages under one base path, one upstream with two sorts of TLS.
  absl::StatusOr<std::shared_ptr<GroupSnapshot>> Compile(Store::Transaction& store,
                                                         std::string_view group);

  /// Gives a compiled snapshot its version.
  static void SetVersion(GroupSnapshot* snapshot, uint64_t version);

 private:
  struct Piece {
    uint64_t revision = 0;
    std::string deployment;
    snapshot::v1::Snapshot snapshot;  // one stage, without deployments
    DeploymentContents contents;      // of its deployment and its canary's
    std::string base_path;
  };

  absl::StatusOr<std::shared_ptr<const Piece>> CompileStage(Store::Transaction& store,
                                                            const StageRow& row);

  const snapshot::v1::Gateway gateway_;
  // By group, then by API and stage.
  std::map<std::string, std::map<std::string, std::shared_ptr<const Piece>>, std::less<>> pieces_;
};

}  // namespace postern
