#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/net/test_certificates.h"
#include "core/net/test_tls_peer.h"
#include "core/net/tls_context.h"
#include "core/net/tls_ticket_keys.h"

// Anything at all as the first bytes of a client, whole and in two pieces: the handshake neither
// finishes nor delivers anything, and fails with a reason.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using postern::TlsChannel;
  static const auto context = [] {
    const postern::TestIdentity first =
        postern::MakeTestCertificate({.subject_alt_names = {"DNS:*.a.example"}});
    const postern::TestIdentity second =
        postern::MakeTestCertificate({.subject_alt_names = {"DNS:b.example"}});
    const auto identity = [](const postern::TestIdentity& of) {
      return postern::TlsIdentityOptions{.certificate_chain = {.inline_pem = of.chain_pem},
                                         .private_key = {.inline_pem = of.key_pem}};
    };
    return *postern::TlsServerContext::Create(
        postern::TlsServerOptions{.identities = {identity(first), identity(second)}},
        std::make_shared<postern::TlsTicketKeys>(7200));
  }();
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  for (const size_t split : {size, size / 2}) {
    postern::TlsPeer server(context->MakeServerChannel());
    TlsChannel::Result result = server.Receive(data.substr(0, split));
    if (result == TlsChannel::Result::kOk) result = server.Receive(data.substr(split));
    if (!server.in.empty() || server.channel->handshake_done()) std::abort();
    if ((result == TlsChannel::Result::kFailed) == server.channel->error().ok()) std::abort();
  }
  return 0;
}
