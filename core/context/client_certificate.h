#pragma once

#include <string_view>

namespace postern {

/// Views of what the session holds: what $context.identity.clientCert tells of a client's
/// certificate (rest-api.md §9.3).
struct ClientCertificate {
  std::string_view pem;
  std::string_view subject_dn;  ///< RFC 2253 order and escaping, e.g. "CN=client,O=Example"
  std::string_view issuer_dn;
  std::string_view serial_number;  ///< hexadecimal pairs with ':' between them
  std::string_view not_before;     ///< "May 28 12:30:02 2019 GMT"
  std::string_view not_after;
};

}  // namespace postern
