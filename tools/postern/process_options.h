#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/server/server.h"
#include "tools/postern/flags.h"

namespace postern {

/// How a process that stays logs.
struct LogOptions {
  std::string level = "info";
  std::string format = "auto";

  void Bind(FlagSet* flags);
  /// Sets the process's log up. InvalidArgument names the option that is wrong.
  absl::Status Apply() const;
};

/// The options of `run` and `sidecar` about the gateway process.
struct ServerOptions {
  std::string admin = "127.0.0.1:9901";
  uint64_t workers = 0;
  uint64_t drain_delay_ms = 0;
  uint64_t drain_timeout_ms = 25000;
  uint64_t stuck_filter_ms = 10000;
  uint64_t slow_filter_ms = 50;
  bool abort_on_filter_misuse = false;
  std::vector<std::string> aws_endpoints;  ///< URL or SERVICE=URL
  std::vector<std::string> aws_roles;      ///< ROLE=USE
  std::string aws_region = "us-east-1";    ///< where STS is asked if nothing else says so

  void Bind(FlagSet* flags);
  /// Reads the environment (AWS_*) too. InvalidArgument names the option or variable that is wrong.
  absl::StatusOr<Server::Options> ToServerOptions() const;
};

}  // namespace postern
