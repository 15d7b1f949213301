#include "lib/jose/jws.h"

#include <openssl/err.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/jose/signer_for_test.h"
#include "lib/text/base64.h"
#include "lib/text/concat.h"

namespace postern::jose {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Algorithm kSigning[] = {
    Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512, Algorithm::kPs256, Algorithm::kPs384,
    Algorithm::kPs512, Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512, Algorithm::kEdDsa};

AlgorithmSet All() {
  AlgorithmSet all;
  for (int i = 0; i < kAlgorithms; ++i) all.Add(static_cast<Algorithm>(i));
  return all;
}

std::string Url(std::string_view bytes) { return Base64Encode(bytes, Base64Alphabet::kUrl); }

absl::StatusOr<Key> FromText(std::string_view jwk) {
  JsonReader json;
  EXPECT_TRUE(json.Parse(jwk).ok()) << jwk;
  return Key::FromJwk(json.root());
}

Key KeyOf(const SignerForTest& signer) {
  absl::StatusOr<Key> key = FromText(signer.Jwk());
  EXPECT_TRUE(key.ok()) << key.status();
  return *std::move(key);
}

const SignerForTest& Rsa() {
  static const auto* const signer = new SignerForTest(Algorithm::kRs256);
  return *signer;
}

Failure Check(std::string_view token, Key& key, AlgorithmSet accepted = All()) {
  JwsReader jws;
  const Failure failure = jws.Parse(token);
  return failure != Failure::kNone ? failure : jws.Verify(key, accepted);
}

TEST(JwsTest, VerifiesEveryAlgorithm) {
  for (const Algorithm algorithm : kSigning) {
    const SignerForTest signer(algorithm);
    Key key = KeyOf(signer);
    const std::string token = signer.Sign("{\"a\":1}");
    EXPECT_EQ(Check(token, key), Failure::kNone) << AlgorithmName(algorithm);
    EXPECT_EQ(Check(token, key), Failure::kNone) << "again, with the prepared context";
    JwsReader jws;
    ASSERT_EQ(jws.Parse(token), Failure::kNone);
    EXPECT_EQ(jws.payload(), "{\"a\":1}");
    EXPECT_EQ(jws.key_id(), "k1");
    // Not accepted here; another payload; each bit of a byte of the signature.
    EXPECT_EQ(Check(token, key, {}), Failure::kAlgorithm);
    const size_t second = token.rfind('.');
    const std::string other =
        Concat(token.substr(0, token.find('.')), ".", Url("{\"a\":2}"), token.substr(second));
    EXPECT_EQ(Check(other, key), Failure::kSignature);
    const std::string signature = jws.signature();
    for (const size_t at : {size_t{0}, signature.size() / 2, signature.size() - 1}) {
      std::string bad = signature;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      EXPECT_EQ(Check(token.substr(0, second + 1) + Url(bad), key), Failure::kSignature);
    }
    // Shorter, longer, none.
    for (const std::string& bad : {signature.substr(1), signature + '\0', '\0' + signature}) {
      EXPECT_EQ(Check(token.substr(0, second + 1) + Url(bad), key), Failure::kSignature);
    }
    EXPECT_EQ(Check(token.substr(0, second + 1), key), Failure::kSignature);
    EXPECT_EQ(Check(token, key), Failure::kNone) << "after failures";
    EXPECT_EQ(ERR_peek_error(), 0u) << "TLS would take it for its own";
  }
}

// authorization.md §8, hazards 1, 2, 3: the algorithm is not the token's choice.
TEST(JwsTest, AlgorithmsAreNotMixed) {
  Key key = KeyOf(Rsa());
  for (const char* none : {"none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RS1"}) {
    const std::string header = Concat(R"({"alg":")", none, R"(","kid":"k1"})");
    EXPECT_EQ(Check(Rsa().SignWithHeader(header, "{}"), key), Failure::kAlgorithm) << none;
    EXPECT_EQ(Check(Concat(Url(header), ".", Url("{}"), "."), key), Failure::kAlgorithm) << none;
  }
  EXPECT_EQ(Check(Rsa().SignWithHeader(R"({"kid":"k1"})", "{}"), key), Failure::kAlgorithm);
  EXPECT_EQ(Check(Rsa().SignWithHeader(R"({"alg":["RS256"]})", "{}"), key), Failure::kAlgorithm);
  for (const char* other : {"HS256", "ES256", "EdDSA"}) {
    const std::string header = Concat(R"({"alg":")", other, "\"}");
    EXPECT_EQ(Check(Rsa().SignWithHeader(header, "{}"), key), Failure::kKeyMismatch) << other;
  }
  EXPECT_EQ(Check(Rsa().SignWithHeader(R"({"alg":"PS256"})", "{}"), key), Failure::kSignature);
  EXPECT_EQ(Check(Rsa().SignWithHeader(R"({"alg":"RS512"})", "{}"), key), Failure::kSignature);
  // The JWK's own `alg`.
  absl::StatusOr<Key> only = FromText(Rsa().Jwk(R"("alg":"RS512")"));
  ASSERT_TRUE(only.ok());
  EXPECT_EQ(Check(Rsa().Sign("{}"), *only), Failure::kKeyMismatch);
  const SignerForTest p384(Algorithm::kEs384);
  Key wrong_curve = KeyOf(p384);
  EXPECT_EQ(Check(p384.SignWithHeader(R"({"alg":"ES256"})", "{}"), wrong_curve),
            Failure::kKeyMismatch);
  // An oct key made of the public key's bytes.
  absl::StatusOr<Key> oct = FromText(Concat(R"({"kty":"oct","k":")", Url(Rsa().Jwk()), "\"}"));
  ASSERT_TRUE(oct.ok());
  EXPECT_FALSE(oct->Fits(Algorithm::kRs256));
}

