#include "lib/mapping/header_rules.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

namespace postern {
namespace {

using Names = std::initializer_list<std::string_view>;

TEST(HeaderRulesTest, NeverVisible_RestApi6_7) {
  for (std::string_view name :
       Names{"Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards",
             "Proxy-Authenticate", "Server", "TE", "Transfer-Encoding", "Trailer", "Upgrade",
             "WWW-Authenticate", "www-authenticate"}) {
    EXPECT_TRUE(IsHiddenRequestHeader(name)) << name;
  }
  for (std::string_view name : Names{"Accept", "Via", "Host", "Content-Encoding", "X-Any", ""}) {
    EXPECT_FALSE(IsHiddenRequestHeader(name)) << name;
  }
}

TEST(HeaderRulesTest, MappingOntoHttpBackends_RestApi6_8) {
  for (std::string_view name : Names{
           "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Content-MD5",
           "Content-Type", "Date", "Host", "Max-Forwards", "Pragma", "Range", "Server",
           "User-Agent", "Warn", "WWW-Authenticate", "Referer", "Authorization", "X-Any"}) {
    EXPECT_EQ(HttpMappingAction(name), MappedHeaderAction::kSend) << name;
  }
  // Trailer and Upgrade are "sent" by API Gateway; hop-by-hop fields never pass here.
  for (std::string_view name :
       Names{"Connection", "Expect", "Proxy-Authenticate", "TE", "Via", "Trailer", "Upgrade"}) {
    EXPECT_EQ(HttpMappingAction(name), MappedHeaderAction::kDrop) << name;
  }
  for (std::string_view name : Names{"Content-Length", "Transfer-Encoding", "x-amzn-trace-id",
                                     "X-Amzn-Apigateway-Api-Id", "content-length"}) {
    EXPECT_EQ(HttpMappingAction(name), MappedHeaderAction::kFail) << name;
  }
}

TEST(HeaderRulesTest, MappingOntoAws_RestApi6_8) {
  for (std::string_view name :
       Names{"Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding",
             "Content-MD5", "Content-Type", "Date", "Host", "Max-Forwards", "Pragma", "Range",
             "Server", "User-Agent", "Warn", "WWW-Authenticate", "X-Amz-Invocation-Type"}) {
    EXPECT_EQ(AwsMappingAction(name), MappedHeaderAction::kSend) << name;
  }
  EXPECT_EQ(AwsMappingAction("Referer"), MappedHeaderAction::kDrop);
  for (std::string_view name :
       Names{"Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE", "Content-Length",
             "Transfer-Encoding", "x-amzn-trace-id", "X-Amzn-Apigateway-Api-Id"}) {
    EXPECT_EQ(AwsMappingAction(name), MappedHeaderAction::kFail) << name;
  }
}

TEST(HeaderRulesTest, MappingOntoProxiedFunctions_RestApi6_8) {
  for (std::string_view name : Names{"Accept", "Content-Type", "Referer", "Host", "X-Any"}) {
    EXPECT_EQ(LambdaProxyMappingAction(name), MappedHeaderAction::kDrop) << name;
  }
  for (std::string_view name :
       Names{"Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE", "Content-Length",
             "Transfer-Encoding", "x-amzn-trace-id", "X-Amzn-Apigateway-Api-Id"}) {
    EXPECT_EQ(LambdaProxyMappingAction(name), MappedHeaderAction::kFail) << name;
  }
}

TEST(HeaderRulesTest, MappedResponse_RestApi8_4Column1) {
  for (std::string_view name :
       Names{"Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Type", "Pragma",
             "Range", "Referer", "Warn", "Content-Encoding", "Via", "Set-Cookie"}) {
    EXPECT_EQ(MappedResponseAction(name), ResponseHeaderAction::kPass) << name;
  }
  for (std::string_view name :
       Names{"Authorization", "Content-MD5", "Max-Forwards", "User-Agent", "WWW-Authenticate",
             "Connection", "Content-Length", "Date", "Server", "Expect", "Host",
             "Proxy-Authenticate", "Trailer", "Upgrade"}) {
    EXPECT_EQ(MappedResponseAction(name), ResponseHeaderAction::kRemap) << name;
  }
  EXPECT_EQ(MappedResponseAction("Transfer-Encoding"), ResponseHeaderAction::kDrop);
  // "as is" in API Gateway; hop-by-hop fields never pass here.
  EXPECT_EQ(MappedResponseAction("TE"), ResponseHeaderAction::kDrop);
}

}  // namespace
}  // namespace postern
