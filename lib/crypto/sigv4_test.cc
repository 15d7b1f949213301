#include "lib/crypto/sigv4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "rapidjson/document.h"

namespace postern::sigv4 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

// authorization.md §1.7, table of paths.
TEST(SigV4Test, CanonicalPath) {
  EXPECT_EQ(CanonicalPath(""), "/");
  EXPECT_EQ(CanonicalPath("/"), "/");
  EXPECT_EQ(CanonicalPath("/dev/%40connections/asnFYeJtCGYCEZQ%3D"),
            "/dev/%2540connections/asnFYeJtCGYCEZQ%253D");
  EXPECT_EQ(CanonicalPath("/dev/@connections/ZDb-VclrIAMCJ3w="),
            "/dev/%40connections/ZDb-VclrIAMCJ3w%3D");
  EXPECT_EQ(CanonicalPath("/$default/x"), "/%24default/x");
  EXPECT_EQ(CanonicalPath("/prod/pets/a%20b"), "/prod/pets/a%2520b");
  EXPECT_EQ(CanonicalPath("/a//b/./c/../d/"), "/a/b/d/");
  EXPECT_EQ(CanonicalPath("/.."), "/");
  EXPECT_EQ(CanonicalPath("/a/.."), "/");
  EXPECT_EQ(CanonicalPath("/a/b/.."), "/a/");
  EXPECT_EQ(CanonicalPath("/a/."), "/a/");
  EXPECT_EQ(CanonicalPath("/../../a"), "/a");
  EXPECT_EQ(CanonicalPath("/a//b", PathForm::kAsSent), "/a//b");
  // authorization.md §12.1, vector O3: S3 leaves an encoded path as it is.
  EXPECT_EQ(CanonicalPath("/a%20b//c/../d%2Be", PathForm::kOnce), "/a%20b//c/../d%2Be");
  EXPECT_EQ(CanonicalPath("/a b+@%zz%", PathForm::kOnce), "/a%20b%2B%40%25zz%25");
  EXPECT_EQ(CanonicalPath("/%7e%2f", PathForm::kOnce), "/~/");
  EXPECT_EQ(CanonicalPath("", PathForm::kOnce), "/");
}

