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

}  // namespace postern
