#include "core/filter/filter_host.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <string>

#include "core/base/log.h"
#include "core/context/variables.h"
#include "core/filter/config_host.h"
#include "core/filter/filter_chain.h"
#include "core/filter/filter_metric_values.h"
#include "core/filter/filter_worker.h"
#include "core/filter/message_fields.h"
#include "core/filter/shared_store.h"
#include "core/filter/worker_filters.h"

namespace postern {
namespace {

constexpr size_t kMaxLogText = 4096;
constexpr size_t kMaxVariables = 256;

/// Lines a second of all modules together from threads of their own.
constexpr uint64_t kLogPerSecond = 100;

uint64_t MonotonicMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

// ---- Process ----

LogLevel LevelOf(uint32_t level) {
  switch (level) {
    case POSTERN_LOG_TRACE:
      return LogLevel::kTrace;
    case POSTERN_LOG_DEBUG:
      return LogLevel::kDebug;
    case POSTERN_LOG_INFO:
      return LogLevel::kInfo;
    case POSTERN_LOG_WARN:
      return LogLevel::kWarn;
    default:
      return LogLevel::kError;
  }
}

/// Whether a thread that is in no hook may write a line now.
bool TakeSharedLine() {
  static std::atomic<uint64_t> second{0};
  static std::atomic<uint64_t> lines{0};
  const uint64_t now = MonotonicMs() / 1000;
  if (second.exchange(now, std::memory_order_relaxed) != now) {
    lines.store(0, std::memory_order_relaxed);
  }
  return lines.fetch_add(1, std::memory_order_relaxed) < kLogPerSecond;
}

void HostLog(postern_self* self, uint32_t level, postern_str message) {
  const LogLevel at = LevelOf(level);
  if (!LogEnabled(at)) return;
  const std::string_view text = ViewOf(message).substr(0, kMaxLogText);
  const FilterModule* module = FilterModule::Of(self);
  FilterWorker* worker = FilterWorker::Current();
  FilterOwner* owner = worker != nullptr ? worker->current() : nullptr;
  if (owner == nullptr) {
    if (!TakeSharedLine()) return;
    Log(at, "filter", {{"module", module->title()}, {"message", text}});
    return;
  }
  LocalFilter* local = owner->local();
  if (!local->TakeLogLine(worker->dispatcher()->NowMs(), worker->limits())) return;
  const RequestContext* context = owner->context();
  if (context == nullptr) {
    Log(at, "filter",
        {{"filter", local->instance->name},
         {"module", module->title()},
         {"snapshot", local->set->version()},
         {"message", text}});
    return;
  }
  Log(at, "filter",
      {{"filter", local->instance->name},
       {"module", module->title()},
       {"request_id", context->request_id},
       {"route_method", context->route_method},
       {"route", context->resource_path},
       {"snapshot", local->set->version()},
       {"message", text}});
}

int32_t HostLogEnabled(postern_self*, uint32_t level) { return LogEnabled(LevelOf(level)) ? 1 : 0; }

uint64_t HostNow(uint32_t clock) {
  switch (clock) {
    case POSTERN_CLOCK_MONOTONIC_MS:
      return MonotonicMs();
    case POSTERN_CLOCK_WALL_MS:
      return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    default:
      return 0;
  }
}

void HostMetricRecord(uint32_t metric, int64_t value, const postern_str* labels, size_t n) {
  FilterWorker* worker = FilterWorker::Current();
  const int lane = worker != nullptr ? static_cast<int>(worker->env().index) : -1;
  if (FilterMetricValues::Instance().Record(metric, value, labels, n, lane)) return;
  if (worker != nullptr && worker->current() != nullptr) {
    worker->Misuse(worker->current(), "metric_record", "an unknown metric or its labels");
  }
}

// ---- Message ----

enum class During : uint8_t {
  kMessage,   ///< any hook of a stream but stream_end
  kVariable,  ///< stream_end too
  kFlow,      ///< not stream_create, not stream_end
};

/// The filter that a call is for, if the call is allowed here; else null, having said so.
StreamFilter* Allowed(postern_ctx* ctx, During during, std::string_view function) {
  FilterOwner* owner = FilterOwner::Of(ctx);
  if (owner == nullptr) return nullptr;
  FilterWorker* worker = owner->worker();
  if (!worker->OnOwnThread()) {
    worker->Misuse(owner, function, "called from another thread than the stream's");
    return nullptr;
  }
  StreamFilter* filter = StreamFilter::Of(ctx);
  if (filter == nullptr) {
    worker->Misuse(owner, function, "called with a worker, needs a stream");
    return nullptr;
  }
  const FilterChain::Phase phase = filter->chain->phase();
  const bool fits = phase == FilterChain::Phase::kRunning ||
                    (phase == FilterChain::Phase::kCreating && during != During::kFlow) ||
                    (phase == FilterChain::Phase::kEnding && during == During::kVariable);
  if (fits) return filter;
  worker->Misuse(owner, function, "not in this phase of the stream");
  return nullptr;
}

postern_status Refused(StreamFilter* filter, std::string_view function, std::string_view why) {
  filter->worker()->Misuse(filter, function, why);
  return POSTERN_E_STATE;
}

/// The same for what is wrong whenever it is said.
postern_status Invalid(StreamFilter* filter, std::string_view function, std::string_view why) {
  filter->worker()->Misuse(filter, function, why);
  return POSTERN_E_INVALID;
}

/// A map that may be looked at now, with its head for the pseudo-headers.
struct Fields {
  HeaderMap* map = nullptr;
  RequestHead* request = nullptr;
  ResponseHead* response = nullptr;
  MessageHead* head() const {
    return request != nullptr ? static_cast<MessageHead*>(request)
                              : static_cast<MessageHead*>(response);
  }
};

/// POSTERN_E_STATE: the map has not come yet. For reading.
postern_status FieldsOf(StreamFilter* filter, uint32_t map, Fields* out) {
  FilterChain* chain = filter->chain;
  switch (map) {
    case POSTERN_REQUEST_HEADERS:
      out->request = filter->request;
      out->map = &out->request->headers;
      return POSTERN_OK;
    case POSTERN_RESPONSE_HEADERS:
      if (chain->response() == nullptr || !filter->dir[POSTERN_RESPONSE].head_seen) {
        return POSTERN_E_STATE;
      }
      out->response = chain->response();
      out->map = &out->response->headers;
      return POSTERN_OK;
    case POSTERN_REQUEST_TRAILERS:
    case POSTERN_RESPONSE_TRAILERS: {
      const uint32_t direction = map - POSTERN_REQUEST_TRAILERS;
      out->map = chain->trailers(direction);
      return out->map != nullptr && filter->dir[direction].trailers_seen ? POSTERN_OK
                                                                         : POSTERN_E_STATE;
    }
    default:
      return POSTERN_E_INVALID;
  }
}

/// Whether the map waits at this filter, so that it may be written.
bool IsHere(const StreamFilter& filter, uint32_t map) {
  if (map >= POSTERN_REQUEST_TRAILERS) {
    return filter.dir[map - POSTERN_REQUEST_TRAILERS].stage == StreamFilter::kTrailers;
  }
  const StreamFilter::Direction& at = filter.dir[map];
  return at.stage == StreamFilter::kHead || at.head_held;
}

std::string_view Digits(uint64_t number, Arena* arena) {
  char* text = arena->Allocate(20, 1);
  return {text, static_cast<size_t>(std::to_chars(text, text + 20, number).ptr - text)};
}

/// Null data: no such pseudo-header here.
std::string_view Pseudo(const Fields& fields, std::string_view name, Arena* arena) {
  if (fields.request != nullptr) {
    if (name == ":method") return fields.request->method_text;
    if (name == ":path") return fields.request->target;
    if (name == ":scheme") return fields.request->scheme;
    if (name == ":authority") return fields.request->authority;
  } else if (fields.response != nullptr && name == ":status") {
    return Digits(fields.response->status, arena);
  }
  return {};
}

postern_status HostHeaderGet(postern_ctx* ctx, uint32_t map, postern_str name, size_t index,
                             postern_str* value) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, "header_get");
  if (filter == nullptr) return POSTERN_E_STATE;
  Fields fields;
  if (const postern_status status = FieldsOf(filter, map, &fields); status != POSTERN_OK) {
    return status;
  }
  const std::string_view wanted = ViewOf(name);
  if (wanted.empty()) return POSTERN_E_NOT_FOUND;
  if (wanted[0] == ':') {
    const std::string_view found = Pseudo(fields, wanted, filter->chain->scratch());
    if (found.data() == nullptr || index > 0) return POSTERN_E_NOT_FOUND;
    *value = StrOf(found);
    return POSTERN_OK;
  }
  const HeaderId id = LookupHeader(wanted);
  for (const HeaderField& field : *fields.map) {
    if (field.id != id || (id == HeaderId::kOther && !EqualsIgnoreCase(field.name, wanted))) {
      continue;
    }
    if (index-- > 0) continue;
    *value = StrOf(field.value);
    return POSTERN_OK;
  }
  // What codecs keep apart from the map.
  if (index == 0 && id == HeaderId::kContentLength && fields.head() != nullptr &&
      fields.head()->has_content_length) {
    *value = StrOf(Digits(fields.head()->content_length, filter->chain->scratch()));
    return POSTERN_OK;
  }
  if (index == 0 && id == HeaderId::kHost && fields.request != nullptr) {
    *value = StrOf(fields.request->authority);
    return POSTERN_OK;
  }
  return POSTERN_E_NOT_FOUND;
}

