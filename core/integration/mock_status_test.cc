#include "core/integration/mock_status.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

TEST(MockStatusTest, LenientObjects_RestApi7_9) {
  EXPECT_EQ(FindMockStatus(R"({"statusCode": 200})"), 200);
  EXPECT_EQ(FindMockStatus("{statusCode: 200}"), 200);
  EXPECT_EQ(FindMockStatus("{ statusCode: 200 }"), 200);
  EXPECT_EQ(FindMockStatus("{'statusCode':204}"), 204);
  EXPECT_EQ(FindMockStatus(R"({"a":{"statusCode":1},"b":[1,{"c":"}"}],"statusCode":404,"d":1})"),
            404);
  EXPECT_EQ(FindMockStatus("\n{\"x\": \"a\\\"b}\",\n \"statusCode\" : 999999 \n}"), 999999);
  EXPECT_EQ(FindMockStatus("{statusCode:-1}"), -1);
}

TEST(MockStatusTest, AnythingElseYieldsNone_RestApi7_9) {
  for (const char* text :
       {"", " ", "200", "[]", "{}", R"({"statusCode":"200"})", R"({"statusCode": 200.5})",
        R"({"statusCode":})", R"({"statusCode"})", R"({"StatusCode":200})",
        "{statusCode:", R"({"a":{"statusCode":200}})", R"("statusCode":200)", "{\"statusCode", "{'",
        "{[", R"({"statusCode":99999999999})", R"({"statusCode":null})", "{a:]}"}) {
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
