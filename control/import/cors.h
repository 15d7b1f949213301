#pragma once

#include "control/import/context.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// Reads `x-amazon-apigateway-cors` of an HTTP API (http-api.md 13, 17).
void ImportCors(ImportContext& context, Node value, snapshot::v1::CorsConfiguration& cors);

}  // namespace postern
