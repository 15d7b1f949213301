#include "core/net/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/text/concat.h"

namespace postern {
namespace {

// Largest plaintext of one record (RFC 8446 §5.1), and room for what encryption adds to it.
constexpr size_t kRecord = 16 * 1024;
constexpr size_t kRecordOverhead = 64;
// So much plaintext or ciphertext is passed on in one piece.
constexpr size_t kBatch = 4 * kRecord;
constexpr size_t kScratchSize = kBatch + 4 * kRecordOverhead;

// Records after which a new key is taken. AES-GCM keeps its margin for about 2^24.5 full records
// (RFC 8446 §5.5), which a busy HTTP/2 connection reaches within the hour.
constexpr uint64_t kRecordsPerKey = uint64_t{1} << 23;

// One buffer of each kind serves all sessions of a thread, for it is only in use during a call.
thread_local std::unique_ptr<char[]> t_plaintext;
thread_local std::unique_ptr<char[]> t_ciphertext;

// A borrowed scratch buffer. Inside a callback the thread's own may be out; then a fresh one
// serves.
class Scratch {
 public:
  explicit Scratch(std::unique_ptr<char[]>* home) : home_(home), memory_(std::move(*home)) {
    if (memory_ == nullptr) memory_.reset(new char[kScratchSize]);
  }
  ~Scratch() {
    if (*home_ == nullptr) *home_ = std::move(memory_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  char* data() { return memory_.get(); }

 private:
  std::unique_ptr<char[]>* home_;
  std::unique_ptr<char[]> memory_;
};

template <typename Print>
std::string ToText(Print print) {
  BIO* bio = BIO_new(BIO_s_mem());
  print(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size > 0 ? static_cast<size_t>(size) : 0);
  BIO_free(bio);
  return text;
}

std::string NameText(const X509_NAME* name) {
  return ToText([name](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

std::string TimeText(const ASN1_TIME* time) {
  return ToText([time](BIO* bio) { ASN1_TIME_print(bio, time); });
}

std::string SerialText(const ASN1_INTEGER* serial) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  const unsigned char* bytes = ASN1_STRING_get0_data(serial);
  for (int i = 0; i < ASN1_STRING_length(serial); ++i) {
    if (i > 0) text += ':';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

}  // namespace

// Collects what OpenSSL writes during one call and puts it out in one piece.
class TlsChannel::Gather {
 public:
  // Not inlined, or g++ takes the pointer to an object on the stack for one that stays behind.
  [[gnu::noinline]] Gather(TlsChannel* channel, Output output, bool single_record = false)
      : channel_(channel),
        outer_(channel->gather_),
        output_(output),
        single_record_(single_record) {
    channel->gather_ = this;
  }
  ~Gather() {
    channel_->gather_ = outer_;
    Flush();
  }
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  void Add(std::string_view ciphertext) {
    if (size_ + ciphertext.size() > kScratchSize) Flush();
    // What is known to come alone need not be copied.
    if ((single_record_ && size_ == 0) || ciphertext.size() > kScratchSize) {
      output_(ciphertext);
      return;
    }
    if (!scratch_.has_value()) scratch_.emplace(&t_ciphertext);
    std::memcpy(scratch_->data() + size_, ciphertext.data(), ciphertext.size());
    size_ += ciphertext.size();
  }

  void Flush() {
    if (size_ == 0) return;
    const std::string_view ciphertext(scratch_->data(), size_);
    size_ = 0;
    output_(ciphertext);
  }

 private:
  TlsChannel* channel_;
  Gather* outer_;
  Output output_;
  bool single_record_;
  size_t size_ = 0;
  std::optional<Scratch> scratch_;
};

// The BIO under the session: reads from TlsChannel::input_, writes to TlsChannel::gather_; and the
// session's info callback.
struct TlsBio {
  static int Read(BIO* bio, char* to, size_t size, size_t* read) {
    auto* self = static_cast<TlsChannel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *read = 0;
    if (!self->violation_.ok()) return 0;
    if (self->input_.empty()) {
      self->starved_ = true;
      BIO_set_retry_read(bio);
      return 0;
    }
    const size_t n = std::min(size, self->input_.size());
    if (!self->handshake_done_) {
      self->handshake_bytes_ += n;
      if (self->handshake_bytes_ > TlsChannel::kMaxHandshakeBytes) {
        self->violation_ = absl::ResourceExhaustedError(
            Concat("TLS handshake of more than ", TlsChannel::kMaxHandshakeBytes, " bytes"));
        return 0;
      }
    }
    std::memcpy(to, self->input_.data(), n);
    self->input_.remove_prefix(n);
    *read = n;
    return 1;
  }

  static int Write(BIO* bio, const char* data, size_t size, size_t* written) {
    auto* self = static_cast<TlsChannel*>(BIO_get_data(bio));
    if (self->gather_ != nullptr) self->gather_->Add({data, size});
    *written = size;
    return 1;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* Method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern");
      BIO_meth_set_read_ex(m, Read);
      BIO_meth_set_write_ex(m, Write);
      BIO_meth_set_ctrl(m, Control);
      return m;
    }();
    return method;
  }

  // OpenSSL bounds neither KeyUpdate messages nor renegotiations it has refused.
  static void Info(const SSL* ssl, int where, int value) {
    auto* self = static_cast<TlsChannel*>(SSL_get_app_data(ssl));
    if ((where & SSL_CB_ALERT) != 0) {
      if ((where & SSL_CB_READ) != 0 && (value & 0xff) == SSL_AD_CLOSE_NOTIFY) {
        self->close_notify_received_ = true;
        return;
      }
      if ((where & SSL_CB_WRITE) != 0) self->CountControlMessage();
    } else if ((where & SSL_CB_LOOP) != 0) {
      self->CountControlMessage();
    }
  }
};

TlsChannel::TlsChannel(SSL* ssl, std::shared_ptr<const void> owner)
    : ssl_(ssl), owner_(std::move(owner)) {
  BIO* bio = BIO_new(TlsBio::Method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  SSL_set_info_callback(ssl_, TlsBio::Info);
}

TlsChannel::~TlsChannel() {
  // A session whose connection ended without close_notify may be resumed all the same (RFC 8446
  // §6.1); OpenSSL would spoil it.
  if (handshake_done_ && end_ != End::kFailed) {
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  SSL_free(ssl_);
}

void TlsChannel::CountControlMessage() {
  if (!handshake_done_ || close_notify_sent_) return;
  if (++control_messages_ > kMaxControlMessages + plaintext_bytes_ / kRecord && violation_.ok()) {
    violation_ = absl::ResourceExhaustedError("too many TLS messages that are not data");
  }
}

TlsChannel::Result TlsChannel::Start(Output output) {
  Gather gather(this, output);
  if (end_ == End::kNone && !handshake_done_) Handshake();
  return Report();
}

TlsChannel::Result TlsChannel::Receive(std::string_view ciphertext, Output output,
                                       Plaintext plaintext) {
  if (driving_ || !held_.empty()) {
    if (held_.size() + ciphertext.size() > kMaxHeld) {
      violation_ = absl::ResourceExhaustedError("TLS data arrives faster than it is taken");
      Fail("read");
      return Report();
    }
    held_ += ciphertext;
    return Result::kOk;
  }
  return Drive(ciphertext, output, plaintext);
}

TlsChannel::Result TlsChannel::Resume(Output output, Plaintext plaintext) {
  if (driving_) return Result::kOk;
  const std::string held = std::exchange(held_, {});
  return Drive(held, output, plaintext);
}

// Takes `input` as far as there is a taker for its plaintext, and keeps the rest.
TlsChannel::Result TlsChannel::Drive(std::string_view input, Output output, Plaintext plaintext) {
  if (end_ != End::kNone) return Report();
  input_ = input;
  driving_ = true;
  bool taken = true;
  {
    Gather gather(this, output);
    if (!handshake_done_) Handshake();
    if (handshake_done_ && end_ == End::kNone && !input_.empty()) {
      Scratch scratch(&t_plaintext);
      bool more = true;
      while (more && taken) {
        size_t used = 0;
        more = Decrypt(scratch.data(), kBatch, &used);
        if (used == 0) continue;
        // In order: the taker may write at once.
        gather.Flush();
        plaintext_bytes_ += used;
        taken = plaintext({scratch.data(), used});
      }
    }
  }
  driving_ = false;
  if (end_ == End::kNone && !input_.empty()) held_.insert(0, input_);
  input_ = {};
  return taken ? Report() : Result::kOk;
}

void TlsChannel::Handshake() {
  ERR_clear_error();
  starved_ = false;
  if (SSL_do_handshake(ssl_) == 1) {
    handshake_done_ = true;
  } else if (!starved_) {
    Fail("handshake");
  }
}

// Fills `to` with the plaintext of whole records; false when there are no more of them. Asks
// OpenSSL no more often than there are records: it would only say that it wants to read.
bool TlsChannel::Decrypt(char* to, size_t size, size_t* used) {
  while (size - *used >= kRecord) {
    size_t n = 0;
    starved_ = false;
    if (SSL_read_ex(ssl_, to + *used, size - *used, &n) == 1) {
      *used += n;
      if (!violation_.ok()) {
        Fail("read");
        return false;
      }
      if (input_.empty()) return false;
      continue;
    }
    if (starved_) return false;
    if (violation_.ok() && close_notify_received_) {
      end_ = End::kPeerClosed;
    } else {
      Fail("read");
    }
    return false;
  }
  return true;
}

TlsChannel::Result TlsChannel::Report() {
  if (end_ == End::kNone) return Result::kOk;
  end_reported_ = true;
  return end_ == End::kPeerClosed ? Result::kPeerClosed : Result::kFailed;
}

void TlsChannel::Fail(std::string_view during) {
  end_ = End::kFailed;
  held_.clear();
  // The newest entry is the verdict of the SSL library; older ones are details, or were left on
  // this thread by somebody else.
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  if (!violation_.ok()) {
    error_ = violation_;
  } else if (code == 0) {
    error_ = absl::UnavailableError(Concat("TLS ", during, ": the peer closed the session"));
  } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    error_ = absl::UnavailableError(
        Concat("TLS ", during, ": the peer sent the alert '",
               SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET), "'"));
  } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    error_ = absl::UnauthenticatedError(
        Concat("TLS ", during, ": the peer's certificate is not accepted: ",
               X509_verify_cert_error_string(SSL_get_verify_result(ssl_))));
  } else {
    const char* text = ERR_reason_error_string(code);
    std::string_view hint;
    const bool ssl_lib = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (ssl_lib && (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)) {
      hint = " (the peer speaks HTTP without TLS)";
    } else if (ssl_lib && reason == SSL_R_WRONG_VERSION_NUMBER && !handshake_done_) {
      hint = " (the peer does not speak TLS)";
    }
    const std::string message = Concat(
        "TLS ", during, ": ", text != nullptr ? std::string_view(text) : "internal error", hint);
    error_ = ssl_lib && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE
                 ? absl::UnauthenticatedError(message)
                 : absl::UnavailableError(message);
  }
  ERR_clear_error();
}

bool TlsChannel::Encrypt(std::string_view data) {
  size_t written = 0;
  if (!data.empty() && SSL_write_ex(ssl_, data.data(), data.size(), &written) != 1) {
    Fail("write");
    return false;
  }
  records_sent_ += (data.size() + kRecord - 1) / kRecord;
  if (records_sent_ >= kRecordsPerKey) {
    records_sent_ = 0;
    if (SSL_version(ssl_) == TLS1_3_VERSION) SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED);
  }
  return true;
}

TlsChannel::Result TlsChannel::Send(std::string_view head, std::string_view body, Output output) {
  if (end_ == End::kFailed) return Report();
  if (!handshake_done_ || close_notify_sent_) {
    violation_ = absl::InternalError("TLS write outside of an open session");
    Fail("write");
    return Report();
  }
  Gather gather(this, output, /*single_record=*/head.size() + body.size() <= kRecord);
  if (!head.empty() && head.size() < kRecord && !body.empty()) {
    Scratch joint(&t_plaintext);
    const size_t fill = std::min(kRecord - head.size(), body.size());
    std::memcpy(joint.data(), head.data(), head.size());
    std::memcpy(joint.data() + head.size(), body.data(), fill);
    if (!Encrypt({joint.data(), head.size() + fill})) return Report();
    body.remove_prefix(fill);
  } else if (!Encrypt(head)) {
    return Report();
  }
  return Encrypt(body) ? Result::kOk : Report();
}

void TlsChannel::SendCloseNotify(Output output) {
  if (!handshake_done_ || close_notify_sent_ || end_ == End::kFailed) return;
  close_notify_sent_ = true;
  Gather gather(this, output);
  if (SSL_shutdown(ssl_) < 0) ERR_clear_error();
}

std::string_view TlsChannel::alpn() const {
  const unsigned char* data = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

std::string_view TlsChannel::server_name() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : name;
}

std::string_view TlsChannel::version() const { return SSL_get_version(ssl_); }

std::string_view TlsChannel::cipher() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_);
  const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
  return name == nullptr ? std::string_view() : name;
}

bool TlsChannel::resumed() const { return SSL_session_reused(ssl_) == 1; }

std::optional<PeerCertificate> TlsChannel::peer_certificate() const {
  X509* leaf = SSL_get0_peer_certificate(ssl_);
  if (leaf == nullptr) return std::nullopt;
  return PeerCertificate{
      .pem = ToText([leaf](BIO* bio) { PEM_write_bio_X509(bio, leaf); }),
      .subject_dn = NameText(X509_get_subject_name(leaf)),
      .issuer_dn = NameText(X509_get_issuer_name(leaf)),
      .serial_number = SerialText(X509_get0_serialNumber(leaf)),
      .not_before = TimeText(X509_get0_notBefore(leaf)),
      .not_after = TimeText(X509_get0_notAfter(leaf)),
  };
}

}  // namespace postern
