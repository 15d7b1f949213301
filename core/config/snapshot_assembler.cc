#include "core/config/snapshot_assembler.h"

#include <utility>

#include "lib/crypto/digest.h"
#include "lib/text/concat.h"
#include "proto/common/deterministic.h"
#include "proto/control/push.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

std::string PushDigest(const snapshot::v1::Snapshot& snapshot) {
  snapshot::v1::Snapshot stripped = snapshot;
  for (auto& deployment : *stripped.mutable_deployments()) deployment.clear_content();
  return Sha256Hex(SerializeDeterministically(stripped));
}

void SnapshotAssembler::Hold(const snapshot::v1::Snapshot& snapshot, std::string digest) {
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> held;
  for (const auto& deployment : snapshot.deployments()) {
    const auto it = held_.find(deployment.digest());
    held.emplace(
        deployment.digest(),
        it != held_.end() ? it->second : std::make_shared<const std::string>(deployment.content()));
  }
  held_ = std::move(held);
  digest_ = std::move(digest);
  version_ = snapshot.version();
}

std::vector<std::string> SnapshotAssembler::deployments() const {
  std::vector<std::string> out;
  out.reserve(held_.size());
  for (const auto& [digest, content] : held_) out.push_back(digest);
  return out;
}

void SnapshotAssembler::Reset() {
  received_.clear();
  received_bytes_ = 0;
  partial_.clear();
  partial_.shrink_to_fit();
  partial_digest_.clear();
  bad_.clear();
}

absl::Status SnapshotAssembler::OnChunk(const control::v1::DeploymentChunk& chunk) {
  if (!partial_digest_.empty() && partial_digest_ != chunk.digest()) {
    return absl::InvalidArgumentError(
        Concat("deployment ", partial_digest_, " broke off before its last piece"));
  }
  if (partial_.size() + chunk.content().size() > limits_.deployment_bytes) {
    return absl::ResourceExhaustedError(Concat("deployment ", chunk.digest(), " has more than ",
                                               limits_.deployment_bytes, " bytes"));
  }
  received_bytes_ += chunk.content().size();
  if (received_bytes_ > limits_.total_bytes || received_.size() >= limits_.deployments) {
    return absl::ResourceExhaustedError(Concat("a push has more than ", limits_.total_bytes,
                                               " bytes or ", limits_.deployments, " deployments"));
  }
  partial_digest_ = chunk.digest();
  partial_ += chunk.content();
  if (!chunk.last()) return absl::OkStatus();
  if (Sha256Hex(partial_) != partial_digest_) bad_ = partial_digest_;
  received_[std::exchange(partial_digest_, {})] =
      std::make_shared<const std::string>(std::exchange(partial_, {}));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<snapshot::v1::Snapshot>> SnapshotAssembler::OnPush(
    const control::v1::Push& push) {
  const auto received = std::exchange(received_, {});
  const std::string bad = std::exchange(bad_, {});
  const std::string partial = std::exchange(partial_digest_, {});
  Reset();
  if (Sha256Hex(push.snapshot()) != push.digest()) {
    return absl::InvalidArgumentError(
        Concat("the snapshot does not have the digest ", push.digest(), " it was pushed with"));
  }
  if (!bad.empty()) {
    return absl::InvalidArgumentError(
        Concat("deployment ", bad, ": its content does not have this digest"));
  }
  if (!partial.empty()) {
    return absl::InvalidArgumentError(Concat("deployment ", partial, ": its end is missing"));
  }
  auto out = std::make_shared<snapshot::v1::Snapshot>();
  if (!out->ParseFromString(push.snapshot())) {
    return absl::InvalidArgumentError("the snapshot cannot be parsed");
  }
  if (out->version() != push.version()) {
    return absl::InvalidArgumentError(Concat("the snapshot says version ", out->version(),
                                             ", the push version ", push.version()));
  }
  if (out->listeners_size() > 0) {
    return absl::InvalidArgumentError("listeners: a pushed snapshot has none");
  }
  for (auto& deployment : *out->mutable_deployments()) {
    auto it = received.find(deployment.digest());
    if (it == received.end()) {
      it = held_.find(deployment.digest());
      if (it == held_.end()) {
        return absl::InvalidArgumentError(
            Concat("deployment ", deployment.digest(), " was neither sent nor held"));
      }
    }
    deployment.set_content(*it->second);
  }
  return out;
}

}  // namespace postern
