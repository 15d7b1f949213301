// From a class to a module: POSTERN_MODULE(Type, name, version, capabilities).
//
// Type is made for each stream that meets the filter. What it may have; what is absent costs
// nothing:
//
//   struct Config;                                       shared by all workers, never changes
//     static std::unique_ptr<Config> Parse(ConfigReader& in);
//     static std::unique_ptr<Config> Parse(ConfigReader& in, const Config* parent);
//   struct Worker;                                       one for each worker thread
//     explicit Worker(const Config&);
//     Status Start(WorkerContext, Worker* previous);     kOk, kPending (see WorkerContext::Ready),
//                                                        or an error, which rejects the snapshot
//     void OnEvent(WorkerContext, const Event&);
//   Type(); Type(const Config&); Type(const Config&, Worker&);
//   Verdict OnRequestHeaders(Stream, Flags);             and OnResponseHeaders
//   Verdict OnRequestBody(Stream, Flags);                and OnResponseBody
//   Verdict OnRequestTrailers(Stream);                   and OnResponseTrailers
//   void OnEvent(Stream, const Event&);
//   void OnEnd(Stream);
//
// An exception that leaves a hook is logged and becomes Verdict::kFail; one that leaves OnEvent is
// logged and answered with DEFAULT_5XX, since an event has no verdict.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "api/abi/abi.h"
#include "api/sdk/config_reader.h"
#include "api/sdk/host.h"
#include "api/sdk/json.h"
#include "api/sdk/stream.h"

#if defined(__SANITIZE_ADDRESS__)
#define POSTERN_SDK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POSTERN_SDK_ASAN 1
#endif
#endif
#ifndef POSTERN_SDK_ASAN
#define POSTERN_SDK_ASAN 0
#endif

namespace postern::internal {

struct NoConfig {};
struct NoWorker {
  template <class Config>
  explicit NoWorker(const Config&) {}
};

template <class F>
struct ConfigOf {
  using Type = NoConfig;
};
template <class F>
requires requires { typename F::Config; }
struct ConfigOf<F> {
  using Type = typename F::Config;
};

template <class F>
struct WorkerOf {
  using Type = NoWorker;
};
template <class F>
requires requires { typename F::Worker; }
struct WorkerOf<F> {
  using Type = typename F::Worker;
};

// A method that exists with another signature would be passed over in silence: its mere name must
// come with the right types.
#define POSTERN_SDK_DETECT(Method, ...)                        \
  template <class F>                                           \
  concept Names##Method = requires {                           \
    &F::Method;                                                \
  };                                                           \
  template <class F>                                           \
  concept Has##Method = requires(F f, Stream s, Flags flags) { \
    { f.Method(__VA_ARGS__) } -> std::same_as<Verdict>;        \
  }

POSTERN_SDK_DETECT(OnRequestHeaders, s, flags);
POSTERN_SDK_DETECT(OnRequestBody, s, flags);
POSTERN_SDK_DETECT(OnRequestTrailers, s);
POSTERN_SDK_DETECT(OnResponseHeaders, s, flags);
POSTERN_SDK_DETECT(OnResponseBody, s, flags);
POSTERN_SDK_DETECT(OnResponseTrailers, s);
#undef POSTERN_SDK_DETECT

template <class F>
concept HasOnEvent = requires(F f, Stream s, const Event& e) {
  f.OnEvent(s, e);
};
template <class F>
concept HasOnEnd = requires(F f, Stream s) {
  f.OnEnd(s);
};
template <class C>
concept ParsesWithParent = requires(ConfigReader& in, const C* parent) {
  { C::Parse(in, parent) } -> std::same_as<std::unique_ptr<C>>;
};
template <class C>
concept ParsesAlone = requires(ConfigReader& in) {
  { C::Parse(in) } -> std::same_as<std::unique_ptr<C>>;
};
template <class W>
concept HasStart = requires(W w, WorkerContext c, W* previous) {
  { w.Start(c, previous) } -> std::same_as<Status>;
};
template <class W>
concept HasWorkerEvent = requires(W w, WorkerContext c, const Event& e) {
  w.OnEvent(c, e);
};

