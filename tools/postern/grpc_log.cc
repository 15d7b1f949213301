#include "tools/postern/grpc_log.h"

#include <grpc/support/log.h>

#include "core/base/log.h"

namespace postern {

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kWarn
                           : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kDebug
                                                                     : LogLevel::kTrace;
    Log(level, "grpc", {{"message", args->message}});
  });
}

}  // namespace postern
