#include "lib/mapping/content_handling.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

constexpr std::string_view kBytes("\x01\xFF", 2);
constexpr std::string_view kEncoded = "Af8=";
constexpr std::string_view kReplaced = "\x01\xEF\xBF\xBD";

/// "text:…", "bytes:…" or "failed".
std::string Show(const ConvertedBody& body) {
  if (body.failed) return "failed";
  return (body.binary ? "bytes:" : "text:") + std::string(body.text);
}
std::string Request(std::string_view body, bool binary, ContentHandling handling) {
  std::string room = "left over from before";
  return Show(ConvertRequestBody(body, binary, handling, &room));
}
std::string Response(std::string_view body, bool binary, bool wants, ContentHandling handling) {
  std::string room = "left over from before";
  return Show(ConvertResponseBody(body, binary, wants, handling, &room));
}
std::string Text(std::string_view text) { return "text:" + std::string(text); }
std::string Bytes(std::string_view text) { return "bytes:" + std::string(text); }

using enum ContentHandling;

TEST(ContentHandlingTest, Request_RestApi10_2) {
  // Text: invalid bytes are replaced.
  EXPECT_EQ(Request(kBytes, false, kNone), Text(kReplaced));
  EXPECT_EQ(Request(kEncoded, false, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Request("plain", false, kToText), Text("plain"));
  // Binary.
  EXPECT_EQ(Request(kBytes, true, kNone), Bytes(kBytes));
  EXPECT_EQ(Request(kBytes, true, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Request(kBytes, true, kToText), Text(kEncoded));
}

TEST(ContentHandlingTest, Response_RestApi10_3) {
  EXPECT_EQ(Response(kBytes, false, false, kNone), Text(kReplaced));
  EXPECT_EQ(Response(kEncoded, false, false, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Response("plain", false, false, kToText), Text("plain"));
  EXPECT_EQ(Response(kEncoded, false, true, kNone), Bytes(kBytes));
  EXPECT_EQ(Response(kEncoded, false, true, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Response("plain", false, true, kToText), Text("plain"));
  EXPECT_EQ(Response(kBytes, true, false, kNone), Text(kEncoded));
  EXPECT_EQ(Response(kBytes, true, false, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Response(kBytes, true, false, kToText), Text(kEncoded));
  EXPECT_EQ(Response(kBytes, true, true, kNone), Bytes(kBytes));
  EXPECT_EQ(Response(kBytes, true, true, kToBinary), Bytes(kBytes));
  EXPECT_EQ(Response(kBytes, true, true, kToText), Text(kEncoded));
}

TEST(ContentHandlingTest, WhatIsNoBase64Fails_RestApi10_3) {
  EXPECT_EQ(Request("*", false, kToBinary), "failed");
  EXPECT_EQ(Response("*", false, false, kToBinary), "failed");
  EXPECT_EQ(Response("", false, false, kToBinary), "bytes:");
}

}  // namespace
}  // namespace postern
