#include "core/integration/mock.h"

#include "core/integration/body_buffer.h"
#include "lib/mapping/mock_status.h"

namespace postern {

class MockIntegration::MockExchange final : public Exchange {
 public:
  MockExchange(bool reads_status, const ExchangeEnv& env)
      : env_(env), reads_status_(reads_status), payload_(env.arena) {}

  void Start(bool end) override {
    if (end) Answer({});
  }

  void OnRequestBody(std::string_view data) override {
    env_.sink->OnRequestConsumed(data.size());
    if (reads_status_ && !failed_ && !payload_.Append(data)) {
      failed_ = true;
      env_.sink->OnResponseFailure(ResponseType::kRequestTooLarge, 0);
    }
  }

  void OnRequestEnd(const HeaderMap*) override {
    if (!failed_) Answer(payload_.content());
  }

  void ConsumeResponse(size_t) override {}

 private:
  void Answer(std::string_view payload) {
    std::optional<int32_t> status = 200;
    if (reads_status_ && !payload.empty()) status = FindMockStatus(payload);
    if (!status.has_value() || *status < 0 || *status > 999) {
      env_.context->integration_error =
          "Execution failed due to configuration error: Unable to parse statusCode. It should be "
          "an integer that is defined in the request template.";
      env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
      return;
    }
    auto* head = env_.arena->New<ResponseHead>(env_.arena);
    head->status = static_cast<uint16_t>(*status);
    head->has_content_length = true;
    env_.context->integration_status = head->status;
    env_.sink->OnResponseHead(head, true);
  }

  const ExchangeEnv env_;
  const bool reads_status_;
  bool failed_ = false;
  BodyBuffer payload_;
};

Exchange* MockIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(MockExchange), alignof(MockExchange)))
      MockExchange(reads_status_, env);
}

}  // namespace postern
