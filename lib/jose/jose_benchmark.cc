#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <string>

#include "lib/jose/claims.h"
#include "lib/jose/jws.h"
#include "lib/jose/key.h"
#include "lib/jose/signer_for_test.h"
#include "lib/text/concat.h"

namespace postern::jose {
namespace {

// An access token's claims, as they are.
std::string Payload() {
  return R"({"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","token_use":"access","scope":)"
         R"("openid profile resource/read","auth_time":1784512000,"iss":"https://cognito-idp.)"
         R"(us-east-1.amazonaws.com/us-east-1_EXAMPLE00","exp":1999999999,"iat":1784512000,)"
         R"("version":2,"jti":"11111111-2222-3333-4444-555555555555","client_id":"1example23",)"
         R"("username":"grace"})";
}

// What `openssl speed` does: nothing but EVP_PKEY_verify() on a prepared context.
void BM_OpenSslAlone(benchmark::State& state) {
  const auto algorithm = static_cast<Algorithm>(state.range(0));
  const SignerForTest signer(algorithm);
  unsigned char digest[32] = {1, 2, 3};
  auto* pkey = static_cast<EVP_PKEY*>(signer.pkey());
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, pkey, nullptr);
  unsigned char signature[512];
  size_t size = sizeof(signature);
  bool good = EVP_PKEY_sign_init(context) == 1 &&
              EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
              EVP_PKEY_sign(context, signature, &size, digest, sizeof(digest)) == 1 &&
              EVP_PKEY_verify_init(context) == 1 &&
              EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1;
  for (auto _ : state) {
    good = good && EVP_PKEY_verify(context, signature, size, digest, sizeof(digest)) == 1;
  }
  if (!good) state.SkipWithError("does not verify");
  EVP_PKEY_CTX_free(context);
}
BENCHMARK(BM_OpenSslAlone)->Arg(int(Algorithm::kRs256))->Arg(int(Algorithm::kEs256));

// A whole token: parsed, its signature and its claims checked.
void BM_Token(benchmark::State& state) {
  const auto algorithm = static_cast<Algorithm>(state.range(0));
  const SignerForTest signer(algorithm);
  KeySet keys = KeySet::Parse(signer.JwkSet()).value();
  const std::string token = signer.Sign(Payload());
  const ClaimRules rules{
      .issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE00",
      .audiences = {"1example23"},
      .token_use = "access"};
  JwsReader jws;
  Claims claims;
  for (auto _ : state) {
    if (jws.Parse(token) != Failure::kNone ||
        jws.Verify(*keys.Find(*jws.key_id()), {algorithm}) != Failure::kNone ||
        claims.Parse(jws.payload()) != Failure::kNone ||
        claims.Check(rules, 1784512580000) != Failure::kNone) {
      state.SkipWithError("does not verify");
    }
  }
}
BENCHMARK(BM_Token)
    ->Arg(int(Algorithm::kRs256))
    ->Arg(int(Algorithm::kEs256))
    ->Arg(int(Algorithm::kPs256))
    ->Arg(int(Algorithm::kEdDsa));

// The signature alone: hash and verification.
void BM_Signature(benchmark::State& state) {
  const auto algorithm = static_cast<Algorithm>(state.range(0));
  const SignerForTest signer(algorithm);
  KeySet keys = KeySet::Parse(signer.JwkSet()).value();
  JwsReader jws;
  const std::string token = signer.Sign(Payload());
  Key& key = *keys.Find("k1");
  if (jws.Parse(token) != Failure::kNone) state.SkipWithError("does not parse");
  for (auto _ : state) {
    if (jws.Verify(key, {algorithm}) != Failure::kNone) state.SkipWithError("does not verify");
  }
}
BENCHMARK(BM_Signature)->Arg(int(Algorithm::kRs256))->Arg(int(Algorithm::kEs256));

}  // namespace
}  // namespace postern::jose
