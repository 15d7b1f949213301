// A filter that does what its configuration says, straight on the ABI: {"do": "..."}.
//   mark     adds `x-order: <instance>` to requests and responses
//   wake     pauses in every hook until a thread of its own wakes it
//   timer    pauses in every hook until a timer runs out
//   buffer   collects bodies; rewrite: takes each chunk and puts the same bytes in its place
//   upper    sends bodies on in capitals
//   fail     FAIL in request_headers; deny: a reply; abort: a reset
//   reply    answers requests with x-reply by the reply of that number, with x-message as its text
//   stall    pauses for ever
//   misuse   resumes what is not paused
//   spin     never comes back from config_create
//   crash    writes where it may not, for requests with x-crash
//   late     its worker is ready after 50 ms; never: it is not ready at all
//   var      sets filter.<instance>.seen and, at the authorize point, authorizer.principalId
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/abi/abi.h"

namespace {

const postern_host* host;

struct Config {
  std::string action;
  std::string instance;
};

postern_str Str(std::string_view text) { return {text.data(), text.size()}; }

/// Wakes whom it is given, from a thread that lives as long as the process.
class Waking {
 public:
  static void Soon(postern_waker* waker, uint64_t tag) {
    static auto* const waking = new Waking;
    std::lock_guard lock(waking->mutex_);
    waking->queue_.push_back({waker, tag});
    waking->changed_.notify_one();
  }

 private:
  Waking() {
    std::thread([this] { Run(); }).detach();
  }
  void Run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !queue_.empty(); });
      const auto [waker, tag] = queue_.front();
      queue_.pop_front();
      lock.unlock();
      host->waker_fire(waker, tag);
      host->waker_free(waker);
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<postern_waker*, uint64_t>> queue_;
};

bool Does(const void* self, std::string_view action) {
  return static_cast<const Config*>(self)->action == action;
}

/// The value of a request header; empty where there is none.
std::string_view Header(postern_ctx* stream, std::string_view name) {
  postern_str value;
  return host->header_get(stream, POSTERN_REQUEST_HEADERS, Str(name), 0, &value) == POSTERN_OK
             ? std::string_view(value.data, value.len)
             : std::string_view{};
}

postern_verdict MaybePause(void* self, postern_ctx* stream, uint32_t direction) {
  if (Does(self, "wake")) {
    Waking::Soon(host->waker_new(stream), direction);
    return POSTERN_PAUSE;
  }
  if (Does(self, "timer")) {
    return host->timer_start(stream, 1, direction, nullptr) == POSTERN_OK ? POSTERN_PAUSE
                                                                          : POSTERN_FAIL;
  }
  return POSTERN_CONTINUE;
}

postern_verdict Headers(void* self, postern_ctx* stream, uint32_t direction, uint32_t flags) {
  const auto* config = static_cast<const Config*>(self);
  if (config->action == "mark") {
    host->header_add(stream, direction, Str("x-order"), Str(config->instance));
  }
  if ((flags & POSTERN_F_END_STREAM) == 0) {
    if (config->action == "buffer") host->body_mode(stream, direction, POSTERN_BODY_BUFFER, 0);
    if (config->action == "rewrite" || config->action == "upper") {
      host->body_mode(stream, direction, POSTERN_BODY_REWRITE, 0);
    }
  }
  return MaybePause(self, stream, direction);
}

void Reply(postern_ctx* stream, uint32_t kind, std::string_view message = {}) {
  postern_reply reply{};
  reply.size = sizeof(reply);
  reply.kind = kind;
  reply.message = Str(message);
  reply.detail = Str("conduct:said");
  host->reply(stream, &reply);
}

postern_verdict RequestHeaders(void* self, postern_ctx* stream, uint32_t flags) {
  if (Does(self, "fail")) return POSTERN_FAIL;
  if (Does(self, "stall")) return POSTERN_PAUSE;
  if (Does(self, "deny")) Reply(stream, POSTERN_REPLY_ACCESS_DENIED);
  if (Does(self, "abort")) Reply(stream, POSTERN_REPLY_ABORT);
  if (const std::string_view kind = Header(stream, "x-reply");
      Does(self, "reply") && !kind.empty()) {
    Reply(stream, static_cast<uint32_t>(std::stoul(std::string(kind))),
          Header(stream, "x-message"));
  }
  if (Does(self, "crash") && !Header(stream, "x-crash").empty()) {
    static int* volatile nowhere = nullptr;
    *nowhere = 1;
  }
  if (Does(self, "misuse")) host->resume(stream, POSTERN_REQUEST);
  if (Does(self, "var")) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = Str("yes");
    const std::string name = "filter." + static_cast<const Config*>(self)->instance + ".seen";
    host->var_set(stream, Str(name), &value);
    value.u.str = Str("alice");
    host->var_set(stream, Str("authorizer.principalId"), &value);
  }
  return Headers(self, stream, POSTERN_REQUEST, flags);
}

