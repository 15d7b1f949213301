#include "core/filter/breadcrumb.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cstddef>
#include <memory>

#include "core/filter/fault_record.h"

namespace postern {
namespace {

constexpr std::string_view kNames[] = {"none",           "postern_module_init", "config_create",
                                       "config_destroy", "worker_create",       "worker_destroy",
                                       "worker_event",   "stream_create",       "request_headers",
                                       "request_body",   "request_trailers",    "response_headers",
                                       "response_body",  "response_trailers",   "stream_event",
                                       "stream_end",     "stream_destroy",      "module_destroy"};

constinit thread_local Breadcrumb* t_crumb = nullptr;

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kFaultStack = 64 * 1024;

std::string_view SignalName(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

/// One line of text, made without memory, locks or locale.
class Line {
 public:
  void Add(std::string_view text) {
    for (const char c : text) {
      if (size_ == sizeof(text_) - 1) return;
      const bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
      text_[size_++] = plain ? c : '?';
    }
  }
  void AddKey(std::string_view key, std::string_view value) {
    Put(",\"");
    Put(key);
    Put("\":\"");
    Add(value);
    Put("\"");
  }
  void AddNumber(std::string_view key, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    AddKey(key, {digits + at, sizeof(digits) - at});
  }
  void Put(std::string_view text) {
    for (const char c : text) {
      if (size_ < sizeof(text_) - 1) text_[size_++] = c;
    }
  }
  void Write() {
    text_[size_++] = '\n';
    const char* at = text_;
    while (size_ > 0) {
      const ssize_t written = ::write(STDERR_FILENO, at, size_);
      if (written <= 0) return;
      at += written;
      size_ -= static_cast<size_t>(written);
    }
  }

 private:
  char text_[1024];
  size_t size_ = 0;
};

void OnFault(int signal) {
  // A fault in here takes the default action: the handler is in force once.
  const Breadcrumb* crumb = t_crumb;
  Line line;
  line.Put("{\"level\":\"error\",\"event\":\"fault\"");
  line.AddKey("signal", SignalName(signal));
  const HookName hook =
      crumb != nullptr ? crumb->hook.load(std::memory_order_relaxed) : HookName::kNone;
  if (hook == HookName::kNone) {
    line.AddKey("in", "gateway");
  } else {
    line.AddKey("in", "filter");
    line.AddKey("hook", HookNameText(hook));
    const FilterInstance* instance = crumb->instance.load(std::memory_order_relaxed);
    const FilterModule* module = crumb->module.load(std::memory_order_relaxed);
    if (instance != nullptr) {
      line.AddKey("filter", instance->name);
      module = instance->module;
    }
    if (module != nullptr) {
      FaultRecord::Note(*module, hook);
      line.AddKey("module", module->name());
      line.AddKey("module_version", module->version());
      line.AddKey("digest", module->digest());
    }
    if (const RequestContext* context = crumb->context.load(std::memory_order_relaxed)) {
      line.AddKey("method", context->route_method);
      line.AddKey("route", context->resource_path);
      line.AddKey("request_id", context->request_id);
    }
    line.AddNumber("snapshot", crumb->snapshot.load(std::memory_order_relaxed));
  }
  line.Put("}");
  line.Write();
  ::raise(signal);
}

}  // namespace

std::string_view HookNameText(HookName hook) { return kNames[static_cast<size_t>(hook)]; }

Breadcrumb* ThreadBreadcrumb() {
  thread_local Breadcrumb crumb;
  t_crumb = &crumb;
  return &crumb;
}

void InstallFaultHandler() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return;  // the sanitizer has more to say of a fault
#endif
  for (const int signal : kSignals) {
    struct sigaction action;
    ::memset(&action, 0, sizeof(action));
    action.sa_handler = OnFault;
    action.sa_flags = SA_RESETHAND | SA_ONSTACK | SA_NODEFER;
    ::sigaction(signal, &action, nullptr);
  }
  UseFaultStack();
}

void UseFaultStack() {
  struct Stack {
    ~Stack() {
      stack_t off = {};
      off.ss_flags = SS_DISABLE;
      ::sigaltstack(&off, nullptr);
    }
    std::unique_ptr<char[]> memory{new char[kFaultStack]};
  };
  thread_local Stack stack;
  stack_t use = {};
  use.ss_sp = stack.memory.get();
  use.ss_size = kFaultStack;
  ::sigaltstack(&use, nullptr);
}

}  // namespace postern
