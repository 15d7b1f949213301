#include "core/reply/cors_policy.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

std::string Applied(const CorsPolicy& policy, TestRequest& request,
                    std::string_view backend_name = "", bool preflight = false) {
  request.context.request = &request.head;
  request.context.cors_preflight = preflight;
  ResponseHead head(&request.arena);
  head.headers.Add("x-own", "1");
  if (!backend_name.empty()) head.headers.Add(backend_name, "backend");
  policy.Apply(&head, request.context);
  std::string out;
  for (const HeaderField& field : head.headers) {
    out += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return out;
}

TEST(CorsPolicyTest, NeedsBothFieldsToBeAPreflight_HttpApi13) {
  TestRequest both("OPTIONS", "/",
                   {{"Origin", "https://a"}, {"Access-Control-Request-Method", "PUT"}});
  TestRequest no_method("OPTIONS", "/", {{"Origin", "https://a"}});
  TestRequest no_origin("OPTIONS", "/", {{"Access-Control-Request-Method", "PUT"}});
  TestRequest get("GET", "/", {{"Origin", "https://a"}, {"Access-Control-Request-Method", "PUT"}});
  EXPECT_TRUE(CorsPolicy::IsPreflight(both.head));
  EXPECT_FALSE(CorsPolicy::IsPreflight(no_method.head));
  EXPECT_FALSE(CorsPolicy::IsPreflight(no_origin.head));
  EXPECT_FALSE(CorsPolicy::IsPreflight(get.head));
}

TEST(CorsPolicyTest, Headers_HttpApi13) {
  CorsPolicy::Spec spec;
  spec.allow_origins = {"https://a.example", "http://*"};
  spec.allow_methods = {"GET", "PUT"};
  spec.allow_headers = {"*"};
  spec.expose_headers = {"x-a", "x-b"};
  spec.allow_credentials = true;
  spec.max_age_s = 300;
  const CorsPolicy policy(spec);
  TestRequest from_a("GET", "/", {{"Origin", "https://a.example"}});
  EXPECT_EQ(Applied(policy, from_a),
            "x-own=1;access-control-allow-origin=https://a.example;vary=origin;"
            "access-control-allow-credentials=true;access-control-expose-headers=x-a,x-b;");
  EXPECT_EQ(Applied(policy, from_a, "", true),
            "x-own=1;access-control-allow-origin=https://a.example;vary=origin;"
            "access-control-allow-credentials=true;access-control-allow-methods=GET,PUT;"
            "access-control-allow-headers=*;access-control-max-age=300;");
  TestRequest scheme("GET", "/", {{"Origin", "http://any"}});
  EXPECT_EQ(Applied(policy, scheme).find("access-control-allow-origin=http://any;vary"), 8u);
}

TEST(CorsPolicyTest, ReplacesTheBackends_HttpApi13) {
  CorsPolicy::Spec spec;
  spec.allow_origins = {"*"};
  const CorsPolicy policy(spec);
  TestRequest with("GET", "/", {{"Origin", "https://a"}});
  EXPECT_EQ(Applied(policy, with, "Access-Control-Allow-Origin"),
            "x-own=1;access-control-allow-origin=*;");
  TestRequest without("GET", "/");
  EXPECT_EQ(Applied(policy, without, "Access-Control-Allow-Origin"),
            "x-own=1;Access-Control-Allow-Origin=backend;");
  CorsPolicy::Spec other;
  other.allow_origins = {"https://b"};
  EXPECT_EQ(Applied(CorsPolicy(other), with, "Access-Control-Allow-Origin"), "x-own=1;");
}

}  // namespace
}  // namespace postern