size_t HostHeaderList(postern_ctx* ctx, uint32_t map, postern_header* out, size_t cap) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, "header_list");
  const bool as_sent = (map & POSTERN_AS_SENT) != 0;
  map &= ~POSTERN_AS_SENT;
  Fields fields;
  if (filter == nullptr || FieldsOf(filter, map, &fields) != POSTERN_OK) return 0;
  Arena* arena = filter->chain->scratch();
  size_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (count < cap) out[count] = {StrOf(name), StrOf(value)};
    ++count;
  };
  if (fields.request != nullptr) {
    for (const std::string_view name : {":method", ":scheme", ":authority", ":path"}) {
      add(name, Pseudo(fields, name, arena));
    }
  } else if (fields.response != nullptr) {
    add(":status", Pseudo(fields, ":status", arena));
  }
  for (const HeaderField& field : *fields.map) {
    if (count < cap) {
      add(as_sent ? field.name : LowerName(field, arena), field.value);
    } else {
      ++count;
    }
  }
  if (fields.head() != nullptr && fields.head()->has_content_length) {
    add("content-length", Digits(fields.head()->content_length, arena));
  }
  return count;
}

postern_status SetPseudo(StreamFilter* filter, const Fields& fields, std::string_view name,
                         std::string_view value) {
  Arena* arena = filter->chain->arena();
  if (fields.request != nullptr) {
    if (name == ":method") {
      if (!IsToken(value) || value.size() > 32) return POSTERN_E_INVALID;
      fields.request->method_text = arena->Copy(value);
      fields.request->method = ParseMethod(value);
      return POSTERN_OK;
    }
    if (name == ":path") {
      if (!IsTarget(value)) return POSTERN_E_INVALID;
      fields.request->target = arena->Copy(value);
      return POSTERN_OK;
    }
    if (name == ":scheme") {
      if (value != "http" && value != "https") return POSTERN_E_INVALID;
      fields.request->scheme = value == "http" ? "http" : "https";
      return POSTERN_OK;
    }
    if (name == ":authority") {
      if (!IsAuthority(value)) return POSTERN_E_INVALID;
      fields.request->authority = arena->Copy(value);
      return POSTERN_OK;
    }
  } else if (fields.response != nullptr && name == ":status") {
    uint16_t status = 0;
    const auto [at, error] = std::from_chars(value.data(), value.data() + value.size(), status);
    if (error != std::errc() || at != value.data() + value.size() || status < 200 || status > 599) {
      return POSTERN_E_INVALID;
    }
    fields.response->status = status;
    fields.response->reason = {};
    return POSTERN_OK;
  }
  return POSTERN_E_INVALID;
}

