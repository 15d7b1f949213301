#include "tools/postern/process_options.h"

#include <unistd.h>

#include <utility>

#include "core/base/log.h"
#include "tools/postern/version.h"

namespace postern {

void LogOptions::Bind(FlagSet* flags) {
  flags->String("log-level", "LEVEL", "trace, debug, info (default), warn, error or off.", &level);
  flags->String("log-format", "FORMAT", "json, text, or auto (default): text on a terminal.",
                &format);
}

absl::Status LogOptions::Apply() const {
  LogLevel parsed;
  if (!ParseLogLevel(level, &parsed)) {
    return absl::InvalidArgumentError("--log-level " + level +
                                      ": write trace, debug, info, warn, error or off");
  }
  SetLogLevel(parsed);
  if (format != "json" && format != "text" && format != "auto") {
    return absl::InvalidArgumentError("--log-format " + format + ": write json, text or auto");
  }
  const bool text = format == "text" || (format == "auto" && ::isatty(2) == 1);
  SetLogFormat(text ? LogFormat::kText : LogFormat::kJson);
  return absl::OkStatus();
}

void ServerOptions::Bind(FlagSet* flags) {
  flags->String("admin", "ADDR:PORT",
                "The admin endpoint: probes, metrics, what is active. Default 127.0.0.1:9901; none "
                "turns it off.",
                &admin);
  flags->Number("workers", "N", "Threads that serve. Default: the CPU quota.", 1, 1024, &workers);
  flags->Number("drain-delay", "MS",
                "On SIGTERM, time between not being ready and refusing connections. Default 0.", 0,
                600'000, &drain_delay_ms);
  flags->Number("drain-timeout", "MS",
                "Longest time that connections have to end after that. Default 25000.", 0,
                3'600'000, &drain_timeout_ms);
  flags->Number(
      "stuck-filter", "MS",
      "Longest time that one call into a filter module may take; then it is named and the "
      "process ends, since a thread that does not come back serves nobody. 0: for ever. "
      "Default 10000.",
      0, 3'600'000, &stuck_filter_ms);
  flags->Number("slow-filter", "MS",
                "A call into a filter that takes longer is logged. Default 50.", 1, 3'600'000,
                &slow_filter_ms);
  flags->Switch("abort-on-filter-misuse",
                "End the process when a filter breaks a rule of the ABI, instead of refusing the "
                "call, counting and logging it. For tests of filters.",
                &abort_on_filter_misuse);
  flags->Strings(
      "aws-endpoint", "[SERVICE=]URL",
      "Where AWS services are called, all or one (s3, sqs, dynamodb, sts, ...), in place "
      "of AWS: an emulator, a proxy. Default: the environment variables "
      "AWS_ENDPOINT_URL_<SERVICE> and AWS_ENDPOINT_URL. May be repeated.",
      &aws_endpoints);
  flags->Strings("aws-role", "ROLE=USE",
                 "What to do about the role (an ARN, * and ? allowed) that an integration with an "
                 "AWS service has for its credentials: assume (default) by STS with the gateway's "
                 "own credentials; gateway, which signs with those; profile:NAME of the shared "
                 "AWS files. May be repeated; the first that matches counts.",
                 &aws_roles);
}

absl::StatusOr<Server::Options> ServerOptions::ToServerOptions() const {
  FilterLimits limits;
  limits.slow_hook_ms = static_cast<uint32_t>(slow_filter_ms);
  limits.abort_on_misuse = abort_on_filter_misuse;
  CredentialService::Options credentials;
  credentials.surroundings = CredentialSurroundings::OfProcess();
  credentials.region = aws_region;
  for (const std::string& text : aws_endpoints) {
    if (absl::Status status = credentials.endpoints.Add(text); !status.ok()) {
      return absl::InvalidArgumentError("--aws-endpoint " + std::string(status.message()));
    }
  }
  if (credentials.surroundings.Get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true") {
    for (const auto& [name, value] : credentials.surroundings.environment) {
      absl::Status status = credentials.endpoints.AddEnvironment(name, value);
      if (!status.ok()) return status;
    }
  }
  for (const std::string& text : aws_roles) {
    absl::StatusOr<RoleUse> use = RoleUse::Parse(text);
    if (!use.ok()) {
      return absl::InvalidArgumentError("--aws-role " + std::string(use.status().message()));
    }
    credentials.roles.push_back(*std::move(use));
  }
  return Server::Options{.workers = workers,
                         .admin = admin == "none" ? std::string() : admin,
                         .version = std::string(kVersion),
                         .drain_delay_ms = static_cast<uint32_t>(drain_delay_ms),
                         .drain_timeout_ms = static_cast<uint32_t>(drain_timeout_ms),
                         .credentials = std::move(credentials),
                         .stuck_filter_ms = static_cast<uint32_t>(stuck_filter_ms),
                         .filter_limits = limits};
}

}  // namespace postern
