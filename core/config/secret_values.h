#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/config/common_reader.h"
#include "core/config/field.h"

namespace postern {

/// Longest value of a secret.
inline constexpr size_t kMaxSecretBytes = size_t{1} << 20;

/// What a secret is at this moment: the content of its file without one trailing line feed, or the
/// value of its environment variable. NotFound or another error says which file or variable is
/// missing, cannot be read, is empty or larger than kMaxSecretBytes; never what is in it.
absl::StatusOr<std::string> ReadSecretValue(const DataSourceConfig& source);

/// Puts secrets where the JSON of a filter's configuration refers to them: `${secret:NAME}` inside
/// of a string stands for the value of the Secret NAME of the snapshot. Each is read once. Not
/// thread-safe.
class SecretExpander {
 public:
  /// `secrets` outlives it.
  explicit SecretExpander(const SecretMap* secrets) : secrets_(*secrets) {}
  /// Leaves no value behind in memory.
  ~SecretExpander();
  SecretExpander(const SecretExpander&) = delete;
  SecretExpander& operator=(const SecretExpander&) = delete;

  /// `json` with the values, escaped as JSON has it. Says at `field` what refers to no secret, or
  /// to one that cannot be read or is no UTF-8 text.
  std::string Expand(const std::string& json, const Field& field);

  /// Text of somebody who has seen values, with references in their places again.
  std::string Mask(std::string text) const;

  /// Files that values were read from: when one of them changes, the snapshot is to be built anew.
  std::vector<std::string> files() const;

 private:
  const SecretMap& secrets_;
  std::map<std::string, absl::StatusOr<std::string>, std::less<>> values_;
};

}  // namespace postern
