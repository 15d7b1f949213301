#pragma once

#include <string_view>

namespace postern {

/// Version of the program, as `postern version` and postern_build_info show it.
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace postern