postern_status WriteHeader(postern_ctx* ctx, uint32_t map, std::string_view name, postern_str text,
                           bool replace, std::string_view function) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, function);
  if (filter == nullptr) return POSTERN_E_STATE;
  if (map > POSTERN_RESPONSE_TRAILERS || name.empty()) return POSTERN_E_INVALID;
  FilterChain* chain = filter->chain;
  const bool remove = replace && text.data == nullptr;
  const std::string_view value = ViewOf(text);
  const bool pseudo = name[0] == ':';
  if (!pseudo && !IsWritableField(name)) {
    return Invalid(filter, function, "no field name, or one that belongs to the codecs");
  }
  if (!pseudo && !IsWritableValue(value)) {
    return Invalid(filter, function, "no field value: a control character, or space at an end");
  }
  if (pseudo && (remove || !replace)) {
    return Invalid(filter, function, "a pseudo-header has one value");
  }
  if (!IsHere(*filter, map)) return Refused(filter, function, "the map is not at this filter");
  Fields fields;
  if (const postern_status status = FieldsOf(filter, map, &fields); status != POSTERN_OK) {
    return status;
  }
  // Both the block as it is and what this exchange has written at all are bounded.
  size_t total = name.size() + value.size() + 4;
  *chain->header_bytes() += total;
  for (const HeaderField& field : *fields.map) total += field.name.size() + field.value.size() + 4;
  const size_t most = chain->worker()->limits().max_header_block;
  if (!remove && (total > most || *chain->header_bytes() > 4 * most)) {
    *chain->header_bytes() -= name.size() + value.size() + 4;
    return POSTERN_E_LIMIT;
  }
  if (pseudo) return SetPseudo(filter, fields, name, value);
  if (remove) {
    fields.map->Remove(name);
    return POSTERN_OK;
  }
  const HeaderId id = LookupHeader(name);
  const bool as_known = id != HeaderId::kOther && name == HeaderName(id);
  const std::string_view kept_name = as_known ? HeaderName(id) : chain->arena()->Copy(name);
  const std::string_view kept_value = chain->arena()->Copy(value);
  if (replace) {
    fields.map->Set(id, kept_name, kept_value);
  } else {
    fields.map->Add(id, kept_name, kept_value);
  }
  return POSTERN_OK;
}

