#include "core/net/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/net/test_certificates.h"
#include "core/net/test_tls_peer.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using Result = TlsChannel::Result;

const TestIdentity& ServerIdentity() {
  static const TestIdentity identity = MakeTestCertificate(
      {.common_name = "server", .subject_alt_names = {"DNS:api.example"}, .serial = 0xa100ff});
  return identity;
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void*) {
  static const unsigned char kOffered[] = "\x02h2\x08http/1.1";
  return SSL_select_next_proto(const_cast<unsigned char**>(out), out_size, kOffered,
                               sizeof(kOffered) - 1, in, in_size) == OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX* ServerContext() {
  static SSL_CTX* const context = [] {
    SSL_CTX* c = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION);
    BIO* bio = BIO_new_mem_buf(ServerIdentity().certificate_pem.data(), -1);
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(c, certificate);
    X509_free(certificate);
    BIO_free(bio);
    bio = BIO_new_mem_buf(ServerIdentity().key_pem.data(), -1);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(c, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
    SSL_CTX_set_alpn_select_cb(c, SelectAlpn, nullptr);
    SSL_CTX_set_tlsext_servername_callback(
        c, +[](SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; });
    return c;
  }();
  return context;
}

SSL_CTX* ClientContext() {
  static SSL_CTX* const context = [] {
    SSL_CTX* c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    return c;
  }();
  return context;
}

SSL* NewServer() {
  SSL* ssl = SSL_new(ServerContext());
  SSL_set_accept_state(ssl);
  return ssl;
}

SSL* NewClient(int version = 0, const char* name = "api.example") {
  SSL* ssl = SSL_new(ClientContext());
  SSL_set_connect_state(ssl);
  SSL_set_tlsext_host_name(ssl, name);
  if (version != 0) {
    SSL_set_min_proto_version(ssl, version);
    SSL_set_max_proto_version(ssl, version);
  }
  return ssl;
}

struct Pair {
  explicit Pair(int version = 0, size_t step = SIZE_MAX)
      : client(NewClient(version)), server(NewServer()) {
    EXPECT_EQ(client.Start(), Result::kOk);
    Exchange(&client, &server, step);
    client.outputs = server.outputs = 0;
    client.deliveries = server.deliveries = 0;
  }
  TlsPeer client;
  TlsPeer server;
};

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

class TlsChannelTest : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { EXPECT_EQ(ERR_peek_error(), 0u) << "left in the error queue"; }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsChannelTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return std::string(info.param == TLS1_2_VERSION ? "Tls12" : "Tls13");
                         });

TEST_P(TlsChannelTest, HandshakeAgreesOnVersionSuiteAndNames) {
  SSL* ssl = NewClient(GetParam());
  SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>("\x08http/1.1\x02h2"), 12);
  TlsPeer client(ssl);
  TlsPeer server(NewServer());
  EXPECT_EQ(client.Start(), Result::kOk);
  EXPECT_EQ(client.outputs, 1);
  EXPECT_FALSE(client.channel->handshake_done());
  Exchange(&client, &server);
  ASSERT_TRUE(client.channel->handshake_done());
  ASSERT_TRUE(server.channel->handshake_done());
  EXPECT_EQ(server.channel->version(), GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  EXPECT_TRUE(server.channel->cipher().starts_with("TLS_")) << server.channel->cipher();
  EXPECT_EQ(server.channel->cipher(), client.channel->cipher());
  EXPECT_EQ(server.channel->alpn(), "h2");  // the server's preference (RFC 7301 section 3.2)
  EXPECT_EQ(client.channel->alpn(), "h2");
  EXPECT_EQ(server.channel->server_name(), "api.example");
  EXPECT_FALSE(server.channel->resumed());
  EXPECT_TRUE(server.in.empty());
  EXPECT_FALSE(server.channel->peer_certificate().has_value());
}

TEST_P(TlsChannelTest, WithoutAlpnNothingIsChosen) {
  Pair pair(GetParam());
  EXPECT_EQ(pair.server.channel->alpn(), "");
}

TEST_P(TlsChannelTest, HandshakeWorksByteByByte) {
  Pair pair(GetParam(), 1);
  ASSERT_TRUE(pair.server.channel->handshake_done());
  pair.client.Send("hello");
  Exchange(&pair.client, &pair.server, 1);
  EXPECT_EQ(pair.server.in, "hello");
}

