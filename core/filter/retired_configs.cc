#include "core/filter/retired_configs.h"

#include <utility>

#include "core/filter/breadcrumb.h"

namespace postern {
namespace {

void DestroyAll(const std::vector<ConfigObject>& configs) {
  for (auto it = configs.rbegin(); it != configs.rend(); ++it) {
    if (it->module->hooks().config_destroy == nullptr) continue;
    const ModuleCall scope(HookName::kConfigDestroy, it->module);
    it->module->hooks().config_destroy(it->config);
  }
}

}  // namespace

void RetiredConfigs::SetWake(std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void RetiredConfigs::Retire(std::vector<ConfigObject> configs) {
  if (configs.empty()) return;
  if (std::this_thread::get_id() == main_) {
    DestroyAll(configs);
    return;
  }
  std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(configs));
  if (wake_ != nullptr) wake_();
}

void RetiredConfigs::Destroy() {
  std::vector<std::vector<ConfigObject>> ready;
  {
    std::lock_guard lock(mutex_);
    ready.swap(waiting_);
  }
  for (const std::vector<ConfigObject>& configs : ready) DestroyAll(configs);
}

}  // namespace postern
