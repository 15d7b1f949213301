#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/filter/filter_module.h"

namespace postern {

/// What one call of config_create made.
struct ConfigObject {
  const FilterModule* module = nullptr;
  void* config = nullptr;
};

/// Destroys configuration objects on the main thread, whoever lets go of them last
/// (plugin-abi.md §7: config_destroy belongs to the main thread). One for the process.
class RetiredConfigs {
 public:
  /// On the main thread.
  RetiredConfigs() : main_(std::this_thread::get_id()) {}
  /// On the main thread, after the workers have ended: destroys what is left.
  ~RetiredConfigs() { Destroy(); }
  RetiredConfigs(const RetiredConfigs&) = delete;
  RetiredConfigs& operator=(const RetiredConfigs&) = delete;

  /// How to have Destroy() called on the main thread soon; `wake` is called from any thread, never
  /// on the main thread. Null: objects wait for the next Destroy(). Main thread.
  void SetWake(std::function<void()> wake);

  /// Any thread. On the main thread they are destroyed at once, children before parents (the list
  /// has parents first).
  void Retire(std::vector<ConfigObject> configs);

  /// Destroys what has been retired. Main thread.
  void Destroy();

 private:
  const std::thread::id main_;
  std::mutex mutex_;
  std::function<void()> wake_;
  std::vector<std::vector<ConfigObject>> waiting_;
};

}  // namespace postern
