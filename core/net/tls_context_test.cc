#include "core/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/event/test_support.h"
#include "core/net/test_certificates.h"
#include "core/net/test_tls_peer.h"
#include "core/net/tls_material.h"
#include "core/net/tls_ticket_keys.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using Mode = TlsClientVerification::Mode;
using Result = TlsChannel::Result;

const TestIdentity& Root() {
  static const TestIdentity root = MakeTestCertificate({.common_name = "root", .is_ca = true});
  return root;
}

TestIdentity Leaf(const std::vector<std::string>& names, const std::string& common_name = "leaf") {
  return MakeTestCertificate({.common_name = common_name, .subject_alt_names = names}, &Root());
}

PemSource Pem(const std::string& text) { return {.file = "", .inline_pem = text}; }

TlsIdentityOptions Shown(const TestIdentity& identity) {
  return {.certificate_chain = Pem(identity.chain_pem), .private_key = Pem(identity.key_pem)};
}

std::shared_ptr<TlsTicketKeys> Keys() { return std::make_shared<TlsTicketKeys>(7200); }

std::shared_ptr<TlsServerContext> Server(TlsServerOptions options,
                                         std::shared_ptr<TlsTicketKeys> keys = Keys()) {
  auto context = TlsServerContext::Create(std::move(options), std::move(keys));
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

std::shared_ptr<TlsServerContext> Server(const TestIdentity& identity) {
  return Server(TlsServerOptions{.identities = {Shown(identity)}});
}

std::shared_ptr<TlsClientContext> Client(TlsClientOptions options) {
  auto context = TlsClientContext::Create(std::move(options));
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

// A client that trusts Root().
std::shared_ptr<TlsClientContext> Client() {
  return Client(TlsClientOptions{.truststore = Pem(Root().certificate_pem)});
}

// A handshake in memory and what came of it.
struct Handshake {
  Handshake(const TlsClientContext& from, const TlsServerContext& to, std::string_view host)
      : client(from.MakeClientChannel(host)), server(to.MakeServerChannel()) {
    client.Start();
    Exchange(&client, &server);
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
  bool ok() const {
    return client.channel->error().ok() && server.channel->error().ok() &&
           client.channel->handshake_done() && server.channel->handshake_done();
  }
  // Common name of the certificate that the server showed.
  std::string shown() const {
    const auto certificate = client.channel->peer_certificate();
    return certificate.has_value() ? certificate->subject_dn : "";
  }
  std::string client_error() const { return std::string(client.channel->error().message()); }
  std::string server_error() const { return std::string(server.channel->error().message()); }

  TlsPeer client;
  TlsPeer server;
};

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// ---------------------------------------------------------------------------- names and protocols

TEST(TlsContext, ChoosesTheCertificateByServerName) {  // RFC 6066 section 3
  const auto server = Server(TlsServerOptions{
      .identities = {Shown(Leaf({"DNS:first.example"}, "first")),
                     Shown(Leaf({"DNS:*.wild.example", "DNS:other.example"}, "wild")),
                     Shown(Leaf({"DNS:exact.wild.example"}, "exact"))}});
  TlsClientOptions lax{.accept_anything = true};
  const auto client = Client(lax);
  EXPECT_EQ(Handshake(*client, *server, "first.example").shown(), "CN=first");
  EXPECT_EQ(Handshake(*client, *server, "OTHER.example").shown(), "CN=wild");
  EXPECT_EQ(Handshake(*client, *server, "a.wild.example").shown(), "CN=wild");
  EXPECT_EQ(Handshake(*client, *server, "exact.wild.example").shown(), "CN=exact");
  EXPECT_EQ(Handshake(*client, *server, "a.b.wild.example").shown(), "CN=first") << "one label";
  EXPECT_EQ(Handshake(*client, *server, "wild.example").shown(), "CN=first");
  EXPECT_EQ(Handshake(*client, *server, "unknown.example").shown(), "CN=first");
  EXPECT_EQ(Handshake(*client, *server, "127.0.0.1").shown(), "CN=first") << "no SNI";
  const Handshake named(*client, *server, "Other.Example.");
  EXPECT_EQ(named.server.channel->server_name(), "other.example");
}

TEST(TlsContext, ConfiguredNamesReplaceThoseOfTheCertificate) {
  TlsIdentityOptions second = Shown(Leaf({"DNS:second.example"}, "second"));
  second.server_names = {"alias.example", "*.alias.example"};
  const auto server =
      Server(TlsServerOptions{.identities = {Shown(Leaf({"DNS:first.example"}, "first")), second}});
  const auto client = Client(TlsClientOptions{.accept_anything = true});
  EXPECT_EQ(Handshake(*client, *server, "alias.example").shown(), "CN=second");
  EXPECT_EQ(Handshake(*client, *server, "a.alias.example").shown(), "CN=second");
  EXPECT_EQ(Handshake(*client, *server, "second.example").shown(), "CN=first");

  for (const char* name : {"", "*", "*.com", "a b", "a.*.example", "http://x"}) {
    second.server_names = {name};
    EXPECT_EQ(
        TlsServerContext::Create(TlsServerOptions{.identities = {second}}, Keys()).status().code(),
        absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(TlsContext, UnknownNamesCanBeRefused) {
  const auto server = Server(TlsServerOptions{.identities = {Shown(Leaf({"DNS:a.example"}))},
                                              .require_matching_sni = true});
  EXPECT_TRUE(Handshake(*Client(), *server, "a.example").ok());
  const Handshake unknown(*Client(), *server, "b.example");
  EXPECT_CONTAINS(unknown.client_error(), "alert 'unrecognized name'");
  EXPECT_FALSE(
      Handshake(*Client(TlsClientOptions{.accept_anything = true}), *server, "127.0.0.1").ok());
}

TEST(TlsContext, AlpnIsTheServersPreference) {  // RFC 7301 section 3.2
  const auto server = Server(Leaf({"DNS:a.example"}));
  const auto with = [&](std::vector<std::string> alpn) {
    return Client(TlsClientOptions{.truststore = Pem(Root().certificate_pem), .alpn = alpn});
  };
  EXPECT_EQ(Handshake(*with({"http/1.1", "h2"}), *server, "a.example").server.channel->alpn(),
            "h2");
  EXPECT_EQ(Handshake(*with({"http/1.1"}), *server, "a.example").client.channel->alpn(),
            "http/1.1");
  EXPECT_EQ(Handshake(*with({}), *server, "a.example").server.channel->alpn(), "");
  const Handshake none(*with({"spdy/3"}), *server, "a.example");
  EXPECT_CONTAINS(none.client_error(), "alert 'no application protocol'");
  const auto only = Server(
      TlsServerOptions{.identities = {Shown(Leaf({"DNS:a.example"}))}, .alpn = {"http/1.1"}});
  EXPECT_EQ(Handshake(*with({"h2", "http/1.1"}), *only, "a.example").client.channel->alpn(),
            "http/1.1");
}

TEST(TlsContext, VersionsAreBounded) {
  const TestIdentity leaf = Leaf({"DNS:a.example"});
  const auto only13 = Server(TlsServerOptions{.identities = {Shown(leaf)},
                                              .protocols = {.min_version = TlsVersion::kTls13}});
  const auto only12 = Server(TlsServerOptions{.identities = {Shown(leaf)},
                                              .protocols = {.max_version = TlsVersion::kTls12}});
  EXPECT_EQ(Handshake(*Client(), *only13, "a.example").server.channel->version(), "TLSv1.3");
  EXPECT_EQ(Handshake(*Client(), *only12, "a.example").server.channel->version(), "TLSv1.2");
  const auto client12 = Client(TlsClientOptions{.truststore = Pem(Root().certificate_pem),
                                                .protocols = {.max_version = TlsVersion::kTls12}});
  EXPECT_FALSE(Handshake(*client12, *only13, "a.example").ok());
  EXPECT_FALSE(
      TlsServerContext::Create(TlsServerOptions{.identities = {Shown(leaf)},
                                                .protocols = {.min_version = TlsVersion::kTls13,
                                                              .max_version = TlsVersion::kTls12}},
                               Keys())
          .ok());
}

TEST(TlsContext, OldVersionsAreNotSpoken) {
  const auto server = Server(Leaf({"DNS:a.example"}));
  SSL_CTX* old = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(old, 0);
  SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
  SSL* ssl = SSL_new(old);
  SSL_set_connect_state(ssl);
  TlsPeer client(ssl);
  TlsPeer peer(server->MakeServerChannel());
  client.Start();
  Exchange(&client, &peer);
  EXPECT_FALSE(peer.channel->handshake_done());
  SSL_CTX_free(old);
}

TEST(TlsContext, SuitesCanBeConfigured) {
  const TestIdentity leaf = Leaf({"DNS:a.example"});
  const auto server =
      Server(TlsServerOptions{.identities = {Shown(leaf)},
                              .protocols = {.max_version = TlsVersion::kTls12,
                                            .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"}});
  EXPECT_EQ(Handshake(*Client(), *server, "a.example").server.channel->cipher(),
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  EXPECT_EQ(Handshake(*Client(), *Server(leaf), "a.example").server.channel->cipher(),
            "TLS_AES_128_GCM_SHA256");
  const auto bad = TlsServerContext::Create(
      TlsServerOptions{.identities = {Shown(leaf)}, .protocols = {.ciphers = "NONSENSE"}}, Keys());
  EXPECT_CONTAINS(bad.status().message(), "NONSENSE");
}

// ------------------------------------------------------------------------ what is wrong with files

struct Files {
  TempDir dir;
  std::string certificate = dir / "tls.crt";
  std::string key = dir / "tls.key";
  std::string roots = dir / "roots.pem";

  void Write(const TestIdentity& identity) const {
    ReplaceFile(certificate, identity.chain_pem);
    ReplaceFile(key, identity.key_pem);
  }
  TlsServerOptions Options() const {
    return {
        .identities = {{.certificate_chain = {.file = certificate}, .private_key = {.file = key}}}};
  }
  absl::Status Check() const { return TlsServerContext::Create(Options(), Keys()).status(); }
};

TEST(TlsContext, FaultsOfFilesAreNamed) {
  const Files files;
  const absl::Status missing = files.Check();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_CONTAINS(missing.message(), files.certificate);

  files.Write(Leaf({"DNS:a.example"}));
  EXPECT_TRUE(files.Check().ok());

  WriteFile(files.key, Leaf({"DNS:a.example"}).key_pem);
  EXPECT_CONTAINS(files.Check().message(), "does not belong to");
  EXPECT_CONTAINS(files.Check().message(), files.key);

  WriteFile(files.key, "no key");
  EXPECT_CONTAINS(files.Check().message(), "private key '" + files.key + "'");
  EXPECT_EQ(files.Check().code(), absl::StatusCode::kInvalidArgument);

  WriteFile(files.key,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
  EXPECT_CONTAINS(files.Check().message(), "is encrypted");

  WriteFile(files.certificate, "");
  EXPECT_CONTAINS(files.Check().message(), "holds no PEM certificate");

  WriteFile(
      files.certificate,
      Root().certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_CONTAINS(files.Check().message(), "certificate 2 cannot be read");

  WriteFile(files.certificate, std::string(1024 * 1024 + 1, '\n'));
  EXPECT_CONTAINS(files.Check().message(), "larger than 1 MiB");

  TlsServerOptions folder = files.Options();
  folder.identities[0].certificate_chain.file = files.dir.path();
  EXPECT_FALSE(TlsServerContext::Create(folder, Keys()).ok());
  EXPECT_FALSE(TlsServerContext::Create(TlsServerOptions{}, Keys()).ok());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(TlsContext, ExpiredAndFutureCertificatesAreRefusedWithDates) {
  const Files files;
  files.Write(MakeTestCertificate({.common_name = "old.example",
                                   .subject_alt_names = {"DNS:old.example"},
                                   .valid_from_s = -7200,
                                   .valid_for_s = -3600},
                                  &Root()));
  const absl::Status expired = files.Check();
  EXPECT_EQ(expired.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_CONTAINS(expired.message(), files.certificate);
  EXPECT_CONTAINS(expired.message(), "CN=old.example");
  EXPECT_CONTAINS(expired.message(), "expired, it is valid from 20");
  files.Write(MakeTestCertificate({.valid_from_s = 3600}, &Root()));
  EXPECT_CONTAINS(files.Check().message(), "not valid yet");
}

TEST(TlsContext, WeakKeysAreRefused) {
  const auto weak = TlsServerContext::Create(
      TlsServerOptions{.identities = {Shown(MakeTestCertificate({.key = TestKey::kRsa1024}))}},
      Keys());
  EXPECT_CONTAINS(weak.status().message(), "key too small");
}

// ------------------------------------------------------------------------------------------ reload

TEST(TlsContext, ReloadSwapsForNewSessionsOnly) {
  const Files files;
  files.Write(Leaf({"DNS:a.example"}, "old"));
  const auto server = Server(files.Options());
  EXPECT_EQ(server->files(), (std::vector<std::string>{files.certificate, files.key}));
  const auto client = Client();
  Handshake before(*client, *server, "a.example");
  TlsPeer begun(server->MakeServerChannel());

  files.Write(Leaf({"DNS:a.example"}, "new"));
  ASSERT_TRUE(server->Reload().ok());
  EXPECT_EQ(Handshake(*Client(), *server, "a.example").shown(), "CN=new");
  // Sessions that are open, or have only begun, go on with what they had.
  before.client.Send("still here");
  Exchange(&before.client, &before.server);
  EXPECT_EQ(before.server.in, "still here");
  TlsPeer late(Client()->MakeClientChannel("a.example"));
  late.Start();
  Exchange(&late, &begun);
  EXPECT_EQ(late.channel->peer_certificate()->subject_dn, "CN=old");
}

TEST(TlsContext, FailedReloadChangesNothing) {
  const Files files;
  files.Write(Leaf({"DNS:a.example"}, "good"));
  const auto server = Server(files.Options());
  WriteFile(files.certificate, Leaf({"DNS:a.example"}, "half").chain_pem);  // the key comes later
  const absl::Status mixed = server->Reload();
  EXPECT_CONTAINS(mixed.message(), "does not belong to");
  EXPECT_EQ(Handshake(*Client(), *server, "a.example").shown(), "CN=good");
  EXPECT_EQ(server->certificates()[0].subject, "CN=good");
  ::remove(files.key.c_str());
  EXPECT_EQ(server->Reload().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Handshake(*Client(), *server, "a.example").ok());
}

TEST(TlsContext, ReloadIsSafeWhileWorkersMakeSessions) {
  const Files files;
  files.Write(Leaf({"DNS:a.example"}));
  const auto server = Server(files.Options());
  const auto client = Client();
  std::thread reloader([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(server->Reload().ok());
  });
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i) {
    workers.emplace_back([&] {
      for (int j = 0; j < 20; ++j) EXPECT_TRUE(Handshake(*client, *server, "a.example").ok());
    });
  }
  for (std::thread& worker : workers) worker.join();
  reloader.join();
}

TEST(TlsContext, ExpiryIsKnown) {
  const auto server = Server(
      TlsServerOptions{.identities = {Shown(Leaf({"DNS:a.example"})),
                                      Shown(MakeTestCertificate({.valid_for_s = 1000}, &Root()))}});
  const int64_t now = std::time(nullptr);
  const int64_t seconds = SecondsToExpiry(server->certificates(), now);
  EXPECT_GT(seconds, 900);
  EXPECT_LE(seconds, 1001);
  EXPECT_EQ(SecondsToExpiry({}, now), INT64_MAX);
  EXPECT_EQ(server->certificates()[0].dns_names, std::vector<std::string>{"a.example"});
  EXPECT_EQ(server->certificates()[0].source, "inline certificate");
}

// ----------------------------------------------------------------------------------------- tickets

// A request and its answer, by which a client gets its TLS 1.3 tickets.
void Talk(Handshake* handshake) {
  handshake->server.Send("x");
  Exchange(&handshake->client, &handshake->server);
}

class TlsTickets : public testing::TestWithParam<TlsVersion> {
 protected:
  TlsClientOptions ClientOptions() const {
    return {.truststore = Pem(Root().certificate_pem), .protocols = {.max_version = GetParam()}};
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsTickets,
                         testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const auto& info) {
                           return std::string(info.param == TlsVersion::kTls12 ? "Tls12" : "Tls13");
                         });

TEST_P(TlsTickets, ResumeOnAnyWorkerAndAfterReload) {
  const Files files;
  files.Write(Leaf({"DNS:a.example"}));
  const auto keys = Keys();
  const auto one = Server(files.Options(), keys);
  const auto other = Server(files.Options(), keys);
  const auto client = Client(ClientOptions());
  Handshake first(*client, *one, "a.example");
  EXPECT_FALSE(first.server.channel->resumed());
  Talk(&first);
  Handshake second(*client, *other, "a.example");
  ASSERT_TRUE(second.ok()) << second.client_error() << second.server_error();
  EXPECT_TRUE(second.server.channel->resumed());
  EXPECT_TRUE(second.client.channel->resumed());
  EXPECT_EQ(second.server.channel->server_name(), "a.example");
  Talk(&second);
  files.Write(Leaf({"DNS:a.example"}, "renewed"));
  ASSERT_TRUE(one->Reload().ok());
  EXPECT_TRUE(Handshake(*client, *one, "a.example").server.channel->resumed());
}

TEST_P(TlsTickets, AreOfOneHost) {
  const auto server = Server(Leaf({"DNS:a.example", "DNS:b.example"}));
  const auto client = Client(ClientOptions());
  Handshake first(*client, *server, "a.example");
  Talk(&first);
  EXPECT_FALSE(Handshake(*client, *server, "b.example").client.channel->resumed());
  EXPECT_TRUE(Handshake(*client, *server, "A.example").client.channel->resumed());
}

TEST_P(TlsTickets, KeysRotateAndRunOut) {
  int64_t now = 1000000;
  const auto keys = std::make_shared<TlsTicketKeys>(100, [&now] { return now; });
  const TestIdentity leaf = Leaf({"DNS:a.example"});
  const auto server = Server(TlsServerOptions{.identities = {Shown(leaf)}}, keys);
  const auto resumed_after = [&](int64_t seconds) {
    const auto client = Client(ClientOptions());
    Handshake first(*client, *server, "a.example");
    Talk(&first);
    now += seconds;
    return Handshake(*client, *server, "a.example").server.channel->resumed();
  };
  EXPECT_TRUE(resumed_after(99));
  EXPECT_TRUE(resumed_after(100)) << "the key before decrypts";
  EXPECT_FALSE(resumed_after(200)) << "wiped";
  EXPECT_TRUE(resumed_after(0));
}

TEST_P(TlsTickets, GivenKeysAreSharedWithOtherGateways) {
  const TestIdentity leaf = Leaf({"DNS:a.example"});
  const std::string first(80, 'a'), second(80, 'b');
  const auto one_keys = Keys(), two_keys = Keys();
  ASSERT_TRUE(one_keys->SetMaterial({first}).ok());
  ASSERT_TRUE(two_keys->SetMaterial({second, first}).ok());
  const auto one = Server(TlsServerOptions{.identities = {Shown(leaf)}}, one_keys);
  const auto two = Server(TlsServerOptions{.identities = {Shown(leaf)}}, two_keys);
  const auto client = Client(ClientOptions());
  Handshake handshake(*client, *one, "a.example");
  Talk(&handshake);
  Handshake other(*client, *two, "a.example");
  EXPECT_TRUE(other.server.channel->resumed());
  Talk(&other);
  ASSERT_TRUE(two_keys->SetMaterial({std::string(80, 'c')}).ok());
  EXPECT_FALSE(Handshake(*client, *two, "a.example").server.channel->resumed());
  EXPECT_FALSE(two_keys->SetMaterial({}).ok());
  EXPECT_FALSE(two_keys->SetMaterial({std::string(79, 'c')}).ok());
  EXPECT_FALSE(two_keys->SetMaterial(std::vector<std::string>(9, first)).ok());
}

TEST_P(TlsTickets, CanBeSwitchedOff) {
  const auto server = Server(
      TlsServerOptions{.identities = {Shown(Leaf({"DNS:a.example"}))}, .session_tickets = false},
      nullptr);
  const auto client = Client(ClientOptions());
  Handshake first(*client, *server, "a.example");
  Talk(&first);
  const Handshake second(*client, *server, "a.example");
  EXPECT_TRUE(second.ok());
  EXPECT_FALSE(second.server.channel->resumed());
  EXPECT_FALSE(TlsServerContext::Create(
                   TlsServerOptions{.identities = {Shown(Leaf({"DNS:a.example"}))}}, nullptr)
                   .ok());
}

// A session of a name without client verification must not open one that asks for it.
TEST_P(TlsTickets, DoNotCarryOverToStricterVerification) {
  const TestIdentity leaf = Leaf({"DNS:open.example", "DNS:guarded.example"});
  TlsIdentityOptions open = Shown(leaf), guarded = Shown(leaf);
  open.server_names = {"open.example"};
  guarded.server_names = {"guarded.example"};
  guarded.client_verification =
      TlsClientVerification{.mode = Mode::kRequired, .truststore = Pem(Root().certificate_pem)};
  const auto server = Server(TlsServerOptions{.identities = {open, guarded}});

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  static SSL_SESSION* saved = nullptr;
  SSL_CTX_sess_set_new_cb(context, [](SSL*, SSL_SESSION* session) {
    SSL_SESSION_free(saved);
    saved = session;
    return 1;
  });
  const auto connect = [&](const char* name) {
    SSL* ssl = SSL_new(context);
    SSL_set_connect_state(ssl);
    SSL_set_max_proto_version(ssl,
                              GetParam() == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_set_tlsext_host_name(ssl, name);
    if (saved != nullptr) SSL_set_session(ssl, saved);
    auto client = std::make_unique<TlsPeer>(ssl);
    auto peer = std::make_unique<TlsPeer>(server->MakeServerChannel());
    client->Start();
    Exchange(client.get(), peer.get());
    if (peer->channel->handshake_done()) {
      peer->Send("x");
      Exchange(client.get(), peer.get());
    }
    return std::pair(std::move(client), std::move(peer));
  };
  EXPECT_TRUE(connect("open.example").second->channel->handshake_done());
  ASSERT_NE(saved, nullptr);
  EXPECT_TRUE(connect("open.example").second->channel->resumed());
  const auto [client, peer] = connect("guarded.example");
  EXPECT_FALSE(peer->channel->handshake_done());
  EXPECT_EQ(peer->channel->error().code(), absl::StatusCode::kUnauthenticated)
      << peer->channel->error();
  SSL_SESSION_free(std::exchange(saved, nullptr));
  SSL_CTX_free(context);
}

TEST(TlsContext, SessionCacheIsBounded) {
  const auto server = Server(TlsServerOptions{.identities = {Shown(Leaf({"DNS:*.a.example"}))}});
  const auto client =
      Client(TlsClientOptions{.truststore = Pem(Root().certificate_pem), .max_sessions = 4});
  for (int i = 0; i < 20; ++i) {
    Handshake handshake(*client, *server, "h" + std::to_string(i) + ".a.example");
    Talk(&handshake);
  }
  EXPECT_FALSE(Handshake(*client, *server, "h0.a.example").client.channel->resumed());
  EXPECT_TRUE(Handshake(*client, *server, "h19.a.example").client.channel->resumed());
}

// --------------------------------------------------------------------------------- mutual TLS,
// §15.3

std::shared_ptr<TlsServerContext> Guarded(Mode mode, const std::string& truststore,
                                          uint32_t max_chain_length = 4) {
  return Server(TlsServerOptions{
      .identities = {Shown(Leaf({"DNS:a.example"}))},
      .client_verification = {
          .mode = mode, .truststore = Pem(truststore), .max_chain_length = max_chain_length}});
}

std::shared_ptr<TlsClientContext> ClientWith(const TestIdentity& identity) {
  return Client(TlsClientOptions{.truststore = Pem(Root().certificate_pem),
                                 .certificate_chain = Pem(identity.chain_pem),
                                 .private_key = Pem(identity.key_pem)});
}

TEST(TlsClientVerification, RequiredMeansRequired) {
  const auto server = Guarded(Mode::kRequired, Root().certificate_pem);
  const TestIdentity good = MakeTestCertificate({.common_name = "client"}, &Root());
  Handshake with(*ClientWith(good), *server, "a.example");
  ASSERT_TRUE(with.ok()) << with.server_error();
  EXPECT_EQ(with.server.channel->peer_certificate()->pem, good.certificate_pem);

  const Handshake without(*Client(), *server, "a.example");
  EXPECT_FALSE(without.server.channel->handshake_done());
  EXPECT_EQ(without.server.channel->error().code(), absl::StatusCode::kUnauthenticated);

  const TestIdentity other_root = MakeTestCertificate({.common_name = "other", .is_ca = true});
  const Handshake untrusted(
      *ClientWith(MakeTestCertificate({.common_name = "client"}, &other_root)), *server,
      "a.example");
  EXPECT_FALSE(untrusted.server.channel->handshake_done());
  EXPECT_CONTAINS(untrusted.server_error(), "unable to get local issuer certificate");
}

TEST(TlsClientVerification, OptionalTakesNoneButNoBadOne) {
  const auto server = Guarded(Mode::kOptional, Root().certificate_pem);
  Handshake without(*Client(), *server, "a.example");
  EXPECT_TRUE(without.ok());
  EXPECT_FALSE(without.server.channel->peer_certificate().has_value());
  EXPECT_TRUE(Handshake(*ClientWith(MakeTestCertificate({}, &Root())), *server, "a.example").ok());
  EXPECT_FALSE(Handshake(*ClientWith(MakeTestCertificate({})), *server, "a.example").ok());
}

TEST(TlsClientVerification, ResumedSessionsStillShowTheCertificate) {
  const auto server = Guarded(Mode::kRequired, Root().certificate_pem);
  const TestIdentity good = MakeTestCertificate({.common_name = "client"}, &Root());
  const auto client = ClientWith(good);
  Handshake first(*client, *server, "a.example");
  Talk(&first);
  const Handshake second(*client, *server, "a.example");
  EXPECT_TRUE(second.server.channel->resumed());
  EXPECT_EQ(second.server.channel->peer_certificate()->pem, good.certificate_pem);
}

TEST(TlsClientVerification, TicketsEndWithTheTruststoreThatAllowedThem) {
  const Files files;
  files.Write(Leaf({"DNS:a.example"}));
  ReplaceFile(files.roots, Root().certificate_pem);
  TlsServerOptions options = files.Options();
  options.client_verification = {.mode = Mode::kRequired, .truststore = {.file = files.roots}};
  const auto server = Server(options);
  EXPECT_EQ(server->files().back(), files.roots);
  const auto client = ClientWith(MakeTestCertificate({.common_name = "client"}, &Root()));
  Handshake first(*client, *server, "a.example");
  Talk(&first);
  ReplaceFile(files.roots,
              MakeTestCertificate({.common_name = "x", .is_ca = true}).certificate_pem);
  ASSERT_TRUE(server->Reload().ok());
  EXPECT_FALSE(Handshake(*client, *server, "a.example").server.channel->handshake_done());
}

TEST(TlsClientVerification, SelfSignedClientsInTheTruststoreAreAccepted) {
  const TestIdentity self = MakeTestCertificate({.common_name = "self"});
  const auto server = Guarded(Mode::kRequired, self.certificate_pem);
  const Handshake handshake(*ClientWith(self), *server, "a.example");
  EXPECT_TRUE(handshake.ok()) << handshake.server_error();
}

TEST(TlsClientVerification, ChainsAreAtMostFourLong) {
  std::vector<TestIdentity> chain = {Root()};
  const auto server = Guarded(Mode::kRequired, Root().certificate_pem);
  for (int length = 2; length <= 5; ++length) {
    const TestIdentity leaf = MakeTestCertificate({.common_name = "leaf"}, &chain.back());
    EXPECT_EQ(Handshake(*ClientWith(leaf), *server, "a.example").server.channel->handshake_done(),
              length <= 4)
        << length;
    const std::string name = "ca" + std::to_string(length);
    chain.push_back(MakeTestCertificate({.common_name = name, .is_ca = true}, &chain.back()));
  }
  const auto shallow = Guarded(Mode::kRequired, Root().certificate_pem, 2);
  EXPECT_TRUE(Handshake(*ClientWith(MakeTestCertificate({}, &Root())), *shallow, "a.example").ok());
  EXPECT_FALSE(
      Handshake(*ClientWith(MakeTestCertificate({}, &chain[1])), *shallow, "a.example").ok());
}

TEST(TlsClientVerification, IntermediateInTheTruststoreNeedsItsRoot) {
  const TestIdentity middle =
      MakeTestCertificate({.common_name = "middle", .is_ca = true}, &Root());
  TestIdentity leaf = MakeTestCertificate({.common_name = "leaf"}, &middle);
  leaf.chain_pem = leaf.certificate_pem;
  const auto client = ClientWith(leaf);
  EXPECT_FALSE(
      Handshake(*client, *Guarded(Mode::kRequired, middle.certificate_pem), "a.example").ok());
  EXPECT_TRUE(Handshake(*client,
                        *Guarded(Mode::kRequired, middle.certificate_pem + Root().certificate_pem),
                        "a.example")
                  .ok());
}

TEST(TlsClientVerification, ExpiredClientsAndServerOnlyCertificatesAreRefused) {
  const auto server = Guarded(Mode::kRequired, Root().certificate_pem);
  const Handshake server_only(
      *ClientWith(MakeTestCertificate({.extended_key_usage = "serverAuth"}, &Root())), *server,
      "a.example");
  EXPECT_FALSE(server_only.server.channel->handshake_done());
  EXPECT_TRUE(
      Handshake(*ClientWith(MakeTestCertificate({.extended_key_usage = "clientAuth"}, &Root())),
                *server, "a.example")
          .ok());
}

TEST(TlsClientVerification, DefectsOfTheTruststoreAreNamed) {  // authorization.md section 10
  const auto status = [](const std::string& truststore) {
    return TlsServerContext::Create(
               TlsServerOptions{
                   .identities = {Shown(Leaf({"DNS:a.example"}))},
                   .client_verification = {.mode = Mode::kRequired, .truststore = Pem(truststore)}},
               Keys())
        .status();
  };
  EXPECT_CONTAINS(status("").message(), "no truststore is given");
  EXPECT_CONTAINS(status("hello").message(), "holds no PEM certificate");
  EXPECT_CONTAINS(
      status(MakeTestCertificate({.is_ca = true, .sha1 = true}).certificate_pem).message(),
      "SHA1; SHA-256 or stronger is needed");
  EXPECT_CONTAINS(
      status(MakeTestCertificate({.is_ca = true, .key = TestKey::kRsa1024}).certificate_pem)
          .message(),
      "RSA key of 1024 bits");
  EXPECT_CONTAINS(
      status(MakeTestCertificate({.is_ca = true, .key = TestKey::kEcP224}).certificate_pem)
          .message(),
      "EC key of 224 bits");
  // Two issuers vouch for one name.
  const TestIdentity other = MakeTestCertificate({.common_name = "other", .is_ca = true});
  const TestIdentity a = MakeTestCertificate({.common_name = "twin", .is_ca = true}, &Root());
  const TestIdentity b = MakeTestCertificate({.common_name = "twin", .is_ca = true}, &other);
  EXPECT_CONTAINS(status(a.certificate_pem + b.certificate_pem).message(), "same subject");
  EXPECT_TRUE(status(a.certificate_pem + a.certificate_pem).ok());
  std::string many;
  for (int i = 0; i <= 1000; ++i) many += other.certificate_pem;
  EXPECT_CONTAINS(status(many).message(), "more than 1000 certificates");
  // An expired root only warns.
  const auto server =
      Guarded(Mode::kRequired,
              MakeTestCertificate({.is_ca = true, .valid_from_s = -200, .valid_for_s = -100})
                  .certificate_pem);
  ASSERT_EQ(server->warnings().size(), 1u);
  EXPECT_CONTAINS(server->warnings()[0], "expired at");
}

TEST(TlsClientVerification, ShortEcKeysOfClientsAreRefused) {
  const auto server = Guarded(Mode::kRequired, Root().certificate_pem);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  const TestIdentity weak = MakeTestCertificate({.key = TestKey::kEcP224}, &Root());
  const auto identity = LoadTlsIdentity(Pem(weak.chain_pem), Pem(weak.key_pem));
  ASSERT_TRUE(UseTlsIdentity(*identity, context).ok());
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set1_groups_list(context, "P-256:P-224");
  SSL* ssl = SSL_new(context);
  SSL_set_connect_state(ssl);
  TlsPeer client(ssl);
  TlsPeer peer(server->MakeServerChannel());
  client.Start();
  Exchange(&client, &peer);
  EXPECT_FALSE(peer.channel->handshake_done());
  SSL_CTX_free(context);
}

// ------------------------------------------------------------------------ upstreams, §6.6 and
// §15.2

TEST(TlsUpstream, ChecksTheHostName) {  // RFC 9110 section 4.3.4
  const auto server = Server(Leaf({"DNS:a.example", "DNS:*.w.example", "IP:127.0.0.1", "IP:::1"}));
  for (const char* host :
       {"a.example", "A.EXAMPLE", "a.example.", "x.w.example", "127.0.0.1", "::1"}) {
    EXPECT_TRUE(Handshake(*Client(), *server, host).ok()) << host;
  }
  for (const char* host : {"b.example", "x.y.w.example", "w.example", "127.0.0.2", "::2", "leaf"}) {
    const Handshake handshake(*Client(), *server, host);
    EXPECT_FALSE(handshake.client.channel->handshake_done()) << host;
    EXPECT_EQ(handshake.client.channel->error().code(), absl::StatusCode::kUnauthenticated);
    EXPECT_CONTAINS(handshake.client_error(), "mismatch");
  }
}

TEST(TlsUpstream, CommonNamesDoNotCount) {  // RFC 9110 section 4.3.4: no CN-ID
  const auto server = Server(Leaf({}, "a.example"));
  EXPECT_FALSE(Handshake(*Client(), *server, "a.example").ok());
}

TEST(TlsUpstream, UntrustedRootsAreRefusedUnlessAccepted) {
  const TestIdentity other = MakeTestCertificate({.common_name = "private", .is_ca = true});
  TestIdentity leaf =
      MakeTestCertificate({.common_name = "leaf", .subject_alt_names = {"DNS:a.example"}}, &other);
  leaf.chain_pem += other.certificate_pem;
  const auto server = Server(leaf);
  EXPECT_CONTAINS(Handshake(*Client(), *server, "a.example").client_error(),
                  "self-signed certificate in certificate chain");
  const auto lax = Client(
      TlsClientOptions{.truststore = Pem(Root().certificate_pem), .accept_untrusted_roots = true});
  EXPECT_TRUE(Handshake(*lax, *server, "a.example").ok());
  EXPECT_CONTAINS(Handshake(*lax, *server, "b.example").client_error(), "mismatch");
  EXPECT_TRUE(Handshake(*lax, *Server(Leaf({"DNS:a.example"})), "a.example").ok());

  const auto self = Server(MakeTestCertificate({.subject_alt_names = {"DNS:a.example"}}));
  EXPECT_TRUE(Handshake(*lax, *self, "a.example").ok());
  EXPECT_FALSE(Handshake(*lax, *self, "b.example").ok());
}

// A server whose certificate TlsServerContext would not show.
std::unique_ptr<TlsPeer> RawServer(const TestIdentity& identity, SSL_CTX* context) {
  SSL_CTX_set_security_level(context, 0);
  BioPtr bio(BIO_new_mem_buf(identity.key_pem.data(), -1));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  bio.reset(BIO_new_mem_buf(identity.chain_pem.data(), -1));
  const CertificatePtr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  SSL_CTX_use_certificate(context, leaf.get());
  SSL_CTX_use_PrivateKey(context, key.get());
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add0_chain_cert(context, next);
  }
  ERR_clear_error();
  SSL* ssl = SSL_new(context);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsPeer>(ssl);
}

std::string ErrorWith(const TlsClientContext& client, const TestIdentity& identity) {
  const SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  const auto server = RawServer(identity, context.get());
  TlsPeer peer(client.MakeClientChannel("a.example"));
  peer.Start();
  Exchange(&peer, server.get());
  return std::string(peer.channel->error().message());
}

TEST(TlsUpstream, DatesAndRootsAreCheckedEvenWhereAnyRootIsAccepted) {  // rest-api.md section 6.6
  const auto lax = Client(
      TlsClientOptions{.truststore = Pem(Root().certificate_pem), .accept_untrusted_roots = true});
  const TestIdentity other = MakeTestCertificate({.common_name = "private", .is_ca = true});
  const auto leaf = [&](TestCertificateSpec spec, bool with_root) {
    spec.subject_alt_names = {"DNS:a.example"};
    TestIdentity identity = MakeTestCertificate(spec, &other);
    if (with_root) identity.chain_pem += other.certificate_pem;
    return identity;
  };
  EXPECT_EQ(ErrorWith(*lax, leaf({}, true)), "");
  EXPECT_CONTAINS(ErrorWith(*lax, leaf({.valid_from_s = -200, .valid_for_s = -100}, true)),
                  "certificate has expired");
  EXPECT_CONTAINS(ErrorWith(*lax, leaf({.valid_from_s = 3600}, true)), "not yet valid");
  EXPECT_CONTAINS(ErrorWith(*lax, leaf({}, false)), "unable to get local issuer certificate");
  EXPECT_CONTAINS(ErrorWith(*lax, leaf({.key = TestKey::kRsa1024}, true)), "key too weak");
  // A root that only claims the name of the issuer.
  TestIdentity forged = leaf({}, false);
  forged.chain_pem +=
      MakeTestCertificate({.common_name = "private", .is_ca = true}).certificate_pem;
  EXPECT_NE(ErrorWith(*lax, forged), "");

  const auto anything = Client(TlsClientOptions{.accept_anything = true});
  EXPECT_EQ(ErrorWith(*anything, leaf({.valid_from_s = -200, .valid_for_s = -100}, false)), "");
  EXPECT_CONTAINS(ErrorWith(*Client(), leaf({}, false)), "unable to get local issuer certificate");
}

TEST(TlsUpstream, ShowsItsCertificateWhenAsked) {
  const TestIdentity identity = MakeTestCertificate({.common_name = "gateway"}, &Root());
  const auto client = ClientWith(identity);
  EXPECT_EQ(client->certificates()[0].subject, "CN=gateway");
  const auto half =
      TlsClientContext::Create(TlsClientOptions{.certificate_chain = Pem(identity.chain_pem)});
  EXPECT_EQ(half.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TlsUpstream, HostsThatNoCertificateCanBeForAreRefused) {
  const auto client = Client();
  EXPECT_EQ(client->MakeClientChannel(""), nullptr);
  EXPECT_EQ(client->MakeClientChannel("."), nullptr);
  EXPECT_EQ(client->MakeClientChannel(std::string(256, 'a')), nullptr);
  EXPECT_EQ(client->MakeClientChannel(std::string_view("a\0b", 3)), nullptr);
}

TEST(TlsUpstream, SystemRootsServeWhereNoneAreNamed) {
  const auto client = TlsClientContext::Create({});
  if (!client.ok()) GTEST_SKIP() << client.status();
  const Handshake handshake(**client, *Server(Leaf({"DNS:a.example"})), "a.example");
  EXPECT_CONTAINS(handshake.client_error(), "unable to get local issuer certificate");
}

TEST(TlsUpstream, ReloadTakesNewRootsAndForgetsSessions) {
  const Files files;
  ReplaceFile(files.roots, Root().certificate_pem);
  const auto client = Client(TlsClientOptions{.truststore = {.file = files.roots}});
  EXPECT_EQ(client->files(), std::vector<std::string>{files.roots});
  const auto server = Server(Leaf({"DNS:a.example"}));
  Handshake first(*client, *server, "a.example");
  Talk(&first);
  ReplaceFile(files.roots,
              MakeTestCertificate({.common_name = "x", .is_ca = true}).certificate_pem);
  ASSERT_TRUE(client->Reload().ok());
  EXPECT_FALSE(Handshake(*client, *server, "a.example").client.channel->handshake_done());
  WriteFile(files.roots, "broken");
  EXPECT_FALSE(client->Reload().ok());
}

}  // namespace
}  // namespace postern
