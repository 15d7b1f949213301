#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "lib/aws/credentials.h"

namespace postern {

/// Where one thread leaves credentials and all workers find them. What lies in it is immutable and
/// replaced as a whole. Thread-safe.
class CredentialCell {
 public:
  using Value = std::shared_ptr<const aws::Credentials>;

  CredentialCell() = default;
  /// With credentials that nobody renews.
  explicit CredentialCell(aws::Credentials credentials) {
    Set(std::make_shared<const aws::Credentials>(std::move(credentials)));
  }
  CredentialCell(const CredentialCell&) = delete;
  CredentialCell& operator=(const CredentialCell&) = delete;

  /// Counts what was left here. Free to ask: whoever keeps a copy asks this before each use, and
  /// Get() only when it has changed.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  struct Content {
    Value value;  ///< null: there are none
    uint64_t generation = 0;
    std::string problem;  ///< why there are none; without secrets
  };
  /// Takes a lock.
  Content Get() const {
    std::lock_guard lock(mutex_);
    return {value_, generation_.load(std::memory_order_relaxed), problem_};
  }

  /// `value` may be null; `problem` then says why.
  void Set(Value value, std::string problem = {}) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    problem_ = std::move(problem);
    generation_.fetch_add(1, std::memory_order_release);
  }

  /// A service has refused what was left as `generation`: who renews it is told. Whether somebody
  /// does.
  bool Refused(uint64_t generation) const {
    std::lock_guard lock(mutex_);
    if (on_refused_ == nullptr) return false;
    if (generation == generation_.load(std::memory_order_relaxed)) on_refused_();
    return true;
  }
  /// Called from any thread; must not call back. Null takes it away.
  void set_on_refused(absl::AnyInvocable<void()> call) {
    std::lock_guard lock(mutex_);
    on_refused_ = std::move(call);
  }

 private:
  std::atomic<uint64_t> generation_{0};
  mutable std::mutex mutex_;
  Value value_;                                    // guarded by mutex_
  std::string problem_;                            // guarded by mutex_
  mutable absl::AnyInvocable<void()> on_refused_;  // guarded by mutex_
};

}  // namespace postern
