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

namespace postern {

namespace snapshot::v1 {
class Snapshot;
}
namespace control::v1 {
class DeploymentChunk;
class Push;
}  // namespace control::v1

/// Puts together what a control plane pushes in pieces (proto/control/push.proto), from what was
/// sent and what is held already. Not thread-safe.
class SnapshotAssembler {
 public:
  struct Limits {
    size_t deployment_bytes = size_t{64} << 20;
    size_t total_bytes = size_t{1} << 30;  ///< of all deployments of a push that were sent
    size_t deployments = 10'000;
  };

  SnapshotAssembler() : SnapshotAssembler(Limits()) {}
  explicit SnapshotAssembler(Limits limits) : limits_(limits) {}

  /// `snapshot` is in force: its deployments are held, and no others. `digest` is its Push.digest.
  void Hold(const snapshot::v1::Snapshot& snapshot, std::string digest);

  /// What Hold() was called with last: Push.digest, "" at first, and the digests of deployments.
  const std::string& digest() const { return digest_; }
  uint64_t version() const { return version_; }
  std::vector<std::string> deployments() const;

  /// A new stream: forgets what of another came in pieces.
  void Reset();

  /// InvalidArgument or ResourceExhausted: the control plane does not keep to the protocol.
  absl::Status OnChunk(const control::v1::DeploymentChunk& chunk);

  /// The whole snapshot. InvalidArgument if anything does not have its digest or is missing; then
  /// the push is to be refused with this message. What came in pieces for it is forgotten.
  absl::StatusOr<std::shared_ptr<snapshot::v1::Snapshot>> OnPush(const control::v1::Push& push);

 private:
  const Limits limits_;
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> held_;
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> received_;
  size_t received_bytes_ = 0;
  std::string partial_digest_;
  std::string partial_;
  std::string bad_;  // a deployment that does not have its digest
  std::string digest_;
  uint64_t version_ = 0;
};

/// Push.digest of a snapshot: that of its deterministic serialization without contents of
/// deployments.
std::string PushDigest(const snapshot::v1::Snapshot& snapshot);

}  // namespace postern
