#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/config/control_channel.h"
#include "tools/postern/flags.h"

namespace postern {

/// The options of every command that talks to a control plane.
struct ControlOptions {
  std::string control;  ///< else POSTERN_CONTROL of the environment
  std::string ca;
  std::string certificate;
  std::string key;
  std::string server_name;
  bool plaintext = false;

  void Bind(FlagSet* flags);

  /// InvalidArgument names the option that is missing or wrong. Without TLS a control plane must be
  /// on this machine, unless --control-plaintext says that the way there is safe.
  absl::StatusOr<ControlAddress> ToAddress() const;
};

/// Whether `host` means this machine alone, as far as can be told without asking anybody.
bool IsLoopbackHost(std::string_view host);

}  // namespace postern
