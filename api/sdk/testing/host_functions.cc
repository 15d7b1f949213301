// The functions that the host gives a module, as abi.h says what each does.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/abi/abi.h"
#include "api/sdk/testing/fake_host.h"
#include "api/sdk/testing/fake_internal.h"

namespace postern::testing {

using internal::AllOf;
using internal::Borrow;
using internal::Copy;
using internal::Erase;
using internal::Find;
using internal::FindKind;
using internal::Kind;
using internal::kNameCharacters;
using internal::Lower;
using internal::SizeOf;
using internal::ValidField;

namespace {

constexpr size_t kMaxOwned = 64;     // Timers and callouts of an owner; metrics of a module.
constexpr size_t kMaxWakers = 1000;  // Of the whole host.
constexpr size_t kMaxHeaderBytes = 65536;
constexpr size_t kMaxVariables = 64;
constexpr size_t kMaxSharedEntries = 10000;
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";

}  // namespace

struct HostFunctions {
  // What is wrong with a call that needs a stream, or nullptr for a good one.
  static FakeStream* StreamOf(postern_ctx* ctx, const char* function, bool may_be_ending = false) {
    if (!ctx->host->OnWorker(function)) return nullptr;
    if (!ctx->alive || ctx->stream == nullptr || (ctx->stream->ending_ && !may_be_ending)) {
      ctx->host->Misuse(std::string(function) + (ctx->stream == nullptr ? ": not a stream"
                                                 : !ctx->alive          ? ": the stream has ended"
                                                               : ": not allowed in stream_end"));
      return nullptr;
    }
    return ctx->stream;
  }
  static FakeHost* OwnerOf(postern_ctx* ctx, const char* function) {
    if (!ctx->host->OnWorker(function)) return nullptr;
    if (!ctx->alive || (ctx->stream != nullptr && ctx->stream->ending_)) {
      ctx->host->Misuse(std::string(function) + ": the owner has ended");
      return nullptr;
    }
    return ctx->host;
  }
  static postern_status Refuse(postern_ctx* ctx, postern_status status, const char* function,
                               const std::string& why) {
    ctx->host->Misuse(std::string(function) + ": " + why);
    return status;
  }
  static bool Granted(FakeHost* host, uint32_t capability, const char* function, const char* name) {
    if ((host->capabilities_ & capability) != 0) return true;
    host->Misuse(std::string(function) + ": capability " + name + " is not declared");
    return false;
  }
  static FakeHost* Reading(postern_config_ctx* ctx, const char* function) {
    if (!ctx->host->OnWorker(function)) return nullptr;
    if (!ctx->open) {
      ctx->host->Misuse(std::string(function) + ": only inside config_create");
      return nullptr;
    }
    return ctx->host;
  }

  // Process

  static void Log(postern_self* self, uint32_t level, postern_str message) {
    const std::lock_guard<std::mutex> lock(self->host->mutex_);
    self->host->logs_.push_back({level, Copy(message).substr(0, 4096)});
  }
  static int32_t LogEnabled(postern_self*, uint32_t) { return 1; }
  static uint64_t Now(uint32_t clock) {
    if (clock == POSTERN_CLOCK_MONOTONIC_MS) return internal::current_host->now_ms_;
    constexpr uint64_t kEpoch = 1700000000000;  // 2023-11-14T22:13:20Z
    return clock == POSTERN_CLOCK_WALL_MS ? kEpoch + internal::current_host->now_ms_ : 0;
  }
  static void MetricRecord(uint32_t metric, int64_t value, const postern_str* labels, size_t n) {
    FakeHost* host = internal::current_host;
    std::unique_lock<std::mutex> lock(host->mutex_);
    if (metric == 0 || metric > host->metrics_.size()) {
      lock.unlock();
      return host->Misuse("metric_record: unknown metric");
    }
    const FakeHost::MetricDefinition& definition = host->metrics_[metric - 1];
    if (n != definition.labels.size() || (definition.kind == POSTERN_COUNTER && value < 0)) {
      const std::string name = definition.name;
      lock.unlock();
      return host->Misuse("metric_record: wrong labels or value for " + name);
    }
    std::vector<std::string> values;
    for (size_t i = 0; i < n; ++i) values.push_back(Copy(labels[i]));
    host->recorded_[{definition.name, values}].push_back(value);
  }

  // Configuration

