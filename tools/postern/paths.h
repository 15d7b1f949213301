#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "control/compile/stage_binding.h"

namespace postern {

/// What a path of the command line means to somebody who does not know where it was typed. A
/// snapshot holds absolute paths only. What is empty stays so.
inline std::string AbsolutePath(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

/// The same of what may be "secret:NAME" instead.
inline std::string PathOrSecret(const std::string& text) {
  return IsSecretReference(text) ? text : AbsolutePath(text);
}

}  // namespace postern
