#pragma once

#include <cstdint>
#include <string_view>

#include "core/event/timer.h"
#include "core/http/message.h"
#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/integration.h"
#include "core/upstream/cluster_set.h"
#include "core/upstream/upstream_request.h"

namespace postern {

/// One call of a backend with a request that filters have made: method, target, authority, fields
/// and content go out as the chain has left them, whole, and the answer comes back whole. Content
/// is collected in both directions, up to kMaxCollectedBody, so that a request can be signed and
/// repeated, and an answer that breaks off is told to the client. Who derives from it says what is
/// added on the way.
class BackendCall : public Exchange, private UpstreamEvents {
 public:
  struct Target {
    ClusterRef cluster;
    std::string_view scheme;  ///< "http" or "https"; static
    uint32_t timeout_ms;      ///< of the whole
  };

  void Start(bool end) final;
  void OnRequestBody(std::string_view data) final;
  void OnRequestEnd(const HeaderMap* trailers) final;
  void ConsumeResponse(size_t size) final { answer_.Consume(size); }

 protected:
  BackendCall(const Target& target, const ExchangeEnv& env);

  /// The request as it will go out, but for what is added here; `body` is in the arena. False: it
  /// does not go out; the sink has been told why.
  virtual bool Prepare(RequestHead* head, std::string_view body) = 0;

  const ExchangeEnv& env() const { return env_; }

 private:
  void Send();
  void OnTimer();
  void Answer();
  void Failed(UpstreamFailure failure, std::string_view detail);

  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* head, bool end) override;
  void OnUpstreamBody(std::string_view data) override;
  void OnUpstreamEnd(const HeaderMap* trailers) override;
  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamAborted(ResetReason reason) override;
  void OnUpstreamConsumed(size_t) override {}

  const Target target_;
  const ExchangeEnv env_;
  RequestHead head_;
  BodyBuffer request_body_;
  BodyBuffer response_body_;
  HeldBody answer_;
  ResponseHead* response_ = nullptr;
  bool refused_ = false;
  uint64_t started_ms_ = 0;
  Timer timer_;
  UpstreamRequest upstream_;
};

}  // namespace postern