// Hazards 4, 5, 9, 10, 20, 21, 29, 30.
TEST(JwsTest, Headers) {
  Key key = KeyOf(Rsa());
  const auto check = [&key](std::string_view members) {
    return Check(Rsa().SignWithHeader(Concat(R"({"alg":"RS256")", members, "}"), "{}"), key);
  };
  for (const char* good :
       {"", R"(,"typ":"at+jwt")", R"(,"typ":"JWT","cty":"JWT","x":{"y":[1]})",
        R"(,"jku":"https://evil.example","x5u":"https://evil.example")", R"(,"jwk":{"kty":"oct"})",
        R"(,"x5c":["AAAA"])", R"(,"kid":"../../etc/passwd' OR 1=1")"}) {
    EXPECT_EQ(check(good), Failure::kNone) << good;
  }
  for (const char* bad :
       {R"(,"crit":[])", R"(,"crit":["exp"],"exp":1)", R"(,"crit":"b64")", R"(,"b64":false)",
        R"(,"crit":["b64"],"b64":false)", R"(,"zip":"DEF")", R"(,"kid":1)", R"(,"kid":null)",
        R"(,"typ":1)", R"(,"alg":"RS256")", R"(,"x":{"y":1,"y":2})", ",\"x\":\"\xC3\"",
        R"(,"x":1e400)", ",", R"(,"x":[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]])"}) {
    EXPECT_EQ(check(bad), Failure::kHeader) << bad;
  }
  EXPECT_EQ(check(Concat(R"(,"kid":")", std::string(256, 'k'), "\"")), Failure::kNone);
  EXPECT_EQ(check(Concat(R"(,"kid":")", std::string(257, 'k'), "\"")), Failure::kHeader);
  EXPECT_EQ(Check(Rsa().SignWithHeader("\xEF\xBB\xBF{\"alg\":\"RS256\"}", "{}"), key),
            Failure::kHeader);
  EXPECT_EQ(Check(Rsa().SignWithHeader("[\"RS256\"]", "{}"), key), Failure::kHeader);
  EXPECT_EQ(Check(Rsa().SignWithHeader("{\"alg\":\"RS256\"}{}", "{}"), key), Failure::kHeader);
}

