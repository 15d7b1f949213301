#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/abi/abi.h"
#include "core/filter/filter_instance.h"

namespace postern {

/// What a module reported, or the host on its behalf.
struct ConfigError {
  std::string field;  ///< path within the configuration; empty: the whole
  std::string text;
};

/// One call of config_create: what the four functions of the table that work only inside it act on.
/// Made on the stack of the call; ConfigureScope() is its only user.
struct ConfigCall {
  const FilterModule* module = nullptr;
  FilterInstance* instance = nullptr;  ///< gets upstreams and variables
  /// Finds an upstream of the snapshot by name; nothing if there is none.
  const std::function<std::optional<CalloutUpstream>(std::string_view)>* upstreams = nullptr;
  std::vector<ConfigError> errors;

  static constexpr size_t kMaxErrors = 100;
  static constexpr size_t kMaxText = 1024;
  static constexpr size_t kMaxIds = 1000;  ///< upstreams, and variables, of an instance
};

/// Puts the functions that work inside config_create into `host`: config_error, upstream_resolve,
/// var_resolve, metric_define. (All others belong to the run time: whoever makes the table that
/// modules get calls this for these four.)
void AddConfigFunctions(postern_host* host);

/// Calls config_create of the call's module with `config`. Returns the object, which may be null;
/// without errors in `call` it is good. Everything that goes wrong is in `call->errors`: what the
/// module reported, a failure without a report, an exception, a configuration for a module that
/// takes none.
void* ConfigureScope(const postern_config& config, ConfigCall* call);

}  // namespace postern
