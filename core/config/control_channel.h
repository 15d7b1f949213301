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

/// Whether our certificate and key can be used: they belong together, and it is a day on which they
/// are valid. OK without any. They are read again whenever they change, so what is wrong now may be
/// right later.
absl::Status CheckControlIdentity(const ControlAddress& address);

/// A channel to it; connects by itself when it is used. InvalidArgument if a file cannot be read.
absl::Status MakeControlChannel(const ControlAddress& address,
                                std::shared_ptr<grpc::Channel>* channel);

}  // namespace postern
