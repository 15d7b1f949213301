#pragma once

#include "api/abi/abi.h"

namespace postern {

/// Puts the functions that work inside config_create into `host`: config_error, upstream_resolve,
/// var_resolve, metric_define. (All others belong to the run time; whoever makes the table that
/// modules get calls this for these four.)
void AddConfigFunctions(postern_host* host);

}  // namespace postern
