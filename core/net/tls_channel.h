#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

typedef struct ssl_st SSL;

namespace postern {

/// What a certificate says about its holder, as `$context.identity.clientCert` shows it
/// (authorization.md §10).
struct PeerCertificate {
  std::string pem;         ///< the leaf alone
  std::string subject_dn;  ///< RFC 2253: "CN=client,O=Example,C=DE"
  std::string issuer_dn;
  std::string serial_number;  ///< lower-case hexadecimal bytes with colons: "a1:00:ff"
  std::string not_before;     ///< "May 28 12:30:02 2019 GMT", a one-digit day padded with a space
  std::string not_after;
};

/// One TLS session without a socket: ciphertext in, plaintext out, and the other way round. Made by
/// a TlsServerContext or TlsClientContext (tls_context.h) and driven by Connection. Not
/// thread-safe. Must not be destroyed from inside the callbacks given to it; every other call from
/// there is allowed.
class TlsChannel {
 public:
  /// Where ciphertext to be sent goes; called from inside the methods below, once for each but for
  /// very long data.
  using Output = absl::FunctionRef<void(std::string_view ciphertext)>;
  /// Where plaintext goes; borrowed until return, and taken wholly by the callee. Returns false to
  /// get no more for now (the connection was closed, or reading was switched off): the rest is kept
  /// and delivered by Resume().
  using Plaintext = absl::FunctionRef<bool(std::string_view data)>;

  enum class Result : uint8_t {
    kOk,          ///< all input is used, or held back
    kPeerClosed,  ///< close_notify was received; more may be written
    kFailed,      ///< see error(); an alert may have been put out
  };

  /// Bytes that a peer may send until the handshake is done, its certificates included.
  static constexpr size_t kMaxHandshakeBytes = 64 * 1024;
  /// Ciphertext kept at most while the owner wants no plaintext.
  static constexpr size_t kMaxHeld = 256 * 1024;
  /// Messages after the handshake (KeyUpdate, tickets, refused renegotiation) that a peer may cause
  /// without sending data; each 16 KiB of data allow one more.
  static constexpr uint64_t kMaxControlMessages = 128;

  /// Takes over `ssl`, already in accept or connect state and without BIOs. `owner` is kept alive
  /// as long as the session: what the callbacks of its SSL_CTX refer to.
  explicit TlsChannel(SSL* ssl, std::shared_ptr<const void> owner = nullptr);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// A client begins: puts out its ClientHello.
  Result Start(Output output);
  /// Takes all of `ciphertext`, which is decrypted in place; continues the handshake or decrypts.
  /// Plaintext that was authentic is delivered even if what follows it fails.
  Result Receive(std::string_view ciphertext, Output output, Plaintext plaintext);
  /// Delivers what was held back. From inside `plaintext` it does nothing.
  Result Resume(Output output, Plaintext plaintext);
  /// Encrypts all of `data`. Only after handshake_done().
  Result Send(std::string_view data, Output output) { return Send(data, {}, output); }
  /// Encrypts `head`, then `body`, in as few records as hold them.
  Result Send(std::string_view head, std::string_view body, Output output);
  /// Puts out close_notify, once, if the handshake is done and nothing has failed.
  void SendCloseNotify(Output output);

  bool handshake_done() const { return handshake_done_; }
  /// Something is left for Resume(): plaintext, or the news that the peer closed or failed.
  bool has_held() const { return !held_.empty() || (end_ != End::kNone && !end_reported_); }
  /// close_notify was received, so the data is complete. An end of the stream without it is a
  /// truncation (RFC 8446 §6.1), and a message delimited by the end of the stream is then broken.
  bool clean_close() const { return close_notify_received_; }
  /// Protocol chosen by ALPN: "h2", "http/1.1" or empty. Valid as long as the channel.
  std::string_view alpn() const;
  /// Server name the client asked for; empty when none. Valid as long as the channel.
  std::string_view server_name() const;
  /// "TLSv1.3" and the suite's IANA name, for $context.tlsVersion and cipherSuite. Static.
  std::string_view version() const;
  std::string_view cipher() const;
  /// The session continues an earlier one.
  bool resumed() const;
  /// The verified certificate of the peer, if it showed one.
  std::optional<PeerCertificate> peer_certificate() const;
  SSL* ssl() const { return ssl_; }
  /// Why the session failed: UNAUTHENTICATED for a peer without an acceptable certificate,
  /// RESOURCE_EXHAUSTED for a peer above a limit, else UNAVAILABLE. OK if it has not.
  const absl::Status& error() const { return error_; }

 private:
  friend struct TlsBio;
  class Gather;
  enum class End : uint8_t { kNone, kPeerClosed, kFailed };

  Result Drive(std::string_view input, Output output, Plaintext plaintext);
  void Handshake();
  bool Decrypt(char* to, size_t size, size_t* used);
  void Fail(std::string_view during);
  bool Encrypt(std::string_view data);
  Result Report();
  void CountControlMessage();

  SSL* ssl_;
  std::shared_ptr<const void> owner_;
  std::string_view input_;    // ciphertext that OpenSSL has not pulled yet
  Gather* gather_ = nullptr;  // of the innermost method under way
  std::string held_;          // ciphertext for which there was no taker
  absl::Status error_;
  absl::Status violation_;  // set where OpenSSL cannot be told the reason
  size_t handshake_bytes_ = 0;
  uint64_t plaintext_bytes_ = 0;
  uint64_t control_messages_ = 0;
  uint64_t records_sent_ = 0;  // with the current key
  End end_ = End::kNone;
  bool end_reported_ = false;
  bool handshake_done_ = false;
  bool close_notify_received_ = false;
  bool close_notify_sent_ = false;
  bool driving_ = false;
  bool starved_ = false;  // OpenSSL asked for more input than there is
};

}  // namespace postern