postern_status HostHeaderSet(postern_ctx* ctx, uint32_t map, postern_str name, postern_str value) {
  return WriteHeader(ctx, map, ViewOf(name), value, /*replace=*/true, "header_set");
}

postern_status HostHeaderAdd(postern_ctx* ctx, uint32_t map, postern_str name, postern_str value) {
  return WriteHeader(ctx, map, ViewOf(name), value, /*replace=*/false, "header_add");
}

postern_status HostHeaderClear(postern_ctx* ctx, uint32_t map) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, "header_clear");
  if (filter == nullptr) return POSTERN_E_STATE;
  if (map > POSTERN_RESPONSE_TRAILERS) return POSTERN_E_INVALID;
  if (!IsHere(*filter, map)) {
    return Refused(filter, "header_clear", "the map is not at this filter");
  }
  Fields fields;
  if (const postern_status status = FieldsOf(filter, map, &fields); status != POSTERN_OK) {
    return status;
  }
  if (fields.request != nullptr) {
    filter->chain->ClearRequest(filter);
  } else {
    fields.map->Clear();
  }
  return POSTERN_OK;
}

bool MayBody(const StreamFilter& filter) {
  return filter.binding->instance->module->may(POSTERN_CAP_BODY);
}

postern_status HostBodyMode(postern_ctx* ctx, uint32_t direction, uint32_t mode, uint64_t limit) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, "body_mode");
  if (filter == nullptr) return POSTERN_E_STATE;
  if (!MayBody(*filter)) return POSTERN_E_DENIED;
  const postern_status status = filter->chain->BodyMode(filter, direction, mode, limit);
  if (status == POSTERN_E_STATE) return Refused(filter, "body_mode", "not in the headers hook");
  return status;
}