TEST_P(TlsChannelTest, CarriesDataOfAnySize) {
  Pair pair(GetParam());
  for (size_t size : {1, 100, 16383, 16384, 16385, 65536, 65537, 300000}) {
    const std::string data = Pattern(size);
    for (auto [from, to] :
         {std::pair(&pair.client, &pair.server), std::pair(&pair.server, &pair.client)}) {
      to->in.clear();
      EXPECT_EQ(from->Send(data), Result::kOk);
      Exchange(&pair.client, &pair.server, 10000);
      EXPECT_EQ(to->in, data) << size;
    }
  }
}

TEST_P(TlsChannelTest, OneCallPutsOutOnePiece) {
  Pair pair(GetParam());
  pair.server.Send("a small answer");
  EXPECT_EQ(pair.server.outputs, 1);
  pair.server.Send(Pattern(65536));
  EXPECT_EQ(pair.server.outputs, 2);
  Exchange(&pair.client, &pair.server);
  // Four records that arrive together are delivered together.
  EXPECT_EQ(pair.client.deliveries, 1 + 1);
}

TEST_P(TlsChannelTest, HeadAndBodyShareARecord) {
  Pair pair(GetParam());
  pair.server.Send("head", "body");
  EXPECT_EQ(pair.server.outputs, 1);
  EXPECT_LT(pair.server.out.size(), 40u);  // 8 bytes, once the cost of a record
  const std::string head = Pattern(300), body = Pattern(40000);
  pair.server.Send(head, body);
  pair.server.Send({}, "tail");
  pair.server.Send(Pattern(16384), "x");
  Exchange(&pair.client, &pair.server);
  EXPECT_EQ(pair.client.in, "headbody" + head + body + "tail" + Pattern(16384) + "x");
}

TEST_P(TlsChannelTest, HoldsBackWhatNobodyTakesAndResumes) {
  Pair pair(GetParam());
  const std::string data = Pattern(200000);
  pair.client.Send(data);
  pair.server.taking = false;
  EXPECT_EQ(pair.server.Receive(pair.client.out), Result::kOk);
  const size_t first = pair.server.in.size();
  EXPECT_LE(first, 65536u);
  EXPECT_TRUE(pair.server.channel->has_held());
  while (pair.server.channel->has_held()) {
    const size_t before = pair.server.in.size();
    EXPECT_EQ(pair.server.Resume(), Result::kOk);
    EXPECT_GT(pair.server.in.size(), before);
    EXPECT_LE(pair.server.in.size() - before, 65536u);
  }
  EXPECT_EQ(pair.server.in, data);
}

TEST_P(TlsChannelTest, HeldBackStaysBounded) {
  Pair pair(GetParam());
  pair.server.taking = false;
  const std::string data = Pattern(100000);
  Result result = Result::kOk;
  size_t sent = 0;
  for (; result == Result::kOk && sent < 10; ++sent) {
    pair.client.out.clear();
    pair.client.Send(data);
    result = pair.server.Receive(pair.client.out);
  }
  EXPECT_EQ(result, Result::kFailed);
  EXPECT_LE(sent, 5u);
  EXPECT_EQ(pair.server.channel->error().code(), absl::StatusCode::kResourceExhausted);
}

TEST_P(TlsChannelTest, CloseNotifyIsACleanEnd) {  // RFC 8446 section 6.1
  Pair pair(GetParam());
  EXPECT_FALSE(pair.server.channel->clean_close());
  pair.client.Send("last words");
  pair.client.channel->SendCloseNotify([&](std::string_view c) { pair.client.Put(c); });
  pair.client.channel->SendCloseNotify([&](std::string_view) { FAIL() << "twice"; });
  EXPECT_EQ(pair.server.Receive(std::exchange(pair.client.out, {})), Result::kPeerClosed);
  EXPECT_EQ(pair.server.in, "last words");
  EXPECT_TRUE(pair.server.channel->clean_close());
  EXPECT_TRUE(pair.server.channel->error().ok());
  // The other direction goes on.
  EXPECT_EQ(pair.server.Send("answer"), Result::kOk);
  EXPECT_EQ(pair.client.Receive(std::exchange(pair.server.out, {})), Result::kOk);
  EXPECT_EQ(pair.client.in, "answer");
  // What follows a close_notify is ignored.
  EXPECT_EQ(pair.server.Receive("garbage"), Result::kPeerClosed);
}

