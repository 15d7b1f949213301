#include "core/observe/execution_log.h"

#include <charconv>

#include "core/context/arena_sink.h"
#include "core/context/execution_trace.h"
#include "core/context/trace_id.h"
#include "core/context/variables.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "lib/text/media_type.h"
#include "lib/text/time_format.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

constexpr std::string_view kTruncated = " [TRUNCATED]";
// A character of JSON takes six bytes at most.
constexpr size_t kMaxLine = 6 * kMaxExecutionEvent + 1024;

/// Builds the texts of lines, one after the other.
class Lines {
 public:
  using Take = absl::FunctionRef<void(std::string_view, bool, int64_t)>;
  static constexpr size_t kMaxText = kMaxExecutionEvent + ExecutionTrace::kMaxText;

  Lines(int64_t time_ms, Take take) : time_ms_(time_ms), take_(take) {}

  void set_time(int64_t time_ms) { time_ms_ = time_ms; }

  template <typename... Parts>
  void Say(const Parts&... parts) {
    FixedSink sink(buffer_, sizeof(buffer_));
    (Put(parts, sink), ...);
    take_(sink.written(), sink.failed(), time_ms_);
  }

  void Show(std::string_view name, const ExecutionTrace::Text& text) {
    FixedSink sink(buffer_, sizeof(buffer_));
    sink.Append(name);
    sink.Append(text.text);
    take_(sink.written(), sink.failed() || text.cut, time_ms_);
  }

 private:
  static void Put(std::string_view text, CharSink& sink) { sink.Append(text); }
  static void Put(int64_t number, CharSink& sink) {
    char digits[24];
    sink.Append({digits, static_cast<size_t>(
                             std::to_chars(digits, digits + sizeof(digits), number).ptr - digits)});
  }

  int64_t time_ms_;
  Take take_;
  char buffer_[kMaxText];
};

/// At most `size` bytes, whole characters.
std::string_view StartOf(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

/// Whether the request got no further than the front half (rest-api.md §1.1).
bool EndedInFront(const RequestContext& context) {
  return InfoOf(context.error_type).front_half && context.error_type != ResponseType::kDefault4xx;
}

// rest-api.md §13.6, lines 5 to 7: every method asks the usage plan, also one without keys.
void SayUsagePlan(const RequestContext& context, Lines& lines) {
  static const auto& key_variable = *new Variable(ResolveVariable("identity.apiKey"));
  BlockPool pool;
  Arena arena(&pool);
  const std::string_view key = MaskSecret(VariableValue(key_variable, context, &arena), &arena);
  lines.Say("Verifying Usage Plan for request: ", context.request_id, ". API Key: ", key,
            " API Stage: ", context.api_id, "/", context.stage);
  if (key.empty()) {
    lines.Say(
        "API Key ", key, " authorized because method '", context.request->method_text, " ",
        context.resource_path,
        "' does not require API Key. Request will not contribute to throttle or quota limits");
  }
  lines.Say("Usage Plan check succeeded for API Key ", key, " and API Stage ", context.api_id, "/",
            context.stage);
}

void SayPathParameters(const RequestContext& context, Lines& lines) {
  ArenaSink sink(context.request->headers.arena(), 128, ExecutionTrace::kMaxText);
  sink.Append('{');
  for (size_t i = 0; i < context.path_param_count; ++i) {
    if (i > 0) sink.Append(", ");
    sink.Append(context.path_params[i].name);
    sink.Append('=');
    sink.Append(context.path_params[i].value);
  }
  sink.Append('}');
  lines.Show("Method request path: ", {sink.written(), sink.failed()});
}

// Why the exchange ended in a gateway response, where somebody has said it.
void SayFailure(const RequestContext& context, Lines& lines) {
  if (!context.integration_error.empty()) {
    if (context.integration_service_status == 429 &&
        context.integration_error.ends_with("Rate Exceeded.")) {
      lines.Say("Lambda invocation failed with status: 429. Lambda request id: ",
                context.integration_request_id);
    }
    lines.Say(context.integration_error);
    return;
  }
  if (context.error_type == ResponseType::kBadRequestBody) {
    const HeaderField* type = context.request->headers.FindLast(HeaderId::kContentType);
    const auto media =
        type != nullptr ? ParseMediaType(type->value) : std::optional<MediaType>();
    lines.Say("Request body does not match model schema for content type ",
              media.has_value() ? media->essence : std::string_view("application/json"), ": ",
              context.error_validation);
    return;
  }
  bool is_null;
  const std::string_view message = ErrorMessage(context, &is_null);
  if (!is_null) lines.Say(message);
}

}  // namespace

