// What a filter works with while a request runs: the stream, the worker, events, wakers. All are
// values of one pointer, good as long as the hook runs; only a Waker may be kept and moved to
// another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/abi/abi.h"
#include "api/sdk/host.h"

namespace postern {

// What came with a headers or body event.
class Flags {
 public:
  explicit Flags(uint32_t bits) : bits_(bits) {}

  // Nothing follows in this direction.
  bool end_stream() const { return (bits_ & POSTERN_F_END_STREAM) != 0; }

  // The last body event, where to flush. Trailers may follow.
  bool body_last() const { return (bits_ & POSTERN_F_BODY_LAST) != 0; }

 private:
  uint32_t bits_;
};

// Names that were resolved to numbers when the configuration was read.
struct Upstream {
  uint32_t id = 0;
};
struct Variable {
  uint32_t id = 0;
};

// An HTTP exchange to be made. Everything is borrowed until StartCallout returns.
struct Callout {
  Upstream upstream = {};
  std::string_view method = "GET";
  std::string_view path = "/";
  std::span<const postern_header> headers = {};
  std::string_view body = {};
  uint32_t timeout_ms = 0;          // 0: the upstream's own.
  uint32_t max_response_bytes = 0;  // 0: the gateway's default.
};

// How it went. Lives as long as the hook.
class CalloutResult {
 public:
  explicit CalloutResult(const postern_callout_result& result) : result_(&result) {}

  // A whole response has come, of whatever status.
  bool ok() const { return result_->outcome == POSTERN_CALLOUT_OK; }
  uint32_t outcome() const { return result_->outcome; }  // POSTERN_CALLOUT_*
  uint32_t status() const { return result_->status; }    // 0 unless ok().
  uint32_t latency_ms() const { return result_->latency_ms; }

  std::span<const postern_header> headers() const {
    return {result_->headers, result_->header_count};
  }

  // The first value of a name, which is lower-case.
  std::optional<std::string_view> Header(std::string_view name) const {
    for (const postern_header& header : headers()) {
      if (FromAbi(header.name) == name) return FromAbi(header.value);
    }
    return std::nullopt;
  }

  // The body in one piece.
  std::string Body() const {
    std::string body;
    for (const postern_str& slice : std::span(result_->body, result_->body_count)) {
      body += FromAbi(slice);
    }
    return body;
  }

 private:
  const postern_callout_result* result_;
};

// Something that was asked for has happened.
class Event {
 public:
  explicit Event(const postern_event& event) : event_(&event) {}

  bool is_wake() const { return event_->type == POSTERN_EVENT_WAKE; }
  bool is_timer() const { return event_->type == POSTERN_EVENT_TIMER; }
  bool is_callout() const { return event_->type == POSTERN_EVENT_CALLOUT; }
  uint64_t tag() const { return event_->tag; }
  uint64_t id() const { return event_->id; }

  // Only where is_callout().
  CalloutResult callout() const { return CalloutResult(*event_->callout); }

 private:
  const postern_event* event_;
};

// A handle to a stream or worker that any thread may hold, and that may outlive it.
class Waker {
 public:
  Waker() = default;
  explicit Waker(postern_waker* waker) : waker_(waker) {}
  Waker(Waker&& other) noexcept : waker_(std::exchange(other.waker_, nullptr)) {}
  Waker& operator=(Waker&& other) noexcept {
    std::swap(waker_, other.waker_);
    return *this;
  }
  ~Waker() {
    if (waker_ != nullptr) internal::host->waker_free(waker_);
  }

  // False where the gateway gave none, or after a move.
  explicit operator bool() const { return waker_ != nullptr; }

  // Any thread. The owner's OnEvent gets the tag, on its own thread. kNotFound once it is gone.
  Status Fire(uint64_t tag = 0) const {
    if (waker_ == nullptr) return Status::kNotFound;
    return internal::ToStatus(internal::host->waker_fire(waker_, tag));
  }

 private:
  postern_waker* waker_ = nullptr;
};

// What streams and workers have in common: they can wait for something.
class Owner {
 public:
  explicit Owner(postern_ctx* ctx) : ctx_(ctx) {}

  postern_ctx* raw() const { return ctx_; }

  Waker NewWaker() const { return Waker(internal::host->waker_new(ctx_)); }

  // One event after delay_ms. The id, for CancelTimer, or 0 when it could not be started.
  uint64_t StartTimer(uint64_t delay_ms, uint64_t tag = 0) const {
    uint64_t id = 0;
    return internal::host->timer_start(ctx_, delay_ms, tag, &id) == POSTERN_OK ? id : 0;
  }
  Status CancelTimer(uint64_t id) const {
    return internal::ToStatus(internal::host->timer_cancel(ctx_, id));
  }

