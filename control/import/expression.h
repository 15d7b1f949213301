#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/mapping/expression.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/integration.pb.h"

namespace postern {

/// ParseRequestSource(), ParseResponseSource() and ParseGatewayResponseSource() of
/// lib/mapping/expression.h, for a snapshot.
absl::StatusOr<snapshot::v1::ValueSource> ParseRequestExpression(std::string_view text);
absl::StatusOr<snapshot::v1::ValueSource> ParseResponseExpression(std::string_view text);
absl::StatusOr<snapshot::v1::ValueSource> ParseGatewayResponseExpression(std::string_view text);

/// ParseRequestTarget(), likewise.
absl::StatusOr<snapshot::v1::RequestMapping> ParseRequestMappingTarget(std::string_view text);

/// The status of a response as a definition writes it: three digits, 2 to 5 first. 1xx has the form
/// that AWS asks for ([1-5]\d\d), but cannot end an exchange.
std::optional<uint32_t> ParseStatusCode(std::string_view text);

/// Why ParseStatusCode() refuses `text`, with the words of AWS where they fit.
std::string StatusCodeProblem(std::string_view text);

}  // namespace postern
