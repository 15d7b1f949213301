#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/context/execution_trace.h"
#include "core/context/request_context.h"
#include "core/integration/integration.h"
#include "core/reply/api_replies.h"
#include "core/route/route_tree.h"
#include "core/route/text_pool.h"
#include "lib/text/media_type.h"

/// What a request is routed to. Everything here is made when a snapshot is built, immutable from
/// then on, and shared by all workers. Views and pointers between these objects stay within one
/// snapshot.
namespace postern {

class AccessLogFormat;  // core/observe
class ChainPlan;        // core/filter

/// What a deployment says of one method on one resource; the same in every stage. The texts lie in
/// Deployment::text. One cache line.
struct alignas(64) MethodFacts {
  std::string_view resource_id;    ///< of an HTTP API the route key
  std::string_view resource_path;  ///< template, "/pets/{id}"; "$default"
  std::string_view operation_name;
  const std::string_view* variables = nullptr;  ///< of the template, in order
  uint32_t variable_count = 0;
  MethodMask declared = 0;

  /// As declared: "GET", "ANY", …
  std::string_view method() const { return MethodBitName(declared); }
};
static_assert(sizeof(MethodFacts) == 64);

/// A deployment, shared by all stages and canaries that point at it.
struct Deployment {
  std::string digest;
  RouteTree tree;  ///< its route numbers index `methods` and Variant::routes
  std::vector<MethodFacts> methods;
  TextPool text;
  std::unique_ptr<const ApiReplies> replies;
  /// HTTP APIs (http-api.md §3): `tree` has the routes without a greedy variable, this the others,
  /// numbered on from those; `default_route` is the number of `$default`.
  bool http_api = false;
  RouteTree greedy_tree;
  uint32_t greedy_base = 0;
  std::optional<uint32_t> default_route;
  BinaryMediaTypes binary_media_types;
  bool execute_api_endpoint_disabled = false;
};

/// One method in one stage: where a request ends up.
struct alignas(32) Route {
  const MethodFacts* facts = nullptr;
  const Integration* integration = nullptr;  ///< never null
  const ChainPlan* chain = nullptr;          ///< null: no filters
  uint32_t id = 0;  ///< dense number within the snapshot, for tables that a worker keeps beside it
  bool detailed_metrics = false;  ///< times of its own (rest-api.md §13.2, §13.8)
  bool data_trace = false;        ///< of its execution log (rest-api.md §13.6)
  ExecutionLevel logging = ExecutionLevel::kOff;
  bool tracing = false;  ///< of its stage: samples are taken (rest-api.md §13.9)
};
static_assert(sizeof(Route) == 32);

struct Api;
struct Stage;

/// A deployment in service: the main one of a stage, or its canary.
struct Variant {
  const Stage* stage = nullptr;
  std::shared_ptr<const Deployment> deployment;
  std::string deployment_id;
  int8_t is_canary = -1;  ///< as RequestContext::is_canary

  /// Sorted by name; views into `variable_text`.
  std::vector<NameValue> variables;
  std::vector<std::string> variable_text;

  std::vector<std::unique_ptr<const Integration>> integrations;
  std::vector<Route> routes;
  /// For requests that match no method: filters of the API at the points response and request, so
  /// that refusals of the router pass them too. Null: none.
  const ChainPlan* unrouted_chain = nullptr;
};

/// Where and how a stage logs its requests (rest-api.md §13.5).
struct AccessLog {
  std::shared_ptr<const AccessLogFormat> format;
  std::string file;  ///< absolute path; empty: standard output
};

/// A stage of an API.
struct Stage {
  uint32_t id = 0;  ///< dense number within the snapshot, as Route::id
  const Api* api = nullptr;
  std::string name;
  std::unique_ptr<const Variant> main;
  std::unique_ptr<const Variant> canary;  ///< may be null
  /// A request whose 32 random bits are below this goes to the canary; 2^32 sends all.
  uint64_t canary_threshold = 0;
  std::unique_ptr<const AccessLog> access_log;  ///< may be null
  bool has_execution_log = false;               ///< some method of it logs
  std::string execution_log_file;               ///< absolute path; empty: standard output
};

/// An API.
struct Api {
  std::string id;
  std::string name;
  std::string endpoint_type;  ///< $context.endpointType: "REGIONAL", "EDGE", "PRIVATE"
  bool http_api = false;
  bool is_private = false;
  std::vector<std::string> vpc_endpoint_ids;  ///< of a private API; empty: any
  std::vector<std::unique_ptr<const Stage>> stages;
};

}  // namespace postern