TEST_P(TlsChannelTest, TruncationIsNoCleanEnd) {
  Pair pair(GetParam());
  pair.server.Send("HTTP/1.1 200 OK\r\n\r\nhalf of it");
  EXPECT_EQ(pair.client.Receive(pair.server.out), Result::kOk);
  EXPECT_FALSE(pair.client.channel->clean_close());
  // A fatal alert is none either.
  const std::string alert = pair.server.out;
  Pair other(GetParam());
  std::string broken;
  other.client.Send("x");
  broken = std::exchange(other.client.out, {});
  broken.back() ^= 1;
  EXPECT_EQ(other.server.Receive(broken), Result::kFailed);
  EXPECT_EQ(other.client.Receive(other.server.out), Result::kFailed);
  EXPECT_FALSE(other.client.channel->clean_close());
  EXPECT_NE(other.client.channel->error().message().find("bad record mac"), absl::string_view::npos)
      << other.client.channel->error();
}

TEST_P(TlsChannelTest, EndIsReportedAfterWhatWasHeld) {
  Pair pair(GetParam());
  pair.client.Send("data");
  pair.client.channel->SendCloseNotify([&](std::string_view c) { pair.client.Put(c); });
  pair.server.taking = false;
  EXPECT_EQ(pair.server.Receive(pair.client.out), Result::kOk);
  EXPECT_EQ(pair.server.in, "data");
  EXPECT_TRUE(pair.server.channel->has_held());
  pair.server.taking = true;
  EXPECT_EQ(pair.server.Resume(), Result::kPeerClosed);
  EXPECT_FALSE(pair.server.channel->has_held());
}

