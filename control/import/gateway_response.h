#pragma once

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// Imports `x-amazon-apigateway-gateway-responses` (rest-api.md 4).
void ImportGatewayResponses(ImportContext& context, Node responses,
                            snapshot::v1::Deployment& deployment);

}  // namespace postern
