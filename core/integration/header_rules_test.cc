#include "core/integration/header_rules.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/context/test_request.h"

namespace postern {
namespace {

using Names = std::initializer_list<std::string_view>;

TEST(HeaderRulesTest, HttpProxyPassesAndDrops_RestApi6_7) {
  for (std::string_view name :
       Names{"Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Type", "Date", "Pragma",
             "Range", "Referer", "User-Agent", "Warn", "Authorization", "Cookie", "X-Api-Key"}) {
    EXPECT_FALSE(IsDroppedTowardsHttpProxy(LookupHeader(name))) << name;
  }
  for (std::string_view name : Names{"Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate",
                                     "Server", "TE", "Trailer", "Upgrade", "WWW-Authenticate",
                                     "Transfer-Encoding", "Via", "Connection", "Host"}) {
    EXPECT_TRUE(IsDroppedTowardsHttpProxy(LookupHeader(name))) << name;
  }
}

TEST(HeaderRulesTest, LambdaKeepsViaAndContentEncoding_RestApi9_2) {
  for (std::string_view name : Names{"Via", "Content-Encoding", "Content-Type", "Accept",
                                     "Authorization", "X-Amzn-Apigateway-Api-Id"}) {
    EXPECT_FALSE(IsDroppedTowardsLambda(LookupHeader(name))) << name;
  }
  for (std::string_view name :
       Names{"Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards",
             "Proxy-Authenticate", "Server", "TE", "Transfer-Encoding", "Trailer", "Upgrade",
             "WWW-Authenticate"}) {
    EXPECT_TRUE(IsDroppedTowardsLambda(LookupHeader(name))) << name;
  }
}

TEST(HeaderRulesTest, SigV4IsRecognised_RestApi6_7) {
  EXPECT_TRUE(IsSigV4("AWS4-HMAC-SHA256 Credential=A/1/r/s/aws4_request, Signature=0"));
  EXPECT_FALSE(IsSigV4("Bearer AWS4-HMAC-SHA256"));
  EXPECT_FALSE(IsSigV4("AWS4-HMAC-SHA256"));
}

TEST(HeaderRulesTest, ProxyResponse_RestApi8_4Column2) {
  for (std::string_view name :
       Names{"Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Type", "Pragma",
             "Range", "Referer", "Warn", "Content-Encoding", "Set-Cookie", "X-Amzn-Trace-Id",
             "x-amzn-ErrorType", "X-Any"}) {
    EXPECT_EQ(ProxyResponseAction(LookupHeader(name)), ResponseHeaderAction::kPass) << name;
  }
  for (std::string_view name :
       Names{"Authorization", "Content-MD5", "Max-Forwards", "User-Agent", "WWW-Authenticate",
             "Content-Length", "Date", "Server", "x-amzn-RequestId"}) {
    EXPECT_EQ(ProxyResponseAction(LookupHeader(name)), ResponseHeaderAction::kRemap) << name;
  }
  for (std::string_view name : Names{"Expect", "Host", "Proxy-Authenticate", "Trailer", "Upgrade",
                                     "TE", "Transfer-Encoding", "Via"}) {
    EXPECT_EQ(ProxyResponseAction(LookupHeader(name)), ResponseHeaderAction::kDrop) << name;
  }
}

TEST(HeaderRulesTest, ProxyResponseIsRenamedAsSpelled_RestApi8_4) {
  TestRequest request;
  ResponseHead head(&request.arena);
  head.headers.Add("Date", "d");
  head.headers.Add("sErVer", "s");
  head.headers.Add("x-amzn-RequestId", "r");
  head.headers.Add("Via", "v");
  head.headers.Add("Set-Cookie", "a=1");
  head.headers.Add("Set-Cookie", "b=2");
  head.connection = "keep-alive";
  head.content_length = 1234567890123;
  head.has_content_length = true;
  RemapProxyResponse(&head, &request.arena);
  std::string all;
  for (const HeaderField& field : head.headers) {
    all += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  EXPECT_EQ(all,
            "x-amzn-Remapped-Date=d;x-amzn-Remapped-sErVer=s;x-amzn-Remapped-x-amzn-RequestId=r;"
            "Set-Cookie=a=1;Set-Cookie=b=2;x-amzn-Remapped-Connection=keep-alive;"
            "x-amzn-Remapped-Content-Length=1234567890123;");
  EXPECT_EQ(head.headers.Find(HeaderId::kDate), nullptr);
}

}  // namespace
}  // namespace postern
