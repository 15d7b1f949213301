#include "tools/postern/process_options.h"

#include <unistd.h>

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
}

Server::Options ServerOptions::ToServerOptions() const {
  FilterLimits limits;
  limits.slow_hook_ms = static_cast<uint32_t>(slow_filter_ms);
  limits.abort_on_misuse = abort_on_filter_misuse;
  return {.workers = workers,
          .admin = admin == "none" ? std::string() : admin,
          .version = std::string(kVersion),
          .drain_delay_ms = static_cast<uint32_t>(drain_delay_ms),
          .drain_timeout_ms = static_cast<uint32_t>(drain_timeout_ms),
          .stuck_filter_ms = static_cast<uint32_t>(stuck_filter_ms),
          .filter_limits = limits};
}

}  // namespace postern
