#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postern {

/// A certificate with its key, made for a test.
struct TestIdentity {
  std::string certificate_pem;  ///< the certificate alone
  std::string key_pem;
  std::string chain_pem;  ///< the certificate, then its issuers without the root
};

enum class TestKey : uint8_t { kEcP256, kEcP224, kRsa2048, kRsa1024 };

/// What a test certificate says.
struct TestCertificateSpec {
  std::string common_name = "test";
  std::vector<std::string> subject_alt_names =
      {};  ///< OpenSSL notation: "DNS:a.example", "IP:127.0.0.1"
  bool is_ca = false;
  TestKey key = TestKey::kEcP256;
  std::string extended_key_usage =
      {};                        ///< OpenSSL notation: "serverAuth", "clientAuth"; empty: none
  int64_t valid_from_s = -3600;  ///< relative to now
  int64_t valid_for_s = 86400;   ///< relative to now
  bool sha1 = false;
  uint64_t serial = 0;  ///< 0: random
};

/// Signed by `issuer`, or by itself when that is null.
TestIdentity MakeTestCertificate(const TestCertificateSpec& spec,
                                 const TestIdentity* issuer = nullptr);

}  // namespace postern
