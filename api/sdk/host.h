// The values of the ABI with C++ types, and what a module may call on any thread: log, clock,
// metrics, the shared store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "api/abi/abi.h"

namespace postern {

// The constants of abi.h, which says what each means.
enum class Status : int32_t {
  kPending = POSTERN_PENDING,
  kOk = POSTERN_OK,
  kInvalid = POSTERN_E_INVALID,
  kState = POSTERN_E_STATE,
  kNotFound = POSTERN_E_NOT_FOUND,
  kLimit = POSTERN_E_LIMIT,
  kConflict = POSTERN_E_CONFLICT,
  kDenied = POSTERN_E_DENIED,
  kInternal = POSTERN_E_INTERNAL,
};

enum class Verdict : uint32_t {
  kContinue = POSTERN_CONTINUE,
  kPause = POSTERN_PAUSE,
  kDetach = POSTERN_DETACH,
  kFail = POSTERN_FAIL,
};

enum class Direction : uint32_t { kRequest = POSTERN_REQUEST, kResponse = POSTERN_RESPONSE };

enum class Map : uint32_t {
  kRequestHeaders = POSTERN_REQUEST_HEADERS,
  kResponseHeaders = POSTERN_RESPONSE_HEADERS,
  kRequestTrailers = POSTERN_REQUEST_TRAILERS,
  kResponseTrailers = POSTERN_RESPONSE_TRAILERS,
};

enum class BodyMode : uint32_t {
  kSkip = POSTERN_BODY_SKIP,
  kObserve = POSTERN_BODY_OBSERVE,
  kRewrite = POSTERN_BODY_REWRITE,
  kBuffer = POSTERN_BODY_BUFFER,
};

enum class ReplyKind : uint32_t {
  kRaw = POSTERN_REPLY_RAW,
  kAbort = POSTERN_REPLY_ABORT,
  kDefault4xx = POSTERN_REPLY_DEFAULT_4XX,
  kDefault5xx = POSTERN_REPLY_DEFAULT_5XX,
  kAccessDenied = POSTERN_REPLY_ACCESS_DENIED,
  kUnauthorized = POSTERN_REPLY_UNAUTHORIZED,
  kAuthorizerFailure = POSTERN_REPLY_AUTHORIZER_FAILURE,
  kAuthorizerConfigurationError = POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR,
  kExpiredToken = POSTERN_REPLY_EXPIRED_TOKEN,
  kInvalidSignature = POSTERN_REPLY_INVALID_SIGNATURE,
  kMissingAuthenticationToken = POSTERN_REPLY_MISSING_AUTHENTICATION_TOKEN,
  kInvalidApiKey = POSTERN_REPLY_INVALID_API_KEY,
  kThrottled = POSTERN_REPLY_THROTTLED,
  kQuotaExceeded = POSTERN_REPLY_QUOTA_EXCEEDED,
  kBadRequestBody = POSTERN_REPLY_BAD_REQUEST_BODY,
  kBadRequestParameters = POSTERN_REPLY_BAD_REQUEST_PARAMETERS,
  kRequestTooLarge = POSTERN_REPLY_REQUEST_TOO_LARGE,
  kUnsupportedMediaType = POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE,
  kResourceNotFound = POSTERN_REPLY_RESOURCE_NOT_FOUND,
  kWafFiltered = POSTERN_REPLY_WAF_FILTERED,
  kApiConfigurationError = POSTERN_REPLY_API_CONFIGURATION_ERROR,
  kIntegrationFailure = POSTERN_REPLY_INTEGRATION_FAILURE,
  kIntegrationTimeout = POSTERN_REPLY_INTEGRATION_TIMEOUT,
};

enum class LogLevel : uint32_t {
  kTrace = POSTERN_LOG_TRACE,
  kDebug = POSTERN_LOG_DEBUG,
  kInfo = POSTERN_LOG_INFO,
  kWarn = POSTERN_LOG_WARN,
  kError = POSTERN_LOG_ERROR,
};

namespace internal {

// Set once, by postern_module_init. Hidden visibility keeps one pair for each module.
inline const postern_host* host = nullptr;
inline postern_self* self = nullptr;

inline Status ToStatus(postern_status status) { return static_cast<Status>(status); }

}  // namespace internal

// Borrowed bytes, one way and the other. Never a NULL pointer: where the ABI tells "empty" from
// "absent", a view is present.
inline postern_str ToAbi(std::string_view text) {
  return {text.data() != nullptr ? text.data() : "", text.size()};
}
inline std::string_view FromAbi(postern_str text) {
  return text.len == 0 ? std::string_view("") : std::string_view(text.data, text.len);
}

// A header field for an array of them; borrows both.
inline postern_header Field(std::string_view name, std::string_view value) {
  return {ToAbi(name), ToAbi(value)};
}

// Writes a line to the gateway's log, with what the gateway knows of the request.
inline void Log(LogLevel level, std::string_view message) {
  internal::host->log(internal::self, static_cast<uint32_t>(level), ToAbi(message));
}

// Whether lines of that level are written at all; to skip building them.
inline bool LogEnabled(LogLevel level) {
  return internal::host->log_enabled(internal::self, static_cast<uint32_t>(level)) != 0;
}

// Milliseconds: since some moment, never going back; and since 1970. Simulated in tests.
inline uint64_t MonotonicMs() { return internal::host->now(POSTERN_CLOCK_MONOTONIC_MS); }
inline uint64_t WallMs() { return internal::host->now(POSTERN_CLOCK_WALL_MS); }

// A metric that ConfigReader defined. Label values come in the order of the names, up to 8.
class Metric {
 public:
  Metric() = default;
  explicit Metric(uint32_t id) : id_(id) {}

