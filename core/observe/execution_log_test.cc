#include "core/observe/execution_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/context/execution_trace.h"
#include "core/context/test_request.h"

namespace postern {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ExecutionLogTest : public ::testing::Test {
 protected:
  void Begin(ExecutionLevel level, bool data) {
    trace_ = request_.arena.New<ExecutionTrace>(&request_.arena, level, data);
    RequestContext& context = request_.context;
    context.execution = trace_;
    context.request_id = "id";
    context.extended_request_id = "extended=";
    context.api_id = "abc";
    context.stage = "prod";
    context.resource_path = "/pets/{id}";
    context.method_path = "/pets/7";
    context.status = 200;
    context.response_latency_ms = 5;
    context.integration_latency_ms = 3;
    context.trace_id = "Root=1-2-3";
    trace_->SetMethodRequest(request_.head);
  }

  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    ForEachExecutionLine(request_.context, [&](std::string_view text, bool cut, int64_t) {
      lines.push_back(std::string(text) + (cut ? "…" : ""));
    });
    return lines;
  }

  TestRequest request_{"GET", "/prod/pets/7"};
  ExecutionTrace* trace_ = nullptr;
};

TEST_F(ExecutionLogTest, LinesInOrder_RestApi13_6) {
  Begin(ExecutionLevel::kInfo, false);
  trace_->AddNote("Request validation succeeded for content type application/json");
  RequestHead backend(&request_.arena);
  backend.scheme = "https";
  backend.authority = "backend";
  backend.target = "/x";
  trace_->SetEndpointRequest(backend);
  ResponseHead answer(&request_.arena);
  answer.status = 201;
  trace_->SetEndpointResponse(answer);
  request_.context.integration_request_id = "aws-id";
  EXPECT_THAT(
      Lines(),
      ElementsAre("Extended Request Id: extended=",
                  "Verifying Usage Plan for request: id. API Key:  API Stage: abc/prod",
                  "API Key  authorized because method 'GET /pets/{id}' does not require API Key. "
                  "Request will not contribute to throttle or quota limits",
                  "Usage Plan check succeeded for API Key  and API Stage abc/prod",
                  "Starting execution for request: id", "HTTP Method: GET, Resource Path: /pets/7",
                  "Request validation succeeded for content type application/json",
                  "Sending request to https://backend/x",
                  "Received response. Status: 201, Integration latency: 3 ms",
                  "Successfully completed execution", "Method completed with status: 200",
                  "AWS Integration Endpoint RequestId : aws-id", "X-ray Tracing ID : 1-2-3"));
}

TEST_F(ExecutionLogTest, Levels_RestApi13_6) {
  Begin(ExecutionLevel::kError, false);
  EXPECT_THAT(Lines(), IsEmpty());
  request_.context.error_type = ResponseType::kApiConfigurationError;
  request_.context.integration_error = "Execution failed due to configuration error: x";
  EXPECT_THAT(Lines(), Contains("Execution failed due to configuration error: x"));
  EXPECT_THAT(Lines(), Not(Contains(StartsWith("Method request headers"))));
  // With data trace everything is there.
  Begin(ExecutionLevel::kError, true);
  request_.context.error_type = ResponseType::kNone;
  EXPECT_THAT(Lines(), AllOf(Contains("Successfully completed execution"),
                             Contains("Method request headers: {Host=localhost}")));
  request_.context.execution = nullptr;
  EXPECT_THAT(Lines(), IsEmpty());
}

// rest-api.md §1.2: who is turned away in front starts no execution.
TEST_F(ExecutionLogTest, FrontHalf_RestApi13_6) {
  Begin(ExecutionLevel::kInfo, true);
  request_.context.error_type = ResponseType::kThrottled;
  request_.context.status = 429;
  request_.context.integration_error =
      "Key throttle limit exceeded for RestApi abc, Stage prod, Resource r, HttpMethod GET. Limit: "
      "1.00 Burst: 1";
  EXPECT_THAT(Lines(), ElementsAre("Extended Request Id: extended=",
                                   request_.context.integration_error,
                                   "Method completed with status: 429"));
}

TEST_F(ExecutionLogTest, WhatValidatorsFound_RestApi13_6) {
  Begin(ExecutionLevel::kError, false);
  request_.context.error_type = ResponseType::kBadRequestBody;
  request_.context.status = 400;
  trace_->AddNote("Request validation succeeded for content type application/json");
  request_.context.error_validation = "[object has missing required properties ([\"a\"])]";
  EXPECT_THAT(Lines(), Contains("Request body does not match model schema for content type "
                                "application/json: [object has missing required properties "
                                "([\"a\"])]"));
  EXPECT_THAT(Lines(), Not(Contains(StartsWith("Request validation succeeded"))));
}

TEST_F(ExecutionLogTest, LongTextsAreCut_RestApi13_6) {
  Begin(ExecutionLevel::kInfo, true);
  trace_->AddMethodRequestBody(std::string(5000, 'x'));
  EXPECT_THAT(Lines(), Contains(AllOf(StartsWith("Method request body before transformations: xxx"),
                                      ::testing::EndsWith("x…"))));
}

}  // namespace
}  // namespace postern