size_t HostBodyRead(postern_ctx* ctx, uint32_t direction, postern_str* out, size_t cap,
                    uint64_t* total) {
  if (total != nullptr) *total = 0;
  StreamFilter* filter = Allowed(ctx, During::kMessage, "body_read");
  if (filter == nullptr || !MayBody(*filter)) return 0;
  return filter->chain->BodyRead(filter, direction, out, cap, total);
}

postern_status HostBodySplice(postern_ctx* ctx, uint32_t direction, uint64_t offset,
                              uint64_t remove, postern_str insert, void (*release)(void*),
                              void* release_arg) {
  StreamFilter* filter = Allowed(ctx, During::kMessage, "body_splice");
  if (filter == nullptr) return POSTERN_E_STATE;
  if (!MayBody(*filter)) return POSTERN_E_DENIED;
  const postern_status status =
      filter->chain->BodySplice(filter, direction, offset, remove, insert, release, release_arg);
  if (status == POSTERN_E_STATE) return Refused(filter, "body_splice", "no body to change here");
  return status;
}

// ---- Variables ----

postern_status HostVarGet(postern_ctx* ctx, uint32_t var, postern_value* out) {
  StreamFilter* filter = Allowed(ctx, During::kVariable, "var_get");
  if (filter == nullptr) return POSTERN_E_STATE;
  const Variable* variable = filter->binding->instance->FindVariable(var);
  if (variable == nullptr) return Invalid(filter, "var_get", "an id of no variable here");
  *out = postern_value{};
  const RequestContext& context = *filter->chain->context();
  if (variable->id == VariableId::kAuthorizerValue || variable->id == VariableId::kFilterValue) {
    const FilterVariable* set = FindFilterVariable(context, variable->key);
    if (set == nullptr) return POSTERN_E_NOT_FOUND;
    out->type = set->type;
    switch (set->type) {
      case POSTERN_VALUE_BOOL:
        out->u.boolean = static_cast<int32_t>(set->number);
        break;
      case POSTERN_VALUE_INT:
        out->u.i64 = set->number;
        break;
      case POSTERN_VALUE_DOUBLE:
        out->u.f64 = std::bit_cast<double>(set->number);
        break;
      default:
        out->u.str = StrOf(set->text);
        break;
    }
    return POSTERN_OK;
  }
  const std::string_view text = VariableValue(*variable, context, filter->chain->scratch());
  if (text.data() == nullptr) return POSTERN_E_NOT_FOUND;
  out->type = POSTERN_VALUE_STRING;
  out->u.str = StrOf(text);
  return POSTERN_OK;
}

/// Whether this filter may set the variable.
bool MaySet(const StreamFilter& filter, std::string_view name) {
  constexpr std::string_view kFilter = "filter.";
  constexpr std::string_view kAuthorizer = "authorizer.";
  if (name.size() > kAuthorizer.size() && name.starts_with(kAuthorizer)) {
    return filter.binding->is_authorizer;
  }
  const std::string_view own = filter.binding->instance->name;
  return name.size() > kFilter.size() + own.size() + 1 && name.starts_with(kFilter) &&
         name.substr(kFilter.size(), own.size()) == own && name[kFilter.size() + own.size()] == '.';
}

/// The value as text, and what else var_get() gives back.
bool Describe(const postern_value& value, char (&digits)[40], std::string_view* text,
              int64_t* number) {
  const auto done = [&](std::to_chars_result result) {
    *text = {digits, static_cast<size_t>(result.ptr - digits)};
    return true;
  };
  switch (value.type) {
    case POSTERN_VALUE_BOOL:
      *number = value.u.boolean != 0;
      *text = value.u.boolean != 0 ? "true" : "false";
      return true;
    case POSTERN_VALUE_INT:
      *number = value.u.i64;
      return done(std::to_chars(digits, digits + sizeof(digits), value.u.i64));
    case POSTERN_VALUE_DOUBLE:
      if (!std::isfinite(value.u.f64)) return false;
      *number = std::bit_cast<int64_t>(value.u.f64);
      return done(std::to_chars(digits, digits + sizeof(digits), value.u.f64));
    case POSTERN_VALUE_STRING:
    case POSTERN_VALUE_JSON:
      *text = ViewOf(value.u.str);
      return true;
    default:
      return false;
  }
}

/// Sets a member of RequestContext that says why an exchange went wrong.
postern_status SetReason(const postern_value& value, FilterChain* chain, std::string_view* member) {
  if (value.type == POSTERN_VALUE_NONE) {
    *member = {};
    return POSTERN_OK;
  }
  if (value.type != POSTERN_VALUE_STRING) return POSTERN_E_INVALID;
  if (*chain->variable_bytes() + value.u.str.len > chain->worker()->limits().max_variable_bytes) {
    return POSTERN_E_LIMIT;
  }
  *chain->variable_bytes() += value.u.str.len;
  *member = chain->arena()->Copy(ViewOf(value.u.str));
  return POSTERN_OK;
}

postern_status HostVarSet(postern_ctx* ctx, postern_str name_text, const postern_value* value) {
  StreamFilter* filter = Allowed(ctx, During::kVariable, "var_set");
  if (filter == nullptr) return POSTERN_E_STATE;
  const std::string_view name = ViewOf(name_text);
  FilterChain* chain = filter->chain;
  RequestContext* context = chain->context();
  if (name == "error.validationErrorString") {
    return SetReason(*value, chain, &context->error_validation);
  }
  if (name == "integration.error") return SetReason(*value, chain, &context->integration_error);
  if (!MaySet(*filter, name)) return POSTERN_E_DENIED;
  FilterVariable* found = context->filter_variables;
  size_t count = 0;
  while (found != nullptr && found->name != name) {
    found = found->next;
    ++count;
  }
  if (value->type == POSTERN_VALUE_NONE) {
    if (found != nullptr) found->set = false;
    return POSTERN_OK;
  }
  char digits[40];
  std::string_view text;
  int64_t number = 0;
  if (!Describe(*value, digits, &text, &number)) return POSTERN_E_INVALID;
  // A value that is set again uses the memory of the one before where that is enough.
  const bool fits = found != nullptr && found->text.size() >= text.size();
  const size_t bytes = (fits ? 0 : text.size()) + (found == nullptr ? name.size() : 0);
  if (*chain->variable_bytes() + bytes > chain->worker()->limits().max_variable_bytes ||
      (found == nullptr && count >= kMaxVariables)) {
    return POSTERN_E_LIMIT;
  }
  *chain->variable_bytes() += bytes;
  if (found == nullptr) {
    found = chain->arena()->New<FilterVariable>();
    found->name = chain->arena()->Copy(name);
    found->next = context->filter_variables;
    context->filter_variables = found;
  }
  if (fits && !text.empty()) {
    std::memmove(const_cast<char*>(found->text.data()), text.data(), text.size());
    found->text = found->text.substr(0, text.size());
  } else {
    found->text = chain->arena()->Copy(text);
  }
  found->set = true;
  found->type = static_cast<uint8_t>(value->type);
  found->number = number;
  return POSTERN_OK;
}

// ---- Flow ----

postern_status HostResume(postern_ctx* ctx, uint32_t direction) {
  StreamFilter* filter = Allowed(ctx, During::kFlow, "resume");
  if (filter == nullptr) return POSTERN_E_STATE;
  const postern_status status = filter->chain->Resume(filter, direction);
  if (status == POSTERN_E_STATE) return Refused(filter, "resume", "the direction is not paused");
  return status;
}

