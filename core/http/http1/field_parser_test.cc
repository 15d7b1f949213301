#include "core/http/http1/field_parser.h"

#include <string>
#include <string_view>

#include "core/http/http1/field_oracle.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

struct Parsed {
  BlockPool pool;
  Arena arena{&pool};
  HeaderMap headers{&arena};
  FramingFields framing;
  std::string_view error;

  explicit Parsed(std::string_view block, FieldKind kind = FieldKind::kRequest, size_t max = 100) {
    error = ParseFields(block, kind, max, &headers, &framing);
  }
  std::string fields() const {
    std::string text;
    for (const HeaderField& field : headers) {
      text.append(field.name).append("=").append(field.value).append(";");
    }
    return text;
  }
};

// RFC 9110 §5.5, §5.6.3: optional white space around a value is spaces and tabs, and no part of it.
TEST(FieldParserTest, TrimsSpacesAndTabsAroundValuesOnly) {
  Parsed parsed("A:1\r\nB: \t 2 3\t4 \t\r\nC:\r\nD: \t \r\ne!#$%&'*+-.^_`|~9:\xff\x80\r\n\r\n");
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.fields(), "A=1;B=2 3\t4;C=;D=;e!#$%&'*+-.^_`|~9=\xff\x80;");
}

TEST(FieldParserTest, EmptySection) {
  Parsed parsed("\r\n");
  EXPECT_EQ(parsed.error, "");
  EXPECT_TRUE(parsed.headers.empty());
}

// RFC 9112 §5.1: no white space between name and colon; §5: a line without a colon is no field.
TEST(FieldParserTest, RefusesWhatIsNoField) {
  for (const std::string_view line :
       {": x", "A : x", "A\t: x", "A", "A x", " A: x", "A(: x", "\"A\": x", "A/B: x", "A@: 1",
        "\xe4: x", "A{}: x", "A,B: x", "[A]: x"}) {
    const std::string block = std::string(line) + "\r\n\r\n";
    EXPECT_EQ(Parsed(block).error, "field_grammar") << line;
    EXPECT_EQ(Parsed(block, FieldKind::kResponse).error, "field_grammar") << line;
    EXPECT_EQ(Parsed(block, FieldKind::kTrailers).error, "field_grammar") << line;
  }
}

TEST(FieldParserTest, CountsEveryField) {
  EXPECT_EQ(Parsed("A: 1\r\nHost: h\r\nB: 2\r\n\r\n", FieldKind::kRequest, 3).error, "");
  EXPECT_EQ(Parsed("A: 1\r\nHost: h\r\nB: 2\r\n\r\n", FieldKind::kRequest, 2).error, "field_count");
}

// RFC 9112 §6.3, §6.1: one length, in digits; never a length beside a coding.
TEST(FieldParserTest, FramingFieldsHaveOneReading) {
  for (const std::string_view length :
       {"+1", "-1", "1,1", "1 1", "0x1", "", "1;", "1.0", "1 ,2", "9999999999999999999", "\xb2"}) {
    const std::string block = "Content-Length: " + std::string(length) + "\r\n\r\n";
    EXPECT_EQ(Parsed(block).error, "content_length") << length;
  }
  Parsed tab("Content-Length: 12\t\r\n\r\n");
  EXPECT_EQ(tab.error, "");
  EXPECT_EQ(tab.framing.content_length, 12u);
  EXPECT_EQ(Parsed("Content-Length: 1\r\ncontent-length: 1\r\n\r\n").error,
            "content_length_repeated");
  for (const std::string_view coding : {"", "gzip", "chunked, gzip", "chunked, chunked", "x y",
                                        "\"chunked\"", "chunked;q=1", "identity"}) {
    const std::string block = "Transfer-Encoding: " + std::string(coding) + "\r\n\r\n";
    EXPECT_EQ(Parsed(block).error, "transfer_encoding") << coding;
  }
  EXPECT_EQ(Parsed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n").error,
            "transfer_encoding_repeated");
  EXPECT_EQ(Parsed("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n").error,
            "length_and_coding");
  EXPECT_EQ(Parsed("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n").error,
            "length_and_coding");
}

// RFC 9110 §7.6.1.
TEST(FieldParserTest, WhatConnectionNamesDoesNotPass) {
  Parsed parsed("X-A: 1\r\nConnection: x-a, close\r\nX-B: 2\r\nConnection: X-C\r\nx-c: 3\r\n\r\n");
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.fields(), "X-B=2;");
  EXPECT_TRUE(parsed.framing.connection_close);
}

// llhttp's opinion of ordinary sections is the same.
TEST(FieldParserTest, AgreesWithLlhttp) {
  for (const std::string_view block :
       {"\r\n", "A:1\r\n\r\n", "A:  b  c \t\r\nB:\r\n\r\n", "Host: x\r\nCookie: a=b; c\r\n\r\n"}) {
    const FieldOracle oracle(block, false);
    ASSERT_TRUE(oracle.accepted()) << block;
    const Parsed parsed(block);
    EXPECT_EQ(parsed.error, "");
    EXPECT_EQ(parsed.headers.size() + parsed.framing.hosts, oracle.fields.size());
  }
}

}  // namespace
}  // namespace postern
