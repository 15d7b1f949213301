#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "core/context/request_context.h"
#include "core/observe/access_log.h"

namespace postern {

/// Where a stage's execution log goes. Part of a snapshot.
struct ExecutionLogTarget {
  std::shared_ptr<AccessLogSink> sink;
  /// "API-Gateway-Execution-Logs_{apiId}/{stage}"; with "/Canary" for requests of its canary.
  std::string group;
  std::string canary_group;
};

/// Bytes of a line's text, the request id in front of it included (rest-api.md §13.6).
inline constexpr size_t kMaxExecutionEvent = 1024;

/// Gives `line` every line of an exchange that has ended, in API Gateway's order (rest-api.md
/// §13.6): its text without the request id, and when it was (milliseconds since 1970). There is
/// none if `context` has no trace, or asks for errors only and there was none. Text may have any
/// bytes and is not yet cut.
void ForEachExecutionLine(
    const RequestContext& context,
    absl::FunctionRef<void(std::string_view text, bool cut, int64_t time_ms)> line);

/// Hands the lines of an exchange to its stage's log: each a JSON object with `time`, `log_group`
/// and `message`, which is `({requestId}) {text}` of at most kMaxExecutionEvent bytes.
void LogExecution(const ExecutionLogTarget& target, const RequestContext& context,
                  AccessLogWorker* worker);

}  // namespace postern
