#include "core/net/test_certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace postern {
namespace {

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "test certificate: %s failed\n", what);
  std::abort();
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

KeyPtr MakeKey(TestKey kind) {
  switch (kind) {
    case TestKey::kEcP256:
      return KeyPtr(EVP_EC_gen("P-256"));
    case TestKey::kEcP224:
      return KeyPtr(EVP_EC_gen("P-224"));
    case TestKey::kRsa2048:
      return KeyPtr(EVP_RSA_gen(2048));
    case TestKey::kRsa1024:
      return KeyPtr(EVP_RSA_gen(1024));
  }
  return nullptr;
}

}  // namespace

TestIdentity MakeTestCertificate(const TestCertificateSpec& spec, const TestIdentity* issuer) {
  const KeyPtr key = MakeKey(spec.key);
  Require(key != nullptr, "key");
  const CertificatePtr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  uint64_t serial = spec.serial;
  if (serial == 0) RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), spec.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), spec.valid_for_s);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1,
                             -1, 0);

  CertificatePtr issuer_certificate;
  KeyPtr issuer_key;
  X509* signer = certificate.get();
  EVP_PKEY* signer_key = key.get();
  if (issuer != nullptr) {
    const BioPtr pem(BIO_new_mem_buf(issuer->certificate_pem.data(),
                                     static_cast<int>(issuer->certificate_pem.size())));
    issuer_certificate.reset(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
    const BioPtr key_pem(
        BIO_new_mem_buf(issuer->key_pem.data(), static_cast<int>(issuer->key_pem.size())));
    issuer_key.reset(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
    signer = issuer_certificate.get();
    signer_key = issuer_key.get();
  }
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  AddExtension(certificate.get(), signer, NID_basic_constraints,
               spec.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
  AddExtension(certificate.get(), signer, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) {
    AddExtension(certificate.get(), signer, NID_authority_key_identifier, "keyid");
  }
  std::string names;
  for (const std::string& name : spec.subject_alt_names) {
    names += (names.empty() ? "" : ",") + name;
  }
  if (!names.empty()) AddExtension(certificate.get(), signer, NID_subject_alt_name, names);
  if (!spec.extended_key_usage.empty()) {
    AddExtension(certificate.get(), signer, NID_ext_key_usage, spec.extended_key_usage);
  }
  Require(X509_sign(certificate.get(), signer_key, spec.sha1 ? EVP_sha1() : EVP_sha256()) > 0,
          "signing");

  TestIdentity identity;
  const BioPtr pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(pem.get(), certificate.get());
  identity.certificate_pem = Contents(pem.get());
  const BioPtr key_pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  identity.key_pem = Contents(key_pem.get());
  identity.chain_pem = identity.certificate_pem;
  const bool issuer_is_root =
      issuer == nullptr ||
      X509_NAME_cmp(X509_get_issuer_name(signer), X509_get_subject_name(signer)) == 0;
  if (!issuer_is_root) identity.chain_pem += issuer->chain_pem;
  return identity;
}

}  // namespace postern
