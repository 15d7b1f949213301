#include "lib/aws/credentials.h"

#include <openssl/crypto.h>

namespace postern::aws {

Credentials::~Credentials() {
  OPENSSL_cleanse(secret_access_key.data(), secret_access_key.size());
  OPENSSL_cleanse(session_token.data(), session_token.size());
}

}  // namespace postern::aws
