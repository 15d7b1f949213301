#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

/// Whether the gateway should be sent requests, and why not. Any thread.
class Readiness {
 public:
  /// What must hold, all of it.
  enum class Condition : uint8_t {
    kSnapshot,   ///< a snapshot is active
    kListeners,  ///< every listener is open on every worker
    kWarm,       ///< what is fetched ahead (names, keys) is there
    kServing,    ///< no drain has begun
    kCount,
  };

  /// Nothing holds but kServing.
  Readiness();

  /// Says whether a condition holds; `reason` tells people why not, and is kept until the next
  /// call.
  void Set(Condition condition, bool holds, std::string_view reason = {});

  /// A drain has begun: from here on never ready again.
  void BeginDrain(std::string_view reason);

  bool ready() const;

  /// True once everything has held at the same time; stays true, draining or not.
  bool started() const;

  bool draining() const;

  /// "snapshot", "listeners", "warm", "serving".
  static std::string_view Name(Condition condition);

  struct State {
    std::string_view name;
    bool holds;
    std::string reason;  ///< empty if it holds
  };
  /// All conditions in the order of the enumeration.
  std::vector<State> States() const;

 private:
  struct Entry {
    bool holds = false;
    std::string reason;
  };
  bool AllLocked() const;

  mutable std::mutex mutex_;
  std::array<Entry, static_cast<size_t>(Condition::kCount)> entries_;
  bool started_ = false;
  bool draining_ = false;
};

}  // namespace postern
