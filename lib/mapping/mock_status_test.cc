#include "lib/mapping/mock_status.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

TEST(MockStatusTest, LenientObjects_RestApi7_9) {
  for (const char* text :
       {"{\"statusCode\": 200}", "{statusCode: 200}", "{ statusCode:200 }", "{'statusCode': 200}",
        "{\n  \"statusCode\" : 200\n}\n", "{\"a\": \"}\", \"statusCode\": 200}",
        "{\"statusCode\": 200, \"x\": {\"statusCode\": 1, \"y\": [1, {}]}}",
        "{\"x\": {\"statusCode\": 404}, \"statusCode\": 200}", "{a: b, statusCode: 200}",
        "{\"e\\\"\": 1, \"statusCode\": 200}", "{statusCode: 1, statusCode: 200}"}) {
    EXPECT_EQ(FindMockStatus(text), 200) << text;
  }
  EXPECT_EQ(FindMockStatus(R"({"a":{"statusCode":1},"b":[1,{"c":"}"}],"statusCode":404,"d":1})"),
            404);
  EXPECT_EQ(FindMockStatus("\n{\"x\": \"a\\\"b}\",\n \"statusCode\" : 999999 \n}"), 999999);
  EXPECT_EQ(FindMockStatus("{statusCode:-1}"), -1);
}

TEST(MockStatusTest, AnythingElseYieldsNone_RestApi7_9) {
  for (const char* text : {"",
                           " ",
                           "200",
                           "[]",
                           "{}",
                           R"({"statusCode":"200"})",
                           R"({"statusCode": 200.5})",
                           "{statusCode: 2e2}",
                           "{statusCode: +200}",
                           "{statusCode 200}",
                           R"({"statusCode":})",
                           R"({"statusCode"})",
                           R"({"StatusCode":200})",
                           "{statusCode:",
                           R"({"a":{"statusCode":200}})",
                           R"("statusCode":200)",
                           "{\"statusCode",
                           "{'",
                           "{[",
                           "{:}",
                           R"({"statusCode":99999999999})",
                           R"({"statusCode":null})",
                           "{\"statusCode\": 200",
                           "{\"statusCode\": 200} x",
                           "{a:]}",
                           "not json"}) {
    EXPECT_EQ(FindMockStatus(text), std::nullopt) << text;
  }
}

TEST(MockStatusTest, EveryPrefixEnds) {
  const std::string text = R"({"x":"a\"b\\",'y':[{},{"z":1}],statusCode:200,"w":"\)";
  for (size_t size = 0; size <= text.size(); ++size) {
    FindMockStatus(std::string_view(text).substr(0, size));
  }
}

}  // namespace
}  // namespace postern
