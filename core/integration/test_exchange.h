#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/integration/integration.h"

namespace postern {

/// One exchange with an integration, and everything that was heard of it. Made for tests.
class TestExchangeSink final : public ResponseSink {
 public:
  TestExchangeSink(const Integration& integration, TestRequest* request, Dispatcher* dispatcher,
                   ClusterManager* clusters)
      : request_(request) {
    exchange_ = integration.NewExchange({.arena = &request->arena,
                                         .dispatcher = dispatcher,
                                         .clusters = clusters,
                                         .request = &request->head,
                                         .context = &request->context,
                                         .sink = this});
  }
  ~TestExchangeSink() { exchange_->~Exchange(); }

  /// Starts a request without content.
  TestExchangeSink& Start() {
    exchange_->Start(true);
    return *this;
  }
  /// Starts one with `body`, in pieces of `piece` bytes.
  TestExchangeSink& Start(std::string_view body, size_t piece = SIZE_MAX) {
    request_->head.body = BodyKind::kLength;
    request_->head.content_length = body.size();
    request_->head.has_content_length = true;
    exchange_->Start(false);
    while (!body.empty() && !done()) {
      const std::string_view part = body.substr(0, piece);
      sent += part.size();
      exchange_->OnRequestBody(part);
      body.remove_prefix(part.size());
    }
    if (!done()) exchange_->OnRequestEnd(nullptr);
    return *this;
  }
  Exchange* exchange() { return exchange_; }

  void OnResponseHead(ResponseHead* response, bool end) override {
    ++heads;
    status = response->status;
    for (const HeaderField& field : response->headers) {
      fields.emplace_back(field.name, field.value);
    }
    content_length = response->content_length;
    ended = end;
  }
  void OnResponseBody(std::string_view data) override {
    body += data;
    largest = std::max(largest, data.size());
    if (consume) {
      exchange_->ConsumeResponse(data.size());  // as a session does, from inside
    } else {
      owed += data.size();
    }
  }
  void OnResponseEnd(const HeaderMap*) override { ended = true; }
  void OnResponseFailure(ResponseType type, uint16_t with_status) override {
    ++failures;
    failure = type;
    failure_status = with_status;
  }
  void OnResponseAborted() override { aborted = true; }
  void OnRequestConsumed(size_t size) override { consumed += size; }

  bool done() const { return ended || failures > 0 || aborted; }

  /// All values of a field as it was spelled, joined by '|'; "(none)" without any.
  std::string Header(std::string_view name) const {
    std::string all = "(none)";
    for (const auto& [field, value] : fields) {
      if (field == name) all = all == "(none)" ? value : all + "|" + value;
    }
    return all;
  }

  int heads = 0;
  uint16_t status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  uint64_t content_length = 0;
  std::string body;
  bool ended = false;
  int failures = 0;
  ResponseType failure = ResponseType::kNone;
  uint16_t failure_status = 0;
  bool aborted = false;
  size_t consumed = 0;
  size_t sent = 0;
  bool consume = true;
  size_t owed = 0;
  size_t largest = 0;

 private:
  TestRequest* request_;
  Exchange* exchange_;
};

}  // namespace postern
