#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/event/timer.h"
#include "core/http/message.h"
#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/integration.h"
#include "core/upstream/cluster_set.h"
#include "core/upstream/function_pool.h"
#include "core/upstream/upstream_request.h"

namespace postern {

/// A function that can be invoked (management-and-import.md §5). Shared by the integrations of a
/// snapshot.
struct LambdaFunction {
  enum class Mode : uint8_t {
    kRuntimeInterface,  ///< a Runtime Interface Emulator: one invocation at a time
    kInvokeApi,
  };
  std::string name;
  ClusterRef cluster;
  std::shared_ptr<FunctionPool> pool;
  Mode mode = Mode::kInvokeApi;
  std::string target;     ///< origin-form, with the qualifier
  std::string authority;  ///< value of Host
  bool https = false;
  uint32_t max_result_bytes = 6291556;
};

/// How the integrations of a method invoke their function. Immutable.
struct LambdaCaller {
  std::shared_ptr<const LambdaFunction> function;
  uint32_t timeout_ms = 29000;
  std::string api_id;
  std::string source_arn;           ///< X-Amz-Source-Arn (rest-api.md §6.9)
  uint16_t throttled_status = 500;  ///< of the answer where Lambda, or our own queue, is full
};

/// One invocation of a function: collects the request's content, waits for a slot of the function,
/// sends the payload and collects the result. Who derives from it says what the payload is and what
/// becomes of the result.
class LambdaInvocation : public Exchange, private UpstreamEvents, private FunctionLeaseEvents {
 public:
  void Start(bool end) final;
  void OnRequestBody(std::string_view data) final;
  void OnRequestEnd(const HeaderMap* trailers) final;
  void ConsumeResponse(size_t size) final { answer_.Consume(size); }

 protected:
  /// `caller` and `user_agent` outlive this.
  LambdaInvocation(const LambdaCaller& caller, std::string_view user_agent, const ExchangeEnv& env);

  /// The request has begun. False: it has failed, by Fail().
  virtual bool Check() { return true; }
  /// What the function gets, in memory that outlives this. `body` is the request's content.
  virtual std::string_view MakePayload(std::string_view body) = 0;
  /// Adds fields in front of those of every invocation, which replace the ones of their names.
  virtual void AddFields(HeaderMap* /*headers*/) {}
  /// The function has answered; `threw`: with X-Amz-Function-Error. To be ended by Deliver() or
  /// Fail().
  virtual void OnResult(std::string_view result, bool threw) = 0;

  void Fail(ResponseType type, uint16_t status, std::string_view integration_error);
  void FailMalformed();
  void FailFunctionError(std::string_view message);
  void Deliver(ResponseHead* head, std::string_view body);

  const ExchangeEnv& env() const { return env_; }

 private:
  uint64_t Now() const { return env_.dispatcher->NowMs(); }
  uint32_t TimeLeft() const;
  void Invoke();
  void MakeHead();
  void Send();
  void OnTimer();
  void Throttled();
  void Refused(uint16_t status);
  void Answer();

  // FunctionLeaseEvents.
  void OnFunctionSlot() override { Send(); }
  void OnFunctionQueueTimeout() override { Throttled(); }
  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* head, bool end) override;
  void OnUpstreamBody(std::string_view data) override;
  void OnUpstreamEnd(const HeaderMap* trailers) override;
  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamAborted(ResetReason reason) override;
  void OnUpstreamConsumed(size_t) override {}

  const LambdaCaller& caller_;
  const LambdaFunction& function_;
  const std::string_view user_agent_;
  const ExchangeEnv env_;
  Cluster* const cluster_;
  RequestHead head_;
  BodyBuffer request_body_;
  std::optional<BodyBuffer> result_;  // of the attempt under way
  HeldBody answer_;
  std::string_view payload_;
  const ResponseHead* response_ = nullptr;
  uint64_t started_ms_ = 0;
  uint64_t deadline_ms_ = 0;
  uint32_t busy_pause_ms_ = 0;
  bool done_ = false;
  FunctionLease lease_;
  Timer timer_;
  std::optional<UpstreamRequest> upstream_;
};

}  // namespace postern
