#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

typedef struct ssl_st SSL;

namespace postern {

/// One TLS session without a socket: ciphertext in, plaintext out, and the other way round. Made by a
/// TlsContext (tls_context.h) and driven by Connection. Not thread-safe.
class TlsChannel {
 public:
  /// Where ciphertext to be sent goes; called from inside the methods below.
  using Output = absl::FunctionRef<void(std::string_view ciphertext)>;
  /// Where plaintext goes; borrowed until return. Returns false to stop for now (the connection was
  /// closed, or reading was switched off): the rest is kept and delivered by Resume().
  using Plaintext = absl::FunctionRef<bool(std::string_view data)>;

  enum class Result : uint8_t {
    kOk,          ///< all input is used
    kPeerClosed,  ///< close_notify was received; more may be written
    kFailed,      ///< see error(); an alert may have been put out
  };

  /// Takes over `ssl`, already in accept or connect state.
  explicit TlsChannel(SSL* ssl);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// A client begins: puts out its ClientHello.
  Result Start(Output output);
  /// Takes all of `ciphertext`; continues the handshake or decrypts.
  Result Receive(std::string_view ciphertext, Output output, Plaintext plaintext);
  /// Delivers what was decrypted but held back.
  Result Resume(Output output, Plaintext plaintext);
  /// Encrypts all of `data`. Only after handshake_done().
  Result Send(std::string_view data, Output output);
  /// Puts out close_notify.
  void SendCloseNotify(Output output);

  bool handshake_done() const;
  /// Bytes of plaintext held back (see Plaintext).
  bool has_held() const;
  /// Protocol chosen by ALPN: "h2", "http/1.1" or empty.
  std::string_view alpn() const;
  /// Server name the client asked for; empty when none.
  std::string_view server_name() const;
  /// "TLSv1.3" and the suite's IANA name, for $context.tlsVersion and cipherSuite.
  std::string_view version() const;
  std::string_view cipher() const;
  /// The verified peer certificate in PEM, or empty.
  std::string PeerCertificatePem() const;
  SSL* ssl() const { return ssl_; }
  const absl::Status& error() const { return error_; }

 private:
  struct Bio;
  Result Pump(Output output, Plaintext plaintext);
  Result Failed(std::string_view during);

  SSL* ssl_;
  std::unique_ptr<Bio> bio_;
  absl::Status error_;
};

}  // namespace postern