postern_status HostReply(postern_ctx* ctx, const postern_reply* reply) {
  StreamFilter* filter = Allowed(ctx, During::kFlow, "reply");
  if (filter == nullptr) return POSTERN_E_STATE;
  if (reply->size < sizeof(*reply)) return POSTERN_E_INVALID;
  const postern_status status = filter->chain->Reply(filter, *reply);
  if (status == POSTERN_E_STATE) {
    return Refused(filter, "reply", "answered already, or a response has passed");
  }
  return status;
}

// ---- Time and the outside ----

/// The owner that a call is for, if it may start something here; else null, having said so.
FilterOwner* MayStart(postern_ctx* ctx, std::string_view function) {
  FilterOwner* owner = FilterOwner::Of(ctx);
  if (owner == nullptr) return nullptr;
  if (!owner->worker()->OnOwnThread()) {
    owner->worker()->Misuse(owner, function, "called from another thread than the owner's");
    return nullptr;
  }
  if (owner->is_stream()) {
    const FilterChain::Phase phase = static_cast<StreamFilter*>(owner)->chain->phase();
    if (phase == FilterChain::Phase::kCreating || phase == FilterChain::Phase::kRunning) {
      return owner;
    }
  } else if (owner->local()->phase != LocalFilter::Phase::kEnded) {
    return owner;
  }
  owner->worker()->Misuse(owner, function, "its owner ends");
  return nullptr;
}

postern_waker* HostWakerNew(postern_ctx* ctx) {
  FilterOwner* owner = MayStart(ctx, "waker_new");
  if (owner == nullptr) return nullptr;
  FilterWaker* waker = owner->worker()->NewWaker(owner);
  return waker != nullptr ? waker->handle() : nullptr;
}

postern_status HostWakerFire(postern_waker* waker, uint64_t tag) {
  if (waker == nullptr) return POSTERN_E_INVALID;
  return FilterWaker::Of(waker)->Fire(tag);
}

void HostWakerFree(postern_waker* waker) {
  if (waker != nullptr) FilterWaker::Of(waker)->Unref();
}

postern_status HostTimerStart(postern_ctx* ctx, uint64_t delay_ms, uint64_t tag, uint64_t* id) {
  FilterOwner* owner = MayStart(ctx, "timer_start");
  if (owner == nullptr) return POSTERN_E_STATE;
  return owner->worker()->StartTimer(owner, delay_ms, tag, id);
}

postern_status HostTimerCancel(postern_ctx* ctx, uint64_t id) {
  FilterOwner* owner = MayStart(ctx, "timer_cancel");
  if (owner == nullptr) return POSTERN_E_STATE;
  return owner->worker()->CancelTimer(owner, id);
}

postern_status HostCalloutStart(postern_ctx* ctx, const postern_callout* callout, uint64_t tag,
                                uint64_t* id) {
  FilterOwner* owner = MayStart(ctx, "callout_start");
  if (owner == nullptr) return POSTERN_E_STATE;
  if (!owner->local()->instance->module->may(POSTERN_CAP_CALLOUT)) return POSTERN_E_DENIED;
  if (callout->size < sizeof(*callout)) return POSTERN_E_INVALID;
  if (!IsToken(ViewOf(callout->method)) || !IsTarget(ViewOf(callout->path))) {
    return POSTERN_E_INVALID;
  }
  const FilterLimits& limits = owner->worker()->limits();
  size_t bytes = callout->path.len;
  for (size_t i = 0; i < callout->header_count; ++i) {
    const std::string_view name = ViewOf(callout->headers[i].name);
    const std::string_view value = ViewOf(callout->headers[i].value);
    if (!IsWritableField(name) || !IsWritableValue(value)) return POSTERN_E_INVALID;
    bytes += name.size() + value.size() + 4;
  }
  if (bytes > limits.max_header_block || callout->body.len > limits.max_held_body) {
    return POSTERN_E_LIMIT;
  }
  return owner->worker()->StartCallout(owner, *callout, tag, id);
}

