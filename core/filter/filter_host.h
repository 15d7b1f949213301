#pragma once

#include "api/abi/abi.h"

namespace postern {

/// The table of functions that every module gets, those of config_create included. Lives as long as
/// the process.
const postern_host* FilterHost();

}  // namespace postern
