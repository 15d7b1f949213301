#include "control/import/integration_uri.h"

#include <string>

#include "control/import/placeholder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(HttpUriTemplate, IsTakenApartAsWritten) {
  struct Case {
    const char* uri;
    const char* origin;
    const char* path;
  };
  for (const Case& c : {
           Case{"https://api.example.com/pets/{id}?x=${stageVariables.x}",
                "https://api.example.com", "/pets/{id}?x=${stageVariables.x}"},
           Case{"HTTP://Host:8080", "http://Host:8080", ""},
           Case{"http://h?a=b", "http://h", "?a=b"},
           Case{"http://h/p#fragment", "http://h", "/p"},
           Case{"https://${stageVariables.host}:8443/v1", "https://${stageVariables.host}:8443",
                "/v1"},
           Case{"http://${stageVariables.a/b}/c", "http://${stageVariables.a/b}", "/c"},
           Case{"http://[::1]:9000/x", "http://[::1]:9000", "/x"},
       }) {
    const auto uri = ParseHttpUriTemplate(c.uri);
    ASSERT_TRUE(uri.ok()) << c.uri << ": " << uri.status();
    EXPECT_EQ(uri->origin, c.origin);
    EXPECT_EQ(uri->path, c.path);
  }
}

// rest-api.md 6.1, with the words of AWS first.
TEST(HttpUriTemplate, RefusesWhatIsNone) {
  for (const char* uri :
       {"", "h", "//h", "ftp://h", "https://", "http:///x", "http://?x", "http://user@h/",
        "http://{host}/x", "http://a{b}.example.com/", "http://h/a b", "http://h/\n",
        "http://h\xc3\xa4", "http://a|b/", "${stageVariables.url}/x"}) {
    const auto parsed = ParseHttpUriTemplate(uri);
    ASSERT_FALSE(parsed.ok()) << uri;
    EXPECT_THAT(std::string(parsed.status().message()),
                StartsWith("Invalid HTTP endpoint specified for URI"));
  }
}

TEST(PathPlaceholders, WithoutStageVariables) {
  EXPECT_THAT(PathPlaceholders("/a/{b}/{proxy+}?c={d}&e=${stageVariables.f}&{"),
              ElementsAre("b", "proxy", "d"));
  EXPECT_THAT(PathPlaceholders("/{}/x"), ElementsAre());
}

// rest-api.md 9.1.
TEST(IntegrationArn, PathAndAction) {
  auto arn = ParseIntegrationArn("arn:aws:apigateway:eu-west-1:sqs:path/111122223333/queue:x");
  ASSERT_TRUE(arn.ok());
  EXPECT_EQ(arn->region, "eu-west-1");
  EXPECT_EQ(arn->service, "sqs");
  EXPECT_EQ(arn->subdomain, "");
  EXPECT_FALSE(arn->is_action);
  EXPECT_EQ(arn->rest, "111122223333/queue:x");
  arn = ParseIntegrationArn("arn:aws-cn:apigateway:cn-north-1:abc.execute-api:action/Do&A=b");
  ASSERT_TRUE(arn.ok());
  EXPECT_EQ(arn->service, "execute-api");
  EXPECT_EQ(arn->subdomain, "abc");
  EXPECT_TRUE(arn->is_action);
  EXPECT_EQ(arn->rest, "Do&A=b");
}

TEST(IntegrationArn, Errors) {
  for (const char* uri : {"", "arn", "arn:aws:s3:::bucket", "arn:aws:apigateway:r::path/x",
                          "http://h", "arn::apigateway:r:s:path/x"}) {
    EXPECT_EQ(std::string(ParseIntegrationArn(uri).status().message()),
              "Invalid ARN specified in the request")
        << uri;
  }
  for (const char* uri : {"arn:aws:apigateway:r:sqs", "arn:aws:apigateway:r:sqs:queue",
                          "arn:aws:apigateway:r:sqs:paths/x"}) {
    EXPECT_EQ(std::string(ParseIntegrationArn(uri).status().message()),
              "AWS ARN for integration must contain path or action")
        << uri;
  }
}

TEST(FunctionUri, EveryForm) {
  struct Case {
    const char* uri;
    const char* function;
    bool streaming;
  };
  const char* const arn = "arn:aws:lambda:eu-west-1:111122223333:function:pets";
  for (const Case& c : {
           Case{"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
                "arn:aws:lambda:eu-west-1:111122223333:function:pets/invocations",
                arn, false},
           Case{"arn:aws:apigateway:eu-west-1:lambda:path//2015-03-31/functions/pets/invocations",
                "pets", false},
           Case{"arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/pets/"
                "response-streaming-invocations",
                "pets", true},
           Case{"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
                "arn:aws:lambda:eu-west-1:111122223333:function:pets:${stageVariables.alias}/"
                "invocations",
                "arn:aws:lambda:eu-west-1:111122223333:function:pets:${stageVariables.alias}",
                false},
           Case{arn, arn, false},
       }) {
    const auto function = ParseFunctionUri(c.uri);
    ASSERT_TRUE(function.ok()) << c.uri << ": " << function.status();
    EXPECT_EQ(function->function, c.function);
    EXPECT_EQ(function->streaming, c.streaming);
  }
}

TEST(FunctionUri, Errors) {
  for (const char* uri :
       {"arn:aws:apigateway:r:sqs:path/1/q", "arn:aws:apigateway:r:lambda:action/Invoke",
        "arn:aws:apigateway:r:lambda:path/2015-03-31/functions//invocations",
        "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/f",
        "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/a/b/invocations",
        "arn:aws:apigateway:r:lambda:path/2021-11-15/functions/f/invocations"}) {
    EXPECT_THAT(std::string(ParseFunctionUri(uri).status().message()),
                HasSubstr("currently only supports Lambda function"))
        << uri;
  }
  EXPECT_EQ(std::string(ParseFunctionUri("pets").status().message()),
            "Invalid ARN specified in the request");
}

TEST(Placeholders, OfOtherToolsBecomeNames) {
  EXPECT_EQ(ResolvePlaceholders("arn:aws:apigateway:r:lambda:path/2015-03-31/functions/"
                                "${PetsFunction.Arn}/invocations")
                .text,
            "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/PetsFunction/invocations");
  EXPECT_EQ(ResolvePlaceholders("arn:aws:lambda:r:1:function:${Name}:live").text,
            "arn:aws:lambda:r:1:function:Name:live");
  const ResolvedPlaceholders alone =
      ResolvePlaceholders(" ${module.pets.aws_lambda_function.list.invoke_arn} ");
  EXPECT_TRUE(ParseFunctionUri(alone.text).ok());
  EXPECT_EQ(ParseFunctionUri(alone.text)->function, "list");
  EXPECT_THAT(alone.names, ElementsAre("list"));
}

TEST(Placeholders, StageVariablesStay) {
  const char* const text = "arn:aws:lambda:r:1:function:${stageVariables.fn}";
  EXPECT_EQ(ResolvePlaceholders(text).text, text);
  EXPECT_THAT(ResolvePlaceholders(text).names, ElementsAre());
  EXPECT_EQ(ResolvePlaceholders("${stageVariables.fn}").text, "${stageVariables.fn}");
  EXPECT_EQ(ForeignPlaceholder("http://${stageVariables.a}/${b}"), "${b}");
  EXPECT_EQ(ForeignPlaceholder("http://${stageVariables.a}/{b}"), "");
  EXPECT_EQ(ResolvePlaceholders("${").text, "${");
  EXPECT_EQ(ResolvePlaceholders("").text, "");
}

}  // namespace
}  // namespace postern
