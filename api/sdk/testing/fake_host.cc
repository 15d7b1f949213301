#include "api/sdk/testing/fake_host.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>

using postern::testing::FakeHost;
using postern::testing::FakeStream;

// The opaque types of abi.h. Contexts live as long as the host, so that their use after the end is
// seen, not suffered.
struct postern_self {
  FakeHost* host;
};
struct postern_config_ctx {
  FakeHost* host;
  uint32_t generation;
  std::string prefix;
  bool open;
};
struct postern_ctx {
  FakeHost* host;
  FakeStream* stream;  // nullptr: a worker.
  bool alive;
  bool waiting;  // A worker that is not ready yet.
  void* worker_state;
};
struct postern_waker {
  FakeHost* host;
  postern_ctx* owner;
};

namespace postern::testing {
namespace {

FakeHost* g_current = nullptr;  // For the functions without a context.

constexpr uint32_t kEndStream = POSTERN_F_END_STREAM;
constexpr uint32_t kBodyLast = POSTERN_F_BODY_LAST;

constexpr size_t kMaxOwned = 64;     // Timers and callouts of an owner; metrics of a module.
constexpr size_t kMaxWakers = 1000;  // Of the whole host.
constexpr size_t kMaxHeaderBytes = 65536;
constexpr size_t kMaxVariables = 64;
constexpr size_t kMaxSharedEntries = 10000;
constexpr uint32_t kKnownCapabilities =
    POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED | POSTERN_CAP_THREADS;

std::string Copy(postern_str text) {
  return text.len == 0 ? std::string() : std::string(text.data, text.len);
}
postern_str Borrow(std::string_view text) { return {text.data(), text.size()}; }

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool AllOf(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kName =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
constexpr std::string_view kToken = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

// The checks of header_set (abi.h).
bool ValidField(uint32_t map, std::string_view name, std::string_view value, bool pseudo) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return false;
  if (!name.empty() && name[0] == ':') {
    if (!pseudo || value.empty()) return false;
    if (map == POSTERN_RESPONSE_HEADERS) return name == ":status" && value.size() == 3;
    return map == POSTERN_REQUEST_HEADERS &&
           IsOneOf(name, {":method", ":path", ":scheme", ":authority"});
  }
  if (name.empty() || !AllOf(name, kToken)) return false;
  return !IsOneOf(name, {"connection", "content-length", "host", "keep-alive", "proxy-connection",
                         "te", "trailer", "transfer-encoding", "upgrade"});
}

size_t SizeOf(const Headers& headers) {
  size_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size() + 32;
  return size;
}

const std::string* Find(const Headers& headers, std::string_view name, size_t index) {
  for (const auto& [field, value] : headers) {
    if (field == name && index-- == 0) return &value;
  }
  return nullptr;
}

void Erase(Headers& headers, std::string_view name) {
  std::erase_if(headers, [name](const auto& field) { return field.first == name; });
}

std::string Joined(const Headers& headers, std::string_view name) {
  std::string all;
  for (size_t i = 0; const std::string* value = Find(headers, name, i); ++i) {
    if (i > 0) all += ", ";
    all += *value;
  }
  return all;
}

// Status and text of each gateway response type (docs: gateway responses, default definitions).
struct Kind {
  uint32_t kind;
  uint32_t status;
  const char* message;
};
constexpr Kind kKinds[] = {
    {POSTERN_REPLY_RAW, 200, ""},
    {POSTERN_REPLY_ABORT, 0, ""},
    {POSTERN_REPLY_DEFAULT_4XX, 400, "Bad Request"},
    {POSTERN_REPLY_DEFAULT_5XX, 500, "Internal server error"},
    {POSTERN_REPLY_ACCESS_DENIED, 403, "User is not authorized to access this resource"},
    {POSTERN_REPLY_UNAUTHORIZED, 401, "Unauthorized"},
    {POSTERN_REPLY_AUTHORIZER_FAILURE, 500, "Internal server error"},
    {POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR, 500, "Internal server error"},
    {POSTERN_REPLY_EXPIRED_TOKEN, 403, "The security token included in the request is expired"},
    {POSTERN_REPLY_INVALID_SIGNATURE, 403, "The request signature does not match"},
    {POSTERN_REPLY_MISSING_AUTHENTICATION_TOKEN, 403, "Missing Authentication Token"},
    {POSTERN_REPLY_INVALID_API_KEY, 403, "Forbidden"},
    {POSTERN_REPLY_THROTTLED, 429, "Too Many Requests"},
    {POSTERN_REPLY_QUOTA_EXCEEDED, 429, "Limit Exceeded"},
    {POSTERN_REPLY_BAD_REQUEST_BODY, 400, "Invalid request body"},
    {POSTERN_REPLY_BAD_REQUEST_PARAMETERS, 400, "Missing required request parameters"},
    {POSTERN_REPLY_REQUEST_TOO_LARGE, 413, "Request Too Long"},
    {POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type"},
    {POSTERN_REPLY_RESOURCE_NOT_FOUND, 404, "Not Found"},
    {POSTERN_REPLY_WAF_FILTERED, 403, "Forbidden"},
    {POSTERN_REPLY_API_CONFIGURATION_ERROR, 500, "Internal server error"},
    {POSTERN_REPLY_INTEGRATION_FAILURE, 504, "Internal server error"},
    {POSTERN_REPLY_INTEGRATION_TIMEOUT, 504, "Endpoint request timed out"},
};

const Kind* FindKind(uint32_t number) {
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [number](const Kind& k) { return k.kind == number; });
  return kind == std::end(kKinds) ? nullptr : kind;
}

}  // namespace

struct FakeStream::Snapshot {
  uint32_t generation = 0;
  // In the order of their making; the first is the API's.
  std::vector<std::pair<std::string, void*>> configs;
  bool has_worker = false;
  void* worker_state = nullptr;
  postern_ctx* worker = nullptr;
  size_t streams = 0;

