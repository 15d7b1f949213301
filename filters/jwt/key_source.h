#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/jwt/settings.h"
#include "lib/crypto/digest.h"
#include "lib/jose/key.h"

namespace postern::jwt {

/// The keys of one provider on one worker thread. Outlives a snapshot: the next one that has the
/// same provider goes on with them.
struct KeyState {
  jose::KeySet keys;
  bool loaded = false;
  uint64_t generation = 0;  ///< changes when the keys do
  Sha256Digest digest{};    ///< of the set as it was fetched
  uint64_t fetched_ms = 0;  ///< monotonic
  uint64_t refresh_ms = 0;  ///< monotonic: when it is fetched anew
};

/// Fetches the keys of one provider by callout and keeps them fresh (authorization.md §8, Keys):
/// one fetch at a time; again before the answer is stale, and for an unknown key id at most every
/// 30 seconds; while it fails, the last good set holds for 24 hours. Not thread-safe.
class KeySource {
 public:
  enum class Answer : uint8_t {
    kFound,
    kWait,         ///< a fetch is under way that may bring it: AddWaiter()
    kUnknown,      ///< the provider has no such key
    kUnavailable,  ///< there are no keys at all
  };
  enum class Trouble : uint8_t {
    kNone,
    kDiscovery,  ///< the discovery document could not be had
    kKeys,       ///< the key set could not be had
    kRefused,    ///< the provider answered that there is none: 4xx
  };

  static constexpr uint32_t kTimeoutMs = 1500;
  static constexpr uint32_t kMaxBytes = 150000;
  static constexpr uint64_t kUnknownKeyMs = 30000;
  static constexpr size_t kMaxUnknownKeys = 1000;
  static constexpr uint64_t kKeepStaleMs = uint64_t{24} * 3600 * 1000;
  static constexpr uint64_t kMinRefreshMs = 60000;
  static constexpr size_t kMaxWaiters = 4096;

  /// Events of the worker for this source have `tag & ~3` == `tag`.
  KeySource(const Provider& provider, Profile profile, const Metrics& metrics, uint64_t tag);

  /// Takes over `previous`, which may be nullptr, and fetches where that has no keys.
  void Start(WorkerContext worker, std::shared_ptr<KeyState> previous);

  /// Keys are there, or the first attempt to get them has ended.
  bool settled() const { return state_->loaded || attempted_; }
  bool loaded() const { return state_->loaded; }
  Trouble trouble() const { return trouble_; }

  /// The key with that id. After kWait, and once a waiter was woken, asked again with `waited`,
  /// which then gives another answer than kWait.
  Answer Find(std::string_view id, bool waited, jose::Key** key);

  /// Fired when the fetch has ended. False when too many wait already.
  bool AddWaiter(Waker waker);

  void OnEvent(const Event& event);

  const std::shared_ptr<KeyState>& state() const { return state_; }
  const Provider& provider() const { return provider_; }

 private:
  enum Kind : uint64_t { kTimer = 0, kDiscoveryCallout = 1, kKeysCallout = 2 };

  void Fetch();
  void Discover();
  void FetchKeys(std::string_view uri);
  void Call(Upstream upstream, const std::string& path, Kind kind);
  void OnDiscovery(const CalloutResult& result);
  void OnKeys(const CalloutResult& result);
  void Succeed(uint64_t max_age_ms);
  void Fail(Trouble trouble, std::string_view why);
  void Finish(uint64_t delay_ms);
  void ScheduleAt(uint64_t delay_ms);
  void ForgetUnknownKeys(uint64_t now);
  void DropOldKeys(uint64_t now);

  const Provider& provider_;
  const Metrics metrics_;
  const uint64_t tag_;
  const uint64_t longest_ms_;  ///< between two fetches
  std::optional<WorkerContext> worker_;
  std::shared_ptr<KeyState> state_;
  std::string found_uri_;  ///< by discovery
  bool in_flight_ = false;
  bool attempted_ = false;
  Trouble trouble_ = Trouble::kNone;
  unsigned failures_ = 0;
  uint64_t timer_ = 0;
  uint64_t retry_ms_ = 0;  ///< monotonic: not before, while there are no keys
  std::optional<uint64_t> asked_for_unknown_ms_;
  std::unordered_map<std::string, uint64_t> unknown_;  ///< ids, and until when
  std::vector<Waker> waiters_;
};

}  // namespace postern::jwt