TEST_P(TlsChannelTest, DataBeforeATamperedRecordIsDelivered) {
  Pair pair(GetParam());
  pair.client.Send("good");
  pair.client.Send("evil");
  pair.client.out.back() ^= 1;
  EXPECT_EQ(pair.server.Receive(pair.client.out), Result::kFailed);
  EXPECT_EQ(pair.server.in, "good");
  EXPECT_EQ(pair.server.channel->error().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(pair.server.out.empty()) << "an alert";
  // Nothing goes on after a failure.
  EXPECT_EQ(pair.server.Send("more"), Result::kFailed);
  EXPECT_EQ(pair.server.Receive("more"), Result::kFailed);
  const size_t size = pair.server.out.size();
  pair.server.channel->SendCloseNotify([&](std::string_view c) { pair.server.Put(c); });
  EXPECT_EQ(pair.server.out.size(), size);
}

TEST_P(TlsChannelTest, AnswersFromInsideADelivery) {
  Pair pair(GetParam());
  pair.server.on_data = [&] {
    pair.server.Send("answer ");
    EXPECT_EQ(pair.server.Resume(), Result::kOk);
    EXPECT_EQ(pair.server.channel->Receive(
                  {}, [](std::string_view) {}, [](std::string_view) { return true; }),
              Result::kOk);
  };
  pair.client.Send("one");
  Exchange(&pair.client, &pair.server);
  pair.client.Send(Pattern(200000));
  Exchange(&pair.client, &pair.server);
  EXPECT_EQ(pair.server.in, "one" + Pattern(200000));
  EXPECT_TRUE(pair.client.in.starts_with("answer answer "));
}

TEST_P(TlsChannelTest, SessionsInsideEachOther) {  // one connection's data goes out on another
  Pair front(GetParam()), back(GetParam());
  front.server.on_data = [&] {
    back.client.Send(front.server.in);
    back.server.Receive(std::exchange(back.client.out, {}));
  };
  const std::string data = Pattern(50000);
  front.client.Send(data);
  front.server.Receive(front.client.out);
  EXPECT_EQ(back.server.in, data);
}

TEST(TlsChannel, PlainHttpIsNamedAsSuch) {
  TlsPeer server(NewServer());
  EXPECT_EQ(server.Receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Result::kFailed);
  EXPECT_NE(server.channel->error().message().find("HTTP without TLS"), absl::string_view::npos)
      << server.channel->error();
  TlsPeer client(NewClient());
  client.Start();
  EXPECT_EQ(client.Receive("HTTP/1.1 400 Bad Request\r\n\r\n"), Result::kFailed);
  EXPECT_NE(client.channel->error().message().find("does not speak TLS"), absl::string_view::npos)
      << client.channel->error();
}

TEST(TlsChannel, GarbageFails) {
  TlsPeer server(NewServer());
  EXPECT_EQ(server.Receive(std::string(1000, '\xff')), Result::kFailed);
  EXPECT_FALSE(server.channel->error().ok());
  EXPECT_FALSE(server.channel->handshake_done());
}

TEST(TlsChannel, NoCommonVersionIsAReadableError) {
  SSL* ssl = NewServer();
  SSL_set_min_proto_version(ssl, TLS1_3_VERSION);
  TlsPeer server(ssl);
  TlsPeer client(NewClient(TLS1_2_VERSION));
  client.Start();
  Exchange(&client, &server);
  EXPECT_NE(server.channel->error().message().find("unsupported protocol"), absl::string_view::npos)
      << server.channel->error();
  EXPECT_NE(client.channel->error().message().find("alert 'protocol version'"),
            absl::string_view::npos)
      << client.channel->error();
}

TEST(TlsChannel, UnacceptedCertificateIsNamed) {
  SSL* ssl = NewClient();
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  TlsPeer client(ssl);
  TlsPeer server(NewServer());
  client.Start();
  Exchange(&client, &server);
  EXPECT_EQ(client.last, Result::kFailed);
  EXPECT_EQ(client.channel->error().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_NE(client.channel->error().message().find("self-signed certificate"),
            absl::string_view::npos)
      << client.channel->error();
  EXPECT_NE(server.channel->error().message().find("alert 'unknown CA'"), absl::string_view::npos)
      << server.channel->error();
}

TEST(TlsChannel, HandshakeBytesAreBounded) {
  // A ClientHello that claims 120,000 bytes and never ends.
  TlsPeer server(NewServer());
  std::string message("\x01\x01\xd4\xc0\x03\x03", 6);
  message.resize(16000, '\0');
  Result result = Result::kOk;
  size_t sent = 0;
  while (result == Result::kOk && sent < 1000000) {
    std::string record("\x16\x03\x01", 3);
    record += static_cast<char>(message.size() >> 8);
    record += static_cast<char>(message.size() & 0xff);
    record += message;
    sent += record.size();
    result = server.Receive(record);
    std::fill(message.begin(), message.end(), '\0');
  }
  EXPECT_EQ(result, Result::kFailed);
  EXPECT_LE(sent, TlsChannel::kMaxHandshakeBytes + 20000);
  EXPECT_EQ(server.channel->error().code(), absl::StatusCode::kResourceExhausted);
}

TEST(TlsChannel, PeerCertificateIsShownAsContextVariablesWantIt) {  // authorization.md section 10
  TlsPeer client(NewClient());
  TlsPeer server(NewServer());
  client.Start();
  Exchange(&client, &server);
  const auto shown = client.channel->peer_certificate();
  ASSERT_TRUE(shown.has_value());
  EXPECT_EQ(shown->pem, ServerIdentity().certificate_pem);
  EXPECT_EQ(shown->subject_dn, "CN=server");
  EXPECT_EQ(shown->issuer_dn, "CN=server");
  EXPECT_EQ(shown->serial_number, "a1:00:ff");
  EXPECT_EQ(shown->not_before.size(), std::string("May 28 12:30:02 2019 GMT").size());
  EXPECT_TRUE(shown->not_after.ends_with(" GMT")) << shown->not_after;
}

// A peer that does what TlsChannel would not: OpenSSL between two memory BIOs.
class RawClient {
 public:
  explicit RawClient(int version) : ssl_(NewClient(version)) {
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }
  ~RawClient() { SSL_free(ssl_); }
  SSL* ssl() { return ssl_; }
  void Put(std::string_view ciphertext) {
    BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
  }
  std::string Take() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
    std::string taken(data, static_cast<size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_));
    return taken;
  }
  void Connect(TlsPeer* server) {
    while (SSL_do_handshake(ssl_) != 1) {
      ASSERT_EQ(server->Receive(Take()), Result::kOk);
      ASSERT_FALSE(server->out.empty());
      Put(std::exchange(server->out, {}));
    }
    server->Receive(Take());
    ASSERT_TRUE(server->channel->handshake_done());
    ERR_clear_error();
  }

 private:
  SSL* ssl_;
};

