#include "core/integration/unavailable.h"

namespace postern {
namespace {

class UnavailableExchange final : public Exchange {
 public:
  UnavailableExchange(std::string_view reason, ResponseType reply, const ExchangeEnv& env)
      : reason_(reason), reply_(reply), env_(env) {}

  void Start(bool) override {
    env_.context->integration_error = reason_;
    env_.context->error_detail = "integration:unavailable";
    env_.context->error_message = InfoOf(ResponseType::kDefault5xx).message;
    // Whatever the type: no endpoint was asked (rest-api.md §4.3, §9.6).
    env_.sink->OnResponseFailure(reply_, 500);
  }
  void OnRequestBody(std::string_view) override {}
  void OnRequestEnd(const HeaderMap*) override {}
  void ConsumeResponse(size_t) override {}

 private:
  std::string_view reason_;
  ResponseType reply_;
  const ExchangeEnv env_;
};

}  // namespace

Exchange* UnavailableIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(UnavailableExchange), alignof(UnavailableExchange)))
      UnavailableExchange(reason_, reply_, env);
}

}  // namespace postern