inline void LogException(const char* hook) noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    try {
      Log(LogLevel::kError, std::string("exception in ") + hook + ": " + e.what());
    } catch (...) {
      Log(LogLevel::kError, "exception");
    }
  } catch (...) {
    Log(LogLevel::kError, "exception of an unknown type");
  }
}

// Runs a hook. An exception becomes on_throw: it must not unwind into the gateway.
template <class R, class Fn>
R Guard(const char* hook, R on_throw, Fn&& fn) noexcept {
  try {
    return fn();
  } catch (...) {
    LogException(hook);
  }
  return on_throw;
}

// Memory for the filters of one worker's streams, so that a stream costs no allocation once the
// worker is warm. Used by its thread alone.
class SlotPool {
 public:
  explicit SlotPool(size_t size) : size_(size) {}
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;
  ~SlotPool() {
    while (free_ != nullptr) ::operator delete(std::exchange(free_, free_->next));
  }

  void* Take() {
    if (free_ == nullptr) return ::operator new(size_);
    --count_;
    return std::exchange(free_, free_->next);
  }
  void Give(void* memory) {
    if (count_ == kKeep) return ::operator delete(memory);
    ++count_;
    free_ = new (memory) Free{free_};
  }

 private:
  struct Free {
    Free* next;
  };
  // With an address sanitizer each stream's memory is its own, so that it sees use after free.
  static constexpr size_t kKeep = POSTERN_SDK_ASAN ? 0 : 256;

  size_t size_;
  size_t count_ = 0;
  Free* free_ = nullptr;
};

// The table of hooks of a filter class, and the functions in it.
template <class F>
class Glue {
 public:
  using Config = typename ConfigOf<F>::Type;
  using Worker = typename WorkerOf<F>::Type;

  static const postern_filter* Table() {
    static const postern_filter table = MakeTable();
    return &table;
  }

