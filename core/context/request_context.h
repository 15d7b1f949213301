#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/context/client_certificate.h"
#include "core/context/response_type.h"
#include "core/http/message.h"

namespace postern {

class ExecutionTrace;

/// The X-Ray segment of an exchange that is sampled, by its ids of 16 hexadecimal digits.
struct TraceSegment {
  std::string_view id;
  std::string_view call_id;    ///< of the subsegment that is the call of the backend
  std::string_view parent_id;  ///< of who called the gateway; may be empty
};

/// A name and its value; both borrowed.
struct NameValue {
  std::string_view name;
  std::string_view value;
};

/// A variable that a filter has set on an exchange (var_set of api/abi/abi.h). In the exchange's
/// arena.
struct FilterVariable {
  std::string_view name;  ///< dotted, such as "authorizer.principalId" or "filter.cors.origin"
  std::string_view text;  ///< as templates and logs show it
  bool set = false;       ///< false once it was removed
  uint8_t type = 0;       ///< POSTERN_VALUE_*; core/filter alone looks at it
  int64_t number = 0;     ///< of a number or boolean; the bits of a double
  FilterVariable* next = nullptr;
};

/// Everything one exchange knows about itself: what $context, the Lambda event, gateway responses,
/// access log and metrics read. Filled in front to back as the request goes on; what is not known
/// is empty, zero or -1. Views point into the exchange's arena, its snapshot, or static memory, all
/// of which live until the exchange has been logged. Trivially destructible; lives in the arena.
struct RequestContext {
  // Which rules hold.
  bool http_api = false;   ///< those of http-api.md, from routing on
  bool by_domain = false;  ///< it came through a custom domain (HTTP APIs)

  // Who and when.
  std::string_view request_id;           ///< UUID (rest-api.md §4.5)
  std::string_view extended_request_id;  ///< 16 characters ending in '='
  int64_t request_time_ms = 0;           ///< wall clock, milliseconds since 1970
  uint64_t start_ms = 0;                 ///< the loop's monotonic clock
  std::string_view trace_id;             ///< X-Amzn-Trace-Id to send on, `Root=…` and more
  bool trace_id_from_client = false;

  // The connection.
  std::string_view source_ip;  ///< the client, after trusted hops
  std::string_view peer_ip;    ///< the TCP peer, or the PROXY protocol's source
  uint16_t local_port = 0;
  bool tls = false;
  std::string_view forwarded_proto;  ///< "http" or "https", after trusted hops
  std::string_view forwarded_port;   ///< decimal
  std::string_view tls_version;
  std::string_view cipher_suite;
  const ClientCertificate* client_certificate = nullptr;  ///< null: none was shown, or asked for
  std::string_view vpc_id;
  std::string_view vpce_id;

  // The request.
  const RequestHead* request = nullptr;
  std::string_view path;  ///< $context.path: with stage or base path (rest-api.md §2.3, `cp`)
  std::string_view method_path;  ///< path that was matched, without them (`p`)
  std::string_view domain_name;
  std::string_view domain_prefix;
  std::string_view user_agent;
  uint64_t request_bytes = 0;  ///< content received

  // Where it was routed. Views into the snapshot.
  std::string_view account_id;
  std::string_view region;
  std::string_view partition;
  std::string_view api_id;
  std::string_view api_name;
  std::string_view stage;
  std::string_view deployment_id;
  std::string_view resource_id;    ///< of an HTTP API the route key, "GET /pets/{id}"
  std::string_view resource_path;  ///< template, e.g. /pets/{id}
  std::string_view route_method;   ///< as declared: a method or ANY
  std::string_view operation_name;
  std::string_view endpoint_type;
  std::string_view base_path_matched;
  std::string_view routing_rule_id_matched;
  int8_t is_canary = -1;                   ///< -1: the stage has no canary
  const NameValue* path_params = nullptr;  ///< in template order, values raw
  size_t path_param_count = 0;
  const NameValue* stage_variables = nullptr;  ///< sorted by name
  size_t stage_variable_count = 0;

  // What became of it.
  ResponseType error_type = ResponseType::kNone;
  std::string_view error_message;     ///< without quotes; see error_message_null
  bool error_message_null = false;    ///< $context.error.messageString is null
  std::string_view error_validation;  ///< $context.error.validationErrorString
  std::string_view error_detail;      ///< short token for logs, e.g. "upstream:connect_refused"
  uint16_t status = 0;                ///< of the response sent
  uint64_t response_bytes = 0;        ///< content sent
  std::string_view integration_error;
  uint16_t integration_status = 0;          ///< $context.integration.status
  uint16_t integration_service_status = 0;  ///< $context.integration.integrationStatus
  int64_t integration_latency_ms = -1;
  int64_t response_latency_ms = -1;
  int64_t time_to_all_headers_ms = -1;
  int64_t time_to_first_content_ms = -1;
  std::string_view integration_request_id;
  bool response_streamed = false;
  bool response_trace_id = false;  ///< the response gets an X-Amzn-Trace-Id (rest-api.md §4.5)
  uint8_t upstream_attempts = 0;
  FilterVariable* filter_variables = nullptr;  ///< what filters have set, newest first
  ExecutionTrace* execution = nullptr;         ///< null: neither logged nor traced
  const TraceSegment* segment = nullptr;       ///< null: not sampled (rest-api.md §13.9)
};

}  // namespace postern