postern_verdict ResponseHeaders(void* self, postern_ctx* stream, uint32_t flags) {
  return Headers(self, stream, POSTERN_RESPONSE, flags);
}

postern_verdict Body(void* self, postern_ctx* stream, uint32_t direction) {
  if (Does(self, "rewrite") || Does(self, "upper")) {
    uint64_t total = 0;
    std::vector<postern_str> slices(host->body_read(stream, direction, nullptr, 0, &total));
    host->body_read(stream, direction, slices.data(), slices.size(), nullptr);
    auto* bytes = new std::string;
    for (const postern_str& slice : slices) bytes->append(slice.data, slice.len);
    if (Does(self, "upper")) {
      for (char& c : *bytes) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    const auto release = [](void* arg) { delete static_cast<std::string*>(arg); };
    if (host->body_splice(stream, direction, 0, total, Str(*bytes), release, bytes) != POSTERN_OK) {
      release(bytes);
    }
  }
  return MaybePause(self, stream, direction);
}

void StreamEvent(void*, postern_ctx* stream, const postern_event* event) {
  host->resume(stream, static_cast<uint32_t>(event->tag));
}

postern_status ConfigCreate(void*, postern_config_ctx* ctx, const postern_config* in, void** out) {
  const std::string_view bytes(in->bytes.data, in->bytes.len);
  constexpr std::string_view kKey = "\"do\":";
  const size_t at = bytes.find(kKey);
  const size_t from = at == bytes.npos ? at : bytes.find('"', at + kKey.size());
  if (from == bytes.npos) {
    host->config_error(ctx, Str("do"), Str("is missing"));
    return POSTERN_E_INVALID;
  }
  auto* config = new Config;
  config->action = bytes.substr(from + 1, bytes.find('"', from + 1) - from - 1);
  config->instance.assign(in->instance.data, in->instance.len);
  *out = config;
  for (volatile bool spin = config->action == "spin"; spin;) {
  }
  return POSTERN_OK;
}

postern_status WorkerCreate(const void* config, postern_ctx* worker, void*, void** state) {
  *state = const_cast<void*>(config);
  if (Does(config, "never")) return POSTERN_PENDING;
  if (!Does(config, "late")) return POSTERN_OK;
  host->timer_start(worker, 50, 0, nullptr);
  return POSTERN_PENDING;
}

const postern_filter* Table() {
  static const postern_filter table = [] {
    postern_filter t{};
    t.size = sizeof(t);
    t.config_create = ConfigCreate;
    t.config_destroy = [](void* config) { delete static_cast<Config*>(config); };
    t.worker_create = WorkerCreate;
    t.worker_event = [](void*, postern_ctx* worker, const postern_event*) {
      host->worker_ready(worker, POSTERN_OK, {nullptr, 0});
    };
    t.stream_create = [](const void* config, void*, postern_ctx*) {
      return const_cast<void*>(config);
    };
    t.request_headers = RequestHeaders;
    t.response_headers = ResponseHeaders;
    t.request_body = [](void* self, postern_ctx* stream, uint32_t) {
      return Body(self, stream, POSTERN_REQUEST);
    };
    t.response_body = [](void* self, postern_ctx* stream, uint32_t) {
      return Body(self, stream, POSTERN_RESPONSE);
    };
    t.stream_event = StreamEvent;
    return t;
  }();
  return &table;
}

}  // namespace

extern "C" {

POSTERN_EXPORT extern const postern_manifest postern_module_manifest = {
    POSTERN_ABI_MAGIC,
    sizeof(postern_manifest),
    POSTERN_ABI_MAJOR,
    POSTERN_ABI_MINOR,
    POSTERN_CAP_BODY | POSTERN_CAP_THREADS,
    "test.conduct",
    "1.0.0"};

POSTERN_EXPORT postern_status postern_module_init(const postern_host* given, postern_self*, void**,
                                                  const postern_filter** filter) {
  host = given;
  *filter = Table();
  return POSTERN_OK;
}

}  // extern "C"