  // One event when it ends; never before this returns.
  Status StartCallout(const Callout& callout, uint64_t tag = 0, uint64_t* id = nullptr) const {
    postern_callout c{};
    c.size = sizeof c;
    c.upstream = callout.upstream.id;
    c.method = ToAbi(callout.method);
    c.path = ToAbi(callout.path);
    c.headers = callout.headers.data();
    c.header_count = callout.headers.size();
    c.body = ToAbi(callout.body);
    c.timeout_ms = callout.timeout_ms;
    c.max_response_bytes = callout.max_response_bytes;
    return internal::ToStatus(internal::host->callout_start(ctx_, &c, tag, id));
  }
  Status CancelCallout(uint64_t id) const {
    return internal::ToStatus(internal::host->callout_cancel(ctx_, id));
  }

 private:
  postern_ctx* ctx_;
};

// One instance on one worker.
class WorkerContext : public Owner {
 public:
  using Owner::Owner;

  // Ends the wait of a worker whose Start returned kPending.
  Status Ready() const {
    return internal::ToStatus(internal::host->worker_ready(raw(), POSTERN_OK, ToAbi("")));
  }
  Status NotReady(std::string_view reason) const {
    return internal::ToStatus(
        internal::host->worker_ready(raw(), POSTERN_E_INTERNAL, ToAbi(reason)));
  }
};

// An answer to the client; see postern_reply.
struct Reply {
  ReplyKind kind = ReplyKind::kRaw;
  uint32_t status = 0;            // 0: what the kind is configured to send; raw: 200.
  std::string_view message = {};  // Empty: the text of the kind.
  std::string_view detail = {};   // One token for the access log.
  std::span<const postern_header> headers = {};
  std::string body = {};  // Raw only; handed over.
};

// One filter's place in one stream.
class Stream : public Owner {
 public:
  using Owner::Owner;

  // The index-th value of a name. Good until the map changes.
  std::optional<std::string_view> Header(Map map, std::string_view name, size_t index = 0) const {
    postern_str value{};
    if (internal::host->header_get(raw(), static_cast<uint32_t>(map), ToAbi(name), index, &value) !=
        POSTERN_OK) {
      return std::nullopt;
    }
    return FromAbi(value);
  }

  // Calls fn(name, value) for each field, pseudo-headers first; names are lower-case. fn must not
  // change the map.
  template <class Fn>
  void ForEachHeader(Map map, Fn&& fn) const {
    ForEachField(static_cast<uint32_t>(map), fn);
  }

  // The same with names as their sender spelled them.
  template <class Fn>
  void ForEachHeaderAsSent(Map map, Fn&& fn) const {
    ForEachField(static_cast<uint32_t>(map) | POSTERN_AS_SENT, fn);
  }

  // Replaces all values of a name by one. The name goes out as it is spelled here.
  Status SetHeader(Map map, std::string_view name, std::string_view value) const {
    return internal::ToStatus(
        internal::host->header_set(raw(), static_cast<uint32_t>(map), ToAbi(name), ToAbi(value)));
  }
  Status AddHeader(Map map, std::string_view name, std::string_view value) const {
    return internal::ToStatus(
        internal::host->header_add(raw(), static_cast<uint32_t>(map), ToAbi(name), ToAbi(value)));
  }
  Status RemoveHeader(Map map, std::string_view name) const {
    return internal::ToStatus(
        internal::host->header_set(raw(), static_cast<uint32_t>(map), ToAbi(name), {nullptr, 0}));
  }

  // Starts the map anew: pseudo-headers stay. Of a request, filters in front go on seeing the old.
  Status ClearHeaders(Map map) const {
    return internal::ToStatus(internal::host->header_clear(raw(), static_cast<uint32_t>(map)));
  }

  // In the headers hook of that direction.
  Status SetBodyMode(Direction direction, BodyMode mode, uint64_t limit = 0) const {
    return internal::ToStatus(internal::host->body_mode(raw(), static_cast<uint32_t>(direction),
                                                        static_cast<uint32_t>(mode), limit));
  }

  // Calls fn(bytes) for each slice of the chunk in hand, or of the whole body in BUFFER mode.
  template <class Fn>
  void ForEachSlice(Direction direction, Fn&& fn) const {
    const uint32_t which = static_cast<uint32_t>(direction);
    postern_str few[16];
    const size_t count = internal::host->body_read(raw(), which, few, 16, nullptr);
    if (count <= 16) {
      for (size_t i = 0; i < count; ++i) fn(FromAbi(few[i]));
      return;
    }
    std::vector<postern_str> all(count);
    internal::host->body_read(raw(), which, all.data(), count, nullptr);
    for (const postern_str& slice : all) fn(FromAbi(slice));
  }

  // The same bytes in one piece, copied.
  std::string Body(Direction direction) const {
    std::string body;
    body.reserve(BodySize(direction));
    ForEachSlice(direction, [&body](std::string_view slice) { body += slice; });
    return body;
  }

  uint64_t BodySize(Direction direction) const {
    uint64_t total = 0;
    internal::host->body_read(raw(), static_cast<uint32_t>(direction), nullptr, 0, &total);
    return total;
  }