postern_status HostCalloutCancel(postern_ctx* ctx, uint64_t id) {
  FilterOwner* owner = MayStart(ctx, "callout_cancel");
  if (owner == nullptr) return POSTERN_E_STATE;
  return owner->worker()->CancelCallout(owner, id);
}

// ---- Shared ----

bool MayShare(postern_self* self) { return FilterModule::Of(self)->may(POSTERN_CAP_SHARED); }

postern_status HostSharedGet(postern_self* self, postern_str key, char* buf, size_t cap,
                             size_t* len, uint64_t* version) {
  if (!MayShare(self)) return POSTERN_E_DENIED;
  return SharedStore::Instance().Get(FilterModule::Of(self)->name(), ViewOf(key), buf, cap, len,
                                     version, MonotonicMs());
}

postern_status HostSharedPut(postern_self* self, postern_str key, postern_str value,
                             uint64_t expect, uint64_t ttl_ms, uint64_t* version) {
  if (!MayShare(self)) return POSTERN_E_DENIED;
  return SharedStore::Instance().Put(FilterModule::Of(self)->name(), ViewOf(key),
                                     {value.data, value.len}, expect, ttl_ms, version,
                                     MonotonicMs());
}

postern_status HostSharedAdd(postern_self* self, postern_str key, int64_t delta, uint64_t ttl_ms,
                             int64_t* result) {
  if (!MayShare(self)) return POSTERN_E_DENIED;
  return SharedStore::Instance().Add(FilterModule::Of(self)->name(), ViewOf(key), delta, ttl_ms,
                                     result, MonotonicMs());
}

// ---- Readiness ----

postern_status HostWorkerReady(postern_ctx* ctx, postern_status status, postern_str reason) {
  FilterOwner* owner = FilterOwner::Of(ctx);
  if (owner == nullptr) return POSTERN_E_INVALID;
  if (owner->is_stream() || !owner->worker()->OnOwnThread()) {
    owner->worker()->Misuse(owner, "worker_ready", "called for a stream, or from another thread");
    return POSTERN_E_STATE;
  }
  const postern_status done =
      owner->local()->set->Ready(owner->local(), status, ViewOf(reason).substr(0, kMaxLogText));
  if (done == POSTERN_E_STATE) {
    owner->worker()->Misuse(owner, "worker_ready", "the worker does not wait for it");
  }
  return done;
}

}  // namespace

const postern_host* FilterHost() {
  static const postern_host table = [] {
    postern_host host{};
    host.size = sizeof(host);
    host.abi_major = POSTERN_ABI_MAJOR;
    host.abi_minor = POSTERN_ABI_MINOR;
    host.log = HostLog;
    host.log_enabled = HostLogEnabled;
    host.now = HostNow;
    host.metric_record = HostMetricRecord;
    host.header_get = HostHeaderGet;
    host.header_list = HostHeaderList;
    host.header_set = HostHeaderSet;
    host.header_add = HostHeaderAdd;
    host.header_clear = HostHeaderClear;
    host.body_mode = HostBodyMode;
    host.body_read = HostBodyRead;
    host.body_splice = HostBodySplice;
    host.var_get = HostVarGet;
    host.var_set = HostVarSet;
    host.resume = HostResume;
    host.reply = HostReply;
    host.waker_new = HostWakerNew;
    host.waker_fire = HostWakerFire;
    host.waker_free = HostWakerFree;
    host.timer_start = HostTimerStart;
    host.timer_cancel = HostTimerCancel;
    host.callout_start = HostCalloutStart;
    host.callout_cancel = HostCalloutCancel;
    host.shared_get = HostSharedGet;
    host.shared_put = HostSharedPut;
    host.shared_add = HostSharedAdd;
    host.worker_ready = HostWorkerReady;
    AddConfigFunctions(&host);
    return host;
  }();
  return &table;
}

}  // namespace postern