  static void ConfigError(postern_config_ctx* ctx, postern_str field, postern_str message) {
    FakeHost* host = Reading(ctx, "config_error");
    if (host == nullptr) return;
    host->errors_.push_back(ctx->prefix + Copy(field) + ": " + Copy(message));
  }
  // Ids carry the snapshot that they are good for.
  static uint32_t IdOf(postern_config_ctx* ctx, const std::string& name) {
    std::vector<std::string>& names = ctx->host->names_;
    size_t at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (at == names.size()) names.push_back(name);
    return ctx->generation << 16 | static_cast<uint32_t>(at + 1);
  }
  static const std::string* NameOf(const FakeHost* host, uint32_t id, uint32_t generation) {
    const uint32_t at = id & 0xffff;
    if (id >> 16 != generation || at == 0 || at > host->names_.size()) return nullptr;
    return &host->names_[at - 1];
  }
  static postern_status UpstreamResolve(postern_config_ctx* ctx, postern_str name, uint32_t* id) {
    FakeHost* host = Reading(ctx, "upstream_resolve");
    if (host == nullptr) return POSTERN_E_STATE;
    if (!Granted(host, POSTERN_CAP_CALLOUT, "upstream_resolve", "CALLOUT")) return POSTERN_E_DENIED;
    if (!host->upstreams_.contains(Copy(name))) return POSTERN_E_NOT_FOUND;
    *id = IdOf(ctx, "upstream:" + Copy(name));
    return POSTERN_OK;
  }
  static postern_status VarResolve(postern_config_ctx* ctx, postern_str name, uint32_t* id) {
    if (Reading(ctx, "var_resolve") == nullptr) return POSTERN_E_STATE;
    const std::string text = Copy(name);
    if (text.empty() || !AllOf(text, kNameCharacters)) return POSTERN_E_NOT_FOUND;
    *id = IdOf(ctx, text);
    return POSTERN_OK;
  }
  static postern_status MetricDefine(postern_config_ctx* ctx, uint32_t kind, postern_str name,
                                     const postern_str* labels, size_t n, uint32_t* id) {
    FakeHost* host = Reading(ctx, "metric_define");
    if (host == nullptr) return POSTERN_E_STATE;
    const auto good = [](std::string_view text) {
      return !text.empty() && text.size() <= 64 && kLower.find(text[0]) != std::string_view::npos &&
             AllOf(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    };
    FakeHost::MetricDefinition definition{Copy(name), kind, {}};
    bool valid = good(definition.name) && kind <= POSTERN_HISTOGRAM && n <= 8 &&
                 (kind != POSTERN_COUNTER || definition.name.ends_with("_total"));
    for (size_t i = 0; valid && i < n; ++i) {
      definition.labels.push_back(Copy(labels[i]));
      valid = good(definition.labels.back());
    }
    const std::lock_guard<std::mutex> lock(host->mutex_);
    for (size_t i = 0; valid && i < host->metrics_.size(); ++i) {
      if (host->metrics_[i].name != definition.name) continue;
      if (host->metrics_[i].kind != kind || host->metrics_[i].labels != definition.labels) break;
      *id = static_cast<uint32_t>(i + 1);
      return POSTERN_OK;
    }
    for (const auto& other : host->metrics_) valid = valid && other.name != definition.name;
    if (!valid) return POSTERN_E_INVALID;
    if (host->metrics_.size() == kMaxOwned) return POSTERN_E_LIMIT;
    host->metrics_.push_back(std::move(definition));
    *id = static_cast<uint32_t>(host->metrics_.size());
    return POSTERN_OK;
  }

  // Message

  static bool IsTrailers(uint32_t map) { return map >= POSTERN_REQUEST_TRAILERS; }
  static bool Readable(const FakeStream& s, uint32_t map) {
    const auto& direction = s.directions_[map % 2];
    if (map == POSTERN_REQUEST_HEADERS) return true;
    return IsTrailers(map) ? direction.trailers_arrived : direction.headers_arrived;
  }
  static bool Writable(const FakeStream& s, uint32_t map) {
    const auto& direction = s.directions_[map % 2];
    if (direction.closed) return false;
    return IsTrailers(map) ? direction.trailers_arrived && !direction.trailers_passed
                           : direction.headers_arrived && !direction.headers_passed;
  }
  static postern_status HeaderGet(postern_ctx* ctx, uint32_t map, postern_str name, size_t index,
                                  postern_str* value) {
    FakeStream* s = StreamOf(ctx, "header_get");
    if (s == nullptr) return POSTERN_E_STATE;
    if (map > POSTERN_RESPONSE_TRAILERS) {
      return Refuse(ctx, POSTERN_E_INVALID, "header_get", "unknown map");
    }
    if (!Readable(*s, map)) return Refuse(ctx, POSTERN_E_STATE, "header_get", "map not there yet");
    const std::string* found = Find(s->maps_[map], Copy(name), index);
    if (found == nullptr) return POSTERN_E_NOT_FOUND;
    *value = Borrow(*found);
    return POSTERN_OK;
  }
  static size_t HeaderList(postern_ctx* ctx, uint32_t map, postern_header* out, size_t cap) {
    FakeStream* s = StreamOf(ctx, "header_list");
    if (s == nullptr) return 0;
    const bool as_sent = (map & POSTERN_AS_SENT) != 0;
    map &= ~POSTERN_AS_SENT;
    if (map > POSTERN_RESPONSE_TRAILERS || !Readable(*s, map)) {
      ctx->host->Misuse("header_list: map not there yet, or unknown");
      return 0;
    }
    const Headers& headers = s->maps_[map];
    for (size_t i = 0; i < std::min(cap, headers.size()); ++i) {
      const std::string& name = headers[i].first;
      out[i] = {Borrow(as_sent ? name : s->lowered_.emplace_back(Lower(name))),
                Borrow(headers[i].second)};
    }
    return headers.size();
  }
  static postern_status HeaderChange(postern_ctx* ctx, uint32_t map, postern_str name,
                                     postern_str value, bool add) {
    const char* function = add ? "header_add" : "header_set";
    FakeStream* s = StreamOf(ctx, function);
    if (s == nullptr) return POSTERN_E_STATE;
    const std::string field = Copy(name);
    const std::string text = Copy(value);
    const bool remove = !add && value.data == nullptr;
    if (map > POSTERN_RESPONSE_TRAILERS || !ValidField(map, field, text, !add)) {
      return Refuse(ctx, POSTERN_E_INVALID, function, "bad name or value for \"" + field + "\"");
    }
    if (!Writable(*s, map)) {
      return Refuse(ctx, POSTERN_E_STATE, function, "the map has gone past, or has not come");
    }
    Headers changed = s->maps_[map];
    if (add) {
      changed.emplace_back(field, text);
    } else if (remove) {
      Erase(changed, field);
    } else {
      const auto is_field = [lower = Lower(field)](const auto& other) {
        return Lower(other.first) == lower;
      };
      const auto at = std::find_if(changed.begin(), changed.end(), is_field);
      if (at == changed.end()) {
        changed.emplace_back(field, text);
      } else {
        *at = {field, text};
        changed.erase(std::remove_if(at + 1, changed.end(), is_field), changed.end());
      }
    }
    if (SizeOf(changed) > kMaxHeaderBytes) return POSTERN_E_LIMIT;
    s->maps_[map] = std::move(changed);
    return POSTERN_OK;
  }
  static postern_status HeaderSet(postern_ctx* ctx, uint32_t map, postern_str name,
                                  postern_str value) {
    return HeaderChange(ctx, map, name, value, /*add=*/false);
  }
  static postern_status HeaderAdd(postern_ctx* ctx, uint32_t map, postern_str name,
                                  postern_str value) {
    return HeaderChange(ctx, map, name, value, /*add=*/true);
  }
  static postern_status HeaderClear(postern_ctx* ctx, uint32_t map) {
    FakeStream* s = StreamOf(ctx, "header_clear");
    if (s == nullptr) return POSTERN_E_STATE;
    if (map > POSTERN_RESPONSE_TRAILERS) {
      return Refuse(ctx, POSTERN_E_INVALID, "header_clear", "unknown map");
    }
    if (!Writable(*s, map)) {
      return Refuse(ctx, POSTERN_E_STATE, "header_clear", "the map has gone past, or has not come");
    }
    std::erase_if(s->maps_[map], [](const auto& field) {
      return !field.first.starts_with(':') && Lower(field.first) != "content-length";
    });
    return POSTERN_OK;
  }
  static postern_status BodyMode(postern_ctx* ctx, uint32_t direction, uint32_t mode,
                                 uint64_t limit) {
    FakeStream* s = StreamOf(ctx, "body_mode");
    if (s == nullptr) return POSTERN_E_STATE;
    if (!Granted(ctx->host, POSTERN_CAP_BODY, "body_mode", "BODY")) return POSTERN_E_DENIED;
    if (direction > POSTERN_RESPONSE || mode > POSTERN_BODY_BUFFER ||
        (mode != POSTERN_BODY_SKIP && !s->HasHook(direction, FakeStream::Part::kBody))) {
      return Refuse(ctx, POSTERN_E_INVALID, "body_mode", "unknown mode, or no body hook");
    }
    auto& state = s->directions_[direction];
    if (!state.item || state.item->part != FakeStream::Part::kHeaders) {
      return Refuse(ctx, POSTERN_E_STATE, "body_mode", "not in the headers hook");
    }
    state.mode = mode;
    state.limit = limit;
    return POSTERN_OK;
  }
  // The item whose body a filter may look at now.
  static FakeStream::Item* InHand(FakeStream* s, uint32_t direction) {
    if (direction > POSTERN_RESPONSE) return nullptr;
    auto& state = s->directions_[direction];
    if (state.closed || !state.item || state.item->part != FakeStream::Part::kBody) return nullptr;
    return &*state.item;
  }
  static size_t BodyRead(postern_ctx* ctx, uint32_t direction, postern_str* out, size_t cap,
                         uint64_t* total) {
    if (total != nullptr) *total = 0;
    FakeStream* s = StreamOf(ctx, "body_read");
    if (s == nullptr || !Granted(ctx->host, POSTERN_CAP_BODY, "body_read", "BODY")) return 0;
    const FakeStream::Item* item = InHand(s, direction);
    if (item == nullptr) return 0;
    const auto& slices = item->body.slices;
    for (size_t i = 0; i < std::min(cap, slices.size()); ++i) out[i] = slices[i].bytes;
    if (total != nullptr) *total = item->body.size();
    return slices.size();
  }
  static postern_status BodySplice(postern_ctx* ctx, uint32_t direction, uint64_t offset,
                                   uint64_t remove, postern_str insert, void (*release)(void*),
                                   void* release_arg) {
    FakeStream* s = StreamOf(ctx, "body_splice");
    if (s == nullptr) return POSTERN_E_STATE;
    if (!Granted(ctx->host, POSTERN_CAP_BODY, "body_splice", "BODY")) return POSTERN_E_DENIED;
    FakeStream::Item* item = InHand(s, direction);
    if (item != nullptr && s->directions_[direction].mode < POSTERN_BODY_REWRITE) item = nullptr;
    if (item == nullptr && direction <= POSTERN_RESPONSE) {
      auto& state = s->directions_[direction];
      if (state.item && state.item->part == FakeStream::Part::kHeaders && !state.closed &&
          (state.item->flags & POSTERN_F_END_STREAM) != 0) {
        item = &*state.item;
      }
    }
    if (item == nullptr) {
      return Refuse(ctx, POSTERN_E_STATE, "body_splice", "no body in hand that may be changed");
    }
    const uint64_t size = item->body.size();
    if (offset > size || remove > size - offset) {
      return Refuse(ctx, POSTERN_E_INVALID, "body_splice", "out of range");
    }
    if (size - remove + insert.len > ctx->host->body_limit_) return POSTERN_E_LIMIT;
    item->body.slices = Spliced(item->body.slices, offset, remove,
                                NewSlice(ctx->host, insert, release, release_arg));
    return POSTERN_OK;
  }
  static FakeStream::Slice NewSlice(FakeHost* host, postern_str bytes, void (*release)(void*),
                                    void* arg) {
    if (release == nullptr) {
      auto copy = std::make_shared<std::string>(Copy(bytes));
      return {Borrow(*copy), copy};
    }
    ++host->bodies_held_;
    return {bytes, std::shared_ptr<void>(arg, [host, release](void* owned) {
              --host->bodies_held_;
              release(owned);
            })};
  }
  static std::vector<FakeStream::Slice> Spliced(const std::vector<FakeStream::Slice>& slices,
                                                uint64_t offset, uint64_t remove,
                                                const FakeStream::Slice& insert) {
    std::vector<FakeStream::Slice> out;
    const auto add = [&out](const FakeStream::Slice& slice, uint64_t from, uint64_t to) {
      if (from < to) out.push_back({{slice.bytes.data + from, to - from}, slice.owner});
    };
    const auto add_outside = [&](uint64_t low, uint64_t high) {
      uint64_t at = 0;
      for (const FakeStream::Slice& slice : slices) {
        const uint64_t end = at + slice.bytes.len;
        add(slice, std::clamp(low, at, end) - at, std::clamp(high, at, end) - at);
        at = end;
      }
    };
    add_outside(0, offset);
    add(insert, 0, insert.bytes.len);
    add_outside(offset + remove, std::numeric_limits<uint64_t>::max());
    return out;
  }
  static postern_status VarGet(postern_ctx* ctx, uint32_t var, postern_value* out) {
    FakeStream* s = StreamOf(ctx, "var_get", /*may_be_ending=*/true);
    if (s == nullptr) return POSTERN_E_STATE;
    const std::string* name = NameOf(ctx->host, var, s->snapshot_->generation);
    if (name == nullptr) {
      return Refuse(ctx, POSTERN_E_INVALID, "var_get", "not an id of this snapshot");
    }
    const auto found = s->variables_.find(*name);
    if (found == s->variables_.end()) return POSTERN_E_NOT_FOUND;
    const auto& [type, text] = found->second;
    *out = {};
    out->type = type;
    switch (type) {
      case POSTERN_VALUE_BOOL:
        out->u.boolean = text == "true" ? 1 : 0;
        break;
      case POSTERN_VALUE_INT:
        out->u.i64 = std::atoll(text.c_str());
        break;
      case POSTERN_VALUE_DOUBLE:
        out->u.f64 = std::atof(text.c_str());
        break;
      default:
        out->u.str = Borrow(text);
    }
    return POSTERN_OK;
  }
  static postern_status VarSet(postern_ctx* ctx, postern_str name, const postern_value* value) {
    FakeStream* s = StreamOf(ctx, "var_set", /*may_be_ending=*/true);
    if (s == nullptr) return POSTERN_E_STATE;
    const std::string key = Copy(name);
    const std::string own = "filter." + ctx->host->instance_ + ".";
    const std::string_view authorizer = "authorizer.";
    const bool allowed =
        (key.starts_with(own) && key.size() > own.size()) ||
        (ctx->host->authorizer_ && key.starts_with(authorizer) && key.size() > authorizer.size());
    const bool reason = key == "error.validationErrorString" || key == "integration.error";
    if (!allowed && !reason) {
      return Refuse(ctx, POSTERN_E_DENIED, "var_set", "\"" + key + "\" is not this filter's");
    }
    if (reason && value->type != POSTERN_VALUE_STRING && value->type != POSTERN_VALUE_NONE) {
      return Refuse(ctx, POSTERN_E_INVALID, "var_set", "\"" + key + "\" takes a string");
    }
    std::string text;
    switch (value->type) {
      case POSTERN_VALUE_NONE:
        s->variables_.erase(key);
        return POSTERN_OK;
      case POSTERN_VALUE_BOOL:
        text = value->u.boolean != 0 ? "true" : "false";
        break;
      case POSTERN_VALUE_INT:
        text = std::to_string(value->u.i64);
        break;
      case POSTERN_VALUE_DOUBLE: {
        if (!std::isfinite(value->u.f64)) {
          return Refuse(ctx, POSTERN_E_INVALID, "var_set", "not finite");
        }
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.17g", value->u.f64);
        text = digits;
        break;
      }
      case POSTERN_VALUE_STRING:
      case POSTERN_VALUE_JSON:
        text = Copy(value->u.str);
        break;
      default:
        return Refuse(ctx, POSTERN_E_INVALID, "var_set", "unknown type");
    }
    if (s->variables_.size() >= kMaxVariables && !s->variables_.contains(key)) {
      return POSTERN_E_LIMIT;
    }
    s->variables_[key] = {value->type, std::move(text)};
    return POSTERN_OK;
  }

  // Flow

  static postern_status Resume(postern_ctx* ctx, uint32_t direction) {
    FakeStream* s = StreamOf(ctx, "resume");
    if (s == nullptr) return POSTERN_E_STATE;
    if (direction > POSTERN_RESPONSE) {
      return Refuse(ctx, POSTERN_E_INVALID, "resume", "unknown direction");
    }
    auto& state = s->directions_[direction];
    if (!state.paused || state.closed) {
      return Refuse(ctx, POSTERN_E_STATE, "resume", "that direction is not paused");
    }
    state.paused = false;
    ++state.pause;
    const uint64_t pause = state.pause;
    ctx->host->Post([s, direction, pause] {
      auto& d = s->directions_[direction];
      if (d.closed || d.pause != pause) return;
      s->PassHeld(direction);
      s->Pump(direction);
    });
    return POSTERN_OK;
  }
  static postern_status Reply(postern_ctx* ctx, const postern_reply* reply) {
    FakeStream* s = StreamOf(ctx, "reply");
    if (s == nullptr) return POSTERN_E_STATE;
    if (s->creating_) return Refuse(ctx, POSTERN_E_STATE, "reply", "not in stream_create");
    if (s->replied_) return Refuse(ctx, POSTERN_E_STATE, "reply", "there was a reply already");
    if (s->directions_[POSTERN_RESPONSE].headers_passed) {
      return Refuse(ctx, POSTERN_E_STATE, "reply", "response headers have gone past");
    }
    const Kind* kind = FindKind(reply->kind);
    if (kind == nullptr) return Refuse(ctx, POSTERN_E_INVALID, "reply", "unknown kind");
    if (reply->status != 0 && (reply->status < 200 || reply->status > 599)) {
      return Refuse(ctx, POSTERN_E_INVALID, "reply", "status out of range");
    }
    if (reply->kind != POSTERN_REPLY_RAW && (reply->body.len > 0 || reply->release != nullptr)) {
      return Refuse(ctx, POSTERN_E_INVALID, "reply", "a body with another kind than RAW");
    }
    SentReply sent;
    sent.kind = reply->kind;
    sent.status = reply->status != 0 ? reply->status : kind->status;
    sent.message = reply->message.len > 0 ? Copy(reply->message) : kind->message;
    sent.detail = Copy(reply->detail);
    if (sent.detail.size() > 128 || !AllOf(sent.detail, std::string(kNameCharacters) + ":/")) {
      return Refuse(ctx, POSTERN_E_INVALID, "reply", "bad detail \"" + sent.detail + "\"");
    }
    for (size_t i = 0; i < reply->header_count; ++i) {
      const postern_header& header = reply->headers[i];
      sent.headers.emplace_back(Copy(header.name), Copy(header.value));
      const auto& [name, value] = sent.headers.back();
      if (!ValidField(POSTERN_RESPONSE_HEADERS, name, value, /*pseudo=*/false)) {
        return Refuse(ctx, POSTERN_E_INVALID, "reply", "bad header \"" + name + "\"");
      }
    }
    sent.body = Copy(reply->body);
    if (reply->release != nullptr) {
      const auto release = reply->release;
      void* arg = reply->release_arg;
      ++ctx->host->bodies_held_;
      ctx->host->Post([host = ctx->host, release, arg] {
        --host->bodies_held_;
        release(arg);
      });
    }
    s->SendReply(std::move(sent));
    return POSTERN_OK;
  }

  // Time and the outside

  static postern_waker* WakerNew(postern_ctx* ctx) {
    FakeHost* host = OwnerOf(ctx, "waker_new");
    if (host == nullptr) return nullptr;
    const std::lock_guard<std::mutex> lock(host->mutex_);
    if (host->wakers_ >= kMaxWakers) return nullptr;
    ++host->wakers_;
    return new postern_waker{host, ctx};
  }
  static postern_status WakerFire(postern_waker* waker, uint64_t tag) {
    const std::lock_guard<std::mutex> lock(waker->host->mutex_);
    if (!waker->owner->alive) return POSTERN_E_NOT_FOUND;
    if (waker->host->wakes_.size() >= 10000) return POSTERN_E_LIMIT;
    waker->host->wakes_.emplace_back(waker->owner, tag);
    return POSTERN_OK;
  }
  static void WakerFree(postern_waker* waker) {
    if (waker == nullptr) return;
    {
      const std::lock_guard<std::mutex> lock(waker->host->mutex_);
      --waker->host->wakers_;
    }
    delete waker;
  }
  static size_t TasksOf(const postern_ctx* owner) {
    const auto& tasks = owner->host->tasks_;
    return static_cast<size_t>(std::count_if(tasks.begin(), tasks.end(), [owner](const auto& task) {
      return task.second.owner == owner;
    }));
  }
  static postern_status TimerStart(postern_ctx* ctx, uint64_t delay_ms, uint64_t tag,
                                   uint64_t* id) {
    FakeHost* host = OwnerOf(ctx, "timer_start");
    if (host == nullptr) return POSTERN_E_STATE;
    if (TasksOf(ctx) >= kMaxOwned) return POSTERN_E_LIMIT;
    const uint64_t number = ++host->last_id_;
    if (id != nullptr) *id = number;
    host->Schedule(
        delay_ms,
        {number, ctx, false, [host, ctx, number, tag] {
           host->Notify(ctx, {sizeof(postern_event), POSTERN_EVENT_TIMER, tag, number, nullptr});
         }});
    return POSTERN_OK;
  }
  static postern_status TimerCancel(postern_ctx* ctx, uint64_t id) {
    FakeHost* host = OwnerOf(ctx, "timer_cancel");
    if (host == nullptr) return POSTERN_E_STATE;
    return host->CancelTask(ctx, id, /*callout=*/false) ? POSTERN_OK : POSTERN_E_NOT_FOUND;
  }
  static postern_status CalloutStart(postern_ctx* ctx, const postern_callout* callout, uint64_t tag,
                                     uint64_t* id) {
    FakeHost* host = OwnerOf(ctx, "callout_start");
    if (host == nullptr) return POSTERN_E_STATE;
    if (!Granted(host, POSTERN_CAP_CALLOUT, "callout_start", "CALLOUT")) return POSTERN_E_DENIED;
    const uint32_t generation =
        ctx->stream != nullptr ? ctx->stream->snapshot_->generation : GenerationOf(ctx);
    const std::string* upstream = NameOf(host, callout->upstream, generation);
    CalloutRequest request;
    request.method = Copy(callout->method);
    request.path = Copy(callout->path);
    request.body = Copy(callout->body);
    request.timeout_ms = callout->timeout_ms;
    bool valid = upstream != nullptr && upstream->starts_with("upstream:") &&
                 !request.method.empty() && AllOf(request.method, kNameCharacters) &&
                 request.path.starts_with('/') &&
                 request.path.find_first_of(std::string_view(" \r\n\0", 4)) == std::string::npos;
    for (size_t i = 0; i < callout->header_count; ++i) {
      const postern_header& header = callout->headers[i];
      request.headers.emplace_back(Copy(header.name), Copy(header.value));
      const auto& [name, value] = request.headers.back();
      valid = valid && ValidField(POSTERN_REQUEST_HEADERS, name, value, /*pseudo=*/false);
    }
    if (!valid) {
      return Refuse(ctx, POSTERN_E_INVALID, "callout_start",
                    "unknown upstream of this snapshot, or bad method, path or header");
    }
    if (TasksOf(ctx) >= kMaxOwned) return POSTERN_E_LIMIT;
    request.upstream = upstream->substr(std::strlen("upstream:"));
    const uint64_t number = ++host->last_id_;
    if (id != nullptr) *id = number;
    host->callouts_.push_back(request);
    const uint64_t timeout = callout->timeout_ms != 0 ? callout->timeout_ms : 29000;
    const uint64_t limit =
        callout->max_response_bytes != 0 ? callout->max_response_bytes : uint64_t{1} << 20;
    const uint64_t started = host->now_ms_;
    // The upstream is asked from the loop: what a test does there cannot re-enter the hook.
    host->Schedule(
        0, {number, ctx, true, [=, request = std::move(request)] {
              std::optional<CalloutAnswer> answer = host->upstreams_[request.upstream](request);
              if (!answer || answer->delay_ms >= timeout) {
                answer = CalloutAnswer{};
                answer->delay_ms = timeout;
                answer->outcome = POSTERN_CALLOUT_TIMEOUT;
              }
              if (answer->outcome == POSTERN_CALLOUT_OK && answer->body.size() > limit) {
                answer->outcome = POSTERN_CALLOUT_TOO_LARGE;
              }
              const uint64_t delay = answer->delay_ms;
              host->Schedule(delay, {number, ctx, true, [=, answer = *answer] {
                                       host->FinishCallout(ctx, number, tag, started, answer);
                                     }});
            }});
    return POSTERN_OK;
  }
  static uint32_t GenerationOf(const postern_ctx* worker) {
    for (const auto& snapshot : worker->host->snapshots_) {
      if (snapshot->worker == worker) return snapshot->generation;
    }
    return 0;
  }
  static postern_status CalloutCancel(postern_ctx* ctx, uint64_t id) {
    FakeHost* host = OwnerOf(ctx, "callout_cancel");
    if (host == nullptr) return POSTERN_E_STATE;
    return host->CancelTask(ctx, id, /*callout=*/true) ? POSTERN_OK : POSTERN_E_NOT_FOUND;
  }

  // Shared state

  static FakeHost::SharedEntry* Entry(FakeHost* host, const std::string& key) {
    const auto found = host->shared_.find(key);
    if (found == host->shared_.end()) return nullptr;
    if (host->Alive(found->second)) return &found->second;
    host->shared_.erase(found);
    return nullptr;
  }
  static postern_status SharedCheck(FakeHost* host, postern_str key, size_t value_size) {
    if (!Granted(host, POSTERN_CAP_SHARED, "shared_*", "SHARED")) return POSTERN_E_DENIED;
    if (key.len == 0 || key.len > 256 || value_size > 65536) {
      host->Misuse("shared_*: key or value too long, or no key");
      return POSTERN_E_INVALID;
    }
    return POSTERN_OK;
  }
  static uint64_t DiesAt(const FakeHost* host, uint64_t ttl_ms) {
    const uint64_t never = std::numeric_limits<uint64_t>::max();
    return ttl_ms == 0 || ttl_ms > never - host->now_ms_ ? never : host->now_ms_ + ttl_ms;
  }
  static postern_status SharedGet(postern_self* self, postern_str key, char* buf, size_t cap,
                                  size_t* len, uint64_t* version) {
    const postern_status status = SharedCheck(self->host, key, 0);
    if (status != POSTERN_OK) return status;
    const std::lock_guard<std::mutex> lock(self->host->mutex_);
    const FakeHost::SharedEntry* entry = Entry(self->host, Copy(key));
    if (entry == nullptr) return POSTERN_E_NOT_FOUND;
    if (cap > 0) std::memcpy(buf, entry->value.data(), std::min(cap, entry->value.size()));
    if (len != nullptr) *len = entry->value.size();
    if (version != nullptr) *version = entry->version;
    return POSTERN_OK;
  }
  static postern_status SharedPut(postern_self* self, postern_str key, postern_str value,
                                  uint64_t expect, uint64_t ttl_ms, uint64_t* version) {
    FakeHost* host = self->host;
    const postern_status status = SharedCheck(host, key, value.len);
    if (status != POSTERN_OK) return status;
    const std::lock_guard<std::mutex> lock(host->mutex_);
    FakeHost::SharedEntry* entry = Entry(host, Copy(key));
    const uint64_t actual = entry != nullptr ? entry->version : 0;
    if (expect != POSTERN_SHARED_ANY && expect != actual) return POSTERN_E_CONFLICT;
    if (version != nullptr) *version = 0;
    if (value.data == nullptr) {
      host->shared_.erase(Copy(key));
      return POSTERN_OK;
    }
    if (entry == nullptr && host->shared_.size() >= kMaxSharedEntries) return POSTERN_E_LIMIT;
    host->shared_[Copy(key)] = {Copy(value), ++host->shared_version_, DiesAt(host, ttl_ms)};
    if (version != nullptr) *version = host->shared_version_;
    return POSTERN_OK;
  }
  static postern_status SharedAdd(postern_self* self, postern_str key, int64_t delta,
                                  uint64_t ttl_ms, int64_t* result) {
    FakeHost* host = self->host;
    const postern_status status = SharedCheck(host, key, 0);
    if (status != POSTERN_OK) return status;
    const std::lock_guard<std::mutex> lock(host->mutex_);
    FakeHost::SharedEntry* entry = Entry(host, Copy(key));
    int64_t sum = 0;
    if (entry == nullptr) {
      if (host->shared_.size() >= kMaxSharedEntries) return POSTERN_E_LIMIT;
      entry = &host->shared_[Copy(key)];
      entry->dies_ms = DiesAt(host, ttl_ms);
    } else if (entry->value.size() != sizeof sum) {
      return POSTERN_E_INVALID;
    } else {
      std::memcpy(&sum, entry->value.data(), sizeof sum);
    }
    if (__builtin_add_overflow(sum, delta, &sum)) {
      sum = delta > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
    }
    entry->value.assign(reinterpret_cast<const char*>(&sum), sizeof sum);
    entry->version = ++host->shared_version_;
    if (result != nullptr) *result = sum;
    return POSTERN_OK;
  }

  // Readiness

  static postern_status WorkerReady(postern_ctx* ctx, postern_status status, postern_str reason) {
    FakeHost* host = OwnerOf(ctx, "worker_ready");
    if (host == nullptr) return POSTERN_E_STATE;
    if (ctx->stream != nullptr || !ctx->waiting) {
      return Refuse(ctx, POSTERN_E_STATE, "worker_ready", "the worker does not wait");
    }
    ctx->waiting = false;
    const bool accepted = status >= 0;
    if (!accepted) host->errors_.push_back("worker: " + Copy(reason));
    host->Post([host, accepted] { host->Commit(accepted); });
    return POSTERN_OK;
  }

  static const postern_host kTable;
};

const postern_host HostFunctions::kTable = {
    sizeof(postern_host),        POSTERN_ABI_MAJOR,           POSTERN_ABI_MINOR,
    HostFunctions::Log,          HostFunctions::LogEnabled,   HostFunctions::Now,
    HostFunctions::MetricRecord, HostFunctions::ConfigError,  HostFunctions::UpstreamResolve,
    HostFunctions::VarResolve,   HostFunctions::MetricDefine, HostFunctions::HeaderGet,
    HostFunctions::HeaderList,   HostFunctions::HeaderSet,    HostFunctions::HeaderAdd,
    HostFunctions::HeaderClear,  HostFunctions::BodyMode,     HostFunctions::BodyRead,
    HostFunctions::BodySplice,   HostFunctions::VarGet,       HostFunctions::VarSet,
    HostFunctions::Resume,       HostFunctions::Reply,        HostFunctions::WakerNew,
    HostFunctions::WakerFire,    HostFunctions::WakerFree,    HostFunctions::TimerStart,
    HostFunctions::TimerCancel,  HostFunctions::CalloutStart, HostFunctions::CalloutCancel,
    HostFunctions::SharedGet,    HostFunctions::SharedPut,    HostFunctions::SharedAdd,
    HostFunctions::WorkerReady,
};

const postern_host& internal::HostTable() { return HostFunctions::kTable; }

}  // namespace postern::testing
