#include "tools/postern/secret_options.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/compile/stage_binding.h"

namespace postern {

void SecretOptions::Bind(FlagSet* flags) {
  flags->Strings("secret", "NAME=file:/PATH",
                 "Where a secret is: a file, or NAME=env:VARIABLE. Configurations of filters refer "
                 "to it as ${secret:NAME}, options that take a PEM file as secret:NAME. Files are "
                 "read again when they change. May be repeated.",
                 &secrets);
}

absl::StatusOr<std::vector<snapshot::v1::Secret>> SecretOptions::ToSecrets() const {
  std::vector<snapshot::v1::Secret> out;
  std::set<std::string> names;
  for (const std::string& text : secrets) {
    absl::StatusOr<snapshot::v1::Secret> secret = ParseSecret(text);
    if (!secret.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--secret ", secret.status().message()));
    }
    if (!names.insert(secret->name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--secret ", secret->name(), ": it comes twice"));
    }
    out.push_back(*std::move(secret));
  }
  return out;
}

}  // namespace postern
