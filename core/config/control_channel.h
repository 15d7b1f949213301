#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace grpc {
class Channel;
}

namespace postern {

/// Where a control plane is, and how to trust it.
struct ControlAddress {
  std::string target;  ///< host:port

  /// PEM files of mutual TLS. With `certificate` and `key` empty, the system's or `ca`'s roots are
  /// used without a certificate of our own. Read again when they change.
  std::string ca;
  std::string certificate;
  std::string key;
  std::string server_name;  ///< that its certificate must have. Empty: the host of `target`
  bool plaintext = false;   ///< no TLS
};

/// A channel to it; connects by itself when it is used. InvalidArgument if a file cannot be read.
absl::Status MakeControlChannel(const ControlAddress& address,
                                std::shared_ptr<grpc::Channel>* channel);

}  // namespace postern