  static_assert(std::is_same_v<Config, NoConfig> || ParsesWithParent<Config> || ParsesAlone<Config>,
                "Config needs: static std::unique_ptr<Config> Parse(ConfigReader&)");
  static_assert(
      std::constructible_from<F, const Config&, Worker&> ||
          std::constructible_from<F, const Config&> || std::default_initializable<F>,
      "the filter needs a constructor of (const Config&, Worker&), (const Config&) or ()");
  static_assert(std::constructible_from<Worker, const Config&>,
                "Worker needs a constructor of (const Config&)");
#define POSTERN_SDK_CHECK(Method) \
  static_assert(!Names##Method<F> || Has##Method<F>, "wrong signature or private: " #Method)
  POSTERN_SDK_CHECK(OnRequestHeaders);
  POSTERN_SDK_CHECK(OnRequestBody);
  POSTERN_SDK_CHECK(OnRequestTrailers);
  POSTERN_SDK_CHECK(OnResponseHeaders);
  POSTERN_SDK_CHECK(OnResponseBody);
  POSTERN_SDK_CHECK(OnResponseTrailers);
#undef POSTERN_SDK_CHECK

 private:
  struct WorkerBox {
    explicit WorkerBox(const Config& config) : pool(sizeof(Slot)), worker(config) {}
    SlotPool pool;
    Worker worker;
  };

  struct Slot {
    WorkerBox* box;
    alignas(F) unsigned char memory[sizeof(F)];
    F& filter() { return *std::launder(reinterpret_cast<F*>(memory)); }
  };
  static_assert(alignof(F) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__, "over-aligned filters do not fit");

  // Stands for a filter whose constructor threw: nullptr would let the stream pass it by.
  static inline char broken_;

  static Slot* SlotOf(void* self) { return static_cast<Slot*>(self); }

  static postern_status CreateConfig(void*, postern_config_ctx* ctx, const postern_config* in,
                                     void** out) {
    return Guard<postern_status>("Parse", POSTERN_E_INTERNAL, [&]() -> postern_status {
      ConfigReader::Session session{ctx, FromAbi(in->instance), FromAbi(in->scope), false};
      Json::Error error;
      const std::optional<Json> json = in->encoding == POSTERN_CONFIG_JSON
                                           ? Json::Parse(FromAbi(in->bytes), &error)
                                           : std::nullopt;
      if (!json || json->type() != Json::Type::kObject) {
        const std::string message =
            in->encoding != POSTERN_CONFIG_JSON ? "must be JSON"
            : json                              ? "must be an object"
                   : error.message + " (at byte " + std::to_string(error.offset) + ")";
        host->config_error(ctx, ToAbi(""), ToAbi(message));
        return POSTERN_E_INVALID;
      }
      ConfigReader reader(session, *json, "");
      std::unique_ptr<Config> config;
      if constexpr (ParsesWithParent<Config>) {
        config = Config::Parse(reader, static_cast<const Config*>(in->parent));
      } else if constexpr (ParsesAlone<Config>) {
        config = Config::Parse(reader);
      } else {
        config = std::make_unique<Config>();
      }
      reader.ReportUnknown();
      if (config == nullptr || session.failed) return POSTERN_E_INVALID;
      *out = config.release();
      return POSTERN_OK;
    });
  }

  static postern_status CreateWorker(const void* config, postern_ctx* worker, void* previous,
                                     void** out) {
    return Guard<postern_status>("Worker", POSTERN_E_INTERNAL, [&]() -> postern_status {
      auto box = std::make_unique<WorkerBox>(*static_cast<const Config*>(config));
      Status status = Status::kOk;
      if constexpr (HasStart<Worker>) {
        auto* before = static_cast<WorkerBox*>(previous);
        status =
            box->worker.Start(WorkerContext(worker), before != nullptr ? &before->worker : nullptr);
      }
      if (status != Status::kOk && status != Status::kPending) {
        return static_cast<postern_status>(status);
      }
      *out = box.release();
      return static_cast<postern_status>(status);
    });
  }

  static void* CreateStream(const void* config_pointer, void* worker_state, postern_ctx*) {
    const Config& config = *static_cast<const Config*>(config_pointer);
    auto* box = static_cast<WorkerBox*>(worker_state);
    void* memory = nullptr;
    try {
      memory = box->pool.Take();
      auto* slot = new (memory) Slot;
      slot->box = box;
      if constexpr (std::constructible_from<F, const Config&, Worker&>) {
        new (slot->memory) F(config, box->worker);
      } else if constexpr (std::constructible_from<F, const Config&>) {
        new (slot->memory) F(config);
      } else {
        new (slot->memory) F();
      }
      return slot;
    } catch (...) {
      LogException("the constructor");
      if (memory != nullptr) box->pool.Give(memory);
      return &broken_;
    }
  }

  static void DestroyStream(void* self) {
    if (self == &broken_) return;
    Slot* slot = SlotOf(self);
    WorkerBox* box = slot->box;
    slot->filter().~F();
    box->pool.Give(slot);
  }

  template <class Fn>
  static postern_verdict Hook(const char* name, void* self, Fn&& fn) noexcept {
    if (self == &broken_) return POSTERN_FAIL;
    return static_cast<postern_verdict>(
        Guard<Verdict>(name, Verdict::kFail, [&] { return fn(SlotOf(self)->filter()); }));
  }

  static postern_filter MakeTable() {
    postern_filter t{};
    t.size = sizeof t;
    t.config_create = CreateConfig;
    t.config_destroy = [](void* config) { delete static_cast<Config*>(config); };
    t.worker_create = CreateWorker;
    t.worker_destroy = [](void* state) { delete static_cast<WorkerBox*>(state); };
    if constexpr (HasWorkerEvent<Worker>) {
      t.worker_event = [](void* state, postern_ctx* worker, const postern_event* event) {
        Guard<int>("Worker::OnEvent", 0, [&] {
          static_cast<WorkerBox*>(state)->worker.OnEvent(WorkerContext(worker), Event(*event));
          return 0;
        });
      };
    }
    t.stream_create = CreateStream;
    t.stream_destroy = DestroyStream;
#define POSTERN_SDK_HOOK(Method, member)                                                        \
  if constexpr (Has##Method<F>) {                                                               \
    t.member = [](void* self, postern_ctx* stream, uint32_t flags) -> postern_verdict {         \
      return Hook(#Method, self, [&](F& f) { return f.Method(Stream(stream), Flags(flags)); }); \
    };                                                                                          \
  }
    POSTERN_SDK_HOOK(OnRequestHeaders, request_headers)
    POSTERN_SDK_HOOK(OnRequestBody, request_body)
    POSTERN_SDK_HOOK(OnResponseHeaders, response_headers)
    POSTERN_SDK_HOOK(OnResponseBody, response_body)
#undef POSTERN_SDK_HOOK
#define POSTERN_SDK_HOOK(Method, member)                                          \
  if constexpr (Has##Method<F>) {                                                 \
    t.member = [](void* self, postern_ctx* stream) -> postern_verdict {           \
      return Hook(#Method, self, [&](F& f) { return f.Method(Stream(stream)); }); \
    };                                                                            \
  }
    POSTERN_SDK_HOOK(OnRequestTrailers, request_trailers)
    POSTERN_SDK_HOOK(OnResponseTrailers, response_trailers)
#undef POSTERN_SDK_HOOK
    if constexpr (HasOnEvent<F>) t.stream_event = OnStreamEvent;
    if constexpr (HasOnEnd<F>) {
      t.stream_end = [](void* self, postern_ctx* stream) {
        if (self == &broken_) return;
        Guard<int>("OnEnd", 0, [&] {
          SlotOf(self)->filter().OnEnd(Stream(stream));
          return 0;
        });
      };
    }
    return t;
  }

  static void OnStreamEvent(void* self, postern_ctx* stream, const postern_event* event) {
    if (self == &broken_) return;
    const bool done = Guard<bool>("OnEvent", false, [&] {
      SlotOf(self)->filter().OnEvent(Stream(stream), Event(*event));
      return true;
    });
    if (done) return;
    postern_reply reply{};
    reply.size = sizeof reply;
    reply.kind = POSTERN_REPLY_DEFAULT_5XX;
    reply.detail = ToAbi("filter_exception");
    host->reply(stream, &reply);  // Fails where an answer is on its way; it is in the log then.
  }
};

// The manifest, checked while compiling. An array of the ABI needs its trailing zero.
template <size_t N, size_t V>
consteval postern_manifest MakeManifest(const char (&name)[N], const char (&version)[V],
                                        uint32_t capabilities) {
  static_assert(N > 1 && N <= sizeof(postern_manifest::name), "a name has 1 to 63 characters");
  static_assert(V > 1 && V <= sizeof(postern_manifest::version),
                "a version has 1 to 31 characters");
  postern_manifest manifest{};
  manifest.magic = POSTERN_ABI_MAGIC;
  manifest.size = sizeof manifest;
  manifest.abi_major = POSTERN_ABI_MAJOR;
  manifest.abi_minor = 0;  // The SDK uses nothing that a later minor added.
  manifest.capabilities = capabilities;
  std::copy_n(name, N, manifest.name);
  std::copy_n(version, V, manifest.version);
  return manifest;
}

}  // namespace postern::internal

// Makes this shared object a module. Once, in one source, outside all namespaces. `capabilities`
// is 0 or POSTERN_CAP_* values or-ed; a filter with a body hook needs POSTERN_CAP_BODY.
#define POSTERN_MODULE(Type, name, version, capabilities)                                  \
  extern "C" {                                                                             \
  constinit const postern_manifest postern_module_manifest =                               \
      ::postern::internal::MakeManifest(name, version, capabilities);                      \
  postern_status postern_module_init(const postern_host* host, postern_self* self, void**, \
                                     const postern_filter** filter) {                      \
    ::postern::internal::host = host;                                                      \
    ::postern::internal::self = self;                                                      \
    *filter = ::postern::internal::Glue<Type>::Table();                                    \
    return POSTERN_OK;                                                                     \
  }                                                                                        \
  }                                                                                        \
  static_assert(!(::postern::internal::HasOnRequestBody<Type> ||                           \
                  ::postern::internal::HasOnResponseBody<Type>) ||                         \
                    ((capabilities)&POSTERN_CAP_BODY) != 0,                                \
                "a filter with a body hook needs POSTERN_CAP_BODY")
