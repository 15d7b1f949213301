#include "core/config/last_good.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/config/snapshot_file.h"
#include "lib/text/concat.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

LastGood::LastGood(std::string folder, std::string_view group)
    : folder_(std::move(folder)), path_(Concat(folder_, "/", group, ".snapshot")) {}

absl::Status LastGood::Load(snapshot::v1::Snapshot* snapshot, std::vector<std::string>* problems) {
  absl::Status status = LoadSnapshotFile(path_, snapshot);
  current_is_whole_ = status.ok();
  if (status.ok()) return status;
  if (!absl::IsNotFound(status)) problems->emplace_back(status.message());
  snapshot->Clear();
  const absl::Status before = LoadSnapshotFile(path_ + ".before", snapshot);
  if (before.ok()) return before;
  if (!absl::IsNotFound(before)) problems->emplace_back(before.message());
  snapshot->Clear();
  return absl::NotFoundError(Concat(path_, ": there is no snapshot that can be used"));
}

absl::Status LastGood::Save(const snapshot::v1::Snapshot& snapshot) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) return absl::UnavailableError(Concat(folder_, ": cannot be made: ", error.message()));
  const std::string next = path_ + ".next";
  if (absl::Status status = SaveSnapshotFile(next, snapshot); !status.ok()) return status;
  if (current_is_whole_ && std::rename(path_.c_str(), (path_ + ".before").c_str()) != 0) {
    return absl::UnavailableError(Concat(path_, ": cannot be moved: ", std::strerror(errno)));
  }
  current_is_whole_ = false;
  if (std::rename(next.c_str(), path_.c_str()) != 0) {
    return absl::UnavailableError(Concat(path_, ": cannot be written: ", std::strerror(errno)));
  }
  current_is_whole_ = true;
  return absl::OkStatus();
}

}  // namespace postern
