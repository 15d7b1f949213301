#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/serve/manager.h"
#include "control/serve/push_hub.h"

namespace postern {

/// The gRPC server of the control plane: Management and PushService on one address. Its threads are
/// gRPC's own.
class ControlServer {
 public:
  struct Options {
    std::string address;  ///< host:port; port 0 lets the kernel choose

    /// PEM files of mutual TLS; all of them, or none for cleartext. They are read again when they
    /// change, symlink swaps included. While certificate and key do not fit each other, nobody can
    /// connect anew; connections that are open go on.
    std::string certificate;
    std::string key;
    std::string client_ca;

    /// Who may call Management: URI or DNS names, or common names, of clients' certificates. Empty:
    /// everybody with a certificate of `client_ca`. Without TLS it must be empty.
    std::vector<std::string> managers;

    /// Longest time from the beginning of a sidecar's stream to its Hello.
    int64_t hello_limit_ms = 10'000;
  };

  /// Listens and serves. `manager` and `hub` outlive it.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const Options& options,
                                                              Manager* manager, PushHub* hub);

  /// Ends every stream, lets calls end for some seconds, then cuts them.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  int port() const;

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern
