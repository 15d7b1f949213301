#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace postern {

/// What a path of the command line means to somebody who does not know where it was typed. A
/// snapshot holds absolute paths only.
inline std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace postern