 protected:
  using Labels = std::initializer_list<std::string_view>;

  void Record(int64_t value, Labels labels) const {
    postern_str values[8];
    size_t n = 0;
    for (const std::string_view label : labels) {
      if (n < 8) values[n++] = ToAbi(label);
    }
    internal::host->metric_record(id_, value, values, n);
  }

 private:
  uint32_t id_ = 0;
};

class Counter : public Metric {
 public:
  using Metric::Metric;
  void Add(int64_t value = 1, Labels labels = {}) const { Record(value, labels); }
};

class Gauge : public Metric {
 public:
  using Metric::Metric;
  void Set(int64_t value, Labels labels = {}) const { Record(value, labels); }
};

class Histogram : public Metric {
 public:
  using Metric::Metric;
  void Observe(int64_t value, Labels labels = {}) const { Record(value, labels); }
};

// A value of the store that all workers, and all versions of a module, share.
struct SharedValue {
  std::string bytes;
  uint64_t version = 0;  // For SharedPut.
};

// nullopt when there is none, or the store is not granted.
inline std::optional<SharedValue> SharedGet(std::string_view key) {
  SharedValue value;
  size_t length = 256;
  do {  // A value may grow between two looks at it.
    value.bytes.resize(length);
    if (internal::host->shared_get(internal::self, ToAbi(key), value.bytes.data(),
                                   value.bytes.size(), &length, &value.version) != POSTERN_OK) {
      return std::nullopt;
    }
  } while (length > value.bytes.size());
  value.bytes.resize(length);
  return value;
}

// Stores when the version is still `expect`; kConflict else. ttl_ms 0: until overwritten.
inline Status SharedPut(std::string_view key, std::string_view value,
                        uint64_t expect = POSTERN_SHARED_ANY, uint64_t ttl_ms = 0) {
  return internal::ToStatus(internal::host->shared_put(internal::self, ToAbi(key), ToAbi(value),
                                                       expect, ttl_ms, nullptr));
}

inline Status SharedRemove(std::string_view key, uint64_t expect = POSTERN_SHARED_ANY) {
  return internal::ToStatus(
      internal::host->shared_put(internal::self, ToAbi(key), {nullptr, 0}, expect, 0, nullptr));
}

// Adds to a number that starts at 0; ttl_ms counts from its first use. nullopt on error.
inline std::optional<int64_t> SharedAdd(std::string_view key, int64_t delta, uint64_t ttl_ms = 0) {
  int64_t sum = 0;
  if (internal::host->shared_add(internal::self, ToAbi(key), delta, ttl_ms, &sum) != POSTERN_OK) {
    return std::nullopt;
  }
  return sum;
}

}  // namespace postern
