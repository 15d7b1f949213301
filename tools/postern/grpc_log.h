#pragma once

namespace postern {

/// Sends what gRPC has to say of itself to the log (core/base/log.h), as lines "grpc".
void RouteGrpcLog();

}  // namespace postern