// Hazards 17, 18, 19, 28.
TEST(JwsTest, Forms) {
  Key key = KeyOf(Rsa());
  const std::string token = Rsa().Sign("{}");
  for (const char* text :
       {"", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "...", "{\"payload\":\"e30\"}"}) {
    EXPECT_EQ(Check(text, key), Failure::kSegments) << text;
  }
  EXPECT_EQ(Check("..", key), Failure::kHeader);
  for (const std::string& bad :
       {token + "=", " " + token, token + "\n", token + "+",
        token.substr(0, 10) + "\n" + token.substr(10), token.substr(0, 5) + "/" + token.substr(6),
        "\xC3\xA9" + token, token + '\0'}) {
    EXPECT_EQ(Check(bad, key), Failure::kEncoding) << bad;
  }
  // Bits that are not used must be zero: 256 bytes end in a character with four such bits.
  std::string spelled = token;
  spelled.back() = static_cast<char>(spelled.back() + 1);
  EXPECT_EQ(Check(spelled, key), Failure::kEncoding);
  const std::string large = Rsa().Sign(std::string(7000, ' '));
  EXPECT_EQ(Check(large, key), Failure::kTooLarge);
  EXPECT_EQ(Check(Rsa().Sign(""), key), Failure::kNone);  // No JWT, and yet a JWS.
}

// Hazard 14. r = n - r would be another spelling with many verifiers; it is a valid ECDSA
// signature, and not refused. Zero, n and above are.
TEST(JwsTest, RangeOfEcdsa) {
  const SignerForTest signer(Algorithm::kEs256);
  Key key = KeyOf(signer);
  const std::string input = Concat(Url(R"({"alg":"ES256"})"), ".", Url("{}"));
  const std::string good = signer.Signature(input);
  ASSERT_TRUE(key.Verify(Algorithm::kEs256, input, good));
  const std::string zero(32, '\0');
  const std::string ones(32, '\xFF');
  for (const std::string& bad :
       {zero + zero, zero + good.substr(32), good.substr(0, 32) + zero, ones + good.substr(32),
        good.substr(0, 32) + ones, good.substr(0, 63), good + '\0', std::string()}) {
    EXPECT_FALSE(key.Verify(Algorithm::kEs256, input, bad));
  }
}

