#include "core/context/execution_trace.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

// rest-api.md §13.6: asterisks, the last six characters visible.
TEST(MaskSecretTest, LeavesSixCharacters_RestApi13_6) {
  TestRequest request;
  EXPECT_EQ(MaskSecret("Bearer abcdefgh", &request.arena), "*********cdefgh");
  EXPECT_EQ(MaskSecret("abcdefg", &request.arena), "*bcdefg");
  EXPECT_EQ(MaskSecret("abcdef", &request.arena), "******");
  EXPECT_EQ(MaskSecret("", &request.arena), "");
}

TEST(ExecutionTraceTest, ShowsMapsAsJavaDoesAndHidesSecrets_RestApi13_6) {
  TestRequest request("GET", "/x?a=b+c&d",
                      {{"Accept", "*/*"},
                       {"AUTHORIZATION", "Bearer abcdefgh"},
                       {"X-Api-Key", "0123456789"},
                       {"x-amz-security-token", "tokentoken"}},
                      "api.example.com");
  ExecutionTrace trace(&request.arena, ExecutionLevel::kInfo, true);
  trace.SetMethodRequest(request.head);
  EXPECT_EQ(trace.method_request_query().text, "{a=b c, d=}");
  EXPECT_EQ(trace.method_request_headers().text,
            "{Host=api.example.com, Accept=*/*, AUTHORIZATION=*********cdefgh, "
            "X-Api-Key=****456789, x-amz-security-token=****ntoken}");
  EXPECT_FALSE(trace.method_request_headers().cut);
}

TEST(ExecutionTraceTest, KeepsAsMuchAsALineShows_RestApi13_6) {
  TestRequest request("GET", "/", {{"X-Long", std::string(2000, 'x')}});
  ExecutionTrace trace(&request.arena, ExecutionLevel::kInfo, true);
  trace.SetMethodRequest(request.head);
  EXPECT_TRUE(trace.method_request_headers().cut);
  EXPECT_LE(trace.method_request_headers().text.size(), ExecutionTrace::kMaxText);
  trace.AddMethodRequestBody(std::string(1000, 'a'));
  EXPECT_FALSE(trace.method_request_body().cut);
  trace.AddMethodRequestBody(std::string(1000, 'b'));
  EXPECT_TRUE(trace.method_request_body().cut);
  EXPECT_EQ(trace.method_request_body().text, std::string(1000, 'a') + std::string(24, 'b'));
  for (size_t i = 0; i < 2 * ExecutionTrace::kMaxNotes; ++i) trace.AddNote("note");
  size_t notes = 0;
  for (const auto* note = trace.notes(); note != nullptr; note = note->next) ++notes;
  EXPECT_EQ(notes, ExecutionTrace::kMaxNotes);
}

TEST(ExecutionTraceTest, KeepsNoContentWithoutDataTrace_RestApi13_6) {
  TestRequest request("GET", "/x", {{"Accept", "*/*"}});
  ExecutionTrace trace(&request.arena, ExecutionLevel::kInfo, false);
  trace.SetMethodRequest(request.head);
  trace.AddMethodRequestBody("secret");
  request.head.scheme = "https";
  trace.SetEndpointRequest(request.head);
  EXPECT_EQ(trace.method_request_headers().text, "");
  EXPECT_EQ(trace.method_request_body().text, "");
  EXPECT_EQ(trace.endpoint_request_headers().text, "");
  EXPECT_EQ(trace.endpoint_uri(), "https://localhost/x");
}

}  // namespace
}  // namespace postern
