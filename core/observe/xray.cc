#include "core/observe/xray.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "core/context/execution_trace.h"
#include "core/context/trace_id.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {
namespace {

constexpr std::string_view kHeader = "{\"format\":\"json\",\"version\":1}\n";
// Five of a hundred.
constexpr uint32_t kFixedRate = UINT32_MAX / 20;

/// The part that is said after "udp:", or the whole of what names no protocol.
std::string_view UdpAddress(std::string_view address) {
  std::string_view found;
  while (!address.empty()) {
    const size_t space = std::min(address.find(' '), address.size());
    std::string_view part = address.substr(0, space);
    address.remove_prefix(std::min(space + 1, address.size()));
    if (part.starts_with("tcp:")) continue;
    if (part.starts_with("udp:")) part.remove_prefix(4);
    if (!part.empty()) found = part;
  }
  return found;
}

/// Seconds since 1970 with milliseconds, as X-Ray has them.
void AppendTime(JsonWriter& json, int64_t ms) {
  char text[32];
  const int size = std::snprintf(text, sizeof(text), "%lld.%03d", static_cast<long long>(ms / 1000),
                                 static_cast<int>(ms % 1000));
  json.Raw({text, static_cast<size_t>(size)});
}

void AppendOutcome(JsonWriter& json, uint16_t status) {
  if (status == 429) {
    json.PlainKey("throttle");
    json.Bool(true);
  }
  if (status < 400) return;
  json.PlainKey(status < 500 ? "error" : "fault");
  json.Bool(true);
}

void AppendRequest(JsonWriter& json, std::string_view url, std::string_view method) {
  json.PlainKey("request");
  json.BeginObject();
  json.PlainKey("url");
  json.String(url);
  json.PlainKey("method");
  json.String(method);
}

/// What is behind a URI: its host, or a function of Lambda.
struct Backend {
  std::string_view name;
  std::string_view function;  // empty: none
};

Backend BackendOf(std::string_view uri) {
  constexpr std::string_view kFunctions = "/2015-03-31/functions/";
  std::string_view rest = uri.substr(std::min(uri.find("://") + 3, uri.size()));
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view path = rest.substr(slash);
  if (!path.starts_with(kFunctions)) return {rest.substr(0, slash), {}};
  const std::string_view name = path.substr(kFunctions.size());
  return {"Lambda", name.substr(0, name.find('/'))};
}

// The call of the backend. Its times are made from what the exchange has measured: it ended when
// the answer had come, at the latest when the exchange did.
void AppendSubsegment(JsonWriter& json, const RequestContext& context, int64_t end_ms) {
  const Backend backend = BackendOf(context.execution->endpoint_uri());
  json.PlainKey("subsegments");
  json.BeginArray();
  json.BeginObject();
  json.PlainKey("id");
  json.String(context.segment->call_id);
  json.PlainKey("name");
  json.String(backend.name);
  json.PlainKey("namespace");
  json.String(backend.function.empty() ? "remote" : "aws");
  json.PlainKey("start_time");
  AppendTime(json, end_ms - std::max<int64_t>(context.integration_latency_ms, 0));
  json.PlainKey("end_time");
  AppendTime(json, end_ms);
  json.PlainKey("http");
  json.BeginObject();
  // Without the query, which may be secret.
  const std::string_view uri = context.execution->endpoint_uri();
  AppendRequest(json, uri.substr(0, uri.find('?')), context.execution->endpoint_method());
  json.EndObject();
  if (context.integration_service_status != 0) {
    json.PlainKey("response");
    json.BeginObject();
    json.PlainKey("status");
    json.Uint(context.integration_service_status);
    json.EndObject();
  }
  json.EndObject();
  if (!backend.function.empty()) {
    json.PlainKey("aws");
    json.BeginObject();
    json.PlainKey("function_name");
    json.String(backend.function);
    json.PlainKey("operation");
    json.String("Invoke");
    json.EndObject();
  }
  AppendOutcome(json, context.integration_service_status);
  json.EndObject();
  json.EndArray();
}

}  // namespace

