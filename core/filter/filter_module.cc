#include "core/filter/filter_module.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "lib/text/concat.h"

namespace postern {

FilterModule::FilterModule(ModuleManifest manifest, std::string digest, std::string file)
    : manifest_(std::move(manifest)),
      digest_(std::move(digest)),
      file_(std::move(file)),
      title_(Concat(manifest_.name, " ", manifest_.version)) {}

void FilterModule::Initialize(const postern_filter* hooks, void* module) {
  // Whole members only: half a pointer is none.
  size_t size = std::min<size_t>(hooks->size, sizeof(hooks_));
  size -= size % sizeof(void*);
  std::memcpy(&hooks_, hooks, size);
  hooks_.size = sizeof(hooks_);
  module_ = module;
  const auto add = [this](auto hook, FilterHook bit) {
    if (hook != nullptr) hook_mask_ |= bit;
  };
  add(hooks_.worker_create, kHookWorkerCreate);
  add(hooks_.worker_destroy, kHookWorkerDestroy);
  add(hooks_.worker_event, kHookWorkerEvent);
  add(hooks_.stream_create, kHookStreamCreate);
  add(hooks_.request_headers, kHookRequestHeaders);
  add(hooks_.request_body, kHookRequestBody);
  add(hooks_.request_trailers, kHookRequestTrailers);
  add(hooks_.response_headers, kHookResponseHeaders);
  add(hooks_.response_body, kHookResponseBody);
  add(hooks_.response_trailers, kHookResponseTrailers);
  add(hooks_.stream_event, kHookStreamEvent);
  add(hooks_.stream_end, kHookStreamEnd);
  add(hooks_.stream_destroy, kHookStreamDestroy);
}

std::vector<std::string_view> FilterModule::HookNames() const {
  std::vector<std::string_view> out;
  const auto add = [&out](auto hook, std::string_view name) {
    if (hook != nullptr) out.push_back(name);
  };
  add(hooks_.module_destroy, "module_destroy");
  add(hooks_.config_create, "config_create");
  add(hooks_.config_destroy, "config_destroy");
  add(hooks_.worker_create, "worker_create");
  add(hooks_.worker_destroy, "worker_destroy");
  add(hooks_.worker_event, "worker_event");
  add(hooks_.stream_create, "stream_create");
  add(hooks_.request_headers, "request_headers");
  add(hooks_.request_body, "request_body");
  add(hooks_.request_trailers, "request_trailers");
  add(hooks_.response_headers, "response_headers");
  add(hooks_.response_body, "response_body");
  add(hooks_.response_trailers, "response_trailers");
  add(hooks_.stream_event, "stream_event");
  add(hooks_.stream_end, "stream_end");
  add(hooks_.stream_destroy, "stream_destroy");
  return out;
}

}  // namespace postern
