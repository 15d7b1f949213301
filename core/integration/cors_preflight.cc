#include "core/integration/cors_preflight.h"

#include <new>

namespace postern {
namespace {

class PreflightExchange final : public Exchange {
 public:
  explicit PreflightExchange(const ExchangeEnv& env) : env_(env) {}

  void Start(bool end) override {
    if (end) Answer();
  }
  void OnRequestBody(std::string_view data) override { env_.sink->OnRequestConsumed(data.size()); }
  void OnRequestEnd(const HeaderMap*) override { Answer(); }
  void ConsumeResponse(size_t) override {}

 private:
  void Answer() {
    auto* head = env_.arena->New<ResponseHead>(env_.arena);
    head->status = 204;
    head->body = BodyKind::kNone;
    env_.sink->OnResponseHead(head, true);
  }

  const ExchangeEnv env_;
};

}  // namespace

Exchange* CorsPreflightIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(PreflightExchange), alignof(PreflightExchange)))
      PreflightExchange(env);
}

}  // namespace postern
