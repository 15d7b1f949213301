#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/snapshot/snapshot.pb.h"
#include "tools/postern/command_line.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/flags.h"
#include "tools/postern/module_options.h"

namespace postern {

/// What `invoke` and `explain` share: definitions, and one request to one of their APIs.
struct RequestOptions {
  DefinitionOptions definitions;
  ModuleOptions modules;
  std::string api;                   ///< title or id; empty: the only one
  std::vector<std::string> headers;  ///< "Name: value"
  bool json = false;
  // The last two arguments.
  std::string method;
  std::string target;

  void Bind(FlagSet* flags);

  /// Takes the arguments of `command`: files, method and path. False: it has been said what is
  /// wrong, and `*code` is how to end.
  bool Take(const CommandLine& command, int* code);
};

/// What such a command says of its arguments.
inline constexpr char kRequestArguments[] = "FILE... METHOD PATH";

/// The API and stage that a request of these options is for.
struct RequestTarget {
  const snapshot::v1::Api* api;
  const snapshot::v1::Stage* stage;
};

/// NotFound or InvalidArgument if there is none, or several and none is named.
absl::StatusOr<RequestTarget> FindTarget(const RequestOptions& options,
                                         const snapshot::v1::Snapshot& snapshot);

}  // namespace postern
