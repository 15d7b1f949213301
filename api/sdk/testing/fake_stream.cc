// One exchange: the rules of a direction, and what comes out at both ends.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/abi/abi.h"
#include "api/sdk/testing/fake_host.h"
#include "api/sdk/testing/fake_internal.h"

namespace postern::testing {

using internal::Borrow;
using internal::Erase;
using internal::Find;
using internal::FindKind;
using internal::Joined;
using internal::Kind;

namespace {

constexpr uint32_t kEndStream = POSTERN_F_END_STREAM;
constexpr uint32_t kBodyLast = POSTERN_F_BODY_LAST;

}  // namespace

std::string Message::Get(std::string_view name) const { return Joined(headers, name); }
bool Message::Has(std::string_view name) const { return Find(headers, name, 0) != nullptr; }
int Message::status() const {
  const std::string* status = Find(headers, ":status", 0);
  return status == nullptr ? 0 : std::atoi(status->c_str());
}
std::string CalloutRequest::Get(std::string_view name) const { return Joined(headers, name); }

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
  if (bypassed) return Forward(direction, item);
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
  Forward(direction, item);
}

void FakeStream::Forward(uint32_t direction, const Item& item) {
  DirectionState& state = directions_[direction];
  Message& out = out_[direction];
  if (item.part != Part::kHeaders && state.headers) {
    // Trailers without a body, after BUFFER, find the headers here too.
    const Item headers = std::move(*state.headers);
    state.headers.reset();
    state.collecting = false;
    Headers& map = maps_[direction];
    if (item.part == Part::kBody && Find(map, "content-length", 0) != nullptr) {
      Erase(map, "content-length");
      map.emplace_back("content-length", std::to_string(item.body.size()));
    }
    state.mode = POSTERN_BODY_OBSERVE;
    Forward(direction, headers);
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
        const Item body{Part::kBody, 0, std::exchange(state.collected, {}), {}};
        Forward(direction, body);
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
  lowered_.clear();
}

}  // namespace postern::testing
