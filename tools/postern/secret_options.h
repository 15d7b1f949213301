#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/snapshot/secret.pb.h"
#include "tools/postern/flags.h"

namespace postern {

/// The options that say where secrets are.
struct SecretOptions {
  std::vector<std::string> secrets;  ///< NAME=file:/path or NAME=env:VARIABLE

  void Bind(FlagSet* flags);

  /// InvalidArgument names the one that is wrong, or comes twice.
  absl::StatusOr<std::vector<snapshot::v1::Secret>> ToSecrets() const;
};

}  // namespace postern
