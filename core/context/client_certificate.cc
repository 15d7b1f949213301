#include "core/context/client_certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>

namespace postern {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

/// What `print(bio)` writes.
template <typename Print>
std::string_view Printed(Arena* arena, Print print) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) return {};
  print(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? arena->Copy({data, static_cast<size_t>(size)}) : std::string_view{};
}

std::string_view Name(const X509_NAME* name, Arena* arena) {
  return Printed(arena, [&](BIO* bio) {
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  });
}

std::string_view Time(const ASN1_TIME* time, Arena* arena) {
  return Printed(arena, [&](BIO* bio) { ASN1_TIME_print(bio, time); });
}

std::string_view Serial(const ASN1_INTEGER* serial, Arena* arena) {
  constexpr char kHex[] = "0123456789abcdef";
  const int size = ASN1_STRING_length(serial);
  if (size <= 0) return {};
  const unsigned char* bytes = ASN1_STRING_get0_data(serial);
  char* out = arena->Allocate(static_cast<size_t>(size) * 3, 1);
  char* at = out;
  for (int i = 0; i < size; ++i) {
    if (i != 0) *at++ = ':';
    *at++ = kHex[bytes[i] >> 4];
    *at++ = kHex[bytes[i] & 15];
  }
  return {out, static_cast<size_t>(at - out)};
}

}  // namespace

bool ParseClientCertificate(std::string_view pem, Arena* arena, ClientCertificate* out) {
  if (pem.empty() || pem.size() > INT32_MAX) return false;
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) return false;
  const std::unique_ptr<X509, Free> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return false;
  out->pem = pem;
  out->subject_dn = Name(X509_get_subject_name(certificate.get()), arena);
  out->issuer_dn = Name(X509_get_issuer_name(certificate.get()), arena);
  out->serial_number = Serial(X509_get0_serialNumber(certificate.get()), arena);
  out->not_before = Time(X509_get0_notBefore(certificate.get()), arena);
  out->not_after = Time(X509_get0_notAfter(certificate.get()), arena);
  return true;
}

}  // namespace postern
