#include "filters/jwt/key_source.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/json_reader.h"
#include "lib/text/json_unique.h"

namespace postern::jwt {
namespace {

constexpr uint64_t kSecond = 1000;
constexpr uint64_t kHour = 3600 * kSecond;
constexpr std::string_view kDiscoveryPath = "/.well-known/openid-configuration";

// How long an answer may be kept (RFC 9111 §5.2.2), at most `longest`.
uint64_t MaxAge(const CalloutResult& result, uint64_t longest) {
  std::string_view rest = result.Header("cache-control").value_or("");
  uint64_t age = longest;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view directive = TrimOws(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    constexpr std::string_view kMaxAgeIs = "max-age=";
    if (EqualsIgnoreCase(directive, "no-store") || EqualsIgnoreCase(directive, "no-cache")) {
      return 0;
    }
    if (!EqualsIgnoreCase(directive.substr(0, kMaxAgeIs.size()), kMaxAgeIs)) continue;
    uint64_t seconds = 0;
    const std::string_view digits = directive.substr(kMaxAgeIs.size());
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (error == std::errc() && end == digits.data() + digits.size()) {
      age = std::min(longest, std::min(seconds, longest / kSecond) * kSecond);
    }
  }
  return age;
}

std::string_view OutcomeName(uint32_t outcome) {
  switch (outcome) {
    case POSTERN_CALLOUT_TIMEOUT:
      return "timeout";
    case POSTERN_CALLOUT_CONNECT:
      return "no connection";
    case POSTERN_CALLOUT_RESET:
      return "connection broken";
    case POSTERN_CALLOUT_TOO_LARGE:
      return "answer too large";
    default:
      return "ok";
  }
}

// Why an exchange brought nothing; empty where it did.
std::string Refusal(const CalloutResult& result) {
  if (!result.ok()) return std::string(OutcomeName(result.outcome()));
  if (result.status() != 200) return Concat("status ", result.status());
  return {};
}

bool IsClientError(const CalloutResult& result) {
  return result.ok() && result.status() >= 400 && result.status() < 500;
}

}  // namespace

KeySource::KeySource(const Provider& provider, Profile profile, const Metrics& metrics,
                     uint64_t tag)
    : provider_(provider),
      metrics_(metrics),
      tag_(tag),
      longest_ms_(profile == Profile::kCognito ? kHour : 2 * kHour),
      state_(std::make_shared<KeyState>()) {}

void KeySource::Start(WorkerContext worker, std::shared_ptr<KeyState> previous) {
  worker_ = worker;
  if (previous != nullptr) state_ = std::move(previous);
  DropOldKeys(MonotonicMs());
  if (!state_->loaded) return Fetch();
  const uint64_t now = MonotonicMs();
  ScheduleAt(state_->refresh_ms > now ? state_->refresh_ms - now : kSecond);
}

void KeySource::DropOldKeys(uint64_t now) {
  if (!state_->loaded || now - state_->fetched_ms <= kKeepStaleMs) return;
  state_->keys = {};
  state_->loaded = false;
  ++state_->generation;
}

KeySource::Answer KeySource::Find(std::string_view id, bool waited, jose::Key** key) {
  const uint64_t now = MonotonicMs();
  DropOldKeys(now);
  if (!state_->loaded) {
    if (waited) return Answer::kUnavailable;
    if (!in_flight_ && now >= retry_ms_) Fetch();
    return in_flight_ ? Answer::kWait : Answer::kUnavailable;
  }
  *key = state_->keys.Find(id);
  if (*key != nullptr) return Answer::kFound;
  std::string name(id);
  if (const auto known = unknown_.find(name); known != unknown_.end() && known->second > now) {
    return Answer::kUnknown;
  }
  if (!waited) {
    if (!in_flight_ && (!asked_for_unknown_ms_ || now - *asked_for_unknown_ms_ >= kUnknownKeyMs)) {
      asked_for_unknown_ms_ = now;
      Fetch();
    }
    if (in_flight_) return Answer::kWait;
  }
  if (unknown_.size() >= kMaxUnknownKeys) ForgetUnknownKeys(now);
  if (unknown_.size() < kMaxUnknownKeys) unknown_[std::move(name)] = now + kUnknownKeyMs;
  return Answer::kUnknown;
}

void KeySource::ForgetUnknownKeys(uint64_t now) {
  std::erase_if(unknown_, [now](const auto& entry) { return entry.second <= now; });
}

bool KeySource::AddWaiter(Waker waker) {
  if (waiters_.size() >= kMaxWaiters || !waker) return false;
  waiters_.push_back(std::move(waker));
  return true;
}

void KeySource::Fetch() {
  in_flight_ = true;
  if (timer_ != 0) worker_->CancelTimer(std::exchange(timer_, 0));
  if (!provider_.keys_uri.empty()) return FetchKeys(provider_.keys_uri);
  Discover();
}

void KeySource::Discover() {
  const std::optional<SplitUri> issuer = SplitHttpUri(provider_.issuer);
  if (!issuer) return Fail(Trouble::kDiscovery, "the issuer is no URI");
  std::string path = issuer->path;
  if (path.ends_with('/')) path.pop_back();  // OpenID Connect Discovery 1.0 §4
  Call(provider_.upstream, path + std::string(kDiscoveryPath), kDiscoveryCallout);
}

void KeySource::FetchKeys(std::string_view uri) {
  const std::optional<SplitUri> keys = SplitHttpUri(uri);
  const std::optional<SplitUri> issuer = SplitHttpUri(provider_.issuer);
  if (!keys || !issuer || (!keys->https && !provider_.allow_http)) {
    return Fail(Trouble::kKeys, "jwks_uri is no https URI");
  }
  // The document decides the path alone, never a host that nobody configured.
  if (keys->origin == issuer->origin) {
    return Call(provider_.upstream, keys->path, kKeysCallout);
  }
  if (!provider_.keys_origin.empty() && keys->origin == provider_.keys_origin) {
    return Call(provider_.keys_upstream, keys->path, kKeysCallout);
  }
  Fail(Trouble::kKeys, Concat("jwks_uri has another host: ", keys->origin));
}

void KeySource::Call(Upstream upstream, const std::string& path, Kind kind) {
  const postern_header accept[] = {Field("accept", "application/json")};
  const Status status = worker_->StartCallout({.upstream = upstream,
                                               .method = "GET",
                                               .path = path,
                                               .headers = accept,
                                               .timeout_ms = kTimeoutMs,
                                               .max_response_bytes = kMaxBytes},
                                              tag_ | kind);
  if (status == Status::kOk) return;
  Fail(kind == kDiscoveryCallout ? Trouble::kDiscovery : Trouble::kKeys,
       "the callout could not be started");
}

void KeySource::OnEvent(const Event& event) {
  switch (event.tag() & 3) {
    case kTimer:
      timer_ = 0;
      if (!in_flight_) Fetch();
      return;
    case kDiscoveryCallout:
      return OnDiscovery(event.callout());
    case kKeysCallout:
      return OnKeys(event.callout());
    default:
      return;
  }
}

void KeySource::OnDiscovery(const CalloutResult& result) {
  const std::string refusal = Refusal(result);
  if (!refusal.empty()) {
    return Fail(IsClientError(result) ? Trouble::kRefused : Trouble::kDiscovery, refusal);
  }
  JsonReader json;
  if (!json.Parse(result.Body(), {.max_depth = 16, .max_values = 20000}).ok() ||
      RepeatedName(json.root())) {
    return Fail(Trouble::kDiscovery, "the discovery document is no JSON");
  }
  // OpenID Connect Discovery 1.0 §4.3.
  if (json.root().Find("issuer").AsString() != provider_.issuer) {
    return Fail(Trouble::kDiscovery, "the discovery document names another issuer");
  }
  const std::optional<std::string_view> uri = json.root().Find("jwks_uri").AsString();
  if (!uri) return Fail(Trouble::kDiscovery, "the discovery document has no jwks_uri");
  found_uri_ = std::string(*uri);
  FetchKeys(found_uri_);
}

void KeySource::OnKeys(const CalloutResult& result) {
  const std::string refusal = Refusal(result);
  if (!refusal.empty()) {
    return Fail(IsClientError(result) ? Trouble::kRefused : Trouble::kKeys, refusal);
  }
  const std::string body = result.Body();
  absl::StatusOr<jose::KeySet> keys = jose::KeySet::Parse(body, {.max_bytes = kMaxBytes});
  if (!keys.ok()) {
    return Fail(Trouble::kKeys, {keys.status().message().data(), keys.status().message().size()});
  }
  for (const std::string& ignored : keys->ignored()) {
    Log(LogLevel::kInfo, Concat("issuer ", provider_.issuer, ": ", ignored));
  }
  // As if it had failed: nobody signs without keys, and the last good ones may still hold.
  if (keys->size() == 0) return Fail(Trouble::kKeys, "the key set has no key that can be used");
  const Sha256Digest digest = Sha256(body);
  if (!state_->loaded || digest != state_->digest) {
    state_->keys = *std::move(keys);
    state_->digest = digest;
    ++state_->generation;
    unknown_.clear();
  }
  state_->loaded = true;
  Succeed(MaxAge(result, longest_ms_));
}

void KeySource::Succeed(uint64_t max_age_ms) {
  failures_ = 0;
  trouble_ = Trouble::kNone;
  state_->fetched_ms = MonotonicMs();
  metrics_.fetches.Add(1, {provider_.issuer, "ok"});
  metrics_.stale.Set(0, {provider_.issuer});
  uint64_t delay = std::max(max_age_ms, kMinRefreshMs);
  // Up to a tenth earlier, so that the workers do not all ask at once; the address of each source
  // is another.
  const uint64_t spread = (reinterpret_cast<uintptr_t>(this) >> 4) * 0x9E3779B97F4A7C15u >> 32;
  delay -= spread % (delay / 10);
  Finish(delay);
}

void KeySource::Fail(Trouble trouble, std::string_view why) {
  trouble_ = trouble;
  metrics_.fetches.Add(1, {provider_.issuer, "failed"});
  const uint64_t now = MonotonicMs();
  DropOldKeys(now);
  if (state_->loaded) {
    metrics_.stale.Set(static_cast<int64_t>((now - state_->fetched_ms) / kSecond),
                       {provider_.issuer});
  }
  Log(LogLevel::kWarn,
      Concat("issuer ", provider_.issuer, ": ",
             trouble == Trouble::kDiscovery ? "no discovery document: " : "no keys: ", why));
  // 1 s, 2 s, ... 32 s without keys; 30 s, 1 min, ... 8 min with them.
  const uint64_t first = state_->loaded ? 30 * kSecond : kSecond;
  const uint64_t delay = first << std::min(failures_, state_->loaded ? 4u : 5u);
  ++failures_;
  retry_ms_ = now + delay;
  Finish(delay);
}

void KeySource::Finish(uint64_t delay_ms) {
  in_flight_ = false;
  attempted_ = true;
  state_->refresh_ms = MonotonicMs() + delay_ms;
  ScheduleAt(delay_ms);
  for (const Waker& waiter : std::exchange(waiters_, {})) waiter.Fire();
}

void KeySource::ScheduleAt(uint64_t delay_ms) {
  if (timer_ != 0) worker_->CancelTimer(timer_);
  timer_ = worker_->StartTimer(delay_ms, tag_ | kTimer);
}

}  // namespace postern::jwt
