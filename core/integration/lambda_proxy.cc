#include "core/integration/lambda_proxy.h"

#include <optional>
#include <utility>

#include "core/integration/http_api_event.h"
#include "core/integration/http_api_result.h"
#include "core/integration/lambda_event.h"
#include "core/integration/lambda_result.h"
#include "lib/text/concat.h"

namespace postern {

class LambdaProxyIntegration::ProxyInvocation final : public LambdaInvocation {
 public:
  ProxyInvocation(const LambdaProxyIntegration& integration, const ExchangeEnv& env)
      : LambdaInvocation(integration.caller_, integration.user_agent_, env),
        integration_(integration) {}

 private:
  bool Check() override {
    if (!integration_.headers_.Evaluate(*env().context, env().arena).failed()) return true;
    Fail(ResponseType::kApiConfigurationError, 500,
         "Execution failed due to configuration error: header already present");
    return false;
  }

  std::string_view MakePayload(std::string_view body) override {
    if (integration_.http_api_payload_ == 2) {
      return MakeHttpApiEvent(*env().context, body, env().arena);
    }
    if (integration_.http_api_payload_ == 1) {
      return MakeHttpApiEventV1(*env().context, body, env().arena);
    }
    const HeaderField* type = env().request->headers.FindLast(HeaderId::kContentType);
    const bool binary = integration_.binary_.MatchesContentType(
        type != nullptr ? std::optional(type->value) : std::nullopt);
    return MakeLambdaEvent(*env().context, body, binary, env().arena);
  }

  void OnResult(std::string_view text, bool threw) override {
    if (integration_.http_api_payload_ != 0) {
      AnswerHttpApi(text, threw);
      return;
    }
    LambdaResult result = ReadLambdaResult(const_cast<char*>(text.data()), text.size(),
                                           *env().request, integration_.binary_, env().arena);
    if (threw || result.kind == LambdaResult::Kind::kFunctionError) {
      FailFunctionError(result.error_message);
      return;
    }
    switch (result.kind) {
      case LambdaResult::Kind::kResponse:
        env().context->response_trace_id = true;
        Deliver(result.head, result.body);
        return;
      case LambdaResult::Kind::kUndecodable:
        env().context->error_detail = "lambda:undecodable";
        Fail(ResponseType::kDefault5xx, 500,
             "Execution failed due to configuration error: Unable to base64 decode the body.");
        return;
      default:
        FailMalformed();
        return;
    }
  }

  // http-api.md §8.
  void AnswerHttpApi(std::string_view text, bool threw) {
    const HttpApiResult result =
        ReadHttpApiResult(text, integration_.http_api_payload_ == 2, env().arena);
    if (threw || result.kind == HttpApiResult::Kind::kFunctionError) {
      FailFunctionError(result.error_message);
    } else if (result.kind == HttpApiResult::Kind::kResponse) {
      Deliver(result.head, result.body);
    } else {
      FailMalformed();
    }
  }

  const LambdaProxyIntegration& integration_;
};

LambdaProxyIntegration::LambdaProxyIntegration(Spec spec)
    : caller_(std::move(spec.caller)),
      headers_(std::move(spec.headers), LambdaProxyMappingAction),
      binary_(*spec.binary_media_types),
      user_agent_(Concat("AmazonAPIGateway_", caller_.api_id)),
      http_api_payload_(spec.http_api_payload) {
  // http-api.md §8.
  if (http_api_payload_ != 0) caller_.throttled_status = 503;
}

Exchange* LambdaProxyIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(ProxyInvocation), alignof(ProxyInvocation)))
      ProxyInvocation(*this, env);
}

}  // namespace postern