void ForEachExecutionLine(const RequestContext& context, Lines::Take line) {
  const ExecutionTrace* trace = context.execution;
  if (trace == nullptr || trace->level() == ExecutionLevel::kOff) return;
  const bool failed = context.error_type != ResponseType::kNone;
  // Data trace asks for everything, whatever the level (rest-api.md §13.6).
  if (trace->level() == ExecutionLevel::kError && !failed && !trace->data()) return;
  const bool data = trace->data();
  Lines lines(context.request_time_ms, line);
  lines.Say("Extended Request Id: ", context.extended_request_id);
  if (failed && EndedInFront(context)) {
    lines.set_time(context.request_time_ms + context.response_latency_ms);
    SayFailure(context, lines);
    lines.Say("Method completed with status: ", context.status);
    return;
  }
  SayUsagePlan(context, lines);
  lines.Say("Starting execution for request: ", context.request_id);
  lines.Say("HTTP Method: ", context.request->method_text,
            ", Resource Path: ", context.method_path);
  if (data) {
    SayPathParameters(context, lines);
    lines.Show("Method request query string: ", trace->method_request_query());
    lines.Show("Method request headers: ", trace->method_request_headers());
    lines.Show("Method request body before transformations: ", trace->method_request_body());
  }
  // They are said of requests that validators have let pass.
  if (context.error_type != ResponseType::kBadRequestBody &&
      context.error_type != ResponseType::kBadRequestParameters) {
    for (const auto* note = trace->notes(); note != nullptr; note = note->next) {
      lines.Say(note->text);
    }
  }
  if (!trace->endpoint_uri().empty()) {
    if (data) {
      lines.Say("Endpoint request URI: ", trace->endpoint_uri());
      lines.Show("Endpoint request headers: ", trace->endpoint_request_headers());
      lines.Show("Endpoint request body after transformations: ", trace->endpoint_request_body());
    }
    lines.Say("Sending request to ", trace->endpoint_uri());
  }
  lines.set_time(context.request_time_ms + context.response_latency_ms);
  if (trace->endpoint_status() != 0) {
    lines.Say("Received response. Status: ", trace->endpoint_status(),
              ", Integration latency: ", context.integration_latency_ms, " ms");
    if (data) {
      lines.Show("Endpoint response headers: ", trace->endpoint_response_headers());
      lines.Show("Endpoint response body before transformations: ",
                 trace->endpoint_response_body());
    }
  }
  if (failed) {
    SayFailure(context, lines);
  } else {
    if (data) {
      lines.Show("Method response body after transformations: ", trace->method_response_body());
      lines.Show("Method response headers: ", trace->method_response_headers());
    }
    lines.Say("Successfully completed execution");
  }
  lines.Say("Method completed with status: ", context.status);
  if (!context.integration_request_id.empty()) {
    lines.Say("AWS Integration Endpoint RequestId : ", context.integration_request_id);
  }
  lines.Say("X-ray Tracing ID : ", TraceRoot(context));
}

void LogExecution(const ExecutionLogTarget& target, const RequestContext& context,
                  AccessLogWorker* worker) {
  const std::string& group = context.is_canary > 0 ? target.canary_group : target.group;
  ForEachExecutionLine(context, [&](std::string_view text, bool cut, int64_t time_ms) {
    // As JSON shows it, a byte that is not UTF-8 has three.
    char valid[3 * Lines::kMaxText];
    FixedSink whole(valid, sizeof(valid));
    if (!IsValidUtf8(text)) {
      AppendValidUtf8(text, whole);
      text = whole.written();
    }
    const size_t room = kMaxExecutionEvent - context.request_id.size() - 3;
    cut = cut || text.size() > room;
    if (cut) text = StartOf(text, room - kTruncated.size());
    char event[kMaxExecutionEvent];
    FixedSink message(event, sizeof(event));
    message.Append('(');
    message.Append(context.request_id);
    message.Append(") ");
    message.Append(text);
    if (cut) message.Append(kTruncated);
    char time[kIsoTimeSize];
    char buffer[kMaxLine];
    FixedSink out(buffer, sizeof(buffer));
    JsonWriter json(&out);
    json.BeginObject();
    json.PlainKey("time");
    json.String(FormatIsoTime(time_ms, time));
    json.PlainKey("log_group");
    json.String(group);
    json.PlainKey("message");
    json.String(message.written());
    json.EndObject();
    out.Append('\n');
    worker->Append(target.sink, out.written());
  });
}

}  // namespace postern