TEST(TlsChannel, KeyUpdatesWork) {  // RFC 8446 section 4.6.3
  RawClient client(TLS1_3_VERSION);
  TlsPeer server(NewServer());
  client.Connect(&server);
  for (int i = 0; i < 10; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    SSL_write(client.ssl(), "x", 1);
    EXPECT_EQ(server.Receive(client.Take()), Result::kOk);
    server.Send("y");
    client.Put(std::exchange(server.out, {}));
    char byte = 0;
    EXPECT_EQ(SSL_read(client.ssl(), &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
  }
  EXPECT_EQ(server.in, std::string(10, 'x'));
}

TEST(TlsChannel, KeyUpdateFloodIsCutOff) {
  RawClient client(TLS1_3_VERSION);
  TlsPeer server(NewServer());
  client.Connect(&server);
  server.out.clear();
  for (int i = 0; i < 2000; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(client.ssl());
  }
  EXPECT_EQ(server.Receive(client.Take()), Result::kFailed);
  EXPECT_EQ(server.channel->error().code(), absl::StatusCode::kResourceExhausted)
      << server.channel->error();
  EXPECT_LT(server.out.size(), 1000u);
  ERR_clear_error();
}

TEST(TlsChannel, KeyUpdatesOfABusyPeerAreNoFlood) {
  RawClient client(TLS1_3_VERSION);
  TlsPeer server(NewServer());
  client.Connect(&server);
  const std::string data = Pattern(4 * 16384);
  for (int i = 0; i < 300; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_write(client.ssl(), data.data(), static_cast<int>(data.size()));
    ASSERT_EQ(server.Receive(client.Take()), Result::kOk) << server.channel->error();
    server.in.clear();
  }
}

TEST(TlsChannel, RenegotiationIsRefused) {
  RawClient client(TLS1_2_VERSION);
  TlsPeer server(NewServer());
  client.Connect(&server);
  server.out.clear();
  SSL_renegotiate(client.ssl());
  SSL_do_handshake(client.ssl());
  EXPECT_EQ(server.Receive(client.Take()), Result::kOk);
  EXPECT_FALSE(server.out.empty()) << "the alert no_renegotiation";
  EXPECT_LT(server.out.size(), 100u);
  ERR_clear_error();
}

// Protects TLS 1.2 records of a client with ECDHE-ECDSA-AES128-GCM-SHA256 (RFC 5246 §6, RFC 5288),
// for what OpenSSL's client cannot be made to send. The session's Finished was record 0.
class RecordWriter {
 public:
  explicit RecordWriter(SSL* ssl) {
    unsigned char master[48], random[64], block[40];
    SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
    SSL_get_server_random(ssl, random, 32);
    SSL_get_client_random(ssl, random + 32, 32);
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
    EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256", label[] = "key expansion";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", digest, 0),
        OSSL_PARAM_construct_octet_string("secret", master, sizeof(master)),
        OSSL_PARAM_construct_octet_string("seed", label, sizeof(label) - 1),
        OSSL_PARAM_construct_octet_string("seed", random, sizeof(random)),
        OSSL_PARAM_construct_end()};
    EXPECT_EQ(EVP_KDF_derive(context, block, sizeof(block), params), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    std::copy(block, block + 16, key_);
    std::copy(block + 32, block + 36, nonce_);
  }

  std::string Write(char type, std::string_view plaintext) {
    ++sequence_;
    unsigned char additional[13] = {};
    for (int i = 0; i < 8; ++i) {
      additional[i] = nonce_[4 + i] = static_cast<unsigned char>(sequence_ >> (56 - 8 * i));
    }
    additional[8] = static_cast<unsigned char>(type);
    additional[9] = additional[10] = 3;
    additional[12] = static_cast<unsigned char>(plaintext.size());
    std::string sealed(plaintext.size() + 16, '\0');
    auto* out = reinterpret_cast<unsigned char*>(sealed.data());
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    int size = 0;
    EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, key_, nonce_);
    EVP_EncryptUpdate(context, nullptr, &size, additional, sizeof(additional));
    EVP_EncryptUpdate(context, out, &size, reinterpret_cast<const unsigned char*>(plaintext.data()),
                      static_cast<int>(plaintext.size()));
    EVP_EncryptFinal_ex(context, out + size, &size);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + plaintext.size());
    EVP_CIPHER_CTX_free(context);
    std::string record = {type, 3, 3, 0, static_cast<char>(8 + sealed.size())};
    record.append(reinterpret_cast<char*>(nonce_) + 4, 8);
    return record + sealed;
  }

 private:
  unsigned char key_[16];
  unsigned char nonce_[12];
  uint64_t sequence_ = 0;
};

TEST(TlsChannel, RenegotiationFloodIsCutOff) {
  RawClient client(TLS1_2_VERSION);
  SSL_set_cipher_list(client.ssl(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  TlsPeer server(NewServer());
  client.Connect(&server);
  server.out.clear();
  RecordWriter writer(client.ssl());
  EXPECT_EQ(server.Receive(writer.Write(23, "data")), Result::kOk);
  EXPECT_EQ(server.in, "data");
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += writer.Write(22, std::string_view("\x01\0\0\0", 4));
  EXPECT_EQ(server.Receive(flood), Result::kFailed);
  EXPECT_EQ(server.channel->error().code(), absl::StatusCode::kResourceExhausted)
      << server.channel->error();
  EXPECT_LT(server.out.size(), 5000u);
  ERR_clear_error();
}

}  // namespace
}  // namespace postern