  const void* ConfigOf(std::string_view scope) const {
    for (const auto& [name, config] : configs) {
      if (name == scope) return config;
    }
    return nullptr;
  }
};

// -- Message and CalloutRequest --

std::string Message::Get(std::string_view name) const { return Joined(headers, name); }
bool Message::Has(std::string_view name) const { return Find(headers, name, 0) != nullptr; }
int Message::status() const {
  const std::string* status = Find(headers, ":status", 0);
  return status == nullptr ? 0 : std::atoi(status->c_str());
}
std::string CalloutRequest::Get(std::string_view name) const { return Joined(headers, name); }

// -- The functions that the host gives --

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
    if (clock == POSTERN_CLOCK_MONOTONIC_MS) return g_current->now_ms_;
    constexpr uint64_t kEpoch = 1700000000000;  // 2023-11-14T22:13:20Z
    return clock == POSTERN_CLOCK_WALL_MS ? kEpoch + g_current->now_ms_ : 0;
  }
  static void MetricRecord(uint32_t metric, int64_t value, const postern_str* labels, size_t n) {
    FakeHost* host = g_current;
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
    if (text.empty() || !AllOf(text, kName)) return POSTERN_E_NOT_FOUND;
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
    if (map > POSTERN_RESPONSE_TRAILERS || !Readable(*s, map)) {
      ctx->host->Misuse("header_list: map not there yet, or unknown");
      return 0;
    }
    const Headers& headers = s->maps_[map];
    for (size_t i = 0; i < std::min(cap, headers.size()); ++i) {
      out[i] = {Borrow(headers[i].first), Borrow(headers[i].second)};
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
      const auto is_field = [&field](const auto& other) { return other.first == field; };
      const auto at = std::find_if(changed.begin(), changed.end(), is_field);
      if (at == changed.end()) {
        changed.emplace_back(field, text);
      } else {
        at->second = text;
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
                                                FakeStream::Slice insert) {
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
    if (!allowed) {
      return Refuse(ctx, POSTERN_E_DENIED, "var_set", "\"" + key + "\" is not this filter's");
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
    if (sent.detail.size() > 128 || !AllOf(sent.detail, std::string(kName) + ":/")) {
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
                 !request.method.empty() && AllOf(request.method, kName) &&
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
    sizeof(postern_host),
    POSTERN_ABI_MAJOR,
    POSTERN_ABI_MINOR,
    HostFunctions::Log,
    HostFunctions::LogEnabled,
    HostFunctions::Now,
    HostFunctions::MetricRecord,
    HostFunctions::ConfigError,
    HostFunctions::UpstreamResolve,
    HostFunctions::VarResolve,
    HostFunctions::MetricDefine,
    HostFunctions::HeaderGet,
    HostFunctions::HeaderList,
    HostFunctions::HeaderSet,
    HostFunctions::HeaderAdd,
    HostFunctions::BodyMode,
    HostFunctions::BodyRead,
    HostFunctions::BodySplice,
    HostFunctions::VarGet,
    HostFunctions::VarSet,
    HostFunctions::Resume,
    HostFunctions::Reply,
    HostFunctions::WakerNew,
    HostFunctions::WakerFire,
    HostFunctions::WakerFree,
    HostFunctions::TimerStart,
    HostFunctions::TimerCancel,
    HostFunctions::CalloutStart,
    HostFunctions::CalloutCancel,
    HostFunctions::SharedGet,
    HostFunctions::SharedPut,
    HostFunctions::SharedAdd,
    HostFunctions::WorkerReady,
};

// -- FakeStream --

uint64_t FakeStream::Body::size() const {
  uint64_t total = 0;
  for (const Slice& slice : slices) total += slice.bytes.len;
  return total;
}

std::string FakeStream::Body::Flat() const {
  std::string all;
  for (const Slice& slice : slices) all.append(slice.bytes.data, slice.bytes.len);
  return all;
}

FakeStream::FakeStream(FakeHost* host, Snapshot* snapshot, const void* config)
    : host_(host), snapshot_(snapshot), config_(config) {
  ctx_ = host->NewContext(this, nullptr);
  ++snapshot->streams;
}

FakeStream::~FakeStream() = default;

void FakeStream::Request(Headers headers, std::vector<std::string> chunks, Headers trailers) {
  RequestHeaders(std::move(headers), chunks.empty() && trailers.empty());
  for (size_t i = 0; i < chunks.size(); ++i) {
    RequestBody(std::move(chunks[i]), i + 1 == chunks.size(), !trailers.empty());
  }
  if (!trailers.empty()) RequestTrailers(std::move(trailers));
}

void FakeStream::Respond(int status, Headers headers, std::vector<std::string> chunks,
                         Headers trailers) {
  ResponseHeaders(status, std::move(headers), chunks.empty() && trailers.empty());
  for (size_t i = 0; i < chunks.size(); ++i) {
    ResponseBody(std::move(chunks[i]), i + 1 == chunks.size(), !trailers.empty());
  }
  if (!trailers.empty()) ResponseTrailers(std::move(trailers));
}

void FakeStream::RequestHeaders(Headers headers, bool end_stream) {
  if (created_) FakeHost::Die("the request's headers came already");
  created_ = true;
  Headers all;
  for (const auto& [name, value] : {std::pair(":method", "GET"),
                                    {":scheme", "https"},
                                    {":authority", "test"},
                                    {":path", "/"}}) {
    const std::string* given = Find(headers, name, 0);
    all.emplace_back(name, given != nullptr ? *given : value);
  }
  for (auto& field : headers) {
    if (!field.first.starts_with(':')) all.push_back(std::move(field));
  }
  maps_[POSTERN_REQUEST_HEADERS] = std::move(all);
  has_create_ = host_->filter_.stream_create != nullptr;
  if (has_create_) {
    creating_ = true;
    host_->in_hook_ = true;
    self_ = host_->filter_.stream_create(config_, snapshot_->worker_state, ctx_);
    host_->in_hook_ = false;
    creating_ = false;
    FreshenBorrowed();
  }
  Push(POSTERN_REQUEST, {Part::kHeaders, end_stream ? kEndStream : 0u, {}, {}});
}

void FakeStream::RequestBody(std::string chunk, bool last, bool trailers_follow) {
  PushBody(POSTERN_REQUEST, std::move(chunk), last, trailers_follow);
}

void FakeStream::RequestTrailers(Headers trailers) {
  PushTrailers(POSTERN_REQUEST, std::move(trailers));
}

void FakeStream::ResponseHeaders(int status, Headers headers, bool end_stream) {
  if (replied_) return;  // The gateway has answered; nobody listens to the integration.
  if (!out_[POSTERN_REQUEST].started) {
    FakeHost::Die("the integration answers, but has not seen the request");
  }
  headers.insert(headers.begin(), {":status", std::to_string(status)});
  maps_[POSTERN_RESPONSE_HEADERS] = std::move(headers);
  Push(POSTERN_RESPONSE, {Part::kHeaders, end_stream ? kEndStream : 0u, {}, {}});
}

void FakeStream::ResponseBody(std::string chunk, bool last, bool trailers_follow) {
  PushBody(POSTERN_RESPONSE, std::move(chunk), last, trailers_follow);
}

void FakeStream::ResponseTrailers(Headers trailers) {
  PushTrailers(POSTERN_RESPONSE, std::move(trailers));
}

void FakeStream::PushBody(uint32_t direction, std::string chunk, bool last, bool trailers_follow) {
  auto owner = std::make_shared<std::string>(std::move(chunk));
  Item item{Part::kBody, 0, {}, {}};
  if (last) item.flags = kBodyLast | (trailers_follow ? 0u : kEndStream);
  // In two slices, because a filter that reads only the first would pass its tests otherwise.
  const size_t middle = host_->whole_slices_ ? 0 : owner->size() / 2;
  const std::string_view bytes = *owner;
  for (const std::string_view part : {bytes.substr(0, middle), bytes.substr(middle)}) {
    if (!part.empty()) item.body.slices.push_back({Borrow(part), owner});
  }
  Push(direction, std::move(item));
}

void FakeStream::PushTrailers(uint32_t direction, Headers trailers) {
  Push(direction, {Part::kTrailers, POSTERN_F_END_STREAM, {}, std::move(trailers)});
}

void FakeStream::Push(uint32_t direction, Item item) {
  DirectionState& state = directions_[direction];
  if (state.closed) return;  // As a gateway drops what comes after its own answer.
  if (state.source_ended) FakeHost::Die("something follows the end of the message");
  state.source_ended = (item.flags & POSTERN_F_END_STREAM) != 0;
  state.queue.push_back(std::move(item));
  Pump(direction);
  host_->Run();
}

void FakeStream::SetVariable(std::string name, std::string text) {
  variables_[std::move(name)] = {POSTERN_VALUE_STRING, std::move(text)};
}

std::optional<std::string> FakeStream::Variable(std::string_view name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) return std::nullopt;
  return found->second.second;
}

bool FakeStream::HasHook(uint32_t direction, Part part) const {
  const postern_filter& f = host_->filter_;
  const bool request = direction == POSTERN_REQUEST;
  switch (part) {
    case Part::kHeaders:
      return (request ? f.request_headers : f.response_headers) != nullptr;
    case Part::kBody:
      return (request ? f.request_body : f.response_body) != nullptr;
    case Part::kTrailers:
      return (request ? f.request_trailers : f.response_trailers) != nullptr;
  }
  return false;
}

std::string FakeStream::HookName(uint32_t direction, Part part) {
  const std::string name = direction == POSTERN_REQUEST ? "request_" : "response_";
  return name + (part == Part::kHeaders ? "headers" : part == Part::kBody ? "body" : "trailers");
}

void FakeStream::Pump(uint32_t direction) {
  DirectionState& state = directions_[direction];
  while (!state.closed && !state.item && !state.queue.empty()) {
    Item item = std::move(state.queue.front());
    state.queue.pop_front();
    Deliver(direction, std::move(item));
  }
}

void FakeStream::Deliver(uint32_t direction, Item item) {
  DirectionState& state = directions_[direction];
  if (item.part == Part::kHeaders) state.headers_arrived = true;
  if (item.part == Part::kTrailers) {
    state.trailers_arrived = true;
    maps_[direction + POSTERN_REQUEST_TRAILERS] = std::move(item.fields);
  }
  if (state.collecting && item.part == Part::kBody) return Collect(direction, std::move(item));
  const bool bypassed = state.detached || (has_create_ && self_ == nullptr) ||
                        !HasHook(direction, item.part) ||
                        (item.part == Part::kBody && state.mode == POSTERN_BODY_SKIP);
  if (bypassed) return Forward(direction, std::move(item));
  state.item = std::move(item);
  RunHook(direction);
}

void FakeStream::Collect(uint32_t direction, Item item) {
  DirectionState& state = directions_[direction];
  for (Slice& slice : item.body.slices) state.collected.slices.push_back(std::move(slice));
  const uint64_t limit =
      state.limit == 0 ? host_->body_limit_ : std::min(state.limit, host_->body_limit_);
  if (state.collected.size() > limit) {
    const Kind* kind = FindKind(direction == POSTERN_REQUEST ? POSTERN_REPLY_REQUEST_TOO_LARGE
                                                             : POSTERN_REPLY_INTEGRATION_FAILURE);
    return SendReply({kind->kind, kind->status, kind->message, "", {}, ""});
  }
  if ((item.flags & POSTERN_F_BODY_LAST) == 0) return;
  item.body = std::exchange(state.collected, {});
  state.collecting = false;
  state.item = std::move(item);
  RunHook(direction);
}

void FakeStream::RunHook(uint32_t direction) {
  DirectionState& state = directions_[direction];
  const postern_filter& f = host_->filter_;
  const bool request = direction == POSTERN_REQUEST;
  const Part part = state.item->part;
  const uint32_t flags = state.item->flags & (POSTERN_F_END_STREAM | POSTERN_F_BODY_LAST);
  hooks_.push_back(HookName(direction, part));
  if (host_->in_hook_) FakeHost::Die("a hook would be re-entered: do not drive a stream from one");
  host_->in_hook_ = true;
  postern_verdict verdict = POSTERN_FAIL;
  switch (part) {
    case Part::kHeaders:
      verdict = (request ? f.request_headers : f.response_headers)(self_, ctx_, flags);
      break;
    case Part::kBody:
      verdict = (request ? f.request_body : f.response_body)(self_, ctx_, flags);
      break;
    case Part::kTrailers:
      verdict = (request ? f.request_trailers : f.response_trailers)(self_, ctx_);
      break;
  }
  host_->in_hook_ = false;
  FreshenBorrowed();
  Decide(direction, verdict);
}

void FakeStream::Decide(uint32_t direction, postern_verdict verdict) {
  DirectionState& state = directions_[direction];
  if (state.closed) {  // It replied; the verdict does not count.
    Close(direction);
    return;
  }
  switch (verdict) {
    case POSTERN_DETACH:
      state.detached = true;
      [[fallthrough]];
    case POSTERN_CONTINUE:
      return PassHeld(direction);
    case POSTERN_PAUSE: {
      state.paused = true;
      const uint64_t pause = ++state.pause;
      host_->Schedule(host_->pause_limit_ms_, {0, nullptr, false, [this, direction, pause] {
                                                 DirectionState& d = directions_[direction];
                                                 if (!d.paused || d.closed || d.pause != pause) {
                                                   return;
                                                 }
                                                 d.paused = false;
                                                 Fail("filter_stalled:" + host_->instance_);
                                               }});
      return;
    }
    default:
      if (verdict != POSTERN_FAIL) host_->Misuse("unknown verdict " + std::to_string(verdict));
      return Fail("filter_failed:" + host_->instance_);
  }
}

// What was held goes on, as after CONTINUE.
void FakeStream::PassHeld(uint32_t direction) {
  DirectionState& state = directions_[direction];
  Item item = std::move(*state.item);
  state.item.reset();
  const bool collects = item.part == Part::kHeaders && state.mode == POSTERN_BODY_BUFFER &&
                        !state.detached && (item.flags & POSTERN_F_END_STREAM) == 0;
  if (collects) {
    state.collecting = true;
    state.headers = std::move(item);
    return;
  }
  Forward(direction, std::move(item));
}

void FakeStream::Forward(uint32_t direction, Item item) {
  DirectionState& state = directions_[direction];
  Message& out = out_[direction];
  if (item.part != Part::kHeaders && state.headers) {
    // Trailers without a body, after BUFFER, find the headers here too.
    Item headers = std::move(*state.headers);
    state.headers.reset();
    state.collecting = false;
    Headers& map = maps_[direction];
    if (item.part == Part::kBody && Find(map, "content-length", 0) != nullptr) {
      Erase(map, "content-length");
      map.emplace_back("content-length", std::to_string(item.body.size()));
    }
    state.mode = POSTERN_BODY_OBSERVE;
    Forward(direction, std::move(headers));
  }
  switch (item.part) {
    case Part::kHeaders: {
      Headers& map = maps_[direction];
      const bool gets_body = !item.body.slices.empty();
      if (gets_body || (state.mode == POSTERN_BODY_REWRITE && !state.detached)) {
        Erase(map, "content-length");
      }
      if (gets_body) map.emplace_back("content-length", std::to_string(item.body.size()));
      state.headers_passed = true;
      out.started = true;
      out.headers = map;
      out.body = item.body.Flat();
      if (gets_body) out.chunks.push_back(out.body);
      break;
    }
    case Part::kBody: {
      const std::string bytes = item.body.Flat();
      if (!bytes.empty()) out.chunks.push_back(bytes);
      out.body += bytes;
      break;
    }
    case Part::kTrailers:
      state.trailers_passed = true;
      out.trailers = maps_[direction + POSTERN_REQUEST_TRAILERS];
      break;
  }
  if ((item.flags & POSTERN_F_END_STREAM) != 0) out.complete = true;
}

void FakeStream::Fail(std::string_view detail) {
  failed_ = true;
  if (host_->skip_) {
    for (const uint32_t direction : {POSTERN_REQUEST, POSTERN_RESPONSE}) {
      DirectionState& state = directions_[direction];
      state.detached = true;
      state.paused = false;
      if (state.item) PassHeld(direction);
      if (state.headers) {
        Item body{Part::kBody, 0, std::exchange(state.collected, {}), {}};
        Forward(direction, std::move(body));
      }
      host_->Post([this, direction] { Pump(direction); });
    }
    return;
  }
  if (directions_[POSTERN_RESPONSE].headers_passed) {
    Close(POSTERN_REQUEST);
    Close(POSTERN_RESPONSE);
    out_[POSTERN_RESPONSE].reset = true;
    return;
  }
  const Kind* kind = FindKind(POSTERN_REPLY_DEFAULT_5XX);
  SendReply({kind->kind, kind->status, kind->message, std::string(detail), {}, ""});
}

void FakeStream::SendReply(SentReply reply) {
  replied_ = true;
  reply_ = std::move(reply);
  for (DirectionState& state : directions_) {
    state.closed = true;
    state.paused = false;
  }
  host_->Post([this] {
    Close(POSTERN_REQUEST);
    Close(POSTERN_RESPONSE);
    Message& client = out_[POSTERN_RESPONSE];
    if (reply_->kind == POSTERN_REPLY_ABORT) {
      client.reset = true;
      return;
    }
    client.started = true;
    client.complete = true;
    client.headers = {{":status", std::to_string(reply_->status)}};
    client.body = reply_->body;
    if (reply_->kind != POSTERN_REPLY_RAW) {
      client.headers.emplace_back("content-type", "application/json");
      client.body = "{\"message\":\"" + reply_->message + "\"}";
    }
    for (const auto& field : reply_->headers) client.headers.push_back(field);
    if (!client.body.empty()) client.chunks.push_back(client.body);
  });
}

// Drops what waits, and with it what modules handed over.
void FakeStream::Close(uint32_t direction) {
  DirectionState& state = directions_[direction];
  state.closed = true;
  state.paused = false;
  if (host_->in_hook_) return;  // The hook may still look at what it has in hand.
  state.queue.clear();
  state.item.reset();
  state.headers.reset();
  state.collected = {};
}

void FakeStream::Finish() {
  for (const uint32_t direction : {POSTERN_REQUEST, POSTERN_RESPONSE}) {
    if (directions_[direction].paused) {
      host_->Misuse(std::string("the exchange ends, but the filter holds the ") +
                    (direction == POSTERN_REQUEST ? "request" : "response"));
    }
  }
  End(true);
}

void FakeStream::Cut() { End(false); }

void FakeStream::End(bool finished) {
  if (ended_) return;
  ended_ = true;
  for (const uint32_t direction : {POSTERN_REQUEST, POSTERN_RESPONSE}) Close(direction);
  if (!finished && !out_[POSTERN_RESPONSE].complete) out_[POSTERN_RESPONSE].reset = true;
  const bool made = created_ && (!has_create_ || self_ != nullptr);
  if (made && host_->filter_.stream_end != nullptr) {
    ending_ = true;
    host_->in_hook_ = true;
    host_->filter_.stream_end(self_, ctx_);
    host_->in_hook_ = false;
    ending_ = false;
  }
  host_->EndOwner(ctx_);
  if (made && host_->filter_.stream_destroy != nullptr) host_->filter_.stream_destroy(self_);
  --snapshot_->streams;
  host_->RetireUnused();
}

// Moves all that was lent to other memory, so that a sanitizer sees who kept it.
void FakeStream::FreshenBorrowed() {
  for (Headers& map : maps_) map = Headers(map);
}

// -- FakeHost --

FakeHost::FakeHost(const postern_manifest* manifest, decltype(&postern_module_init) init) {
  Load(manifest, init);
}

FakeHost::FakeHost(const std::string& path) {
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle_ == nullptr) Die(dlerror());
  const auto* manifest =
      static_cast<const postern_manifest*>(dlsym(handle_, "postern_module_manifest"));
  const auto init =
      reinterpret_cast<decltype(&postern_module_init)>(dlsym(handle_, "postern_module_init"));
  if (manifest == nullptr || init == nullptr) Die(path + " lacks a symbol of a module");
  Load(manifest, init);
}

void FakeHost::Load(const postern_manifest* manifest, decltype(&postern_module_init) init) {
  if (g_current != nullptr) Die("there is a host already");
  g_current = this;
  const auto text = [](const char* field, size_t size) {
    const char* end = std::find(field, field + size, '\0');
    return end == field + size ? std::string() : std::string(field, end);
  };
  const std::string name = text(manifest->name, sizeof manifest->name);
  const std::string version = text(manifest->version, sizeof manifest->version);
  if (manifest->magic != POSTERN_ABI_MAGIC || manifest->size < sizeof(postern_manifest) ||
      manifest->abi_major != POSTERN_ABI_MAJOR) {
    Die("the manifest is not one of this ABI");
  }
  if (manifest->abi_minor > POSTERN_ABI_MINOR) Die("the module needs a newer minor of the ABI");
  if (name.empty() || !AllOf(name, kName)) Die("bad name in the manifest");
  if (version.empty() || !AllOf(version, std::string(kName) + "+")) {
    Die("bad version in the manifest");
  }
  capabilities_ = manifest->capabilities;
  if ((capabilities_ & ~kKnownCapabilities) != 0) Die("unknown capability in the manifest");

  self_ = std::make_unique<postern_self>(postern_self{this});
  const postern_filter* table = nullptr;
  if (init(&HostFunctions::kTable, self_.get(), &module_, &table) != POSTERN_OK) {
    Die("postern_module_init failed");
  }
  if (table == nullptr) Die("postern_module_init gave no table");
  std::memcpy(&filter_, table, std::min<size_t>(table->size, sizeof filter_));
  if ((filter_.request_body != nullptr || filter_.response_body != nullptr) &&
      (capabilities_ & POSTERN_CAP_BODY) == 0) {
    Die("a body hook, but capability BODY is not declared");
  }
}

FakeHost::~FakeHost() {
  for (const auto& stream : streams_) stream->End(false);
  Run();
  current_ = nullptr;
  next_ = nullptr;
  RetireUnused();
  streams_.clear();
  if (filter_.module_destroy != nullptr) filter_.module_destroy(module_);
  posted_.clear();
  if (wakers_ > 0) Misuse(std::to_string(wakers_) + " wakers were not freed");
  if (bodies_held_ > 0) Misuse(std::to_string(bodies_held_) + " bodies were not released");
  const std::vector<std::string> misuses = TakeMisuses();
  g_current = nullptr;
  if (misuses.empty()) return;
  std::string all = "the module broke the contract, and the test did not expect it:";
  for (const std::string& misuse : misuses) all += "\n  " + misuse;
  Die(all);
}

void FakeHost::Die(const std::string& message) {
  std::fprintf(stderr, "fake host: %s\n", message.c_str());
  std::abort();
}

void FakeHost::Misuse(const std::string& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  misuses_.push_back(message);
}

bool FakeHost::OnWorker(const char* function) {
  if (std::this_thread::get_id() == worker_) return true;
  Misuse(std::string(function) + ": wrong thread");
  return false;
}

std::vector<std::string> FakeHost::TakeMisuses() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(misuses_, {});
}

void FakeHost::AddUpstream(std::string name, UpstreamFn answer) {
  upstreams_[std::move(name)] = std::move(answer);
}

void FakeHost::SetInstance(std::string name, bool authorizer) {
  instance_ = std::move(name);
  authorizer_ = authorizer;
}

postern_ctx* FakeHost::NewContext(FakeStream* stream, FakeStream::Snapshot* worker) {
  contexts_.push_back(std::make_unique<postern_ctx>(
      postern_ctx{this, stream, true, false, worker != nullptr ? worker->worker_state : nullptr}));
  return contexts_.back().get();
}

bool FakeHost::Configure(std::string_view json, const std::vector<Scope>& scopes) {
  if (next_ != nullptr) Die("the configuration before is not ready yet");
  errors_.clear();
  auto made = std::make_unique<FakeStream::Snapshot>();
  FakeStream::Snapshot* snapshot = made.get();
  snapshot->generation = ++generation_;
  snapshots_.push_back(std::move(made));

  std::vector<Scope> all = {{"", std::string(json)}};
  all.insert(all.end(), scopes.begin(), scopes.end());
  bool accepted = true;
  for (const Scope& scope : all) {
    void* config = nullptr;
    if (filter_.config_create == nullptr) {
      if (scope.json != "{}") errors_.push_back(": the module takes no configuration");
    } else {
      postern_config in{};
      in.size = sizeof in;
      in.encoding = POSTERN_CONFIG_JSON;
      in.instance = Borrow(instance_);
      in.scope = Borrow(scope.scope);
      in.bytes = Borrow(scope.json);
      in.parent = snapshot->configs.empty() ? nullptr : snapshot->configs.front().second;
      config_contexts_.push_back(std::make_unique<postern_config_ctx>(postern_config_ctx{
          this, generation_, scope.scope.empty() ? "" : scope.scope + ": ", true}));
      postern_config_ctx* ctx = config_contexts_.back().get();
      const postern_status status = filter_.config_create(module_, ctx, &in, &config);
      ctx->open = false;
      if (status != POSTERN_OK) {
        accepted = false;
        if (errors_.empty()) errors_.push_back(": config_create failed");
        break;  // What is below has no parent.
      }
    }
    snapshot->configs.emplace_back(scope.scope, config);
  }
  accepted = accepted && errors_.empty();
  next_ = snapshot;
  if (accepted && filter_.worker_create != nullptr) {
    snapshot->worker = NewContext(nullptr, snapshot);
    snapshot->worker->waiting = false;
    const postern_status status = filter_.worker_create(
        snapshot->configs.front().second, snapshot->worker,
        current_ != nullptr ? current_->worker_state : nullptr, &snapshot->worker_state);
    snapshot->worker->worker_state = snapshot->worker_state;
    snapshot->has_worker = status >= 0;
    if (status == POSTERN_PENDING) {
      snapshot->worker->waiting = true;
      Run();
      return true;
    }
    if (status != POSTERN_OK) {
      errors_.push_back("worker: worker_create failed");
      accepted = false;
    }
  }
  Commit(accepted);
  Run();
  return accepted;
}

void FakeHost::Commit(bool accepted) {
  FakeStream::Snapshot* snapshot = std::exchange(next_, nullptr);
  if (accepted) current_ = snapshot;
  RetireUnused();
}

void FakeHost::RetireUnused() {
  for (size_t i = 0; i < snapshots_.size();) {
    FakeStream::Snapshot* snapshot = snapshots_[i].get();
    if (snapshot == current_ || snapshot == next_ || snapshot->streams > 0) {
      ++i;
      continue;
    }
    Retire(snapshot);
    snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void FakeHost::Retire(FakeStream::Snapshot* snapshot) {
  if (snapshot->worker != nullptr) EndOwner(snapshot->worker);
  if (snapshot->has_worker && filter_.worker_destroy != nullptr) {
    filter_.worker_destroy(snapshot->worker_state);
  }
  while (!snapshot->configs.empty()) {
    if (filter_.config_destroy != nullptr && snapshot->configs.back().second != nullptr) {
      filter_.config_destroy(snapshot->configs.back().second);
    }
    snapshot->configs.pop_back();
  }
}

std::string FakeHost::ErrorText() const {
  std::string all;
  for (const std::string& error : errors_) all += error + "\n";
  return all;
}

FakeStream& FakeHost::NewStream(std::string_view scope) {
  if (current_ == nullptr) Die("no configuration is in force");
  const auto& configs = current_->configs;
  if (std::none_of(configs.begin(), configs.end(),
                   [scope](const auto& config) { return config.first == scope; })) {
    Die("there is no scope \"" + std::string(scope) + "\"");
  }
  streams_.emplace_back(new FakeStream(this, current_, current_->ConfigOf(scope)));
  return *streams_.back();
}

void FakeHost::Post(std::function<void()> run) { posted_.push_back(std::move(run)); }

void FakeHost::Schedule(uint64_t delay_ms, Task task) {
  const uint64_t never = std::numeric_limits<uint64_t>::max();
  tasks_.emplace(delay_ms > never - now_ms_ ? never : now_ms_ + delay_ms, std::move(task));
}

bool FakeHost::CancelTask(postern_ctx* owner, uint64_t id, bool callout) {
  return std::erase_if(tasks_, [&](const auto& entry) {
           return entry.second.owner == owner && entry.second.id == id &&
                  entry.second.callout == callout;
         }) > 0;
}

void FakeHost::EndOwner(postern_ctx* owner) {
  std::erase_if(tasks_, [owner](const auto& entry) { return entry.second.owner == owner; });
  const std::lock_guard<std::mutex> lock(mutex_);
  owner->alive = false;
  std::erase_if(wakes_, [owner](const auto& wake) { return wake.first == owner; });
}

void FakeHost::Notify(postern_ctx* owner, const postern_event& event) {
  if (in_hook_) Die("a hook would be re-entered: do not drive the host from one");
  in_hook_ = true;
  if (owner->stream == nullptr) {
    if (filter_.worker_event != nullptr) filter_.worker_event(owner->worker_state, owner, &event);
  } else if (filter_.stream_event != nullptr) {
    filter_.stream_event(owner->stream->self_, owner, &event);
  }
  in_hook_ = false;
  if (owner->stream != nullptr) owner->stream->FreshenBorrowed();
}

void FakeHost::FinishCallout(postern_ctx* owner, uint64_t id, uint64_t tag, uint64_t started_ms,
                             const CalloutAnswer& answer) {
  postern_callout_result result{};
  result.size = sizeof result;
  result.outcome = answer.outcome;
  result.latency_ms = static_cast<uint32_t>(now_ms_ - started_ms);
  std::vector<postern_header> headers;
  std::vector<postern_str> slices;
  if (answer.outcome == POSTERN_CALLOUT_OK) {
    result.status = answer.status;
    for (const auto& [name, value] : answer.headers)
      headers.push_back({Borrow(name), Borrow(value)});
    const std::string_view body = answer.body;
    const size_t middle = whole_slices_ ? 0 : body.size() / 2;
    for (const std::string_view part : {body.substr(0, middle), body.substr(middle)}) {
      if (!part.empty()) slices.push_back(Borrow(part));
    }
  }
  result.headers = headers.data();
  result.header_count = headers.size();
  result.body = slices.data();
  result.body_count = slices.size();
  Notify(owner, {sizeof(postern_event), POSTERN_EVENT_CALLOUT, tag, id, &result});
}

// Runs one thing that is due by a time, moving the clock to it. False when there is nothing.
bool FakeHost::RunOne(uint64_t until_ms) {
  if (!posted_.empty()) {
    const std::function<void()> run = std::move(posted_.front());
    posted_.pop_front();
    run();
    return true;
  }
  std::optional<std::pair<postern_ctx*, uint64_t>> wake;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!wakes_.empty()) {
      wake = wakes_.front();
      wakes_.pop_front();
    }
  }
  if (wake) {
    Notify(wake->first, {sizeof(postern_event), POSTERN_EVENT_WAKE, wake->second, 0, nullptr});
    return true;
  }
  if (tasks_.empty() || tasks_.begin()->first > until_ms) return false;
  now_ms_ = std::max(now_ms_, tasks_.begin()->first);
  const Task task = std::move(tasks_.begin()->second);
  tasks_.erase(tasks_.begin());
  task.run();
  return true;
}

void FakeHost::Run() {
  if (in_hook_) Die("a hook would be re-entered: do not drive the host from one");
  constexpr int kMaxTurns = 100000;
  for (int turn = 0; RunOne(now_ms_); ++turn) {
    if (turn == kMaxTurns) Die("the module keeps the loop busy for ever");
  }
}

void FakeHost::AdvanceTime(uint64_t ms) {
  const uint64_t until = now_ms_ + ms;
  Run();
  while (RunOne(until)) Run();
  now_ms_ = until;
  Run();
}

bool FakeHost::RunUntil(const std::function<bool()>& done, uint64_t real_ms) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(real_ms);
  while (true) {
    Run();
    if (done()) return true;
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::vector<int64_t> FakeHost::Observations(const std::string& name,
                                            const std::vector<std::string>& labels) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = recorded_.find({name, labels});
  return found == recorded_.end() ? std::vector<int64_t>() : found->second;
}

int64_t FakeHost::MetricValue(const std::string& name,
                              const std::vector<std::string>& labels) const {
  const std::vector<int64_t> values = Observations(name, labels);
  if (values.empty()) return 0;
  const auto is_it = [&name](const auto& metric) { return metric.name == name; };
  const auto metric = std::find_if(metrics_.begin(), metrics_.end(), is_it);
  if (metric->kind == POSTERN_GAUGE) return values.back();
  int64_t sum = 0;
  for (const int64_t value : values) sum += value;
  return sum;
}

bool FakeHost::Logged(std::string_view text) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(logs_.begin(), logs_.end(), [text](const LogLine& line) {
    return line.message.find(text) != std::string::npos;
  });
}

std::optional<std::string> FakeHost::Shared(const std::string& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = shared_.find(key);
  if (found == shared_.end() || !Alive(found->second)) return std::nullopt;
  return found->second.value;
}

void FakeHost::SetShared(const std::string& key, std::string value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  shared_[key] = {std::move(value), ++shared_version_, std::numeric_limits<uint64_t>::max()};
}

}  // namespace postern::testing
