#pragma once

#include "core/event/dispatcher.h"
#include "core/filter/filter_chain.h"
#include "core/integration/integration.h"

namespace postern {

struct WorkerMetrics;

/// An exchange whose request and response pass through filters: an Exchange to the client's stream,
/// a ResponseSink to the exchange of the route's integration, the two ends of a FilterChain in
/// between. In the arena of the stream.
class FilteredExchange final : public Exchange,
                               private ResponseSink,
                               private FilterChainEnds,
                               private EndOfIteration {
 public:
  /// The client's stream, besides what it hears as ResponseSink.
  class Client {
   public:
    /// Somebody will read the request's content; may be said more than once.
    virtual void OnRequestWanted() = 0;

   protected:
    ~Client() = default;
  };

  struct Plan {
    const ChainPlan* chain;
    WorkerFilters* filters;  ///< of the snapshot of `chain`
    const ApiReplies* replies;
    /// Null: what has passed the filters is answered with `refusal`.
    const Integration* integration;
    ResponseType refusal = ResponseType::kNone;
  };

  /// Made in `env.arena`; never null.
  static FilteredExchange* New(const ExchangeEnv& env, const Plan& plan, Client* client,
                               WorkerMetrics* metrics);
  ~FilteredExchange() override;

  // Exchange.
  void Start(bool end) override { chain_->Start(end); }
  void OnRequestBody(std::string_view data) override { chain_->RequestBody(data); }
  void OnRequestEnd(const HeaderMap* trailers) override { chain_->RequestEnd(trailers); }
  void ConsumeResponse(size_t size) override { chain_->ResponseConsumed(size); }

  /// As FilterChain::Refuse().
  bool Refuse(ResponseType type, uint16_t status) { return chain_->Refuse(type, status); }
  /// The exchange is over, and about to be logged. Idempotent.
  void End() { chain_->End(); }

 private:
  FilteredExchange(const ExchangeEnv& env, const Plan& plan, Client* client,
                   WorkerMetrics* metrics);

  // ResponseSink.
  void OnResponseHead(postern::ResponseHead* head, bool end) override {
    chain_->ResponseHead(head, end);
  }
  void OnResponseBody(std::string_view data) override { chain_->ResponseBody(data); }
  void OnResponseEnd(const HeaderMap* trailers) override { chain_->ResponseEnd(trailers); }
  void OnResponseFailure(ResponseType type, uint16_t status) override {
    chain_->ResponseFailure(type, status);
  }
  void OnResponseAborted() override { chain_->ResponseAborted(); }
  void OnRequestConsumed(size_t size) override { chain_->RequestConsumed(size); }

  // FilterChainEnds.
  void SendRequestHead(bool end) override;
  void SendRequestBody(std::string_view data) override;
  void SendRequestEnd(const HeaderMap* trailers) override;
  void CancelIntegration() override;
  void SendResponseHead(postern::ResponseHead* head, bool end) override {
    env_.sink->OnResponseHead(head, end);
  }
  void SendResponseBody(std::string_view data) override { env_.sink->OnResponseBody(data); }
  void SendResponseEnd(const HeaderMap* trailers) override { env_.sink->OnResponseEnd(trailers); }
  void AbortResponse() override { env_.sink->OnResponseAborted(); }
  void RequestConsumed(size_t size) override { env_.sink->OnRequestConsumed(size); }
  void RequestWanted() override { client_->OnRequestWanted(); }
  void LocalReply() override;
  void ConsumeIntegration(size_t size) override;

  // EndOfIteration.
  void OnEndOfIteration() override;

  const ExchangeEnv env_;
  const Plan plan_;
  Client* const client_;
  WorkerMetrics* const metrics_;
  FilterChain* chain_;
  Exchange* integration_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace postern
