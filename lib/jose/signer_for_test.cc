#include "lib/jose/signer_for_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdlib>

#include "lib/text/base64.h"
#include "lib/text/concat.h"

namespace postern::jose {
namespace {

enum class Family { kRsa, kPss, kEc, kEd };

struct Traits {
  Family family;
  const char* hash;
  const char* group;  // of OpenSSL
  const char* curve;  // of JWK
  int half;           // bytes of a coordinate
};

Traits TraitsOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRs256:
      return {Family::kRsa, "SHA256", "", "", 0};
    case Algorithm::kRs384:
      return {Family::kRsa, "SHA384", "", "", 0};
    case Algorithm::kRs512:
      return {Family::kRsa, "SHA512", "", "", 0};
    case Algorithm::kPs256:
      return {Family::kPss, "SHA256", "", "", 0};
    case Algorithm::kPs384:
      return {Family::kPss, "SHA384", "", "", 0};
    case Algorithm::kPs512:
      return {Family::kPss, "SHA512", "", "", 0};
    case Algorithm::kEs256:
      return {Family::kEc, "SHA256", "P-256", "P-256", 32};
    case Algorithm::kEs384:
      return {Family::kEc, "SHA384", "P-384", "P-384", 48};
    case Algorithm::kEs512:
      return {Family::kEc, "SHA512", "P-521", "P-521", 66};
    default:
      return {Family::kEd, nullptr, "", "Ed25519", 32};
  }
}

void Need(bool good) {
  if (!good) std::abort();
}

std::string Url(std::string_view bytes) { return Base64Encode(bytes, Base64Alphabet::kUrl); }

std::string NumberOf(const EVP_PKEY* pkey, const char* name, int size) {
  BIGNUM* number = nullptr;
  Need(EVP_PKEY_get_bn_param(pkey, name, &number) == 1);
  std::string bytes(static_cast<size_t>(size > 0 ? size : BN_num_bytes(number)), '\0');
  Need(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size())) >= 0);
  BN_free(number);
  return bytes;
}

}  // namespace

SignerForTest::SignerForTest(Algorithm algorithm, std::string_view key_id, int bits)
    : algorithm_(algorithm), key_id_(key_id) {
  const Traits traits = TraitsOf(algorithm);
  switch (traits.family) {
    case Family::kRsa:
    case Family::kPss:
      pkey_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits));
      break;
    case Family::kEc:
      pkey_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", traits.group);
      break;
    case Family::kEd:
      pkey_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
      break;
  }
  Need(pkey_ != nullptr);
}

SignerForTest::~SignerForTest() { EVP_PKEY_free(static_cast<EVP_PKEY*>(pkey_)); }

std::string SignerForTest::Jwk(std::string_view extra) const {
  const auto* pkey = static_cast<const EVP_PKEY*>(pkey_);
  const Traits traits = TraitsOf(algorithm_);
  std::string members;
  switch (traits.family) {
    case Family::kRsa:
    case Family::kPss:
      members = Concat(R"("kty":"RSA","n":")", Url(NumberOf(pkey, OSSL_PKEY_PARAM_RSA_N, 0)),
                       R"(","e":")", Url(NumberOf(pkey, OSSL_PKEY_PARAM_RSA_E, 0)), "\"");
      break;
    case Family::kEc:
      members = Concat(R"("kty":"EC","crv":")", traits.curve, R"(","x":")",
                       Url(NumberOf(pkey, OSSL_PKEY_PARAM_EC_PUB_X, traits.half)), R"(","y":")",
                       Url(NumberOf(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, traits.half)), "\"");
      break;
    case Family::kEd: {
      std::string raw(32, '\0');
      size_t size = raw.size();
      Need(EVP_PKEY_get_raw_public_key(pkey, reinterpret_cast<unsigned char*>(raw.data()), &size) ==
           1);
      members = Concat(R"("kty":"OKP","crv":"Ed25519","x":")", Url(raw), "\"");
      break;
    }
  }
  return Concat("{", members, R"(,"kid":")", key_id_, "\"", extra.empty() ? "" : ",", extra, "}");
}

std::string SignerForTest::JwkSet() const { return Concat(R"({"keys":[)", Jwk(), "]}"); }

std::string SignerForTest::Sign(std::string_view payload) const {
  return SignWithHeader(
      Concat(R"({"alg":")", AlgorithmName(algorithm_), R"(","kid":")", key_id_, "\"}"), payload);
}

std::string SignerForTest::SignWithHeader(std::string_view header, std::string_view payload) const {
  const std::string input = Concat(Url(header), ".", Url(payload));
  return Concat(input, ".", Url(Signature(input)));
}

std::string SignerForTest::Signature(std::string_view input) const {
  auto* pkey = static_cast<EVP_PKEY*>(pkey_);
  const Traits traits = TraitsOf(algorithm_);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* of_key = nullptr;
  Need(EVP_DigestSignInit_ex(context, &of_key, traits.hash, nullptr, nullptr, pkey, nullptr) == 1);
  if (traits.family == Family::kPss) {
    Need(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) == 1);
    Need(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  size_t size = 0;
  Need(EVP_DigestSign(context, nullptr, &size, data, input.size()) == 1);
  std::string signature(size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  Need(EVP_DigestSign(context, out, &size, data, input.size()) == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  if (traits.family != Family::kEc) return signature;
  const unsigned char* der = out;
  ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size));
  Need(parts != nullptr);
  std::string flat(static_cast<size_t>(traits.half) * 2, '\0');
  auto* to = reinterpret_cast<unsigned char*>(flat.data());
  Need(BN_bn2binpad(ECDSA_SIG_get0_r(parts), to, traits.half) >= 0);
  Need(BN_bn2binpad(ECDSA_SIG_get0_s(parts), to + traits.half, traits.half) >= 0);
  ECDSA_SIG_free(parts);
  return flat;
}

}  // namespace postern::jose
