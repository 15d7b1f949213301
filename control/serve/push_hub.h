#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/serve/group_snapshot.h"
#include "proto/control/management.pb.h"
#include "proto/control/push.pb.h"

namespace postern {

/// Which sidecar has what, and what it is sent next: the push service without its sockets.
///
/// No stream has a queue: whoever carries one asks Next() whenever it can send, and gets one
/// message. What changes between two pushes is one push. Contents are shared by all streams.
/// Thread-safe.
class PushHub {
 public:
  struct Options {
    size_t max_sidecars = 10'000;
    size_t chunk_bytes = 1 << 20;
    int64_t answer_limit_ms = 60'000;   ///< longest time from a push to its answer
    int64_t remember_ms = 10 * 60'000;  ///< how long a sidecar is shown that has left
    std::function<int64_t()> now_ms;    ///< rises evenly; unset: the steady clock
    std::function<int64_t()> wall_ms;   ///< for people; unset: the system's clock
    /// Hears of sidecars: "sidecar_joined", "sidecar_left", "push_refused", with who it is and why.
    std::function<void(std::string_view event, const std::string& sidecar,
                       const std::string& detail)>
        log;
  };

  /// Counts since the start.
  struct Stats {
    std::atomic<uint64_t> joined{0};
    std::atomic<uint64_t> refused_joins{0};
    std::atomic<uint64_t> pushes{0};
    std::atomic<uint64_t> accepted{0};
    std::atomic<uint64_t> refused{0};
    std::atomic<uint64_t> chunk_bytes{0};
  };

  /// One stream.
  class Session;

  explicit PushHub(Options options);
  ~PushHub();

  /// Takes a stream in. `wake` is called, from any thread, when Next() may have something; not
  /// after Leave() has returned. InvalidArgument: the Hello is malformed.
  absl::StatusOr<std::shared_ptr<Session>> Join(const control::v1::Hello& hello,
                                                const std::string& address,
                                                std::function<void()> wake);

  enum class Step { kNothing, kMessage, kEnd };
  /// What the stream should do: send `*message`, end with `*end`, or wait to be woken.
  Step Next(Session* session, control::v1::ControlMessage* message, absl::Status* end);

  /// An answer has come. InvalidArgument ends the stream.
  absl::Status OnAnswer(Session* session, const control::v1::Answer& answer);

  /// The stream has ended. Once.
  void Leave(const std::shared_ptr<Session>& session);

  /// What the group's sidecars should have from here on.
  void SetGroup(std::shared_ptr<const GroupSnapshot> snapshot);

  /// Ends streams that keep their answer back for too long, forgets who left long ago.
  void Tick();

  /// Every stream ends with UNAVAILABLE, also those to come.
  void Shutdown();

  /// Sidecars of a group, or of all.
  void List(std::string_view group, control::v1::ListSidecarsResponse* out) const;

  struct Counts {
    uint64_t version = 0;
    uint32_t applied = 0;
    uint32_t pending = 0;
    uint32_t refused = 0;
  };
  /// Connected sidecars of a group by what became of its version.
  Counts CountsOf(std::string_view group) const;
  /// Of all groups.
  std::map<std::string, Counts> AllCounts() const;

  const Stats& stats() const { return stats_; }
  size_t max_sidecars() const { return options_.max_sidecars; }

 private:
  struct Group {
    std::shared_ptr<const GroupSnapshot> snapshot;
    std::map<std::string, std::shared_ptr<Session>> sessions;  // by node id
    std::map<std::string, control::v1::Sidecar> left;
    size_t members = 0;  // sessions that point here, replaced ones too
  };

  control::v1::Sidecar Describe(const Session& session) const;
  static control::v1::Sidecar::State StateOf(const Session& session);
  void Log(std::string_view event, const Session& session, const std::string& detail) const;

  const Options options_;
  Stats stats_;
  mutable std::mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_;
  size_t sessions_ = 0;
  size_t left_ = 0;
  bool shut_down_ = false;
};

}  // namespace postern
