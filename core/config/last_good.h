#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace postern {

namespace snapshot::v1 {
class Snapshot;
}

/// The last two snapshots of a group that were accepted, in a folder: GROUP.snapshot and
/// GROUP.snapshot.before (core/config/snapshot_file.h). Not thread-safe.
class LastGood {
 public:
  /// `folder` is made when something is saved.
  LastGood(std::string folder, std::string_view group);

  /// Reads the last one that is whole. NotFound if there is none at all. `problems` says what is
  /// wrong with newer ones that were passed over.
  absl::Status Load(snapshot::v1::Snapshot* snapshot, std::vector<std::string>* problems);

  /// Durable when it returns. The one before stays, if it was whole; whenever this is broken off,
  /// one of the two can be loaded.
  absl::Status Save(const snapshot::v1::Snapshot& snapshot);

 private:
  const std::string folder_;
  const std::string path_;
  bool current_is_whole_ = false;
};

}  // namespace postern
