#include "core/context/response_type.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(ResponseTypeTest, NamesRoundTrip_RestApi4_1) {
  for (size_t i = 1; i <= static_cast<size_t>(ResponseType::kWafFiltered); ++i) {
    const auto type = static_cast<ResponseType>(i);
    EXPECT_EQ(ParseResponseType(InfoOf(type).name), type);
  }
}

TEST(ResponseTypeTest, TypesWithoutApiCannotBeNamed) {
  EXPECT_EQ(ParseResponseType("FORBIDDEN"), ResponseType::kNone);
  EXPECT_EQ(ParseResponseType("INCOMPLETE_SIGNATURE"), ResponseType::kNone);
  EXPECT_EQ(ParseResponseType(""), ResponseType::kNone);
  EXPECT_EQ(ParseResponseType("unauthorized"), ResponseType::kNone);
}

struct Row {
  ResponseType type;
  int status;
  std::string_view message;
  std::string_view error_type;
};

class ResponseTypeTableTest : public testing::TestWithParam<Row> {};

TEST_P(ResponseTypeTableTest, Facts_RestApi4_1) {
  const ResponseTypeInfo& info = InfoOf(GetParam().type);
  EXPECT_EQ(info.status, GetParam().status);
  EXPECT_EQ(info.message, GetParam().message);
  EXPECT_EQ(info.error_type, GetParam().error_type);
  EXPECT_EQ(info.is_5xx, info.status >= 500);
}

INSTANTIATE_TEST_SUITE_P(
    RestApi4_1, ResponseTypeTableTest,
    testing::Values(
        Row{ResponseType::kAccessDenied, 403, "User is not authorized to access this resource",
            "AccessDeniedException"},
        Row{ResponseType::kApiConfigurationError, 500, "Internal server error",
            "InternalServerErrorException"},
        Row{ResponseType::kAuthorizerConfigurationError, 500, "",
            "AuthorizerConfigurationException"},
        Row{ResponseType::kBadRequestBody, 400, "Invalid request body", "BadRequestException"},
        Row{ResponseType::kDefault5xx, 500, "Internal server error",
            "InternalServerErrorException"},
        Row{ResponseType::kIntegrationTimeout, 504, "Endpoint request timed out",
            "InternalServerErrorException"},
        Row{ResponseType::kInvalidApiKey, 403, "Forbidden", "ForbiddenException"},
        Row{ResponseType::kMissingAuthenticationToken, 403, "Missing Authentication Token",
            "MissingAuthenticationTokenException"},
        Row{ResponseType::kQuotaExceeded, 429, "Limit Exceeded", "LimitExceededException"},
        Row{ResponseType::kThrottled, 429, "Too Many Requests", "TooManyRequestsException"},
        Row{ResponseType::kUnauthorized, 401, "Unauthorized", "UnauthorizedException"},
        Row{ResponseType::kUnsupportedMediaType, 415, "Unsupported Media Type",
            "BadRequestException"},
        Row{ResponseType::kWafFiltered, 403, "Forbidden", "ForbiddenException"}));

}  // namespace
}  // namespace postern
