// A module whose every hook is a function of the test, written against the bare C tables. For tests
// of hosts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/abi/abi.h"

namespace postern::testing {

enum Hook {
  kRequestHeaders,
  kRequestBody,
  kRequestTrailers,
  kResponseHeaders,
  kResponseBody,
  kResponseTrailers,
  kHooks
};

// What the hooks do. Reset by ResetScript, which gives each a harmless default.
struct Script {
  const postern_host* host = nullptr;
  postern_self* self = nullptr;
  std::function<postern_status(postern_config_ctx*, const postern_config&, void**)> configure;
  std::function<postern_status(postern_ctx*, void* previous, void**)> worker;
  std::function<void(postern_ctx*, const postern_event&)> worker_event;
  std::function<void*(const void* config, postern_ctx*)> create;
  std::array<std::function<postern_verdict(postern_ctx*, uint32_t flags)>, kHooks> hooks;
  std::function<void(postern_ctx*, const postern_event&)> event;
  std::function<void(postern_ctx*)> end;
  // Calls in order: "config", "worker", "create", "end", "destroy", "worker_destroy", ...
  std::vector<std::string> calls;
};

inline Script& TheScript() {
  static Script script;
  return script;
}

inline postern_str Str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string Text(postern_str text) {
  return text.len == 0 ? std::string() : std::string(text.data, text.len);
}

inline void ResetScript() { TheScript() = Script{}; }

namespace script_module {

inline postern_verdict Call(Hook hook, postern_ctx* stream, uint32_t flags) {
  const auto& fn = TheScript().hooks[hook];
  return fn ? fn(stream, flags) : static_cast<postern_verdict>(POSTERN_CONTINUE);
}

template <Hook kHook>
postern_verdict WithFlags(void*, postern_ctx* stream, uint32_t flags) {
  return Call(kHook, stream, flags);
}
template <Hook kHook>
postern_verdict Trailers(void*, postern_ctx* stream) {
  return Call(kHook, stream, 0);
}

inline const postern_filter* Table() {
  static const postern_filter table = [] {
    postern_filter t{};
    t.size = sizeof t;
    t.module_destroy = [](void*) { TheScript().calls.push_back("module_destroy"); };
    t.config_create = [](void*, postern_config_ctx* ctx, const postern_config* config,
                         void** out) -> postern_status {
      Script& script = TheScript();
      script.calls.push_back("config");
      *out = &script;
      return script.configure ? script.configure(ctx, *config, out) : POSTERN_OK;
    };
    t.config_destroy = [](void*) { TheScript().calls.push_back("config_destroy"); };
    t.worker_create = [](const void*, postern_ctx* worker, void* previous,
                         void** state) -> postern_status {
      Script& script = TheScript();
      script.calls.push_back("worker");
      return script.worker ? script.worker(worker, previous, state) : POSTERN_OK;
    };
    t.worker_destroy = [](void*) { TheScript().calls.push_back("worker_destroy"); };
    t.worker_event = [](void*, postern_ctx* worker, const postern_event* event) {
      if (TheScript().worker_event) TheScript().worker_event(worker, *event);
    };
    t.stream_create = [](const void* config, void*, postern_ctx* stream) -> void* {
      Script& script = TheScript();
      script.calls.push_back("create");
      return script.create ? script.create(config, stream) : &script;
    };
    t.request_headers = WithFlags<kRequestHeaders>;
    t.request_body = WithFlags<kRequestBody>;
    t.request_trailers = Trailers<kRequestTrailers>;
    t.response_headers = WithFlags<kResponseHeaders>;
    t.response_body = WithFlags<kResponseBody>;
    t.response_trailers = Trailers<kResponseTrailers>;
    t.stream_event = [](void*, postern_ctx* stream, const postern_event* event) {
      if (TheScript().event) TheScript().event(stream, *event);
    };
    t.stream_end = [](void*, postern_ctx* stream) {
      Script& script = TheScript();
      script.calls.push_back("end");
      if (script.end) script.end(stream);
    };
    t.stream_destroy = [](void*) { TheScript().calls.push_back("destroy"); };
    return t;
  }();
  return &table;
}

inline postern_status Init(const postern_host* host, postern_self* self, void**,
                           const postern_filter** filter) {
  TheScript().host = host;
  TheScript().self = self;
  *filter = Table();
  return POSTERN_OK;
}

inline postern_manifest Manifest(uint32_t capabilities) {
  return {POSTERN_ABI_MAGIC,
          sizeof(postern_manifest),
          POSTERN_ABI_MAJOR,
          POSTERN_ABI_MINOR,
          capabilities,
          "test.script",
          "1.0.0"};
}

}  // namespace script_module
}  // namespace postern::testing
