#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "core/http/message.h"
#include "core/observe/admin_body.h"
#include "core/observe/loop_watch.h"
#include "core/observe/metrics.h"
#include "core/observe/readiness.h"

namespace postern {

/// The answer to one admin request.
struct AdminReply {
  uint16_t status = 200;
  std::string_view content_type = "application/json";  ///< static
  std::string_view allow = {};                         ///< with 405: value of Allow, static
  std::string body;
  std::unique_ptr<AdminBody> large;  ///< in place of `body`, where not null
};

/// What the admin endpoint shows and does, supplied by whoever puts the process together.
/// Everything is called on the thread that calls AdminService::Handle(). What is null or unset is
/// answered 404.
struct AdminHooks {
  MetricsRegistry* metrics = nullptr;
  const Readiness* readiness = nullptr;
  const LoopWatch* loops = nullptr;
  /// JSON of what is active, without secrets: those are named, never shown.
  absl::AnyInvocable<std::unique_ptr<AdminBody>()> config;
  /// JSON of clusters and their endpoints.
  absl::AnyInvocable<std::unique_ptr<AdminBody>()> clusters;
  /// JSON object of where the configuration comes from, for /ready. "" or unset: not shown.
  absl::AnyInvocable<std::string()> configuration;
  /// Begins a drain without ending the process. Called again for repeated requests.
  absl::AnyInvocable<void()> drain;
  /// Drains and then ends the process with code 0, as SIGTERM does.
  absl::AnyInvocable<void()> quit;
};

/// The admin endpoint (../design/users.md §2) as a function from request to answer; it knows no
/// socket. Runs on the main thread, so it answers while workers are busy: what it reads of them is
/// atomic.
///
///   GET  /            what there is
///   GET  /live        200 while every worker's loop turns, else 503 with reasons
///   GET  /ready       200 if requests should come, else 503 with reasons; ?startup=1 as /startup
///   GET  /startup     200 once the gateway has been ready, else 503 with reasons
///   GET  /metrics     Prometheus text format or OpenMetrics, by Accept
///   GET  /config      what is active
///   GET  /clusters    upstream clusters
///   POST /drain       stop being ready, finish what is under way; GET with ?graceful too, since a
///                     Kubernetes preStop hook can only GET
///   GET  /log         the log level; POST or PUT /log?level=debug sets it
///   POST /quit        drain, then end the process
///
/// HEAD is answered as GET; who writes the answer leaves its content away. A request that changes
/// something and carries an Origin comes from a page in somebody's browser and is refused with 403.
class AdminService {
 public:
  explicit AdminService(AdminHooks hooks) : hooks_(std::move(hooks)) {}

  /// `now_ms` is a monotonic clock, for MetricsRegistry::Scrape().
  AdminReply Handle(const RequestHead& request, int64_t now_ms);

 private:
  struct Endpoint;
  static const Endpoint kEndpoints[];

  AdminReply Index();
  AdminReply Live();
  AdminReply Ready(bool startup);
  AdminReply Metrics(const RequestHead& request, int64_t now_ms);
  AdminReply Drain();
  AdminReply LogLevelShown();
  AdminReply LogLevelSet(std::string_view query);
  AdminReply Quit();

  AdminHooks hooks_;
};

}  // namespace postern
