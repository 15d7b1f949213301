#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/config/control_channel.h"
#include "core/config/runtime_snapshot.h"

namespace postern {

/// The sidecar's end of the push service (proto/control/push.proto): keeps one stream open, on a
/// thread of its own and those of gRPC, comes back when it ends, and puts together what is pushed.
///
/// Between attempts it waits 0.5 s at first, more each time, 30 s at most, a random fifth more or
/// less; from the beginning again once the control plane has confirmed what is in force.
class ControlClient {
 public:
  struct Options {
    ControlAddress address;
    std::string group;
    std::string node_id;
    std::string node_namespace;
    std::string node_host;
    std::string program_version;
    uint32_t first_backoff_ms = 500;
    uint32_t max_backoff_ms = 30'000;
  };

  /// A push, whole and with its digests checked.
  struct Pushed {
    uint64_t nonce = 0;  ///< for Answer(); names the stream too
    std::string digest;  ///< Push.digest
    std::shared_ptr<const snapshot::v1::Snapshot> snapshot;
  };

  /// Called on threads of this object, one at a time. Each push is answered once.
  struct Events {
    std::function<void(Pushed pushed)> on_push;
    /// The stream has ended, with the reason, or could not be opened.
    std::function<void(const std::string& reason, uint32_t retry_ms)> on_lost;
    /// The control plane has said that what is in force is what should be.
    std::function<void()> on_current;
  };

  /// What is known at this moment, by any thread.
  struct Stats {
    std::atomic<bool> connected{false};  ///< the control plane has spoken on this stream
    std::atomic<uint64_t> attempts{0};   ///< streams begun
    std::atomic<uint64_t> pushes{0};     ///< received
    std::atomic<uint64_t> refused{0};    ///< of them
    std::atomic<int64_t> heard_ms{-1};   ///< steady clock, when it was last connected; -1: never
  };

  ControlClient(Options options, Events events);
  /// Ends the stream and the thread.
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  /// Begins. `in_force` is what is served already; null: nothing.
  absl::Status Start(const snapshot::v1::Snapshot* in_force);

  /// The push is in force: from here on it is what this sidecar holds.
  void Accept(const Pushed& pushed);
  /// It is not; `problems` says why and is not empty.
  void Refuse(const Pushed& pushed, const std::vector<SnapshotProblem>& problems);

  const Stats& stats() const;
  /// Seconds since the control plane was last heard of; 0 while it is connected, -1: never.
  double staleness_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern
