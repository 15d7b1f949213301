#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/net/tls_channel.h"

namespace postern {

/// One end of a session in a test, with what it put out and what came out of it.
struct TlsPeer {
  explicit TlsPeer(std::unique_ptr<TlsChannel> of) : channel(std::move(of)) {}
  explicit TlsPeer(SSL* ssl) : TlsPeer(std::make_unique<TlsChannel>(ssl)) {}

  TlsChannel::Result Start() {
    return last = channel->Start([this](std::string_view c) { Put(c); });
  }
  TlsChannel::Result Receive(std::string_view ciphertext) {
    return last = channel->Receive(
               ciphertext, [this](std::string_view c) { Put(c); },
               [this](std::string_view p) { return Take(p); });
  }
  TlsChannel::Result Resume() {
    return last = channel->Resume([this](std::string_view c) { Put(c); },
                                  [this](std::string_view p) { return Take(p); });
  }
  TlsChannel::Result Send(std::string_view head, std::string_view body = {}) {
    return last = channel->Send(head, body, [this](std::string_view c) { Put(c); });
  }
  void Put(std::string_view ciphertext) {
    ++outputs;
    out += ciphertext;
  }
  bool Take(std::string_view plaintext) {
    if (plaintext.empty()) std::abort();  // TlsChannel promises some
    ++deliveries;
    in += plaintext;
    if (on_data) on_data();
    return taking;
  }

  std::unique_ptr<TlsChannel> channel;
  std::string out;  // ciphertext on its way
  std::string in;   // plaintext received
  int outputs = 0;
  int deliveries = 0;
  bool taking = true;
  TlsChannel::Result last = TlsChannel::Result::kOk;
  std::function<void()> on_data;
};

/// Carries ciphertext between the two until both are silent, `step` bytes at a time.
inline void Exchange(TlsPeer* a, TlsPeer* b, size_t step = SIZE_MAX) {
  while (!a->out.empty() || !b->out.empty()) {
    for (auto [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      const std::string data = std::exchange(from->out, {});
      for (size_t at = 0; at < data.size(); at += std::min(step, data.size() - at)) {
        to->Receive(std::string_view(data).substr(at, step));
      }
    }
  }
}

}  // namespace postern
