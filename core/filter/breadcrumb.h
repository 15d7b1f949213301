#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "core/context/request_context.h"
#include "core/filter/filter_instance.h"

namespace postern {

/// The functions of a module that the host calls, as messages name them.
enum class HookName : uint8_t {
  kNone,
  kInit,
  kConfigCreate,
  kConfigDestroy,
  kWorkerCreate,
  kWorkerDestroy,
  kWorkerEvent,
  kStreamCreate,
  kRequestHeaders,
  kRequestBody,
  kRequestTrailers,
  kResponseHeaders,
  kResponseBody,
  kResponseTrailers,
  kStreamEvent,
  kStreamEnd,
  kStreamDestroy,
  kModuleDestroy,
};
std::string_view HookNameText(HookName hook);

/// What module code a thread is in: left behind on the way in, so that a fault can be told to its
/// module. One writing thread; others may read the atomic parts.
struct Breadcrumb {
  std::atomic<HookName> hook{HookName::kNone};
  std::atomic<uint64_t> calls{0};  ///< rises with every hook
  std::atomic<const FilterInstance*> instance{nullptr};
  std::atomic<const FilterModule*> module{nullptr};  ///< where there is no instance yet
  std::atomic<const RequestContext*> context{nullptr};
  std::atomic<uint64_t> snapshot{0};

  void Enter(HookName name, const FilterInstance* in, const RequestContext* request) {
    instance.store(in, std::memory_order_relaxed);
    context.store(request, std::memory_order_relaxed);
    calls.store(calls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    hook.store(name, std::memory_order_relaxed);
  }
  void Leave() { hook.store(HookName::kNone, std::memory_order_relaxed); }
};

/// The breadcrumb of this thread; made when first asked for.
Breadcrumb* ThreadBreadcrumb();

/// Marks that the thread is inside a module, outside of workers: init, config_create and the like.
class ModuleCall {
 public:
  ModuleCall(HookName hook, const FilterModule* module, const FilterInstance* instance = nullptr)
      : crumb_(ThreadBreadcrumb()) {
    crumb_->module.store(module, std::memory_order_relaxed);
    crumb_->Enter(hook, instance, nullptr);
  }
  ~ModuleCall() {
    crumb_->Leave();
    crumb_->module.store(nullptr, std::memory_order_relaxed);
  }
  ModuleCall(const ModuleCall&) = delete;
  ModuleCall& operator=(const ModuleCall&) = delete;

 private:
  Breadcrumb* crumb_;
};

/// Has the signals that end the process for a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT)
/// print one line first that names the module, hook and request the thread was in. The default
/// action follows. Threads that are to survive an overflow of their stack for so long call
/// UseFaultStack(). Once, at start.
void InstallFaultHandler();

/// Gives this thread a stack for the fault handler. Once per thread.
void UseFaultStack();

}  // namespace postern
