#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "core/http/message.h"
#include "core/integration/integration.h"

namespace postern {

/// Declares content that is in memory. A status that has none (RFC 9110 §6.4.1) takes it away.
inline void SetContent(ResponseHead* head, std::string_view* body) {
  if (ResponseHasNoBody(Method::kGet, head->status)) *body = {};
  head->body = body->empty() ? BodyKind::kNone : BodyKind::kLength;
  head->content_length = body->size();
  head->has_content_length = true;
}

/// Sends a response whose content is in memory already, no faster than the client takes it.
class HeldBody {
 public:
  /// Content on its way to the client that it has not taken yet, at most.
  static constexpr size_t kWindow = 32 * 1024;

  explicit HeldBody(ResponseSink* sink) : sink_(sink) {}

  /// Sends head and content. `body` outlives the exchange.
  void Send(ResponseHead* head, std::string_view body) {
    rest_ = body;
    sending_ = true;
    sink_->OnResponseHead(head, body.empty());
    sending_ = false;
    if (!body.empty()) Pump();
  }

  /// From Exchange::ConsumeResponse().
  void Consume(size_t size) {
    outstanding_ -= std::min(size, outstanding_);
    Pump();
  }

 private:
  void Pump() {
    // The sink may give credit back from inside the call that spends it.
    if (sending_) return;
    sending_ = true;
    while (!rest_.empty() && outstanding_ < kWindow) {
      const std::string_view part = rest_.substr(0, kWindow - outstanding_);
      rest_.remove_prefix(part.size());
      outstanding_ += part.size();
      sink_->OnResponseBody(part);
      if (rest_.empty()) sink_->OnResponseEnd(nullptr);
    }
    sending_ = false;
  }

  ResponseSink* sink_;
  std::string_view rest_;
  size_t outstanding_ = 0;
  bool sending_ = false;
};

}  // namespace postern
