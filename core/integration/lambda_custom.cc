#include "core/integration/lambda_custom.h"

#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr std::string_view kInvocationType = "X-Amz-Invocation-Type";

}  // namespace

class LambdaCustomIntegration::CustomInvocation final : public LambdaInvocation {
 public:
  CustomInvocation(const LambdaCustomIntegration& integration, const ExchangeEnv& env)
      : LambdaInvocation(integration.caller_, integration.user_agent_, env) {}

 private:
  std::string_view MakePayload(std::string_view body) override { return body; }

  void AddFields(HeaderMap* headers) override {
    for (const HeaderField& field : env().request->headers) {
      if (field.id == HeaderId::kHost) continue;
      headers->Add(field);
    }
  }

  void OnResult(std::string_view result, bool) override {
    const HeaderField* type = env().request->headers.FindLast(kInvocationType);
    if (type != nullptr && EqualsIgnoreCase(type->value, "Event")) result = {};
    auto* head = env().arena->New<ResponseHead>(env().arena);
    head->headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
    SetContent(head, &result);
    env().context->response_trace_id = true;
    Deliver(head, result);
  }
};

LambdaCustomIntegration::LambdaCustomIntegration(LambdaCaller caller)
    : caller_(std::move(caller)), user_agent_(Concat("AmazonAPIGateway_", caller_.api_id)) {}

Exchange* LambdaCustomIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(CustomInvocation), alignof(CustomInvocation)))
      CustomInvocation(*this, env);
}

}  // namespace postern