// Hazards 11, 12, 13.
TEST(KeyTest, RefusesKeysThatMustNotBeUsed) {
  const auto error = [](std::string_view jwk) {
    const absl::StatusOr<Key> key = FromText(jwk);
    return key.ok() ? "accepted: " + std::string(jwk) : std::string(key.status().message());
  };
  EXPECT_EQ(error(Rsa().Jwk(R"("use":"enc")")), "\"use\" is not \"sig\"");
  EXPECT_EQ(error(Rsa().Jwk(R"("use":1)")), "\"use\" is not \"sig\"");
  EXPECT_EQ(error(Rsa().Jwk(R"("key_ops":["encrypt"])")), "\"key_ops\" has no \"verify\"");
  EXPECT_EQ(error(Rsa().Jwk(R"("key_ops":"verify")")), "\"key_ops\" has no \"verify\"");
  EXPECT_EQ(error(Rsa().Jwk(R"("alg":"ES256")")), "\"alg\" does not fit the key");
  EXPECT_EQ(error(Rsa().Jwk(R"("alg":"RSA-OAEP")")), "\"alg\" is not an algorithm for signatures");
  EXPECT_THAT(error(Rsa().Jwk(R"("kid":"again")")), HasSubstr("each member once"));
  EXPECT_TRUE(
      FromText(Rsa().Jwk(R"("use":"sig","key_ops":["sign","verify"],"x5c":["?"],"d":7)")).ok());
  EXPECT_EQ(error(R"({"kty":"DSA"})"), "\"kty\" is unknown");
  EXPECT_EQ(error(R"({})"), "\"kty\" is unknown");
  EXPECT_EQ(error(R"({"kty":"RSA","n":"AQAB"})"), "\"e\" must be base64url");
  EXPECT_EQ(error(R"({"kty":"RSA","n":"AQ==","e":"AQAB"})"), "\"n\" must be base64url");
  const SignerForTest small(Algorithm::kRs256, "k", 1024);
  EXPECT_EQ(error(small.Jwk()), "the modulus is below 2048 bits");
  const std::string modulus = Url(std::string(256, '\xFF'));
  const auto rsa = [&error](std::string_view n, std::string_view e) {
    return error(Concat(R"({"kty":"RSA","n":")", n, R"(","e":")", e, "\"}"));
  };
  EXPECT_EQ(rsa(modulus, "AQ"), "the exponent is even, or 1");
  EXPECT_EQ(rsa(modulus, "Ag"), "the exponent is even, or 1");
  EXPECT_EQ(rsa(modulus, Url(std::string(9, 'x'))), "the exponent is above 64 bits");
  EXPECT_EQ(rsa(Url(std::string(1026, 'x')), "AQAB"), "the modulus is above 8192 bits");
  EXPECT_EQ(rsa(Url(std::string(256, '\xFE')), "AQAB"), "the modulus is even");
  const SignerForTest p256(Algorithm::kEs256);
  std::string off = p256.Jwk();
  const size_t x = off.find("\"x\":\"") + 5;
  off[x] = off[x] == 'A' ? 'B' : 'A';
  EXPECT_EQ(error(off), "the point is not on its curve");
  EXPECT_EQ(error(R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})"),
            "a coordinate has not the length of its curve");
  EXPECT_EQ(error(R"({"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"})"), "\"crv\" is unknown");
  EXPECT_EQ(error(R"({"kty":"OKP","crv":"X25519","x":"AAAA"})"), "\"crv\" is unknown");
  EXPECT_EQ(error(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"),
            "\"x\" has not the length of its curve");
  EXPECT_EQ(error(R"({"kty":"oct","k":"AAAA"})"), "\"k\" is below 256 bits");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(KeySetTest, KeepsWhatCanBeUsed) {
  const SignerForTest ec(Algorithm::kEs256, "ec");
  absl::StatusOr<KeySet> set = KeySet::Parse(Concat(
      R"({"keys":[)", Rsa().Jwk(), ",", ec.Jwk(), R"(,{"kty":"new"},)", ec.Jwk(R"("use":"enc")"),
      R"(,{"kty":"oct","kid":"o","k":")", Url(std::string(32, 'k')), R"("}],"other":1})"));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_NE(set->Find("k1"), nullptr);
  EXPECT_EQ(set->Find("ec"), nullptr);  // Hazard 8: two keys have that id.
  EXPECT_EQ(set->Find("o"), nullptr);
  EXPECT_EQ(set->Find(""), nullptr);
  EXPECT_EQ(set->size(), 1u);
  EXPECT_THAT(set->ignored(),
              ElementsAre("keys/1: shares its \"kid\"", "keys/2: \"kty\" is unknown",
                          "keys/3: \"use\" is not \"sig\"", "keys/4: is symmetric"));
}

TEST(KeySetTest, RefusesWhatIsNoSet) {
  for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})", "<html>",
                           R"({"keys":[]} x)", "null"}) {
    EXPECT_FALSE(KeySet::Parse(text).ok()) << text;
  }
  EXPECT_EQ(KeySet::Parse(R"({"keys":[]})")->size(), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(
      KeySet::Parse(Concat(R"({"keys":[],"x":")", std::string(150000, 'x'), "\"}")).status()));
  std::string many = R"({"keys":[0)";
  for (int i = 0; i < 100; ++i) many += ",0";
  EXPECT_TRUE(absl::IsResourceExhausted(KeySet::Parse(many + "]}").status()));
}

}  // namespace
}  // namespace postern::jose