  // Replaces `remove` bytes at `offset`. The string is handed over, uncopied.
  Status Splice(Direction direction, uint64_t offset, uint64_t remove, std::string insert) const {
    if (insert.size() < kWorthHandingOver) {
      return internal::ToStatus(internal::host->body_splice(raw(), static_cast<uint32_t>(direction),
                                                            offset, remove, ToAbi(insert), nullptr,
                                                            nullptr));
    }
    auto* owned = new std::string(std::move(insert));
    const postern_status status = internal::host->body_splice(
        raw(), static_cast<uint32_t>(direction), offset, remove, ToAbi(*owned),
        [](void* arg) { delete static_cast<std::string*>(arg); }, owned);
    if (status != POSTERN_OK) delete owned;
    return internal::ToStatus(status);
  }
  // The same with bytes that live until `release` is called with `arg`, once, on this worker: when
  // they are written or dropped. It is not called where this fails.
  Status SpliceBorrowed(Direction direction, uint64_t offset, uint64_t remove,
                        std::string_view insert, void (*release)(void* arg), void* arg) const {
    return internal::ToStatus(internal::host->body_splice(
        raw(), static_cast<uint32_t>(direction), offset, remove, ToAbi(insert), release, arg));
  }
  Status ReplaceBody(Direction direction, std::string body) const {
    return Splice(direction, 0, BodySize(direction), std::move(body));
  }
  Status AppendBody(Direction direction, std::string tail) const {
    return Splice(direction, BodySize(direction), 0, std::move(tail));
  }

  // nullopt when nothing has set it on this stream.
  std::optional<postern_value> Value(Variable variable) const {
    postern_value value{};
    if (internal::host->var_get(raw(), variable.id, &value) != POSTERN_OK) return std::nullopt;
    return value;
  }

  // A variable that is text; nullopt also when it is something else.
  std::optional<std::string_view> Text(Variable variable) const {
    const std::optional<postern_value> value = Value(variable);
    if (!value || value->type != POSTERN_VALUE_STRING) return std::nullopt;
    return FromAbi(value->u.str);
  }

  // By full name: "filter.<instance>.x", or "authorizer.x" for an authorizer. Also
  // "error.validationErrorString" and "integration.error", for who answers or changes a response.
  Status SetText(std::string_view name, std::string_view text) const {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = ToAbi(text);
    return SetValue(name, value);
  }
  Status SetInt(std::string_view name, int64_t number) const {
    postern_value value{};
    value.type = POSTERN_VALUE_INT;
    value.u.i64 = number;
    return SetValue(name, value);
  }
  Status SetBool(std::string_view name, bool truth) const {
    postern_value value{};
    value.type = POSTERN_VALUE_BOOL;
    value.u.boolean = truth ? 1 : 0;
    return SetValue(name, value);
  }
  Status SetJson(std::string_view name, std::string_view json) const {
    postern_value value{};
    value.type = POSTERN_VALUE_JSON;
    value.u.str = ToAbi(json);
    return SetValue(name, value);
  }
  Status SetValue(std::string_view name, const postern_value& value) const {
    return internal::ToStatus(internal::host->var_set(raw(), ToAbi(name), &value));
  }

  // Ends the pause of one direction; what was held moves from the loop.
  Status Resume(Direction direction) const {
    return internal::ToStatus(internal::host->resume(raw(), static_cast<uint32_t>(direction)));
  }

  // Answers the client. In a hook: `return s.Send({...});`. kFail where it is too late.
  Verdict Send(Reply reply) const {
    postern_reply r{};
    r.size = sizeof r;
    r.kind = static_cast<uint32_t>(reply.kind);
    r.status = reply.status;
    r.message = ToAbi(reply.message);
    r.detail = ToAbi(reply.detail);
    r.headers = reply.headers.data();
    r.header_count = reply.headers.size();
    r.body = ToAbi(reply.body);
    if (reply.body.size() < kWorthHandingOver) {
      return internal::host->reply(raw(), &r) == POSTERN_OK ? Verdict::kContinue : Verdict::kFail;
    }
    auto* owned = new std::string(std::move(reply.body));
    r.body = ToAbi(*owned);
    r.release = [](void* arg) { delete static_cast<std::string*>(arg); };
    r.release_arg = owned;
    if (internal::host->reply(raw(), &r) == POSTERN_OK) return Verdict::kContinue;
    delete owned;
    return Verdict::kFail;
  }

 private:
  template <class Fn>
  void ForEachField(uint32_t which, Fn& fn) const {
    const auto visit = [&fn](std::span<const postern_header> headers) {
      for (const postern_header& header : headers) fn(FromAbi(header.name), FromAbi(header.value));
    };
    postern_header few[32];
    const size_t count = internal::host->header_list(raw(), which, few, 32);
    if (count <= 32) return visit({few, count});
    std::vector<postern_header> all(count);
    internal::host->header_list(raw(), which, all.data(), count);
    visit(all);
  }

  // Fewer bytes than this are cheaper copied than handed over.
  static constexpr size_t kWorthHandingOver = 256;
};

}  // namespace postern
