#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace postern {

namespace snapshot::v1 {
class Snapshot;
}

/// A snapshot on disk: a magic number, the format of the file, the size and SHA-256 of what
/// follows, and the serialized snapshot::v1::Snapshot. Whatever else a file holds is refused with a
/// message that says what is wrong.

/// Longest file that is read.
inline constexpr size_t kMaxSnapshotFile = size_t{1} << 30;

/// The content of a file for `snapshot`.
std::string EncodeSnapshotFile(const snapshot::v1::Snapshot& snapshot);

/// The inverse. InvalidArgument: not such a file; DataLoss: such a file, but damaged.
absl::Status DecodeSnapshotFile(std::string_view content, snapshot::v1::Snapshot* snapshot);

/// Writes `path` so that a reader sees the old file or the new one, whole, whatever happens: a new
/// file beside it, fsync, rename, fsync of the folder.
absl::Status SaveSnapshotFile(const std::string& path, const snapshot::v1::Snapshot& snapshot);

/// NotFound if there is no such file.
absl::Status LoadSnapshotFile(const std::string& path, snapshot::v1::Snapshot* snapshot);

}  // namespace postern