std::string_view WriteSegment(const RequestContext& context, char* buffer, size_t size) {
  const TraceSegment& segment = *context.segment;
  FixedSink sink(buffer, size);
  sink.Append(kHeader);
  JsonWriter json(&sink);
  const int64_t end_ms =
      context.request_time_ms + std::max<int64_t>(context.response_latency_ms, 0);
  Arena* const arena = context.request->headers.arena();
  json.BeginObject();
  json.PlainKey("name");
  json.String(arena->Concat(context.api_name, "/", context.stage));
  json.PlainKey("id");
  json.String(segment.id);
  json.PlainKey("trace_id");
  json.String(TraceRoot(context));
  if (!segment.parent_id.empty()) {
    json.PlainKey("parent_id");
    json.String(segment.parent_id);
  }
  json.PlainKey("start_time");
  AppendTime(json, context.request_time_ms);
  json.PlainKey("end_time");
  AppendTime(json, end_ms);
  json.PlainKey("origin");
  json.String("AWS::ApiGateway::Stage");
  json.PlainKey("resource_arn");
  json.String(arena->Concat("arn:", context.partition, ":apigateway:", context.region,
                            "::/restapis/", context.api_id, "/stages/", context.stage));
  json.PlainKey("http");
  json.BeginObject();
  AppendRequest(json,
                arena->Concat(context.forwarded_proto, "://", context.domain_name, context.path),
                context.request->method_text);
  json.PlainKey("client_ip");
  json.String(context.source_ip);
  json.PlainKey("x_forwarded_for");
  json.Bool(context.source_ip != context.peer_ip);
  json.EndObject();
  json.PlainKey("response");
  json.BeginObject();
  json.PlainKey("status");
  json.Uint(context.status);
  json.PlainKey("content_length");
  json.Uint(context.response_bytes);
  json.EndObject();
  json.EndObject();
  AppendOutcome(json, context.status);
  json.PlainKey("annotations");
  json.BeginObject();
  json.PlainKey("aws:api_id");
  json.String(context.api_id);
  json.PlainKey("aws:api_stage");
  json.String(context.stage);
  json.EndObject();
  json.PlainKey("aws");
  json.BeginObject();
  json.PlainKey("api_gateway");
  json.BeginObject();
  json.PlainKey("account_id");
  json.String(context.account_id);
  json.PlainKey("rest_api_id");
  json.String(context.api_id);
  json.PlainKey("stage");
  json.String(context.stage);
  json.PlainKey("request_id");
  json.String(context.request_id);
  json.EndObject();
  json.PlainKey("xray");
  json.BeginObject();
  json.PlainKey("sampling_rule_name");
  json.String("Default");
  json.EndObject();
  json.EndObject();
  json.PlainKey("metadata");
  json.BeginObject();
  json.PlainKey("default");
  json.BeginObject();
  json.PlainKey("extended_request_id");
  json.String(context.extended_request_id);
  json.PlainKey("request_id");
  json.String(context.request_id);
  json.EndObject();
  json.EndObject();
  if (!context.execution->endpoint_uri().empty()) AppendSubsegment(json, context, end_ms);
  json.EndObject();
  return sink.failed() ? std::string_view{} : sink.written();
}

absl::Status XRayTracer::Connect(std::string_view address) {
  const std::string_view text = UdpAddress(address);
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0 || colon + 1 == text.size()) {
    return absl::InvalidArgumentError(
        Concat("AWS_XRAY_DAEMON_ADDRESS \"", address, "\": write HOST:PORT"));
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(std::string(host).c_str(),
                                  std::string(text.substr(colon + 1)).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(Concat("X-Ray daemon ", text, ": ", ::gai_strerror(error)));
  }
  int fd = -1;
  int failure = 0;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = ::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && ::connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
    failure = errno;
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  ::freeaddrinfo(found);
  if (fd < 0) return absl::ErrnoToStatus(failure, Concat("X-Ray daemon ", text));
  fd_.store(fd, std::memory_order_relaxed);
  return absl::OkStatus();
}

XRayTracer::~XRayTracer() {
  if (connected()) ::close(fd_.load(std::memory_order_relaxed));
}

bool XRayTracer::Sample(int64_t now_ms, uint32_t random) {
  const int64_t second = now_ms / 1000;
  return last_second_.exchange(second, std::memory_order_relaxed) != second || random < kFixedRate;
}

void XRayTracer::Send(const RequestContext& context) {
  char buffer[kMaxDatagram];
  const std::string_view datagram = WriteSegment(context, buffer, sizeof(buffer));
  const bool sent = !datagram.empty() && connected() &&
                    ::send(fd_.load(std::memory_order_relaxed), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                        static_cast<ssize_t>(datagram.size());
  (sent ? sent_ : lost_).fetch_add(1, std::memory_order_relaxed);
}

void XRayTracer::Collect(MetricsSink* sink) {
  sink->Counter({"postern_xray_segments", "Segments handed to the X-Ray daemon's socket."}, {},
                sent_.load(std::memory_order_relaxed));
  sink->Counter({"postern_xray_segments_lost", "Segments that the socket did not take."}, {},
                lost_.load(std::memory_order_relaxed));
}

}  // namespace postern