// authorization.md §1.7, table of queries.
TEST(SigV4Test, CanonicalQuery) {
  EXPECT_EQ(CanonicalQuery(""), "");
  EXPECT_EQ(CanonicalQuery("$filter=id%20eq%20123&a=2&a=1&b"),
            "%24filter=id%20eq%20123&a=1&a=2&b=");
  EXPECT_EQ(CanonicalQuery("Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
            "%E1%88%B4=Value1&Param=Value2&Param-3=Value3");
  EXPECT_EQ(CanonicalQuery("\xe1\x88\xb4=bar"), "%E1%88%B4=bar");
  EXPECT_EQ(CanonicalQuery("&&a=x/y&"), "a=x%2Fy");
  EXPECT_EQ(CanonicalQuery("a=1+2"), "a=1%202");
  EXPECT_EQ(CanonicalQuery("a=b=c"), "a=b%3Dc");
  EXPECT_EQ(CanonicalQuery("b=2&X-Amz-Signature=x&a=1", "X-Amz-Signature"), "a=1&b=2");
}

// authorization.md §1.7, headers.
TEST(SigV4Test, CanonicalFields) {
  const Field fields[] = {
      {"Host", "h"}, {"My-Header", "  a   b \t c "}, {"My-header", "z"}, {"Unsigned", "u"}};
  const Request request = {"GET", "/", "", fields, kEmptyPayloadHash};
  EXPECT_EQ(CanonicalRequest(request, "host;missing;my-header"),
            "GET\n/\n\nhost:h\nmissing:\nmy-header:a b c,z\n\nhost;missing;my-header\n" +
                std::string(kEmptyPayloadHash));
  EXPECT_EQ(SignedNames(fields), "host;my-header;unsigned");
}

TEST(SigV4Test, AmzDate) {
  EXPECT_EQ(AmzDate(1440938160), "20150830T123600Z");
  EXPECT_EQ(AmzDate(0), "19700101T000000Z");
  EXPECT_EQ(AmzDate(951782399), "20000228T235959Z");
  EXPECT_EQ(AmzDate(951782400), "20000229T000000Z");
}

std::string ServerSignature(const Request& request, std::string_view names,
                            std::string_view drop = {}) {
  const Scope scope = {"20150830", "us-east-1", "execute-api"};
  return Signature(SigningKey(kSecret, scope),
                   StringToSign("20150830T123600Z", scope,
                                CanonicalRequest(request, names, PathForm::kNormalized, drop)));
}

// authorization.md §1.13, vectors E1 to E8.
TEST(SigV4Test, ExecuteApiVectors) {
  EXPECT_EQ(DigestToHex(SigningKey(kSecret, {"20150830", "us-east-1", "execute-api"})),
            "93b1c5eb2fe9ca2ea35c60c8c2216092743113fd16a90223462cdd68ec95b5a7");
  EXPECT_EQ(DigestToHex(SigningKey(kSecret, {"20150830", "us-east-1", "service"})),
            "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75");
  const Field fields[] = {{"Host", "abc123.execute-api.us-east-1.amazonaws.com"},
                          {"X-Amz-Date", "20150830T123600Z"}};
  const std::string_view names = "host;x-amz-date";
  EXPECT_EQ(ServerSignature({"POST", "/dev/%40connections/asnFYeJtCGYCEZQ%3D", "", fields,
                             Sha256Hex("{\"a\":1}")},
                            names),
            "10beda81ffe04a9405be9f6c5ec1929906c4032144f26f2477a832f26bebd19e");
  const std::pair<std::string_view, std::string_view> gets[] = {
      {"/prod/pets/a%20b", "6653d509f6ed23f2b5ef1d5360def7193e172d32a38c44d77be12d5b11d27b52"},
      {"/prod/pets/a b", "a43cd9289ca02d17e90389a5711b96d64a063eb08f59314e7d2751a8f8b3fa56"},
      {"/dev/@connections/ZDb-VclrIAMCJ3w=",
       "d0d8a5111b68fd1d8ee7f6072c34affbc2565911b5b0b0e8d68d6affc0c80d05"},
      {"/prod//pets/./x/../y/", "27b37f2785ed929634a13a257d366789b40695c4f8e29b65c259545113f67de0"},
  };
  for (const auto& [path, signature] : gets) {
    EXPECT_EQ(ServerSignature({"GET", path, "", fields, kEmptyPayloadHash}, names), signature)
        << path;
  }
  EXPECT_EQ(ServerSignature({"GET", "/prod/pets", "%24filter=id%20eq%20123&a=2&a=1&b=", fields,
                             kEmptyPayloadHash},
                            names),
            "e0213ae9fbcfbf7154d7df951ccbde0f242219cb07d4101a1232dae70c909007");
  EXPECT_EQ(
      ServerSignature(
          {"GET", "/prod/pets",
           "b=2&a=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2F"
           "us-east-1%2Fexecute-api%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=300&"
           "X-Amz-SignedHeaders=host&X-Amz-Signature=whatever",
           fields, kEmptyPayloadHash},
          "host", "X-Amz-Signature"),
      "03759693cf244dfd51407e2a98efda125fa78d39f18dfb97efc3380c532f9e77");
  const Field with_token[] = {fields[0], fields[1], {"X-Amz-Security-Token", "TOKEN/+="}};
  EXPECT_EQ(ServerSignature({"GET", "/prod/pets", "", with_token, kEmptyPayloadHash},
                            "host;x-amz-date;x-amz-security-token"),
            "648207e181d36e7f8fd758a6a3d53216d1f593d74ba25d1095af1d4f3703b207");
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Requests of the suite, some of which no strict HTTP parser would take (obsolete folding, raw
// spaces and UTF-8 in the target).
struct RawRequest {
  std::string method, path, query, body;
  std::vector<std::pair<std::string, std::string>> fields;
};

RawRequest ParseRaw(const std::string& text) {
  RawRequest out;
  std::stringstream lines(text);
  std::string line;
  std::getline(lines, line);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  out.method = line.substr(0, first);
  const std::string target = line.substr(first + 1, last - first - 1);
  const size_t mark = target.find('?');
  out.path = target.substr(0, mark);
  if (mark != target.npos) out.query = target.substr(mark + 1);
  while (std::getline(lines, line) && !line.empty()) {
    if (line[0] == ' ' || line[0] == '\t') {
      out.fields.back().second += "\r\n" + line;
      continue;
    }
    const size_t colon = line.find(':');
    out.fields.emplace_back(line.substr(0, colon), line.substr(colon + 1));
  }
  std::getline(lines, out.body, '\0');
  return out;
}

fs::path Vectors() {
  const char* root = std::getenv("POSTERN_VECTORS");
  return fs::path(root != nullptr ? root : "../shared/vectors") / "sigv4" / "v4";
}

// authorization.md §1.13: the signing suite of aws-c-auth, as signer (header) and as verifier
// (query).
TEST(SigV4Test, AwsSigningTestSuite) {
  const fs::path root = Vectors();
  if (!fs::exists(root)) {
    GTEST_SKIP() << "no signing vectors at " << root
                 << ": set POSTERN_VECTORS to the folder that holds sigv4/v4";
  }
  int cases = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    SCOPED_TRACE(entry.path().filename().string());
    ++cases;
    rapidjson::Document context;
    context.Parse(ReadAll(entry.path() / "context.json").c_str());
    ASSERT_TRUE(context.IsObject());
    const auto& credentials = context["credentials"];
    const std::string date = "20150830T123600Z";
    ASSERT_STREQ(context["timestamp"].GetString(), "2015-08-30T12:36:00Z");
    const Scope scope = {"20150830", context["region"].GetString(), context["service"].GetString()};
    const PathForm form =
        context["normalize"].GetBool() ? PathForm::kNormalized : PathForm::kAsSent;
    const Sha256Digest key = SigningKey(credentials["secret_access_key"].GetString(), scope);

    // As the signer does it: fields are added, all are signed.
    const RawRequest raw = ParseRaw(ReadAll(entry.path() / "request.txt"));
    std::vector<Field> fields;
    for (const auto& [name, value] : raw.fields) fields.push_back({name, value});
    fields.push_back({"X-Amz-Date", date});
    const bool omit_token =
        context.HasMember("omit_session_token") && context["omit_session_token"].GetBool();
    if (credentials.HasMember("token") && !omit_token) {
      fields.push_back({"X-Amz-Security-Token", credentials["token"].GetString()});
    }
    const std::string hash = Sha256Hex(raw.body);
    if (context["sign_body"].GetBool()) fields.push_back({"x-amz-content-sha256", hash});
    const std::string names = SignedNames(fields);
    const Request request = {raw.method, raw.path, raw.query, fields, hash};
    const std::string canonical = CanonicalRequest(request, names, form);
    EXPECT_EQ(canonical, ReadAll(entry.path() / "header-canonical-request.txt"));
    const std::string to_sign = StringToSign(date, scope, canonical);
    EXPECT_EQ(to_sign, ReadAll(entry.path() / "header-string-to-sign.txt"));
    const std::string signature = Signature(key, to_sign);
    EXPECT_EQ(signature, ReadAll(entry.path() / "header-signature.txt"));
    EXPECT_NE(ReadAll(entry.path() / "header-signed-request.txt")
                  .find("Authorization:" + Authorization("AKIDEXAMPLE", scope, names, signature)),
              std::string::npos);

    // As a verifier does it with a presigned request. Where the token came after signing, the one
    // who verifies leaves it out as well (authorization.md §1.10).
    const RawRequest presigned = ParseRaw(ReadAll(entry.path() / "query-signed-request.txt"));
    std::string query = presigned.query;
    if (omit_token) {
      const size_t at = query.find("&X-Amz-Security-Token=");
      ASSERT_NE(at, query.npos);
      query.erase(at, query.find('&', at + 1) - at);
    }
    std::vector<Field> received;
    for (const auto& [name, value] : presigned.fields) received.push_back({name, value});
    const size_t names_at = query.find("X-Amz-SignedHeaders=") + 20;
    std::string signed_names = query.substr(names_at, query.find('&', names_at) - names_at);
    for (size_t at; (at = signed_names.find("%3B")) != signed_names.npos;) {
      signed_names.replace(at, 3, ";");
    }
    const std::string presigned_canonical =
        CanonicalRequest({presigned.method, presigned.path, query, received, hash}, signed_names,
                         form, "X-Amz-Signature");
    EXPECT_EQ(presigned_canonical, ReadAll(entry.path() / "query-canonical-request.txt"));
    EXPECT_EQ(Signature(key, StringToSign(date, scope, presigned_canonical)),
              ReadAll(entry.path() / "query-signature.txt"));
  }
  EXPECT_EQ(cases, 38);
}

}  // namespace
}  // namespace postern::sigv4
